// The strip: some seconds of stored ECG at a true scale, with letters, intervals, gaps and calipers.

import { LENGTHS_S, type Place } from "./address.js";
import {
  allCorrections,
  getBeats,
  getEvents,
  labelsAsked,
  problemText,
  type Rows,
  type StoredBeat,
  type StoredEvent,
  wasAborted,
} from "./api.js";
import { Calipers } from "./calipers.js";
import { type Correcting, openCorrection, type Target } from "./correct.js";
import { openDialog } from "./dialogs.js";
import { button, el, say, toggle } from "./dom.js";
import { clockText, dayText, durationText, preciseText, UNKNOWN, zoneText } from "./format.js";
import { readGoTo } from "./go-to.js";
import type { Action } from "./keys.js";
import { addStrip } from "./report-strips.js";
import {
  channelsShown,
  keepFocus,
  Latest,
  loadStretch,
  makeLook,
  type Part,
  placeOf,
  placeOfRow,
  type Review,
  replaceTable,
  rowsAbout,
  sampleOf,
  tableOf,
} from "./review.js";
import { authorText, correctionText, standing, targetText, undoButton } from "./review-corrections.js";
import { GAINS_MM_PER_MV, step } from "./scale.js";
import {
  type Content,
  contentTimeUs,
  fittingSpeed,
  makeContent,
  rowsCssPx,
  Strip,
  StripRows,
} from "./strip.js";
import { className, correctedName, gapCause, rrReason } from "./words.js";

/** Width in which a letter is hit; the rows below the strip are higher than that. */
const TARGET_CSS_PX = 44;
/** Fetched before the strip, so that the filters have settled where it begins. */
const BEFORE_S = 3;
const AMBIGUOUS =
  "The clock was set in this session, and this time does not tell which of two moments is meant. Write the note about a beat.";
/** So many points at most: beyond it the gateway sends minimum and maximum. */
const MOST_POINTS = 60_000;

export function stripRange(review: Review, place: Place): { fromUs: number; toUs: number; middleUs: number } {
  const half = (place.seconds / 2) * 1e6;
  const middleUs = place.timeUs ?? review.beginUs + half;
  return { fromUs: Math.round(middleUs - half), toUs: Math.round(middleUs + half), middleUs };
}

