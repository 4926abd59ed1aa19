// What the parts of the review view share.

import type { Access } from "./access.js";
import { type Place, SPANS_S } from "./address.js";
import { getEcg, type Labels, type Minute, type Parameters, type Rows, type Session } from "./api.js";
import { readColors } from "./colors.js";
import { button, el } from "./dom.js";
import type { Look } from "./drawing.js";
import type { Stretch } from "./ecg.js";
import { durationText } from "./format.js";
import type { Action } from "./keys.js";
import { mmScale, screenName } from "./scale.js";
import type { SettingsStore } from "./settings.js";
import { textScale } from "./sizing.js";
import { cut, localSample, type Signal } from "./strip.js";
import type { WallTime } from "./wall-time.js";

export interface Review {
  settings: SettingsStore;
  session: Session;
  /** Counted by the labels that were asked for. */
  minutes: readonly Minute[];
  /** Earliest and latest time: where the clock was set these need not be those of the first and the last sample. */
  beginUs: number;
  endUs: number;
  /** Behind the last sample that was recorded. */
  endSample: number;
  signal: Signal;
  /** Wall time of each sample, also where the clock was set. */
  clock: WallTime;
  /** Whose labels the minutes were counted by. */
  labels: Labels;
  access: Access;
  place(): Place;
  /** Changes the address. `push` makes a step that the browser's back button undoes. */
  go(change: Partial<Place>, how: "push" | "replace"): void;
  /** The address of a place, for links. */
  link(change: Partial<Place>): string;
  /** Of a session that goes on: reads anew how far it has come. A refusal leaves what is known. */
  newest(): Promise<void>;
  /** After a correction was stored: counts are fetched anew, and so is what is shown. */
  corrected(): void;
}

/** A place in the session by its sample: where the clock was set, its time alone does not tell which of two it is. */
export function placeOf(review: Review, sample: number): Pick<Place, "timeUs" | "sample"> {
  const { clock, beginUs, endUs, endSample } = review;
  if (!clock.stepped) {
    const timeUs = Math.round(clock.timeAt(sample));
    return { timeUs: Math.min(endUs, Math.max(beginUs, timeUs)), sample: null };
  }
  const within = Math.round(Math.min(Math.max(0, sample), endSample));
  return { timeUs: Math.round(clock.timeAt(within)), sample: within };
}

/** The same for a row that has both. Where the clock runs by itself the time is enough, and addresses stay short. */
export function placeOfRow(review: Review, sample: number, timeUs: number): Pick<Place, "timeUs" | "sample"> {
  return { timeUs, sample: review.clock.stepped ? sample : null };
}

export function sampleOf(review: Review, place: Pick<Place, "timeUs" | "sample">): number {
  return place.sample ?? (place.timeUs === null ? 0 : review.clock.sampleAt(place.timeUs));
}

/** A stretch may hold so many more samples than were asked for, where the clock shows the same times twice. */
const MOST_SAMPLES = 4_000_000;

function samplesAbout(
  review: Review,
  middle: Pick<Place, "timeUs" | "sample">,
  seconds: number,
): [number, number] {
  const half = (seconds / 2) * review.session.rateHz;
  const own = middle.timeUs === null ? half : sampleOf(review, middle);
  return [own - half, own + half];
}

/**
 * Rows (beats, events, corrections) of the seconds about a place: by time, and where the clock was set by as many times
 * as it showed, without what it showed then at another place. Rows without a sample of their own all stay.
 */
export async function rowsAbout<T>(
  review: Review,
  middle: Pick<Place, "timeUs" | "sample">,
  seconds: number,
  get: (asked: Parameters) => Promise<Rows<T>>,
  sampleOfRow: (row: T) => number | null,
): Promise<T[]> {
  const { clock, session } = review;
  if (!clock.stepped) {
    const half = (seconds / 2) * 1e6;
    const own = middle.timeUs ?? review.beginUs + half;
    return (await get({ session: session.id, from: Math.round(own - half), to: Math.round(own + half) }))
      .rows;
  }
  const [first, end] = samplesAbout(review, middle, seconds);
  const found = await Promise.all(
    clock.pieces(first, end).map(async (piece) => {
      const asked = { session: session.id, from: Math.floor(piece.fromUs), to: Math.ceil(piece.toUs) };
      return (await get(asked)).rows.filter((row) => {
        const sample = sampleOfRow(row);
        return sample === null || (sample >= piece.first && sample < piece.end);
      });
    }),
  );
  return found.flat();
}

