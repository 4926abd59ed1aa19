// Events and beats that stand out, newest first, each with a small strip. More are fetched on demand.

import type { Place } from "./address.js";
import { getBeats, getEvents, problemText, type StoredBeat, type StoredEvent, wasAborted } from "./api.js";
import { button, el, say } from "./dom.js";
import { clockText, zoneText } from "./format.js";
import { Newest, type Source } from "./newest.js";
import {
  channelsShown,
  loadStretch,
  makeLook,
  mmText,
  type Part,
  placeOfRow,
  type Review,
} from "./review.js";
import { makeContent, Strip } from "./strip.js";
import {
  beatMark,
  className,
  correctedMark,
  correctedName,
  eventName,
  eventText,
  unclassifiableReason,
} from "./words.js";

const PER_PAGE = 24;
const SECONDS = 4;
const SPEED = 12.5;
const GAIN = 5;
const STRIP_CSS_PX = { width: 190, height: 66 };
/** So many small strips are fetched at a time: the rest of the page must stay quick. */
const AT_A_TIME = 3;

export type Row =
  | { kind: "beat"; timeUs: number; beat: StoredBeat }
  | { kind: "event"; timeUs: number; event: StoredEvent };
type Kind = "v" | "s" | "unknown" | "event";

const KINDS: { kind: Kind; text: string }[] = [
  { kind: "v", text: "V beats" },
  { kind: "s", text: "S beats" },
  { kind: "unknown", text: "? unclassifiable" },
  { kind: "event", text: "Events" },
];

export function listPart(review: Review): Part {
  const { session, settings } = review;
  const controller = new AbortController();
  const { signal } = controller;
  const chosen = new Set<Kind>(["v", "s", "event"]);
  let eventKind = "";
  let newest: Newest<Row> | null = null;
  let generation = 0;
  let busy = false;
  const seenKinds = new Set<string>();

  const message = el("p", { class: "message", role: "status" });
  const list = el("ul", { class: "moments" });
  const more = button("Load more", {}, () => void load());
  const buttons = KINDS.map(({ kind, text }) =>
    button(text, { "aria-pressed": String(chosen.has(kind)) }, () => {
      if (chosen.has(kind)) chosen.delete(kind);
      else chosen.add(kind);
      begin();
    }),
  );
  const which = el("select", { id: "event-kind" }, el("option", { value: "" }, "all kinds"));
  which.addEventListener("change", () => {
    eventKind = which.value;
    begin();
  });
  const scale = el("p", { class: "note" });
  const tellScale = () =>
    say(
      scale,
      `Newest first. Strips: ${SECONDS} s, ${SPEED} ${mmText(settings)}/s, ${GAIN} mm/mV, raw, one lead.`,
    );
  tellScale();
  const element = el(
    "section",
    { class: "strip", "aria-label": "Events and beats" },
    el(
      "div",
      { class: "tools" },
      el("span", { class: "choice-set", role: "group", "aria-label": "Kinds" }, ...buttons),
      el("label", { for: "event-kind", class: "field-label" }, "Events of"),
      which,
    ),
    scale,
    list,
    message,
    el("p", { class: "actions" }, more),
  );

  const beats = (parameters: Record<string, string>): Source<Row> => ({
    async fetch(cursor) {
      const asked = { session: session.id, order: "desc", limit: 100, cursor, ...parameters };
      const { rows, next } = await getBeats(asked, signal);
      return { next, rows: rows.map((beat) => ({ kind: "beat" as const, timeUs: beat.timeUs, beat })) };
    },
  });
  const events: Source<Row> = {
    async fetch(cursor) {
      const { rows, next } = await getEvents(
        { session: session.id, order: "desc", limit: 100, cursor, kind: eventKind || null },
        signal,
      );
      for (const event of rows) {
        if (seenKinds.has(event.kind)) continue;
        seenKinds.add(event.kind);
        which.append(el("option", { value: event.kind }, eventName(event.kind)));
      }
      return {
        next,
        rows: rows.map((event) => ({ kind: "event" as const, timeUs: event.timeUs, event })),
      };
    },
  };

  /** A corrected label counts whatever the machine made of the beat. */
  const byClass = (classes: string): Record<string, string> =>
    review.labels === "corrected"
      ? { class: classes, labels: "corrected" }
      : { class: classes, outcome: "classified" };
  const begin = () => {
    generation++;
    busy = false;
    for (const [i, one] of buttons.entries())
      one.setAttribute("aria-pressed", String(chosen.has(KINDS[i]!.kind)));
    const sources: Source<Row>[] = [];
    const classes = [chosen.has("v") ? "V" : "", chosen.has("s") ? "A" : ""].filter(Boolean).join(",");
    if (classes !== "") sources.push(beats(byClass(classes)));
    if (chosen.has("unknown")) sources.push(beats({ outcome: "unclassifiable" }));
    if (chosen.has("event")) sources.push(events);
    which.disabled = !chosen.has("event");
    newest = new Newest(sources, (row) => row.timeUs);
    strips.clear();
    list.replaceChildren();
    void load();
  };

  const load = async () => {
    if (busy || newest === null) return;
    busy = true;
    const own = generation;
    say(message, "Loading …");
    more.hidden = true;
    try {
      const rows = await newest.take(PER_PAGE);
      if (own !== generation) return;
      for (const row of rows) list.append(item(row));
      more.hidden = newest.ended;
      const count = list.children.length;
      if (count === 0)
        say(message, chosen.size === 0 ? "Choose a kind above." : "There are none of these in this session.");
      else say(message, newest.ended ? `${count} shown, these are all.` : `${count} shown.`);
    } catch (error) {
      if (wasAborted(error) || own !== generation) return;
      say(message, problemText(error));
      more.hidden = false;
    }
    busy = false;
  };

  const strips = new SmallStrips(review, signal);

  const item = (row: Row): HTMLElement => {
    let letter = "●";
    let mark = "normal";
    let what: string;
    if (row.kind === "beat") {
      ({ letter, mark } = beatMark(row.beat));
      const { beat } = row;
      what = beat.unclassifiable
        ? `unclassifiable: ${unclassifiableReason(beat.unclassifiableReason)}`
        : className(beat.class);
      if (beat.rrMs !== null) what += `, RR ${Math.round(beat.rrMs)} ms`;
      const by = correctedName(beat);
      if (by !== "") what += `; corrected: ${by}`;
    } else what = eventText(row.event);
    const corrected = row.kind === "beat" ? correctedMark(row.beat) : null;
    const sample = row.kind === "beat" ? row.beat.rSample : row.event.sample;
    const at = placeOfRow(review, sample, row.timeUs);
    const title = `${clockText(row.timeUs, true)} ${zoneText(row.timeUs)}`;
    const canvas = el("canvas", { class: "small-strip", role: "img", "aria-label": `ECG about ${title}` });
    const problem = el("span", { class: "note" });
    const links = el(
      "span",
      { class: "moment-links" },
      el("a", { href: review.link({ show: "strip", ...at }) }, "strip"),
    );
    if (row.kind === "beat") {
      links.append(el("a", { href: review.link({ show: "beat", beat: row.beat.id, ...at }) }, "beat"));
    }
    const about = el(
      "span",
      { class: "moment-text" },
      el(
        "span",
        { class: "moment-head" },
        row.kind === "beat"
          ? el("span", { class: `badge mark-${mark}`, "aria-hidden": "true" }, letter)
          : null,
        corrected === null
          ? null
          : el(
              "span",
              { class: `badge by-person mark-${corrected.mark}`, "aria-hidden": "true" },
              corrected.letter,
            ),
        el("strong", {}, what),
      ),
      el("span", {}, title),
      row.kind === "event" && row.event.detail !== ""
        ? el("span", { class: "note" }, row.event.detail)
        : null,
      links,
      problem,
    );
    const element = el("li", { class: "moment card" }, canvas, about);
    strips.watch(element, canvas, at, problem);
    return element;
  };

  const stop = settings.listen(() => {
    tellScale();
    strips.again();
  });
  begin();
  return {
    element,
    update(_place: Place) {},
    corrected: begin,
    leave() {
      controller.abort();
      strips.clear();
      stop();
    },
  };
}

