// RR histogram and Poincaré plot of a span about the time, with what was left out of them.

import type { Place } from "./address.js";
import { getRr, problemText, wasAborted } from "./api.js";
import { FONT, readColors } from "./colors.js";
import { button, el, say } from "./dom.js";
import { clockText, countText, UNKNOWN, zoneText } from "./format.js";
import { axisStep, BIN_MS, type Bin, chain, histogram, type Intervals, spread } from "./intervals.js";
import { Latest, type Part, type Review, replaceTable, spanButtons, spanOf, tableOf } from "./review.js";
import { fit, textScale, watchSize } from "./sizing.js";

export function rrPart(review: Review): Part {
  const latest = new Latest();
  const message = el("p", { class: "message", role: "status" });
  const facts = el("dl", { class: "pairs facts" });
  const bars = el("canvas", { class: "plot", role: "img", "aria-label": "Histogram of RR intervals" });
  const cloud = el("canvas", {
    class: "plot",
    role: "img",
    "aria-label": "Poincaré plot: each RR interval against the next",
  });
  const tables = el("div");
  let intervals: Intervals | null = null;
  let loaded = "";

  const spans = spanButtons(review);
  const stopLoading = button("Stop", { class: "small", hidden: true }, () => {
    latest.stop();
    stopLoading.hidden = true;
    say(message, "Stopped.");
  });
  const byMachine = "RR intervals go by the machine's labels, not by the corrected ones.";
  const labels = el("p", { class: "note" }, review.labels === "machine" ? "" : byMachine);
  const element = el(
    "section",
    { class: "strip", "aria-label": "RR intervals" },
    el("div", { class: "tools" }, spans.element, stopLoading),
    labels,
    message,
    el(
      "div",
      { class: "plots" },
      el(
        "figure",
        { class: "card" },
        el("figcaption", {}, `RR intervals, bins of ${BIN_MS} ms`),
        el("div", { class: "plot-box" }, bars),
      ),
      el(
        "figure",
        { class: "card" },
        el("figcaption", {}, "Each RR interval (across) against the next (up), ms"),
        el("div", { class: "plot-box" }, cloud),
      ),
      el("div", { class: "card" }, el("h2", {}, "What is counted"), facts),
    ),
    tables,
  );

  const load = async (place: Place) => {
    const [from, to] = spanOf(review, place);
    spans.show(place);
    const key = `${from} ${to}`;
    if (key === loaded) return;
    const signal = latest.begin();
    intervals = null;
    loaded = "";
    draw();
    stopLoading.hidden = false;
    const span = `${clockText(from, true)} to ${clockText(to, true)} ${zoneText(from)}`;
    const told = (count: number) => say(message, `Loading ${span}: ${countText(count)} beats …`);
    try {
      told(0);
      const beats = await getRr({ session: review.session.id, from, to }, signal, told);
      intervals = chain(beats);
      loaded = key;
      say(message, intervals.rr.length === 0 ? `${span}: no RR interval between class N beats.` : span);
      draw();
      tell();
    } catch (error) {
      // Whoever stopped it has said so, and a newer question shows the button itself.
      if (wasAborted(error)) return;
      say(message, problemText(error));
    }
    if (!signal.aborted) stopLoading.hidden = true;
  };

  const tell = () => {
    if (intervals === null) return;
    const { leftOut, rr, pairs } = intervals;
    const found = spread(intervals);
    const ms = (value: number | null | undefined) =>
      value === null || value === undefined ? UNKNOWN : `${value.toFixed(0)} ms`;
    const rows: [string, string][] = [
      ["Beats in the span", countText(intervals.beats)],
      ["RR intervals counted", countText(rr.length)],
      ["Pairs in the Poincaré plot", countText(pairs.length / 2)],
      ["Left out: no RR interval", countText(leftOut.noInterval)],
      ["Left out: beside a V or S beat", countText(leftOut.notN)],
      ["Left out: beside a ? beat", countText(leftOut.unclassifiable)],
      ["Mean", ms(found?.mean)],
      ["Standard deviation", ms(found?.sd)],
      ["RMSSD", ms(found?.rmssd)],
    ];
    facts.replaceChildren(
      ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
    );
    const list = histogram(rr).filter((bin) => bin.count > 0);
    replaceTable(
      tables,
      tableOf(
        "Histogram as a table",
        ["From (ms)", "To below (ms)", "Intervals"],
        list.map((bin) => [String(bin.fromMs), String(bin.toMs), countText(bin.count)]),
      ),
    );
  };

  const draw = () => {
    drawHistogram(bars, intervals === null ? [] : histogram(intervals.rr));
    drawCloud(cloud, intervals?.pairs ?? []);
    if (intervals === null) {
      facts.replaceChildren();
      tables.replaceChildren();
    }
  };

  const stops = [
    watchSize(bars, (width, height) => {
      fit(bars, width, height);
      drawHistogram(bars, intervals === null ? [] : histogram(intervals.rr));
    }),
    watchSize(cloud, (width, height) => {
      fit(cloud, width, height);
      drawCloud(cloud, intervals?.pairs ?? []);
    }),
    review.settings.listen(draw),
  ];
  return {
    element,
    update: (place) => void load(place),
    leave() {
      latest.stop();
      for (const stop of stops) stop();
    },
  };
}

