// Two handles over a strip that measure: milliseconds, millivolts, and how often per minute. By mouse, touch and keys.

import { button, el, say } from "./dom.js";
import { yOf } from "./scale.js";
import type { Strip } from "./strip.js";

/** A handle: a sample of the session and a voltage. */
export interface Point {
  sample: number;
  uv: number;
}

export interface Reading {
  ms: number;
  mv: number;
  /** Null where both handles stand at the same sample. */
  perMinute: number | null;
}

export function reading(a: Point, b: Point, rateHz: number): Reading {
  const ms = (Math.abs(b.sample - a.sample) / rateHz) * 1000;
  return { ms, mv: (b.uv - a.uv) / 1000, perMinute: ms === 0 ? null : 60_000 / ms };
}

export function readingText(read: Reading): string {
  const mv = `${read.mv < 0 ? "−" : "+"}${Math.abs(read.mv).toFixed(2)} mV`;
  const rate = read.perMinute === null ? "---" : read.perMinute.toFixed(1);
  return `${read.ms.toFixed(0)} ms · ${mv} · ${rate} per minute`;
}

export class Calipers {
  readonly overlay = el("div", { class: "calipers", hidden: true });
  readonly panel = el("div", { class: "caliper-panel", hidden: true });
  on = false;
  private readonly handles: HTMLElement[];
  private readonly span = el("div", { class: "caliper-span" });
  private readonly shown = el("output", { class: "caliper-reading", "aria-label": "Calipers" });
  private points: [Point, Point] | null = null;
  private lane = 0;

  constructor(private readonly strip: Strip) {
    this.handles = [0, 1].map((i) => {
      const handle = el("div", {
        class: "caliper",
        role: "slider",
        tabindex: 0,
        "aria-label": `Caliper ${i + 1}`,
        "data-moves": "",
      });
      handle.append(
        el("div", { class: "caliper-line" }),
        el("div", { class: "caliper-level" }),
        el("div", { class: "caliper-grip" }, String(i + 1)),
      );
      handle.addEventListener("keydown", (event) => this.key(i, event));
      return handle;
    });
    this.overlay.append(this.span, ...this.handles);
    this.overlay.addEventListener("pointerdown", (event) => this.press(event));
    this.panel.append(
      this.shown,
      button("On the trace", { class: "small" }, () => {
        this.snap(0);
        this.snap(1);
        this.place();
      }),
      button("Other lead", { class: "small" }, () => {
        const count = this.strip.lanes.length;
        this.lane = (this.lane + 1) % Math.max(1, count);
        this.snap(0);
        this.snap(1);
        this.place();
      }),
      el(
        "span",
        { class: "note" },
        "Drag a handle. Or Tab to it: arrows move it, with Shift by 10; Enter puts it on the trace.",
      ),
    );
  }

  set(on: boolean): void {
    this.on = on;
    this.overlay.hidden = !on;
    this.panel.hidden = !on;
    if (on) {
      this.place();
      this.handles[0]!.focus();
    }
  }

  private get first(): number {
    return this.strip.content?.stretch.firstSample ?? 0;
  }

  private channel(): number {
    return this.strip.look?.channels[this.lane] ?? 0;
  }

  private snap(i: number): void {
    const point = this.points?.[i];
    if (point === undefined) return;
    point.uv =
      this.strip.uvAt(this.channel(), point.sample - this.first) ?? this.strip.offset(this.channel());
  }

