// The trend over the hours of a session: one column per minute. A small canvas of its own: it has to show gaps as
// hatched and nothing as nothing, and a plotting library would cost more bytes than the rest of the view.

import type { Minute } from "./api.js";
import { FONT, readColors } from "./colors.js";
import { el, say } from "./dom.js";
import { hatchPattern } from "./drawing.js";
import { clockText, countText, dayText, UNKNOWN, zoneText } from "./format.js";
import { axisStep } from "./intervals.js";
import { makeLook, placeOf, type Review, replaceTable, sampleOf, tableOf } from "./review.js";
import { fit, textScale, watchSize } from "./sizing.js";

const HEIGHTS = { rate: 96, v: 24, s: 24, quality: 16, gaps: 14, axis: 20 };
const BETWEEN = 4;
const LEFT_CSS_PX = 76;
const HEIGHT_CSS_PX = Object.values(HEIGHTS).reduce((a, b) => a + b, 0) + 5 * BETWEEN;

const UNSURE = "V and S per minute are drawn with the unclassifiable beats among them.";

/** Top of the axis of heart rates: a round number at or above the highest, 120 at least. */
export function rateRange(minutes: readonly Minute[]): [number, number] {
  let high = 120;
  let low = 40;
  for (const minute of minutes) {
    high = Math.max(high, Math.min(300, minute.hrMax ?? 0));
    low = Math.min(low, minute.hrMin ?? low);
  }
  return [Math.floor(low / 20) * 20, Math.ceil(high / 20) * 20];
}