interface Frame {
  context: CanvasRenderingContext2D;
  scale: number;
  left: number;
  top: number;
  width: number;
  height: number;
}

function frame(canvas: HTMLCanvasElement): Frame {
  const context = canvas.getContext("2d", { alpha: false })!;
  const colors = readColors();
  const scale = window.devicePixelRatio * textScale();
  context.fillStyle = colors.blank;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = `500 ${Math.round(12 * scale)}px ${FONT}`;
  const left = 44 * scale;
  const top = 10 * scale;
  return {
    context,
    scale,
    left,
    top,
    width: canvas.width - left - 12 * scale,
    height: canvas.height - top - 26 * scale,
  };
}

/** Lines and numbers of one axis; `place` gives the pixel of a value. */
function axis(f: Frame, across: boolean, low: number, high: number, place: (value: number) => number): void {
  const { context, scale } = f;
  const colors = readColors();
  const step = axisStep(high - low, (across ? f.width : f.height) / (56 * scale));
  context.textBaseline = "middle";
  context.textAlign = across ? "center" : "right";
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
    const at = Math.round(place(value));
    context.fillStyle = colors.gridMinor;
    const thin = Math.max(1, scale / 2);
    if (across) context.fillRect(at, f.top, thin, f.height);
    else context.fillRect(f.left, at, f.width, thin);
    context.fillStyle = colors.muted;
    if (across) {
      // The last one may be wider than what is left beside the plot.
      const half = context.measureText(String(value)).width / 2;
      context.fillText(
        String(value),
        Math.min(at, context.canvas.width - half - scale),
        f.top + f.height + 14 * scale,
      );
    } else context.fillText(String(value), f.left - 6 * scale, at);
  }
  context.textAlign = "left";
}

function drawHistogram(canvas: HTMLCanvasElement, bins: readonly Bin[]): void {
  const f = frame(canvas);
  if (bins.length === 0) return;
  const colors = readColors();
  const low = bins[0]!.fromMs - BIN_MS;
  const high = bins.at(-1)!.toMs + BIN_MS;
  const most = Math.max(...bins.map((bin) => bin.count));
  const x = (ms: number) => f.left + ((ms - low) / (high - low)) * f.width;
  const y = (count: number) => f.top + f.height * (1 - count / most);
  axis(f, true, low, high, x);
  axis(f, false, 0, most, y);
  f.context.fillStyle = colors.s;
  for (const bin of bins) {
    if (bin.count === 0) continue;
    const wide = Math.max(1, x(bin.toMs) - x(bin.fromMs) - f.scale * 0.5);
    f.context.fillRect(x(bin.fromMs), y(bin.count), wide, f.top + f.height - y(bin.count));
  }
}

function drawCloud(canvas: HTMLCanvasElement, pairs: readonly number[]): void {
  const f = frame(canvas);
  if (pairs.length === 0) return;
  const colors = readColors();
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of pairs) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  low = Math.floor(low / 100) * 100;
  high = Math.ceil((high + 1) / 100) * 100;
  // Both axes at the same scale, or the picture's shape would mean nothing.
  const side = Math.min(f.width, f.height);
  f.width = side;
  f.height = side;
  const x = (ms: number) => f.left + ((ms - low) / (high - low)) * side;
  const y = (ms: number) => f.top + side - ((ms - low) / (high - low)) * side;
  axis(f, true, low, high, x);
  axis(f, false, low, high, y);
  const { context } = f;
  context.strokeStyle = colors.gridMajor;
  context.lineWidth = Math.max(1, f.scale);
  context.beginPath();
  context.moveTo(x(low), y(low));
  context.lineTo(x(high), y(high));
  context.stroke();
  const many = pairs.length / 2;
  context.fillStyle = colors.ink;
  // Dark where points lie over each other.
  context.globalAlpha = many > 20_000 ? 0.12 : many > 2000 ? 0.25 : 0.6;
  const dot = Math.max(1.5, 2.4 * f.scale * (many > 20_000 ? 0.7 : 1));
  for (let i = 0; i < pairs.length; i += 2)
    context.fillRect(x(pairs[i]!) - dot / 2, y(pairs[i + 1]!) - dot / 2, dot, dot);
  context.globalAlpha = 1;
}
