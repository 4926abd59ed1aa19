// One beat: large, with its waves, the map of what the network used, the probabilities, and its neighbours.

import { METHODS, type Method, type Place } from "./address.js";
import {
  allCorrections,
  type BeatPage,
  getBeat,
  getBeats,
  getSaliency,
  problemText,
  Refusal,
  type Saliency,
  type StoredBeat,
  wasAborted,
} from "./api.js";
import { FONT, readColors } from "./colors.js";
import { type Correcting, openCorrection } from "./correct.js";
import { button, el, say } from "./dom.js";
import { hatchPattern } from "./drawing.js";
import { clockText, preciseText, UNKNOWN, zoneText } from "./format.js";
import type { Action } from "./keys.js";
import {
  channelsShown,
  keepFocus,
  Latest,
  loadStretch,
  makeLook,
  type Part,
  placeOfRow,
  type Review,
  replaceTable,
  tableOf,
} from "./review.js";
import { authorText, correctionText, standing, undoButton } from "./review-corrections.js";
import { isSample } from "./ring.js";
import { textScale } from "./sizing.js";
import { type Content, fittingSpeed, makeContent, rowsCssPx, Strip, StripRows } from "./strip.js";
import { beatMark, className, correctedMark, qualityName, rrReason, unclassifiableReason } from "./words.js";

const BEFORE_MS = 800;
const AFTER_MS = 900;
const MAP_CSS_PX = 132;
const CLASSES = ["N", "L", "R", "A", "V"] as const;
const METHOD_NAMES: Record<Method, string> = { gradcam: "Grad-CAM", shap: "SHAP" };