export function stripPart(review: Review): Part {
  const { settings } = review;
  const strip = new Strip(el("canvas", { class: "strip-canvas", role: "img", "aria-label": "ECG strip" }));
  const rows = new StripRows(el("canvas", { class: "strip-rows", "aria-hidden": "true" }));
  const calipers = new Calipers(strip);
  const latest = new Latest();
  const jump = new Latest();
  let content: Content | null = null;
  let shown: Place | null = null;
  let widthCss = 0;
  let loadMs = 0;
  let left = false;

  const when = el("p", { class: "when" });
  const message = el("p", { class: "message", role: "status" });
  /** What was stored for another place than was meant, with a button that undoes it. */
  const warning = el("div", { class: "warn", role: "status" });
  const tables = el("div", { class: "strip-side" });
  const said = el("ul", { class: "said", "aria-label": "Corrections here" });
  const stage = el(
    "div",
    { class: "strip-stage" },
    el("div", { class: "strip-box" }, strip.canvas, calipers.overlay),
    rows.canvas,
  );

  const set = (change: Partial<Place>, how: "push" | "replace" = "replace") => review.go(change, how);
  const middle = () => stripRange(review, review.place()).middleUs;
  const clamp = (us: number) => Math.round(Math.min(review.endUs, Math.max(review.beginUs, us)));
  const stepped = () => review.clock.stepped;
  /** Where the clock was set, the way goes by samples: their times may come twice. */
  const middleSample = () => {
    const place = review.place();
    return place.timeUs === null ? (place.seconds / 2) * review.session.rateHz : sampleOf(review, place);
  };
  const move = (seconds: number) =>
    set(
      stepped()
        ? placeOf(review, middleSample() + seconds * review.session.rateHz)
        : { timeUs: clamp(middle() + seconds * 1e6) },
    );
  const edge = async (end: boolean) => {
    // The end of a session that goes on is where it is now.
    if (end) await review.newest();
    if (left) return;
    const half = review.place().seconds / 2;
    const { rateHz } = review.session;
    if (stepped()) set(placeOf(review, end ? review.endSample - half * rateHz : half * rateHz));
    else set({ timeUs: clamp(end ? review.endUs - half * 1e6 : review.beginUs + half * 1e6) });
  };
  const length = (by: 1 | -1) => {
    const { timeUs, sample } = review.place();
    const seconds = step(LENGTHS_S, review.place().seconds, by);
    set({ seconds, timeUs: timeUs ?? Math.round(middle()), sample });
  };

  /** Where to look for the next event: by time, or by the times of each piece where the clock was set. */
  const ways = (by: 1 | -1): { from: number | null; to: number | null; first: number; end: number }[] => {
    const at = Math.round(middle());
    const all = { first: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };
    if (!stepped()) return [by < 0 ? { from: null, to: at, ...all } : { from: at + 1, to: null, ...all }];
    const sample = middleSample();
    const pieces =
      by < 0 ? review.clock.pieces(0, sample) : review.clock.pieces(sample + 1, review.endSample);
    const found = pieces.map(({ first, end, fromUs, toUs }) => ({
      from: Math.floor(fromUs),
      to: Math.ceil(toUs),
      first,
      end,
    }));
    return by < 0 ? found.reverse() : found;
  };

  const jumpTo = async (by: 1 | -1) => {
    const signal = jump.begin();
    // Of the machine's labels those that are not to be relied on are `?` in the strip, and no V or S.
    const labelled = review.labels === "machine" ? { outcome: "classified" } : labelsAsked(review.labels);
    say(message, "Looking …");
    try {
      const found: { sample: number; timeUs: number }[] = [];
      for (const { from, to, first, end } of ways(by)) {
        // Of a time that was shown twice some rows belong elsewhere.
        const limit = stepped() ? 1000 : 1;
        const common = { session: review.session.id, from, to, order: by < 0 ? "desc" : null, limit };
        const [beats, events]: [Rows<StoredBeat>, Rows<StoredEvent>] = await Promise.all([
          getBeats({ ...common, class: "A,V", ...labelled }, signal),
          getEvents(common, signal),
        ]);
        const rows = [
          ...beats.rows.map(({ rSample, timeUs }) => ({ sample: rSample, timeUs })),
          ...events.rows.map(({ sample, timeUs }) => ({ sample, timeUs })),
        ];
        found.push(...rows.filter(({ sample }) => sample >= first && sample < end));
        if (found.length > 0) break;
      }
      found.sort((a, b) => by * (a.sample - b.sample));
      if (found[0] === undefined) {
        say(message, by < 0 ? "No event, V or S beat before this." : "No event, V or S beat after this.");
        return;
      }
      say(message, "");
      set(placeOfRow(review, found[0].sample, found[0].timeUs), "push");
    } catch (error) {
      if (!wasAborted(error)) say(message, problemText(error));
    }
  };

  const goTo = async () => {
    await review.newest();
    if (left) return;
    const field = el("input", {
      id: "go-to",
      type: "text",
      autocomplete: "off",
      "aria-describedby": "go-to-note",
    });
    field.value = clockText(middle(), true);
    const wrong = el("p", { class: "warn", role: "status" });
    const form = el(
      "form",
      {},
      el("label", { for: "go-to" }, "Time"),
      field,
      el(
        "p",
        { class: "note", id: "go-to-note" },
        `For example 07:12:30, or ${clockText(review.beginUs, true)}. In this browser's zone (${zoneText(review.beginUs)}). ` +
          `The session runs from ${clockText(review.beginUs, true)} to ${clockText(review.endUs, true)}.`,
      ),
      wrong,
      el(
        "p",
        { class: "actions" },
        el("button", { type: "submit", class: "main-action" }, "Go"),
        button("Cancel", {}, () => dialog.close()),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const found = readGoTo(field.value, review.beginUs, review.endUs);
      if (typeof found === "string") {
        say(wrong, found);
        return;
      }
      dialog.close();
      set({ timeUs: found }, "push");
    });
    const dialog = openDialog("Go to a time", form);
    field.select();
  };

  const explain = () => {
    const nearest = inTheMiddle();
    if (nearest === null) say(message, "No beat in this strip.");
    else openBeat(nearest);
  };
  const openBeat = (beat: StoredBeat) =>
    review.go({ show: "beat", beat: beat.id, ...placeOfRow(review, beat.rSample, beat.timeUs) }, "push");
  const inTheMiddle = () =>
    content === null ? null : nearestBeat(content, content.start + content.length / 2);

  /** Opens the form with what can be meant here: between the calipers, the beat in the middle, the strip. */
  const correcting = (kind: Correcting) => {
    if (content === null || !review.access.control) return;
    const own = content;
    const first = own.stretch.firstSample;
    const us = (sample: number) => Math.round(contentTimeUs(own, sample));
    const { rateHz, points, samplesPerPoint } = own.stretch;
    const end = Math.max(review.endSample, first + points * samplesPerPoint);
    const meant = (from: number, to: number | null) => ({
      from: first + from,
      to: to === null ? null : first + to,
      end,
      rateHz,
    });
    const stretch = (name: string, from: number, to: number): Target => {
      const inside = own.beats.filter((one) => one.rSample - first >= from && one.rSample - first < to);
      const beats = inside.map((one) => one.id);
      const count = `${beats.length} ${beats.length === 1 ? "beat" : "beats"}`;
      const target = { name: `${name}, ${preciseText(us(from))} to ${preciseText(us(to))}`, note: count };
      if (!stepped())
        return {
          ...target,
          at: { target: "stretch", from_us: us(from), to_us: us(to) },
          meant: meant(from, to),
        };
      // Two times would mean everything from the first passing of the one to the last passing of the other: beats
      // are named instead.
      const none = "No beat lies there, and the times alone do not tell where that is: the clock was set.";
      return {
        ...target,
        at: { target: "beats", beats },
        ...(beats.length === 0 ? { refused: none } : {}),
      };
    };
    const targets: Target[] = [];
    const ends = calipers.on ? calipers.measured?.map((point) => point.sample - first) : undefined;
    if (ends !== undefined && ends[0] !== ends[1])
      targets.push(stretch("Between the calipers", Math.min(...ends), Math.max(...ends)));
    const middle = own.start + own.length / 2;
    if (kind === "note")
      targets.push({
        name: `The middle of the strip, ${preciseText(us(middle))}`,
        at: { target: "moment", from_us: us(middle) },
        meant: meant(middle, null),
        ...(stepped() && !review.clock.tells(first + middle) ? { refused: AMBIGUOUS } : {}),
      });
    const beat = inTheMiddle();
    if (beat !== null)
      targets.push({
        name: `The beat ${beat.unclassifiable ? "?" : beat.class} at ${preciseText(beat.timeUs)}`,
        note: "the one nearest to the middle",
        at: { target: "beat", beats: [beat.id] },
      });
    targets.push(stretch("All of this strip", own.start, own.start + own.length));
    // What can be said comes first, and so is chosen.
    targets.sort((a, b) => Number(a.refused !== undefined) - Number(b.refused !== undefined));
    openCorrection(review.session.id, kind, targets, (row, wrong) => {
      const told = (text: string) => warning.replaceChildren(text);
      warning.replaceChildren(...(wrong === null ? [] : [wrong, " ", undoButton(review, row, told) ?? ""]));
      review.corrected();
    });
  };
  const toReport = () => {
    const place = review.place();
    const timeUs = place.timeUs ?? Math.round(middle());
    say(message, addStrip(review.session.id, { timeUs, sample: place.sample, seconds: place.seconds }));
  };
  const setCalipers = () => {
    calipers.set(!calipers.on);
    caliperButton.setAttribute("aria-pressed", String(calipers.on));
  };

  const acts: Partial<Record<Action, () => void>> = {
    earlier: () => move(-1),
    later: () => move(1),
    "page-back": () => move(-review.place().seconds),
    "page-on": () => move(review.place().seconds),
    begin: () => void edge(false),
    end: () => void edge(true),
    previous: () => void jumpTo(-1),
    next: () => void jumpTo(1),
    shorter: () => length(-1),
    longer: () => length(1),
    "go-to": () => void goTo(),
    calipers: setCalipers,
    explain,
    rename: () => correcting("label"),
    artefact: () => correcting("artefact"),
    note: () => correcting("note"),
    report: toReport,
  };

  const lengthShown = el("output", { "aria-label": "Length" });
  const gainShown = el("output", { "aria-label": "Gain" });
  const caliperButton = button("Calipers", { "aria-pressed": "false" }, setCalipers);
  const filterButton = button("Filtered", { "aria-pressed": "false" }, () =>
    settings.set({ filtered: !settings.now.filtered }),
  );
  const leadButtons = (["both", "1", "2"] as const).map((lead) =>
    button(
      lead === "both" ? "Both" : lead,
      { "data-lead": lead, "aria-label": lead === "both" ? "Both leads" : `Lead ${lead}` },
      () => settings.set({ leads: lead }),
    ),
  );
  const gain = (by: 1 | -1) => settings.set({ gain: step(GAINS_MM_PER_MV, settings.now.gain, by) });
  const tools = el(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Strip" },
    button("◀", { "aria-label": "The strip before" }, () => move(-review.place().seconds)),
    button("▶", { "aria-label": "The strip after" }, () => move(review.place().seconds)),
    button("◀ event", { "aria-label": "To the event, V or S beat before" }, () => void jumpTo(-1)),
    button("event ▶", { "aria-label": "To the next event, V or S beat" }, () => void jumpTo(1)),
    button("Go to …", {}, () => void goTo()),
    el(
      "span",
      { class: "stepper" },
      button("−", { "aria-label": "Shorter" }, () => length(-1)),
      lengthShown,
      button("+", { "aria-label": "Longer" }, () => length(1)),
    ),
    el(
      "span",
      { class: "stepper" },
      button("−", { "aria-label": "Lower gain" }, () => gain(-1)),
      gainShown,
      button("+", { "aria-label": "Higher gain" }, () => gain(1)),
    ),
    el(
      "span",
      { class: "choice", role: "group", "aria-label": "Leads" },
      el("span", { class: "choice-name", "aria-hidden": "true" }, "Leads"),
      ...leadButtons,
    ),
    filterButton,
    caliperButton,
    button("Explain beat", {}, explain),
    button("To the report", {}, toReport),
    ...(review.access.control
      ? [
          button("Rename …", {}, () => correcting("label")),
          button("Artefact …", {}, () => correcting("artefact")),
          button("Note …", {}, () => correcting("note")),
        ]
      : []),
  );
  const element = el(
    "section",
    { class: "strip", "aria-label": "Strip", tabindex: -1 },
    when,
    el("div", { class: "strip-columns" }, stage, tables),
    calipers.panel,
    message,
    warning,
    tools,
    said,
  );

  rows.canvas.addEventListener("click", (event) => {
    if (content === null || strip.look === null) return;
    const box = rows.canvas.getBoundingClientRect();
    // The canvas as it was drawn: the browser's zoom may have changed since.
    const ratio = strip.look.devicePixelRatio;
    const x = (event.clientX - box.left) * ratio;
    const near = nearestBeat(content, strip.sampleAt(x));
    if (near === null) return;
    const far = Math.abs(strip.x(near.rSample - content.stretch.firstSample) - x);
    if (far <= (TARGET_CSS_PX / 2) * ratio) openBeat(near);
  });

  const draw = () => {
    const place = shown;
    if (place === null || content === null || widthCss < 50) return;
    const ratio = window.devicePixelRatio;
    const look = makeLook(settings, { channels: channelsShown(settings, content.stretch.channels.length) });
    const mm = look.devicePxPerMm;
    const most = Math.floor(widthCss * ratio);
    strip.leftPx = Math.round((most < 120 * mm ? 6 : 9) * mm);
    // Not faster than paper is read; a short stretch may be, and a wall screen that is seen from afar.
    const fastest = place.seconds < 10 || look.textScale > 1.3 ? 50 : 25;
    look.speed = fittingSpeed(place.seconds, most - strip.leftPx, mm, fastest);
    look.widthPx = Math.min(most, Math.round(strip.leftPx + place.seconds * look.speed * mm));
    const laneMm = (look.channels.length > 1 ? 36 : 56) * Math.min(1.6, look.textScale);
    look.heightPx = Math.round(look.channels.length * (laneMm * mm + 26 * ratio * look.textScale));
    const css = look.widthPx / ratio;
    stage.style.width = `${css}px`;
    strip.canvas.style.width = `${css}px`;
    strip.canvas.style.height = `${look.heightPx / ratio}px`;
    rows.canvas.style.width = `${css}px`;
    rows.canvas.style.height = `${(rowsCssPx(content) * look.textScale).toFixed(2)}px`;
    strip.draw(content, look, [`${place.seconds} s`]);
    rows.draw(strip, true);
    calipers.place();
    const canFilter = content.stretch.samplesPerPoint === 1;
    filterButton.disabled = !canFilter;
    filterButton.title = canFilter ? "" : "Only with every sample; this stretch is thinned";
    filterButton.setAttribute("aria-pressed", String(settings.now.filtered && canFilter));
    say(gainShown, `${settings.now.gain} mm/mV`);
    say(lengthShown, `${place.seconds} s`);
    for (const one of leadButtons)
      one.setAttribute("aria-pressed", String(one.dataset.lead === settings.now.leads));
    const fromUs = Math.round(contentTimeUs(content, content.start));
    const toUs = Math.round(contentTimeUs(content, content.start + content.length));
    say(
      when,
      `${dayText(fromUs)} ${preciseText(fromUs)} to ${dayText(toUs) === dayText(fromUs) ? "" : `${dayText(toUs)} `}` +
        `${preciseText(toUs)} ${zoneText(fromUs)}`,
    );
  };

  const load = async (place: Place) => {
    const begin = performance.now();
    const signal = latest.begin();
    const { seconds } = place;
    toggle(stage, "is-loading", true);
    try {
      const [{ stretch, start }, beats, events, corrections] = await Promise.all([
        loadStretch(review, place, seconds, BEFORE_S, MOST_POINTS, signal),
        rowsAbout(
          review,
          place,
          seconds + 4,
          (asked) => getBeats({ ...asked, limit: 2000 }, signal),
          (beat) => beat.rSample,
        ),
        rowsAbout(
          review,
          place,
          seconds + 4,
          (asked) => getEvents({ ...asked, limit: 200 }, signal),
          (event) => event.sample,
        ),
        rowsAbout(
          review,
          place,
          seconds,
          (asked) => allCorrections(asked, signal),
          () => null,
        ),
      ]);
      content = makeContent(stretch, beats, events, start, seconds, review.signal);
      content.corrections = corrections.filter(standing);
      if (stepped()) content.clock = review.clock;
      shown = place;
      say(message, stretch.points === 0 ? "No ECG is stored for this time." : "");
      draw();
      table();
      loadMs = performance.now() - begin;
    } catch (error) {
      if (wasAborted(error)) return;
      // An old picture must not stand under a new time.
      content = null;
      shown = null;
      strip.content = null;
      stage.style.width = "";
      strip.canvas.style.height = "0";
      rows.canvas.style.height = "0";
      tables.replaceChildren();
      said.replaceChildren();
      say(when, "");
      say(message, `This strip cannot be shown. ${problemText(error)}`);
    }
    toggle(stage, "is-loading", false);
  };

  const table = () => {
    if (content === null) return;
    const own = content;
    const { gaps, firstSample, rateHz } = own.stretch;
    const shows = (sample: number) =>
      sample - firstSample >= own.start && sample - firstSample < own.start + own.length;
    const inside = own.beats.filter((beat) => shows(beat.rSample));
    const list = inside.map((beat) => [
      el(
        "a",
        {
          href: review.link({
            show: "beat",
            beat: beat.id,
            ...placeOfRow(review, beat.rSample, beat.timeUs),
          }),
        },
        preciseText(beat.timeUs),
      ),
      beat.unclassifiable ? "?" : beat.class,
      beat.unclassifiable ? "unclassifiable" : className(beat.class),
      correctedName(beat),
      beat.rrMs === null ? `${UNKNOWN} (${rrReason(beat.rrReason)})` : `${Math.round(beat.rrMs)} ms`,
    ]);
    for (const gap of gaps) {
      const from = gap.firstMissingSample - firstSample;
      if (from < own.start + own.length && from + gap.missingSamples > own.start)
        list.push([
          preciseText(Math.round(contentTimeUs(own, from))),
          "gap",
          gapCause(gap.cause),
          "",
          durationText((gap.missingSamples / rateHz) * 1000),
        ]);
    }
    const count = `${inside.length} ${inside.length === 1 ? "beat" : "beats"}`;
    // Where there is room beside the strip, the table is open.
    const first = tables.childElementCount === 0;
    replaceTable(
      tables,
      tableOf(`Strip as a table: ${count}`, ["Time", "Letter", "What", "Person", "RR before"], list),
    );
    if (first && innerWidth > 1200) tables.querySelector("details")!.open = true;
    const rows = own.corrections.map((one) =>
      el(
        "li",
        {},
        el("strong", {}, correctionText(one)),
        el("span", {}, targetText(one)),
        el("bdi", {}, one.note ?? ""),
        el("span", { class: "note" }, authorText(one)),
        undoButton(review, one, (text) => say(message, text)),
      ),
    );
    keepFocus(said, () => said.replaceChildren(...rows), element);
  };

  const observer = new ResizeObserver((entries) => {
    const width = entries.at(-1)?.contentRect.width ?? 0;
    if (Math.abs(width - widthCss) < 0.5) return;
    widthCss = width;
    draw();
  });
  observer.observe(element);
  const stop = settings.listen(draw);

  globalThis.ecgStrip = () => ({
    session: review.session.id,
    load_ms: loadMs,
    left_px: strip.leftPx,
    lanes: strip.lanes,
    speed: strip.look?.speed,
    gain: strip.look?.gain,
    device_px_per_mm: strip.look?.devicePxPerMm,
    width_px: strip.look?.widthPx,
    offsets_uv: content === null ? null : content.stretch.channels.map((_, i) => strip.offset(i)),
    first_sample: content?.stretch.firstSample ?? null,
    start_sample: content === null ? null : content.stretch.firstSample + content.start,
    rate_hz: content?.stretch.rateHz ?? null,
    beats: content?.beats.length ?? null,
    from_us: shown === null ? null : stripRange(review, shown).fromUs,
    calipers: calipers.measured,
    middle_x: content === null ? null : strip.x(content.start + content.length / 2),
    clock_pieces:
      content?.clock?.pieces(
        content.stretch.firstSample + content.start,
        content.stretch.firstSample + content.start + content.length,
      ) ?? null,
    corrected: content?.beats.filter((beat) => beat.correction !== null).length ?? null,
    notes: content?.corrections.length ?? null,
  });

  return {
    element,
    update(place) {
      void load(place);
    },
    act(action) {
      const act = acts[action];
      act?.();
      return act !== undefined;
    },
    corrected() {
      void load(review.place());
    },
    leave() {
      left = true;
      observer.disconnect();
      stop();
      latest.stop();
      jump.stop();
      globalThis.ecgStrip = undefined;
    },
  };
}

declare global {
  /** The geometry of the strip, for tests. */
  var ecgStrip: (() => unknown) | undefined;
}

/** The beat that is nearest to a local sample. */
export function nearestBeat(content: Content | null, sample: number): StoredBeat | null {
  let best: StoredBeat | null = null;
  const at = sample + (content?.stretch.firstSample ?? 0);
  for (const beat of content?.beats ?? []) {
    if (best === null || Math.abs(beat.rSample - at) < Math.abs(best.rSample - at)) best = beat;
  }
  return best;
}