/** Fetches the seconds about a place, and some before it. Gives also the local sample at the left edge. */
export async function loadStretch(
  review: Review,
  middle: Pick<Place, "timeUs" | "sample">,
  seconds: number,
  beforeS: number,
  mostPoints: number | null,
  signal: AbortSignal,
): Promise<{ stretch: Stretch; start: number }> {
  const { clock, session } = review;
  const half = seconds / 2;
  if (!clock.stepped) {
    const middleUs = middle.timeUs ?? review.beginUs + half * 1e6;
    const fromUs = Math.round(middleUs - half * 1e6);
    const toUs = Math.round(middleUs + half * 1e6);
    const asked = { session: session.id, from: Math.round(fromUs - beforeS * 1e6), to: toUs };
    const stretch = await getEcg({ ...asked, max_points: mostPoints }, signal);
    return { stretch, start: localSample(stretch, fromUs) };
  }
  const rate = session.rateHz;
  const [first, end] = samplesAbout(review, middle, seconds);
  const asked = clock.asked(first - beforeS * rate, end);
  const whole = asked.samples > (seconds + beforeS) * rate * 1.5 && asked.samples < MOST_SAMPLES;
  const all = await getEcg(
    { session: session.id, from: asked.fromUs, to: asked.toUs, max_points: whole ? null : mostPoints },
    signal,
  );
  const from = first - beforeS * rate;
  const startUs = Math.round(clock.timeAt(Math.max(from, all.firstSample)));
  const stretch = all.samplesPerPoint === 1 ? cut(all, from, end, startUs) : all;
  return { stretch, start: first - stretch.firstSample };
}

/** A part of the view below the trend. */
export interface Part {
  element: HTMLElement;
  update(place: Place): void;
  /** The session has gone on: there are more minutes, and a later end. */
  grown?(): void;
  /** A correction of this session was stored. */
  corrected?(): void;
  /** Gives true where the part did something for the key. */
  act?(action: Action): boolean;
  leave(): void;
}

/** The settings of a picture, as for the live view. */
export function makeLook(settings: SettingsStore, change: Partial<Look>): Look {
  const ratio = window.devicePixelRatio;
  const scale = mmScale(settings.now.calibration, screenName(screen.width, screen.height, ratio), ratio);
  return {
    widthPx: 10,
    heightPx: 10,
    devicePixelRatio: ratio,
    devicePxPerMm: scale.devicePxPerMm,
    calibrated: scale.calibrated,
    speed: 25,
    gain: settings.now.gain,
    filtered: settings.now.filtered,
    channels: [0],
    textScale: textScale(),
    colors: readColors(),
    ...change,
  };
}

/** What millimetres are called on this screen: nobody has measured it, or somebody has. */
export function mmText(settings: SettingsStore): string {
  return makeLook(settings, {}).calibrated ? "mm" : "mm (not calibrated)";
}

/** The span of RR pictures, clusters and report: about the place, within the session. */
export function spanOf(review: Review, place: Place): [number, number] {
  const middle = place.timeUs ?? review.beginUs;
  const half = (place.spanS / 2) * 1e6;
  const from = Math.max(review.beginUs, Math.min(middle - half, review.endUs - 2 * half));
  return [Math.round(from), Math.round(Math.min(review.endUs, from + 2 * half))];
}

/** Buttons that choose the span. */
export function spanButtons(review: Review): { element: HTMLElement; show(place: Place): void } {
  const buttons = SPANS_S.map((span) =>
    button(durationText(span * 1000).replace(/ 0 (min|s)$/, ""), { "data-span": span }, () =>
      // Clusters are counted anew in another span: a number means another one there.
      review.go({ spanS: span, cluster: null }, "push"),
    ),
  );
  return {
    element: el(
      "span",
      { class: "choice", role: "group", "aria-label": "Span" },
      el("span", { class: "choice-name", "aria-hidden": "true" }, "Span"),
      ...buttons,
    ),
    show(place) {
      for (const one of buttons)
        one.setAttribute("aria-pressed", String(Number(one.dataset.span) === place.spanS));
    },
  };
}

/** Numbers of the channels to show. */
export function channelsShown(settings: SettingsStore, count: number): number[] {
  const wanted = settings.now.leads;
  if (wanted !== "both" && Number(wanted) <= count) return [Number(wanted) - 1];
  return Array.from({ length: Math.max(1, count) }, (_, i) => i);
}

/** A table that says what a picture shows. It is folded, and read by a screen reader like any other. */
export function tableOf(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | Node)[])[],
): HTMLElement {
  const table = el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell))))),
  );
  return el(
    "details",
    { class: "as-table" },
    el("summary", {}, title),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title, "data-moves": "" }, table),
  );
}

/** Fills a box anew. A button in it that had the focus has it again, or the one that stands in its place. */
export function keepFocus(box: HTMLElement, fill: () => void, otherwise: HTMLElement): void {
  const had = document.activeElement;
  const inside = had !== null && box.contains(had);
  fill();
  if (!inside || box.contains(document.activeElement)) return;
  const buttons = [...box.querySelectorAll("button")];
  const same = buttons.find((one) => one.textContent === had.textContent);
  (same ?? buttons[0] ?? otherwise).focus();
}

/** Puts a new table in place of the old one; one that was open stays open. */
export function replaceTable(box: HTMLElement, table: HTMLElement): void {
  const open = box.querySelector("details")?.open === true;
  table.toggleAttribute("open", open);
  box.replaceChildren(table);
}

/** Runs what is asked for one after the other starts: a newer question gives the older one up. */
export class Latest {
  private controller: AbortController | null = null;

  begin(): AbortSignal {
    this.controller?.abort();
    this.controller = new AbortController();
    return this.controller.signal;
  }

  stop(): void {
    this.controller?.abort();
    this.controller = null;
  }
}