export function minuteAt(minutes: readonly Minute[], timeUs: number): number {
  let low = 0;
  let high = minutes.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (minutes[middle]!.timeUs <= timeUs) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The minute of the trend that a place lies in, and how far into it; by recorded time where the clock was set. */
export function minuteOf(review: Review): { at: number; part: number } {
  const { minutes, clock, session } = review;
  const place = review.place();
  const within = (part: number) => Math.min(1, Math.max(0, part));
  if (!clock.stepped) {
    const timeUs = place.timeUs ?? review.beginUs;
    const at = minuteAt(minutes, timeUs);
    return { at, part: within((timeUs - (minutes[at]?.timeUs ?? timeUs)) / 60e6) };
  }
  const per = 60 * session.rateHz;
  const sample = sampleOf(review, place);
  const first = minutes[0]?.firstSample ?? 0;
  const at = Math.min(minutes.length - 1, Math.max(0, Math.floor((sample - first) / per)));
  return { at, part: within((sample - (minutes[at]?.firstSample ?? sample)) / per) };
}

const bpm = (value: number | null) => (value === null ? UNKNOWN : value.toFixed(0));

/** Whether there may be unclassifiable beats among the V and S of a minute. */
export function withUnclassifiable(minute: Minute): boolean {
  return minute.unclassifiable > 0 && minute.v + minute.s > 0;
}

export function minuteText(minute: Minute): string {
  const rate =
    minute.hrMean === null
      ? `heart rate ${UNKNOWN} (${minute.beats === 0 ? "no beats" : "no RR interval"})`
      : `heart rate ${bpm(minute.hrMean)} (${bpm(minute.hrMin)} to ${bpm(minute.hrMax)})`;
  // What the gateway counts as V and S holds beats that are drawn as `?`; it does not tell how many of each.
  const unsure = withUnclassifiable(minute) ? " (with unclassifiable ones)" : "";
  const parts = [rate, `${minute.beats} beats`, `V ${minute.v}`, `S ${minute.s}${unsure}`];
  if (minute.unclassifiable > 0) parts.push(`? ${minute.unclassifiable}`);
  parts.push(minute.good === null ? `quality ${UNKNOWN}` : `quality ${Math.round(minute.good * 100)} % good`);
  if (minute.gaps > 0) parts.push(`${minute.gaps} ${minute.gaps === 1 ? "gap" : "gaps"}`);
  if (minute.events > 0) parts.push(`${minute.events} ${minute.events === 1 ? "event" : "events"}`);
  return parts.join(", ");
}

export class Trend {
  readonly element: HTMLElement;
  /** How long the last drawing took, for tests. */
  drawMs = 0;
  private readonly canvas = el("canvas", { class: "trend-canvas" });
  private readonly cursor = el("div", { class: "trend-cursor" });
  private readonly stage: HTMLElement;
  private readonly now = el("p", { class: "trend-now" });
  private readonly tables = el("div");
  private readonly unsure = el("p", { class: "note" });
  private size: [number, number] | null = null;
  private readonly stops: (() => void)[] = [];

  constructor(private readonly review: Review) {
    this.stage = el(
      "div",
      {
        class: "trend",
        role: "slider",
        tabindex: 0,
        "aria-label": "Trend: choose a time",
        "aria-valuemin": 0,
        "aria-valuemax": Math.max(0, review.minutes.length - 1),
        "data-moves": "",
      },
      this.canvas,
      this.cursor,
    );
    this.stage.style.height = `${HEIGHT_CSS_PX / 16}rem`;
    this.element = el(
      "section",
      { class: "card trend-card", "aria-label": "Trend" },
      this.now,
      this.stage,
      this.unsure,
      this.tables,
    );
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button === 0) this.choose(event, "push");
    });
    this.stage.addEventListener("pointermove", (event) => this.tell(this.minuteUnder(event)));
    this.stage.addEventListener("pointerleave", () => this.tell(null));
    this.stage.addEventListener("keydown", (event) => void this.key(event));
    this.stops.push(
      watchSize(this.canvas, (width, height) => {
        this.size = [width, height];
        this.draw();
      }),
    );
    this.table();
  }

  leave(): void {
    for (const stop of this.stops) stop();
  }

  private left(): number {
    return LEFT_CSS_PX * window.devicePixelRatio * textScale();
  }

  /** The trend runs over recorded minutes: a wall clock that was set does not bend it. */
  private x(minute: number): number {
    const [width] = this.size!;
    const count = Math.max(1, this.review.minutes.length);
    return this.left() + (minute / count) * (width - this.left() - 2);
  }

  private minuteUnder(event: PointerEvent): number {
    if (this.size === null) return 0;
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) * window.devicePixelRatio;
    const count = this.review.minutes.length;
    const at = ((x - this.left()) / (this.size[0] - this.left() - 2)) * count;
    return Math.min(count - 1e-6, Math.max(0, at));
  }

  private placeOf(minute: number): { timeUs: number | null; sample: number | null } {
    const { review } = this;
    const whole = Math.min(review.minutes.length - 1, Math.floor(minute));
    const row = review.minutes[whole];
    if (row === undefined) return { timeUs: review.beginUs, sample: null };
    if (review.clock.stepped)
      return placeOf(review, row.firstSample + (minute - whole) * 60 * review.session.rateHz);
    return {
      timeUs: Math.round(Math.min(review.endUs, row.timeUs + (minute - whole) * 60e6)),
      sample: null,
    };
  }

  private choose(event: PointerEvent, how: "push" | "replace"): void {
    if (this.review.minutes.length === 0) return;
    this.review.go({ ...this.placeOf(this.minuteUnder(event)), ...this.shown() }, how);
  }

  /** A beat page shows one beat; from it the trend leads to the strip. */
  private shown(): { show?: "strip" } {
    return this.review.place().show === "beat" ? { show: "strip" } : {};
  }

  private async key(event: KeyboardEvent): Promise<void> {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageUp: -60,
      PageDown: 60,
    };
    const { review } = this;
    const step = steps[event.key];
    const { at, part } = minuteOf(review);
    let minute = at + part;
    if (step === undefined && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    if (step !== undefined) minute += step * (event.shiftKey ? 10 : 1);
    else if (event.key === "Home") minute = 0;
    else {
      // The end of a session that goes on is where it is now.
      await review.newest();
      minute = review.minutes.length;
    }
    if (review.minutes.length === 0) return;
    const inside = Math.min(review.minutes.length, Math.max(0, minute));
    review.go({ ...this.placeOf(inside), ...this.shown() }, "replace");
  }

  /** Other counts: drawn and written anew. */
  changed(): void {
    this.stage.setAttribute("aria-valuemax", String(Math.max(0, this.review.minutes.length - 1)));
    this.draw();
    this.table();
    this.update();
  }

  update(): void {
    this.tell(null);
    if (this.size === null) return;
    const { minutes, beginUs } = this.review;
    const timeUs = this.review.place().timeUs ?? beginUs;
    const { at, part } = minuteOf(this.review);
    const row = minutes[at];
    this.stage.setAttribute("aria-valuenow", String(at));
    this.stage.setAttribute(
      "aria-valuetext",
      `${clockText(timeUs, true)}: ${row === undefined ? "nothing stored" : minuteText(row)}`,
    );
    this.cursor.style.left = `${this.x(at + part) / window.devicePixelRatio}px`;
  }

  /** Words above the picture: the minute under the pointer, or that of the strip. */
  private tell(minute: number | null): void {
    const { minutes, beginUs } = this.review;
    const place = minute === null ? this.review.place() : this.placeOf(Math.floor(minute));
    const timeUs = place.timeUs ?? beginUs;
    const row = minutes[minute === null ? minuteOf(this.review).at : Math.floor(minute)];
    const when = `${clockText(timeUs, true)} ${zoneText(timeUs)}`;
    say(
      this.now,
      `${minute === null ? "" : "pointer: "}${when}: ${row === undefined ? "nothing stored" : minuteText(row)}`,
    );
  }

  /** Device pixels from left to right, each with the minutes it stands for: no minute is drawn over another. */
  private columns(): { x: number; wide: number; minutes: Minute[] }[] {
    const columns: { x: number; wide: number; minutes: Minute[] }[] = [];
    this.review.minutes.forEach((minute, i) => {
      const x = Math.round(this.x(i));
      const last = columns.at(-1);
      if (last !== undefined && last.x === x) last.minutes.push(minute);
      else columns.push({ x, wide: Math.max(1, Math.round(this.x(i + 1)) - x), minutes: [minute] });
    });
    return columns;
  }

  draw(): void {
    if (this.size === null) return;
    const begin = performance.now();
    const [width, height] = this.size;
    const { minutes } = this.review;
    fit(this.canvas, width, height);
    const context = this.canvas.getContext("2d", { alpha: false })!;
    const colors = readColors();
    const ratio = height / HEIGHT_CSS_PX;
    const left = this.left();
    context.fillStyle = colors.blank;
    context.fillRect(0, 0, width, height);
    const font = (weight: number) => `${weight} ${Math.round(11.5 * ratio)}px ${FONT}`;
    context.font = font(500);
    context.textBaseline = "middle";

    // Hours, or what is round for the length there is.
    const labels = Math.max(2, Math.floor((width - left) / (74 * ratio)));
    const every =
      [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440].find(
        (one) => minutes.length / one <= labels,
      ) ?? 2880;
    const axisTop = height - HEIGHTS.axis * ratio;
    let day = "";
    minutes.forEach((minute, i) => {
      const date = new Date(minute.timeUs / 1000);
      const ofDay = date.getHours() * 60 + date.getMinutes();
      if (ofDay % every !== 0) return;
      const x = Math.round(this.x(i));
      context.fillStyle = colors.gridMinor;
      context.fillRect(x, 0, Math.max(1, ratio / 2), axisTop);
      context.fillStyle = colors.muted;
      const today = dayText(minute.timeUs).slice(5);
      const text = clockText(minute.timeUs, false).slice(0, 5) + (today === day ? "" : ` ${today}`);
      day = today;
      const wide = context.measureText(text).width;
      context.fillText(text, Math.min(x, width - wide), axisTop + (HEIGHTS.axis / 2) * ratio);
    });

    let top = 0;
    const [low, high] = rateRange(minutes);
    const rateHeight = HEIGHTS.rate * ratio;
    const y = (value: number) => top + rateHeight * (1 - (value - low) / (high - low));
    const step = axisStep(high - low, 4);
    context.textAlign = "right";
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      context.fillStyle = colors.gridMinor;
      context.fillRect(left, Math.round(y(value)), width - left, Math.max(1, ratio / 2));
      context.fillStyle = colors.muted;
      const at = Math.min(top + rateHeight - 6 * ratio, Math.max(top + 7 * ratio, y(value)));
      context.fillText(String(value), left - 5 * ratio, at);
    }
    context.textAlign = "left";
    context.fillStyle = colors.ink;
    context.font = font(700);
    context.fillText("HR", 2, top + 8 * ratio);
    context.font = font(500);
    const wide = Math.max(1, this.x(1) - this.x(0));
    const columns = this.columns();
    // Minimum to maximum as a band, the mean as a line in it.
    context.fillStyle = colors.s;
    context.globalAlpha = 0.32;
    for (const { x, wide: own, minutes: within } of columns) {
      let most = Number.NEGATIVE_INFINITY;
      let least = Number.POSITIVE_INFINITY;
      for (const { hrMin, hrMax } of within) {
        if (hrMin === null || hrMax === null) continue;
        least = Math.min(least, hrMin);
        most = Math.max(most, hrMax);
      }
      if (most < least) continue;
      const from = y(Math.min(high, most));
      context.fillRect(x, from, own, Math.max(1, y(least) - from));
    }
    context.globalAlpha = 1;
    context.strokeStyle = colors.ink;
    context.lineWidth = Math.max(1, 1.2 * ratio);
    context.beginPath();
    let joined = false;
    minutes.forEach((minute, i) => {
      if (minute.hrMean === null) {
        joined = false;
        return;
      }
      const x = this.x(i) + wide / 2;
      const at = y(Math.min(high, minute.hrMean));
      if (joined) context.lineTo(x, at);
      else {
        context.moveTo(x - wide / 2, at);
        context.lineTo(x, at);
      }
      joined = true;
    });
    context.stroke();
    top += rateHeight + BETWEEN * ratio;

    const bars = (name: string, heightCss: number, color: string, value: (minute: Minute) => number) => {
      const most = minutes.reduce((max, minute) => Math.max(max, value(minute)), 0);
      const tall = heightCss * ratio;
      context.fillStyle = colors.ink;
      context.font = font(700);
      context.fillText(`${name}/min`, 2, top + tall / 2);
      context.font = font(500);
      context.fillStyle = colors.muted;
      context.textAlign = "right";
      context.fillText(String(most), left - 5 * ratio, top + 7 * ratio);
      context.textAlign = "left";
      context.fillStyle = colors.gridMajor;
      context.fillRect(left, top + tall - 1, width - left, 1);
      context.fillStyle = color;
      if (most > 0) {
        // Of several minutes in a column the highest is shown.
        for (const { x, wide: own, minutes: within } of columns) {
          const share = Math.max(...within.map(value)) / most;
          if (share > 0) context.fillRect(x, top + tall * (1 - share), Math.max(own, ratio), tall * share);
        }
      }
      top += tall + BETWEEN * ratio;
    };
    bars("V", HEIGHTS.v, colors.v, (minute) => minute.v);
    bars("S", HEIGHTS.s, colors.s, (minute) => minute.s);

    // Quality: what is not good is what is to be seen, so it hangs from above.
    const tall = HEIGHTS.quality * ratio;
    context.fillStyle = colors.ink;
    context.font = font(700);
    context.fillText("quality", 2, top + tall / 2);
    for (const { x, wide: own, minutes: within } of columns) {
      const known = within.map((minute) => minute.good).filter((good) => good !== null);
      if (known.length === 0) continue;
      context.fillStyle = colors.muted;
      context.globalAlpha = 0.22;
      context.fillRect(x, top, own, tall);
      context.globalAlpha = 1;
      context.fillStyle = colors.warn;
      const worst = Math.min(...known);
      if (worst < 1) context.fillRect(x, top, own, tall * (1 - worst));
    }
    top += tall + BETWEEN * ratio;
    context.fillStyle = colors.ink;
    context.fillText("gaps", 2, top + (HEIGHTS.gaps * ratio) / 2);
    const hatch = hatchPattern(context, makeLook(this.review.settings, {}));
    minutes.forEach((minute, i) => {
      if (minute.gaps === 0) return;
      // At least wide enough to be seen.
      const least = Math.max(wide, 4 * ratio);
      context.fillStyle = hatch ?? colors.hatch;
      context.fillRect(this.x(i), top, least, HEIGHTS.gaps * ratio);
      context.fillStyle = colors.warn;
      context.fillRect(this.x(i), top, Math.max(1, ratio), HEIGHTS.gaps * ratio);
    });
    this.update();
    this.drawMs = performance.now() - begin;
  }

  /** The same in numbers: an hour per row. */
  private table(): void {
    const { minutes } = this.review;
    say(this.unsure, minutes.some(withUnclassifiable) ? UNSURE : "");
    const rows: string[][] = [];
    for (let from = 0; from < minutes.length; from += 60) {
      const hour = minutes.slice(from, from + 60);
      const beats = hour.reduce((sum, one) => sum + one.beats, 0);
      const known = hour.filter((one) => one.hrMean !== null);
      const of = (values: (number | null)[], pick: (...all: number[]) => number) => {
        const numbers = values.filter((one) => one !== null);
        return numbers.length === 0 ? UNKNOWN : pick(...numbers).toFixed(0);
      };
      const total = (pick: (one: Minute) => number) =>
        countText(hour.reduce((sum, one) => sum + pick(one), 0));
      const good = hour.reduce((sum, one) => sum + (one.good ?? 0) * one.beats, 0);
      rows.push([
        clockText(hour[0]!.timeUs, true).slice(0, 16),
        of(
          hour.map((one) => one.hrMin),
          Math.min,
        ),
        known.length === 0
          ? UNKNOWN
          : (known.reduce((sum, one) => sum + one.hrMean!, 0) / known.length).toFixed(0),
        of(
          hour.map((one) => one.hrMax),
          Math.max,
        ),
        countText(beats),
        total((one) => one.v),
        total((one) => one.s),
        total((one) => one.unclassifiable),
        beats === 0 ? UNKNOWN : `${Math.round((good / beats) * 100)} %`,
        total((one) => one.gaps),
      ]);
    }
    const head = [
      "Hour from",
      "HR min",
      "HR mean",
      "HR max",
      "Beats",
      "V (with ?)",
      "S (with ?)",
      "? unclassifiable",
      "Good quality",
      "Gaps",
    ];
    replaceTable(this.tables, tableOf("Trend as a table, by hour", head, rows));
  }
}