export function beatPart(review: Review): Part {
  const { settings, session } = review;
  const strip = new Strip(
    el("canvas", { class: "strip-canvas", role: "img", "aria-label": "The beat, large" }),
  );
  const rows = new StripRows(el("canvas", { class: "strip-rows", "aria-hidden": "true" }));
  const map = el("canvas", { class: "map-canvas", role: "img", "aria-label": "Saliency map" });
  const latest = new Latest();
  /** The map has a question of its own: a correction reads the beat anew, and the map stays. */
  const ofMap = new Latest();
  let content: Content | null = null;
  let page: BeatPage | null = null;
  let saliency: Saliency | null = null;
  let neighbours: [StoredBeat | null, StoredBeat | null] = [null, null];
  let widthCss = 0;
  let shownId: number | null = null;

  const title = el("h2", { class: "beat-title" });
  const message = el("p", { class: "message", role: "status" });
  const mapMessage = el("p", { class: "message", role: "status" });
  const stage = el(
    "div",
    { class: "strip-stage" },
    el("div", { class: "strip-box" }, strip.canvas),
    rows.canvas,
    map,
  );
  const facts = el("dl", { class: "pairs facts" });
  const persons = el("div");
  const chances = el("table", { class: "chances" });
  const tables = el("div");
  const before = el("a", { class: "button", href: "#" }, "◀ beat before");
  const after = el("a", { class: "button", href: "#" }, "beat after ▶");
  const toStrip = el("a", { class: "button", href: "#" }, "Show in the strip");
  const methods = METHODS.map((method) =>
    button(METHOD_NAMES[method], { "data-method": method }, () => review.go({ method }, "replace")),
  );
  const large = el("div", { class: "beat-large" }, stage);
  const element = el(
    "section",
    { class: "strip", "aria-label": "Beat", tabindex: -1 },
    el(
      "div",
      { class: "tools" },
      before,
      after,
      toStrip,
      el(
        "span",
        { class: "choice", role: "group", "aria-label": "Map" },
        el("span", { class: "choice-name", "aria-hidden": "true" }, "Map"),
        ...methods,
      ),
    ),
    title,
    message,
    el(
      "div",
      { class: "beat-columns" },
      el(
        "div",
        { class: "beat-main" },
        large,
        mapMessage,
        el(
          "p",
          { class: "cannot-tell" },
          "The map shows which parts of the signal the network used for its label. It cannot tell why the heart did it, " +
            "or whether the label is right. It is not a diagnosis.",
        ),
      ),
      el(
        "div",
        { class: "beat-side" },
        el(
          "div",
          { class: "card" },
          el("h3", {}, "Label"),
          persons,
          ...(review.access.control
            ? [
                el(
                  "p",
                  { class: "actions" },
                  button("Rename …", {}, () => correcting("label")),
                  button("Artefact …", {}, () => correcting("artefact")),
                  button("Note …", {}, () => correcting("note")),
                ),
              ]
            : []),
        ),
        el("div", { class: "card" }, el("h3", {}, "What the network gave each class"), chances),
        el("div", { class: "card" }, el("h3", {}, "The beat"), facts),
      ),
    ),
    tables,
  );

  const load = async (place: Place) => {
    for (const one of methods) one.setAttribute("aria-pressed", String(one.dataset.method === place.method));
    const { beat: id, method } = place;
    if (id === null) {
      say(message, "No beat is chosen. Choose one in the strip or in the list.");
      large.hidden = true;
      return;
    }
    const signal = latest.begin();
    const same = shownId === id && page !== null;
    if (!same) {
      page = null;
      content = null;
      neighbours = [null, null];
      say(message, "Loading …");
    }
    ofMap.stop();
    saliency = null;
    say(mapMessage, "The map is being fetched …");
    try {
      if (!same) {
        page = await getBeat(id, 0, 0, signal);
        shownId = id;
        const { beat } = page;
        if (beat.session !== session.id) {
          // Below the heading of another session it would be told as that patient's: its own is opened.
          review.go({ session: beat.session, timeUs: beat.timeUs, sample: null }, "replace");
          return;
        }
        say(message, "");
        void fetchMap(id, method);
        tell(page);
        await Promise.all([picture(page, signal), beside(page, signal), said(page, signal)]);
        tell(page);
      } else void fetchMap(id, method);
    } catch (error) {
      if (wasAborted(error)) return;
      large.hidden = content === null;
      say(message, problemText(error));
      if (page === null) {
        say(mapMessage, "");
        clear();
        return;
      }
    }
    draw();
  };

  const fetchMap = async (id: number, method: Method) => {
    const signal = ofMap.begin();
    try {
      saliency = await getSaliency(id, method, signal);
      say(mapMessage, mapText(saliency));
    } catch (error) {
      if (wasAborted(error)) return;
      const refused = error instanceof Refusal && (error.status === 409 || error.status === 410);
      say(
        mapMessage,
        `${refused ? `There is no ${METHOD_NAMES[method]} map of this beat.` : "The map could not be fetched."} ${problemText(error)}`,
      );
    }
    draw();
    table();
  };

  const picture = async (of: BeatPage, signal: AbortSignal) => {
    const { beat } = of;
    const middleMs = (AFTER_MS - BEFORE_MS) / 2;
    const seconds = (BEFORE_MS + AFTER_MS) / 1000;
    const at = {
      timeUs: Math.round(beat.timeUs + middleMs * 1000),
      sample: review.clock.stepped ? beat.rSample + (middleMs / 1000) * of.rateHz : null,
    };
    const wide = {
      session: beat.session,
      from: Math.round(beat.timeUs - BEFORE_MS * 1000) - 2_000_000,
      to: Math.round(beat.timeUs + AFTER_MS * 1000) + 2_000_000,
    };
    const [{ stretch, start }, near] = await Promise.all([
      loadStretch({ ...review, session: { ...session, id: beat.session } }, at, seconds, 0, null, signal),
      getBeats({ ...wide, limit: 200 }, signal),
    ]);
    content = makeContent(stretch, near.rows, [], start, seconds, review.signal);
    if (review.clock.stepped) content.clock = review.clock;
    large.hidden = false;
    if (stretch.points === 0) say(message, "The ECG of this beat is not stored any more.");
  };

  const beside = async (of: BeatPage, signal: AbortSignal) => {
    const { beat } = of;
    const asked = {
      session: beat.session,
      from: beat.timeUs - 10_000_000,
      to: beat.timeUs + 10_000_000,
      limit: 200,
    };
    const near = (await getBeats(asked, signal)).rows;
    const at = near.findIndex((one) => one.id === beat.id);
    neighbours = at < 0 ? [null, null] : [near[at - 1] ?? null, near[at + 1] ?? null];
  };

  const clear = () => {
    say(title, "");
    facts.replaceChildren();
    persons.replaceChildren();
    chances.replaceChildren();
    tables.replaceChildren();
  };

  /** What persons said about this beat, and what can be said. */
  const said = async (of: BeatPage, signal: AbortSignal) => {
    const { beat } = of;
    const asked = { session: beat.session, from: beat.timeUs, to: beat.timeUs + 1, limit: 200 };
    const { rows } = await allCorrections(asked, signal);
    const own = rows.filter((one) => standing(one) && (one.beats?.includes(beat.id) ?? true));
    const by = correctedMark(beat);
    const machine = beatMark(beat);
    const badge = (one: { letter: string; mark: string }, more = "") =>
      el("span", { class: `badge mark-${one.mark}${more}` }, one.letter);
    const made = [
      el(
        "p",
        { class: "both-labels" },
        el("span", {}, "machine ", badge(machine)),
        el("span", {}, "person ", by === null ? UNKNOWN : badge(by, " by-person")),
      ),
      own.length === 0
        ? el("p", { class: "note" }, "Nobody has said anything about this beat.")
        : el(
            "ul",
            { class: "said" },
            ...own.map((one) =>
              el(
                "li",
                {},
                el("strong", {}, correctionText(one), one.id === beat.correction ? " (holds)" : ""),
                el("bdi", {}, one.note ?? ""),
                el("span", { class: "note" }, authorText(one)),
                undoButton(review, one, (text) => say(message, text)),
              ),
            ),
          ),
    ];
    keepFocus(persons, () => persons.replaceChildren(...made), element);
  };
  const correcting = (kind: Correcting) => {
    if (page === null || !review.access.control) return;
    const { id, session, timeUs } = page.beat;
    const name = `This beat, ${beatMark(page.beat).letter} at ${preciseText(timeUs)}`;
    const beat = { name, at: { target: "beat" as const, beats: [id] } };
    openCorrection(session, kind, [beat], () => review.corrected());
  };

  const tell = (of: BeatPage) => {
    const { beat } = of;
    const { letter } = beatMark(beat);
    const name = beat.unclassifiable ? "unclassifiable" : className(beat.class);
    say(
      title,
      `${letter} · ${name} · ${clockText(beat.timeUs, true).slice(0, 10)} ${preciseText(beat.timeUs)} ${zoneText(beat.timeUs)}`,
    );
    const [earlier, later] = neighbours;
    const link = (anchor: HTMLAnchorElement, one: StoredBeat | null) => {
      anchor.toggleAttribute("hidden", one === null);
      if (one !== null)
        anchor.href = review.link({
          show: "beat",
          beat: one.id,
          ...placeOfRow(review, one.rSample, one.timeUs),
        });
    };
    link(before, earlier);
    link(after, later);
    toStrip.href = review.link({ show: "strip", ...placeOfRow(review, beat.rSample, beat.timeUs) });
    const rows: [string, string][] = [
      [
        "RR before",
        beat.rrMs === null ? `${UNKNOWN} (${rrReason(beat.rrReason)})` : `${Math.round(beat.rrMs)} ms`,
      ],
      [
        "RR after",
        later === null
          ? `${UNKNOWN} (no beat within 10 s)`
          : later.rrMs === null
            ? `${UNKNOWN} (${rrReason(later.rrReason)})`
            : `${Math.round(later.rrMs)} ms`,
      ],
      ["Beat before", earlier === null ? UNKNOWN : named(earlier)],
      ["Beat after", later === null ? UNKNOWN : named(later)],
      ["Signal", beat.signalQuality === null ? `${UNKNOWN} (not known)` : qualityName(beat.signalQuality)],
      ["Lead", beat.lead ?? (beat.channelNumber === null ? UNKNOWN : `channel ${beat.channelNumber}`)],
      ["Window", beat.windowComplete ? "complete" : "cut short by a gap or the signal's end"],
      ["Label after", beat.labelDelayMs === null ? UNKNOWN : `${Math.round(beat.labelDelayMs)} ms`],
      ["Model", beat.model ?? UNKNOWN],
      ["Engine", beat.engine ?? UNKNOWN],
      ["Number", String(beat.id)],
    ];
    if (beat.unclassifiable)
      rows.unshift(["Unclassifiable", unclassifiableReason(beat.unclassifiableReason)]);
    facts.replaceChildren(
      ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
    );
    chances.replaceChildren(
      el(
        "tbody",
        {},
        ...CLASSES.map((name) => {
          const share = beat.probabilities[name];
          const bar = el("span", { class: name === beat.class ? "bar called" : "bar" });
          bar.style.width = `${Math.round((share ?? 0) * 1000) / 10}%`;
          return el(
            "tr",
            name === beat.class ? { class: "called" } : {},
            el("th", { scope: "row" }, `${name} ${className(name)}`),
            el("td", { class: "bar-cell", "aria-hidden": "true" }, bar),
            el("td", { class: "number" }, share === undefined ? UNKNOWN : share.toFixed(3)),
          );
        }),
      ),
    );
    if (beat.unclassifiable)
      say(
        message,
        `The network said ${beat.class}, but it is not to be relied on: ${unclassifiableReason(beat.unclassifiableReason)}.`,
      );
  };

  const draw = () => {
    if (content === null || page === null || widthCss < 50) return;
    const ratio = window.devicePixelRatio;
    const { beat } = page;
    const own = (beat.channelNumber ?? 1) - 1;
    const wanted = channelsShown(settings, content.stretch.channels.length);
    // The channel that was labelled comes first, alone unless both are wanted.
    const channels = wanted.length > 1 ? [own, ...wanted.filter((one) => one !== own)] : [own];
    const look = makeLook(settings, { channels });
    const mm = look.devicePxPerMm;
    const laneMm = channels.length > 1 ? 44 : 60;
    look.gain = fittingGain(content, channels, look.filtered, laneMm);
    const seconds = (BEFORE_MS + AFTER_MS) / 1000;
    const most = Math.floor(widthCss * ratio);
    strip.leftPx = Math.round((most < 120 * mm ? 6 : 9) * mm);
    look.speed = fittingSpeed(seconds, most - strip.leftPx, mm, 100);
    look.widthPx = Math.min(most, Math.round(strip.leftPx + seconds * look.speed * mm));
    look.heightPx = Math.round(channels.length * (laneMm * mm + 26 * ratio * look.textScale));
    const css = look.widthPx / ratio;
    stage.style.width = `${css}px`;
    for (const canvas of [strip.canvas, rows.canvas, map]) canvas.style.width = `${css}px`;
    strip.canvas.style.height = `${look.heightPx / ratio}px`;
    rows.canvas.style.height = `${rowsCssPx(content) * look.textScale}px`;
    map.style.height = `${MAP_CSS_PX * look.textScale}px`;
    strip.draw(content, look, [], (on) => waves(on));
    rows.draw(strip, false);
    drawMap();
  };

  const rLocal = () => page!.beat.rSample - content!.stretch.firstSample;
  const mapX = (i: number) => {
    const rate = content!.stretch.rateHz;
    return strip.x(rLocal() + ((i - saliency!.rIndex) / saliency!.rateHz) * rate);
  };

  /** Behind the trace: where each wave begins and ends, and where the map speaks for the class. */
  const waves = (on: Strip) => {
    if (saliency === null) return;
    const { context } = on;
    const look = on.look!;
    const { colors } = look;
    const lane = on.lanes[0]!;
    const most = Math.max(...saliency.map.map(Math.abs), 1e-12);
    context.fillStyle = colors.s;
    saliency.map.forEach((value, i) => {
      if (value <= 0) return;
      context.globalAlpha = 0.3 * (value / most);
      context.fillRect(mapX(i - 0.5), lane.topPx, mapX(i + 0.5) - mapX(i - 0.5), lane.heightPx);
    });
    context.globalAlpha = 1;
    const scale = look.devicePixelRatio * look.textScale;
    context.font = `700 ${Math.round(13 * scale)}px ${FONT}`;
    context.textBaseline = "top";
    context.textAlign = "center";
    for (const [name, wave] of [
      ["P", saliency.waves?.p],
      ["QRS", saliency.waves?.qrs],
      ["T", saliency.waves?.t],
    ] as const) {
      if (wave === null || wave === undefined) continue;
      const at = (ms: number) => on.x(rLocal() + (ms / 1000) * content!.stretch.rateHz);
      const from = at(wave.onsetMs);
      const to = wave.endMs === null ? null : at(wave.endMs);
      context.strokeStyle = colors.muted;
      context.lineWidth = Math.max(1, scale);
      context.setLineDash([4 * scale, 3 * scale]);
      context.beginPath();
      for (const x of [from, to]) {
        if (x === null) continue;
        context.moveTo(x, lane.topPx + 20 * scale);
        context.lineTo(x, lane.topPx + lane.heightPx);
      }
      context.stroke();
      context.setLineDash([]);
      const y = lane.topPx + 4 * scale;
      const text = wave.endMs === null ? `${name} …` : name;
      const middle = to === null ? from + 14 * scale : (from + to) / 2;
      const wide = context.measureText(text).width;
      context.fillStyle = colors.blank;
      context.fillRect(middle - wide / 2 - 3 * scale, y - 2 * scale, wide + 6 * scale, 17 * scale);
      context.fillStyle = colors.ink;
      context.fillText(text, middle, y);
    }
    context.textAlign = "left";
  };

  /** Above the base line what speaks for the class, below it, hatched, what speaks against it. */
  const drawMap = () => {
    const ratio = window.devicePixelRatio;
    const scale = ratio * textScale();
    map.width = strip.canvas.width;
    map.height = Math.round(MAP_CSS_PX * scale);
    const context = map.getContext("2d", { alpha: false })!;
    const colors = readColors();
    const { width, height } = map;
    context.fillStyle = colors.blank;
    context.fillRect(0, 0, width, height);
    context.fillStyle = colors.gridMajor;
    context.fillRect(0, 0, width, Math.max(1, ratio));
    context.font = `600 ${Math.round(12 * scale)}px ${FONT}`;
    context.textBaseline = "middle";
    context.fillStyle = colors.muted;
    if (saliency === null) {
      context.fillText("no map", strip.leftPx + 6 * scale, height / 2);
      return;
    }
    const most = Math.max(...saliency.map.map(Math.abs), 1e-12);
    const base = height / 2;
    const tall = height / 2 - 17 * scale;
    const hatch = hatchPattern(context, makeLook(settings, {}));
    saliency.map.forEach((value, i) => {
      const x = mapX(i - 0.5);
      const wide = mapX(i + 0.5) - x + 0.5;
      const high = (Math.abs(value) / most) * tall;
      if (value > 0) {
        context.fillStyle = colors.s;
        context.fillRect(x, base - high, wide, high);
      } else if (value < 0) {
        context.fillStyle = hatch ?? colors.hatch;
        context.fillRect(x, base, wide, high);
        context.fillStyle = colors.v;
        if (high > 3 * ratio) context.fillRect(x, base + high - 2 * ratio, wide, 2 * ratio);
      }
    });
    context.fillStyle = colors.ink;
    context.fillRect(strip.leftPx, base, width - strip.leftPx, Math.max(1, ratio));
    context.fillRect(mapX(saliency.rIndex), 16 * scale, Math.max(1, ratio), height - 32 * scale);
    context.fillStyle = colors.ink;
    const left = 6 * scale;
    const write = (long: string, short: string, at: number) => {
      context.fillText(context.measureText(long).width + 2 * left > width ? short : long, left, at);
    };
    const { class: name, map: values } = saliency;
    write(`▲ speaks for ${name}: up to +${top(values, 1)}`, `▲ for ${name}: +${top(values, 1)}`, 9 * scale);
    const down = top(values, -1);
    write(`▼ speaks against ${name} (hatched): down to −${down}`, `▼ against: −${down}`, height - 9 * scale);
  };

  const table = () => {
    if (saliency === null) {
      tables.replaceChildren();
      return;
    }
    const ms = (value: number | null | undefined) =>
      value === null || value === undefined ? UNKNOWN : `${Math.round(value)} ms`;
    const share = (value: number | undefined) =>
      value === undefined ? UNKNOWN : `${Math.round(value * 100)} %`;
    const { waves: found, shares } = saliency;
    const head = ["Part", "Begins (from the R peak)", "Ends", "Share of what speaks for the class"];
    replaceTable(
      tables,
      tableOf("Waves and map as a table", head, [
        ["P wave", ms(found?.p?.onsetMs), ms(found?.p?.endMs), share(shares?.p)],
        ["QRS complex", ms(found?.qrs?.onsetMs), ms(found?.qrs?.endMs), share(shares?.qrs)],
        ["To the end of the T wave", ms(found?.t?.onsetMs), ms(found?.t?.endMs), share(shares?.stT)],
        ["Anywhere else", UNKNOWN, UNKNOWN, share(shares?.outside)],
      ]),
    );
  };

  const observer = new ResizeObserver((entries) => {
    const width = entries.at(-1)?.contentRect.width ?? 0;
    if (Math.abs(width - widthCss) < 0.5) return;
    widthCss = width;
    draw();
  });
  observer.observe(element.querySelector(".beat-main")!);
  const stop = settings.listen(draw);
  const beatBy = (by: 0 | 1): boolean => {
    const one = neighbours[by];
    if (one === null) return true;
    review.go({ beat: one.id, timeUs: one.timeUs }, "replace");
    return true;
  };
  const may = (kind: Correcting) => () => {
    correcting(kind);
    return true;
  };
  const acts: Partial<Record<Action, () => boolean>> = {
    rename: may("label"),
    artefact: may("artefact"),
    note: may("note"),
    earlier: () => beatBy(0),
    later: () => beatBy(1),
    "page-back": () => beatBy(0),
    "page-on": () => beatBy(1),
    explain: () => {
      review.go({ method: review.place().method === "shap" ? "gradcam" : "shap" }, "replace");
      return true;
    },
  };
  return {
    element,
    update: (place) => void load(place),
    async corrected() {
      if (page === null) return;
      try {
        // The map is of the machine's label and stays.
        const signal = latest.begin();
        page = await getBeat(page.beat.id, 0, 0, signal);
        await Promise.all([picture(page, signal), beside(page, signal), said(page, signal)]);
        tell(page);
        draw();
      } catch (error) {
        if (!wasAborted(error)) say(message, problemText(error));
      }
    },
    act: (action) => acts[action]?.() ?? false,
    leave() {
      latest.stop();
      ofMap.stop();
      observer.disconnect();
      stop();
    },
  };
}