  /** Draws the handles where they belong; those that are not on the strip come back onto it. */
  place(): void {
    const { strip } = this;
    const { content, look } = strip;
    if (!this.on || content === null || look === null) return;
    if (this.lane >= strip.lanes.length) this.lane = 0;
    const from = this.first + content.start;
    const seen = this.points?.every((one) => one.sample >= from && one.sample <= from + content.length);
    if (this.points === null || seen !== true) {
      const at = (share: number) => ({ sample: Math.round(from + share * content.length), uv: 0 });
      this.points = [at(0.35), at(0.55)];
      this.snap(0);
      this.snap(1);
    }
    const lane = strip.lanes[this.lane]!;
    const ratio = look.devicePixelRatio;
    const offset = strip.offset(this.channel());
    const read = reading(...this.points, content.stretch.rateHz);
    const places = this.points.map((point, i) => {
      const handle = this.handles[i]!;
      const x = strip.x(point.sample - this.first) / ratio;
      const y = yOf(point.uv, offset, look.gain, look.devicePxPerMm, lane) / ratio;
      const top = lane.topPx / ratio;
      const shownY = Math.min(Math.max(y, top), top + lane.heightPx / ratio);
      handle.style.left = `${x}px`;
      handle.style.top = `${top}px`;
      handle.style.height = `${lane.heightPx / ratio}px`;
      (handle.children[1] as HTMLElement).style.top = `${shownY - top}px`;
      const ms = ((point.sample - from) / content.stretch.rateHz) * 1000;
      handle.setAttribute("aria-valuemin", "0");
      handle.setAttribute(
        "aria-valuemax",
        String(Math.round((content.length / content.stretch.rateHz) * 1000)),
      );
      handle.setAttribute("aria-valuenow", String(Math.round(ms)));
      handle.setAttribute(
        "aria-valuetext",
        `${Math.round(ms)} ms from the left, ${(point.uv / 1000).toFixed(2)} mV; ${readingText(read)}`,
      );
      return x;
    });
    this.span.style.left = `${Math.min(...places)}px`;
    this.span.style.width = `${Math.abs(places[1]! - places[0]!)}px`;
    this.span.style.top = `${lane.topPx / ratio}px`;
    say(this.shown, readingText(read));
  }

  /** For tests: the handles as samples of the session and microvolts. */
  get measured(): readonly Point[] | null {
    return this.points;
  }

  private key(i: number, event: KeyboardEvent): void {
    const { strip } = this;
    const point = this.points?.[i];
    const look = strip.look;
    if (point === undefined || look === null || event.ctrlKey || event.altKey || event.metaKey) return;
    const by = event.shiftKey ? 10 : 1;
    // One step is one sample, or one device pixel where samples lie closer.
    const across = by * Math.max(1, Math.round(1 / strip.time.pxPerSample));
    const up = (by * 1000) / (look.gain * look.devicePxPerMm);
    switch (event.key) {
      case "ArrowLeft":
      case "ArrowRight":
        point.sample += event.key === "ArrowLeft" ? -across : across;
        this.keep(point);
        this.snap(i);
        break;
      case "ArrowUp":
        point.uv += up;
        break;
      case "ArrowDown":
        point.uv -= up;
        break;
      case "Enter":
        this.snap(i);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.place();
  }

  private keep(point: Point): void {
    const { content } = this.strip;
    if (content === null) return;
    const from = this.first + content.start;
    point.sample = Math.round(Math.min(from + content.length, Math.max(from, point.sample)));
  }

  private press(event: PointerEvent): void {
    const { strip } = this;
    const look = strip.look;
    if (look === null || this.points === null || event.button !== 0) return;
    event.preventDefault();
    const at = (one: PointerEvent) => {
      const box = strip.canvas.getBoundingClientRect();
      return {
        x: (one.clientX - box.left) * look.devicePixelRatio,
        y: (one.clientY - box.top) * look.devicePixelRatio,
      };
    };
    const begin = at(event);
    const distance = (i: number) => Math.abs(strip.x(this.points![i]!.sample - this.first) - begin.x);
    const i = distance(0) <= distance(1) ? 0 : 1;
    const under = strip.lanes.findIndex(
      (lane) => begin.y >= lane.topPx && begin.y < lane.topPx + lane.heightPx,
    );
    if (under >= 0 && under !== this.lane) {
      this.lane = under;
      this.snap(1 - i);
    }
    const move = (one: PointerEvent) => {
      const { x, y } = at(one);
      const lane = strip.lanes[this.lane]!;
      const point = this.points![i]!;
      point.sample = Math.round(strip.sampleAt(x) + this.first);
      this.keep(point);
      const inLane = Math.min(lane.topPx + lane.heightPx, Math.max(lane.topPx, y));
      const mm = (lane.topPx + lane.heightPx / 2 - inLane) / look.devicePxPerMm;
      point.uv = strip.offset(this.channel()) + (mm / look.gain) * 1000;
      this.place();
    };
    const stop = () => {
      this.overlay.removeEventListener("pointermove", move);
      this.overlay.removeEventListener("pointerup", stop);
      this.overlay.removeEventListener("pointercancel", stop);
    };
    this.overlay.setPointerCapture(event.pointerId);
    this.overlay.addEventListener("pointermove", move);
    this.overlay.addEventListener("pointerup", stop);
    this.overlay.addEventListener("pointercancel", stop);
    this.handles[i]!.focus();
    move(event);
  }
}