type Where = Pick<Place, "timeUs" | "sample">;

/** Fetches and draws small strips as they come into sight. */
export class SmallStrips {
  private readonly waiting: (() => Promise<void>)[] = [];
  private running = 0;
  private readonly drawn: (() => void)[] = [];
  private readonly jobs = new Map<Element, () => Promise<void>>();
  private readonly observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const job = this.jobs.get(entry.target);
        if (!entry.isIntersecting || job === undefined) continue;
        this.jobs.delete(entry.target);
        this.observer.unobserve(entry.target);
        this.waiting.push(job);
        this.next();
      }
    },
    { rootMargin: "200px" },
  );

  constructor(
    private readonly review: Review,
    private readonly signal: AbortSignal,
  ) {}

  /** `at` is the middle; the canvas gets its size here. */
  watch(
    element: Element,
    canvas: HTMLCanvasElement,
    at: Where | (() => Promise<Where>),
    problem: HTMLElement,
  ): void {
    canvas.style.width = `${STRIP_CSS_PX.width}px`;
    canvas.style.height = `${STRIP_CSS_PX.height}px`;
    this.jobs.set(element, async () => {
      const { settings } = this.review;
      try {
        const where = typeof at === "function" ? await at() : at;
        const { stretch, start } = await loadStretch(this.review, where, SECONDS, 0, null, this.signal);
        const content = makeContent(stretch, [], [], start, SECONDS, this.review.signal);
        const strip = new Strip(canvas);
        const draw = () => {
          const ratio = window.devicePixelRatio;
          const look = makeLook(settings, {
            widthPx: Math.round(STRIP_CSS_PX.width * ratio),
            heightPx: Math.round(STRIP_CSS_PX.height * ratio),
            speed: SPEED,
            gain: GAIN,
            filtered: false,
            channels: [channelsShown(settings, stretch.channels.length)[0] ?? 0],
            textScale: 1,
          });
          strip.drawSmall(content, look);
        };
        draw();
        this.drawn.push(draw);
        if (stretch.points === 0) say(problem, "No ECG is stored for this time.");
      } catch (error) {
        if (!wasAborted(error)) say(problem, problemText(error));
      }
    });
    this.observer.observe(element);
  }

  private next(): void {
    while (this.running < AT_A_TIME && this.waiting.length > 0) {
      this.running++;
      void this.waiting.shift()!().finally(() => {
        this.running--;
        this.next();
      });
    }
  }

  /** Draws all anew, e.g. in another theme. */
  again(): void {
    for (const draw of this.drawn) draw();
  }

  /** Forgets all; more can be watched after it. */
  clear(): void {
    this.observer.disconnect();
    this.jobs.clear();
    this.waiting.length = 0;
    this.drawn.length = 0;
  }
}