/** The highest usual gain at which the beat stays in its lane. */
function fittingGain(
  content: Content,
  channels: readonly number[],
  filtered: boolean,
  laneMm: number,
): number {
  const { picture, stretch, start, length } = content;
  const { ring } = picture;
  let most = 0;
  if (ring !== null) {
    const first = Math.max(0, Math.floor(start / stretch.samplesPerPoint));
    const end = Math.min(ring.end, Math.ceil((start + length) / stretch.samplesPerPoint));
    for (const c of channels) {
      const offset = picture.shifts[c]!.newest();
      const own = filtered ? ring.filtered[c] : undefined;
      for (let point = first; point < end; point++) {
        for (const code of [ring.min[c]![point]!, ring.max[c]![point]!]) {
          if (!isSample(code)) continue;
          const uv = own === undefined ? code * stretch.channels[c]!.uvPerCode - offset : own[point]!;
          most = Math.max(most, Math.abs(uv));
        }
      }
    }
  }
  return [40, 20, 10, 5].find((gain) => (most / 1000) * gain < 0.48 * laneMm) ?? 2.5;
}

function named(beat: StoredBeat): string {
  return beat.unclassifiable ? "? unclassifiable" : `${beat.class} ${className(beat.class)}`;
}

function top(map: readonly number[], sign: 1 | -1): string {
  return map.reduce((most, value) => Math.max(most, value * sign), 0).toPrecision(2);
}

export function mapText(map: Saliency): string {
  const method = METHOD_NAMES[map.method as Method] ?? map.method;
  const parts = [
    `${method} map for class ${map.class}${map.class === map.called ? "" : ` (called ${map.called})`}`,
  ];
  if (map.source === "stored") parts.push("stored with the beat");
  else if (map.difference === null) parts.push("made now from the stored ECG");
  else
    parts.push(
      `made now from the stored ECG; probabilities differ from the stored ones by ${map.difference.toFixed(4)} at most`,
    );
  parts.push(`value of the class ${map.logit.toFixed(2)}, counted from ${map.base.toFixed(2)}`);
  if (map.context.length > 0) {
    const rhythm = map.context.reduce((sum, value) => sum + value, 0);
    parts.push(`the rhythm adds ${rhythm < 0 ? "−" : "+"}${Math.abs(rhythm).toFixed(2)}`);
  }
  return `${parts.join("; ")}.`;
}
