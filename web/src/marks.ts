// Two rows below the trace: the letters of the beats, and in words what happened (gaps, re-centring, clock).
// They are small, so each frame draws them anew.

import { type Colors, FONT } from "./colors.js";
import type { Look } from "./drawing.js";
import { SETTLE_S } from "./filter.js";
import { durationText } from "./format.js";
import { missingRuns } from "./missing.js";
import type { Picture } from "./picture.js";
import { isSample } from "./ring.js";
import { halfLaneUv, type Lane, unrolledX } from "./scale.js";
import type { Sweep } from "./sweep.js";
import { type BeatMark, beatMark, gapCause } from "./words.js";

/** At the usual font size; the style sheet gives the canvas the same height in rem. */
const ROWS_CSS_PX = 52;
const BEAT_ROW = 28;
/** A label takes about a second. Further back, where there is none, there was no beat to label. */
const PENDING_S = 3;

/** From where on to the head labels are still to come. */
export function pendingFrom(newestLabel: number | null, headSample: number, rateHz: number): number {
  return Math.max(newestLabel ?? 0, headSample - PENDING_S * rateHz);
}

export class Marks {
  /** What stands in the row of words, and where the letters stand (device pixels), for tests. */
  words: string[] = [];
  letters: { sample: number; x: number }[] = [];
  private readonly context: CanvasRenderingContext2D;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d", { alpha: false })!;
  }

  frame(picture: Picture, sweep: Sweep, headSample: number): void {
    const { canvas, context } = this;
    const look = sweep.look;
    if (look === null) return;
    const ratio = look.devicePixelRatio * look.textScale;
    const height = Math.round(ROWS_CSS_PX * ratio);
    if (canvas.width !== look.widthPx || canvas.height !== height) {
      canvas.width = look.widthPx;
      canvas.height = height;
    }
    const { colors } = look;
    context.fillStyle = colors.blank;
    context.fillRect(0, 0, canvas.width, height);
    context.fillStyle = colors.gridMajor;
    context.fillRect(0, 0, canvas.width, Math.max(1, ratio));
    this.words = [];
    this.letters = [];
    const ring = picture.ring;
    const rate = picture.info?.sampleRateHz ?? null;
    if (ring === null || rate === null || ring.end === ring.begin) return;
    const [first, head] = sweep.window(headSample);
    const width = sweep.time.widthPx;
    const place = (unrolled: number) => sweep.leftPx + unrolled - Math.floor(unrolled / width) * width;
    this.pending(picture, sweep, first, head, rate, ratio, colors);

    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const beat of picture.beats) {
      const x = unrolledX(beat.rSample, sweep.time);
      if (x < first || x > head) continue;
      const { letter, mark } = beatMark(beat);
      glyph(context, place(x), (BEAT_ROW / 2) * ratio, letter, mark, ratio, colors);
      this.letters.push({ sample: beat.rSample, x: place(x) });
    }

    // The second row: what lies furthest right is newest and goes first where two texts would overlap.
    const texts: { x: number; text: string; warn: boolean }[] = [];
    const firstSample = first / sweep.time.pxPerSample;
    const endSample = head / sweep.time.pxPerSample;
    for (const run of missingRuns(ring, picture.gaps, firstSample, endSample)) {
      const ms = ((run.end - run.first) / rate) * 1000;
      texts.push({
        x: unrolledX(run.first, sweep.time),
        text: `gap ${durationText(ms)}: ${gapCause(run.cause)}`,
        warn: true,
      });
    }
    for (const mark of picture.marks) {
      const x = unrolledX(mark.sample, sweep.time);
      if (x < first || x > head) continue;
      texts.push({ x, text: mark.note === true ? mark.text : `▲ ${mark.text}`, warn: false });
    }
    if (look.filtered && ring.samplesPerPoint === 1) {
      for (const run of settlingRuns(picture, firstSample, endSample)) {
        texts.push({ x: unrolledX(run.first, sweep.time), text: "▲ filter settles", warn: false });
      }
    }
    for (const run of beyondRuns(picture, look, sweep.lanes, firstSample, endSample)) {
      texts.push({ x: unrolledX(run.sample, sweep.time), text: run.text, warn: false });
    }
    for (const clip of clippedRuns(picture, look.channels, firstSample, endSample)) {
      texts.push({ x: unrolledX(clip, sweep.time), text: "clipped", warn: true });
    }
    // Both leads are often re-centred at the same sample.
    for (let i = texts.length - 1; i > 0; i--) {
      if (Math.abs(texts[i]!.x - texts[i - 1]!.x) > 1) continue;
      if (texts[i]!.text !== texts[i - 1]!.text)
        texts[i - 1]!.text += `; ${texts[i]!.text.replace("▲ ", "")}`;
      texts.splice(i, 1);
    }
    // What is missing must be read first; else what is newest.
    texts.sort((a, b) => Number(b.warn) - Number(a.warn) || b.x - a.x);
    const size = Math.round(12 * ratio);
    const y = (BEAT_ROW + (ROWS_CSS_PX - BEAT_ROW) / 2) * ratio;
    context.font = `500 ${size}px ${FONT}`;
    context.textAlign = "left";
    const wanted = texts.map((one) => ({
      ...one,
      x: place(Math.max(first, one.x)),
      wide: context.measureText(one.text).width,
    }));
    for (const { text, warn, at } of layWords(wanted, 2, canvas.width - 2, size / 2)) {
      context.fillStyle = warn ? colors.warn : colors.muted;
      context.fillText(text, at, y);
      this.words.push(text);
    }
  }

  /** From the newest label to the head there are none yet, and that is said. */
  private pending(
    picture: Picture,
    sweep: Sweep,
    first: number,
    head: number,
    rate: number,
    ratio: number,
    colors: Colors,
  ): void {
    const { context } = this;
    const width = sweep.time.widthPx;
    const newest = picture.beats.at(-1)?.rSample ?? null;
    const pending = unrolledX(pendingFrom(newest, head / sweep.time.pxPerSample, rate), sweep.time);
    const labelled = newest === null ? 0 : unrolledX(newest, sweep.time) + 12 * ratio;
    const from = Math.max(first, pending, labelled);
    if (head <= from) return;
    context.font = `500 ${Math.round(12 * ratio)}px ${FONT}`;
    const text = "labels pending";
    const wide = context.measureText(text).width;
    for (let n = Math.floor(from / width); n * width < head; n++) {
      const left = sweep.leftPx + Math.max(0, from - n * width);
      const right = sweep.leftPx + Math.min(width, head - n * width);
      if (right <= left) continue;
      context.fillStyle = colors.paper;
      context.fillRect(left, 3 * ratio, right - left, (BEAT_ROW - 5) * ratio);
      context.strokeStyle = colors.muted;
      context.lineWidth = Math.max(1, ratio);
      context.setLineDash([3 * ratio, 3 * ratio]);
      context.strokeRect(left + 0.5, 3 * ratio + 0.5, right - left - 1, (BEAT_ROW - 5) * ratio - 1);
      context.setLineDash([]);
      context.fillStyle = colors.muted;
      context.textBaseline = "middle";
      context.textAlign = "center";
      if (right - left > wide + 6 * ratio) context.fillText(text, (left + right) / 2, (BEAT_ROW / 2) * ratio);
      else if (right - left > 0.62 * wide)
        context.fillText("pending", (left + right) / 2, (BEAT_ROW / 2) * ratio);
      else if (right - left > 14 * ratio) context.fillText("…", (left + right) / 2, (BEAT_ROW / 2) * ratio);
    }
  }
}

/**
 * Places texts in one row, the first ones where they belong. One that would lie over another moves to the right of it,
 * if that is near; else it is left out.
 */
export function layWords<T extends { x: number; wide: number }>(
  texts: readonly T[],
  left: number,
  right: number,
  between: number,
): (T & { at: number })[] {
  const taken: [number, number][] = [];
  const laid: (T & { at: number })[] = [];
  for (const one of texts) {
    let at = Math.max(left, Math.min(one.x, right - one.wide));
    const furthest = at + 25 * between + one.wide;
    for (let tries = 0; tries < 4; tries++) {
      const over = taken.find(([a, b]) => at < b + between && at + one.wide + between > a);
      if (over === undefined) {
        taken.push([at, at + one.wide]);
        laid.push({ ...one, at });
        break;
      }
      at = over[1] + 1.5 * between;
      if (at > furthest || at + one.wide > right) break;
    }
  }
  return laid;
}

/** Stretches behind a gap, or at the beginning, in which the high-pass still settles. */
export function settlingRuns(
  picture: Picture,
  firstSample: number,
  endSample: number,
): { first: number; end: number }[] {
  const ring = picture.ring!;
  const settle = SETTLE_S * (picture.info?.sampleRateHz ?? 500);
  const runs: { first: number; end: number }[] = [];
  const add = (first: number) => {
    if (first > firstSample - settle && first < endSample) runs.push({ first, end: first + settle });
  };
  if (isSample(ring.min[0]![ring.at(ring.begin)]!)) add(ring.begin * ring.samplesPerPoint);
  for (const run of missingRuns(ring, picture.gaps, firstSample - settle, endSample)) add(run.end);
  return runs;
}

/** Where a trace leaves its lane: the grey bar at the edge, in words. Once per second and lead. */
export function beyondRuns(
  picture: Picture,
  look: Look,
  lanes: readonly Lane[],
  firstSample: number,
  endSample: number,
): { sample: number; text: string }[] {
  const ring = picture.ring!;
  const { samplesPerPoint: per } = ring;
  const rate = picture.info?.sampleRateHz ?? 500;
  const found: { sample: number; text: string }[] = [];
  look.channels.forEach((channel, i) => {
    const info = picture.info?.channels[channel];
    const shifts = picture.shifts[channel];
    if (info === undefined || shifts === undefined) return;
    const half = halfLaneUv(look.gain, look.devicePxPerMm, lanes[i]!);
    const filtered = look.filtered ? ring.filtered[channel] : undefined;
    // Above and below are told for themselves.
    const last = { above: Number.NEGATIVE_INFINITY, below: Number.NEGATIVE_INFINITY };
    const end = Math.min(ring.end, Math.ceil(endSample / per));
    for (let point = Math.max(ring.begin, Math.floor(firstSample / per)); point < end; point++) {
      const at = ring.at(point);
      const low = ring.min[channel]![at]!;
      const high = ring.max[channel]![at]!;
      if (!isSample(low) || low <= info.codeRange[0] || high >= info.codeRange[1]) continue;
      const offset = filtered === undefined ? shifts.at(point * per) : 0;
      const lowUv = filtered?.[at] ?? low * info.uvPerCode;
      const highUv = filtered?.[at] ?? high * info.uvPerCode;
      const above = highUv - offset > half;
      if (!above && lowUv - offset >= -half) continue;
      const side = above ? "above" : "below";
      if (point * per - last[side] > rate) {
        const name = info.lead ?? `channel ${info.channelNumber}`;
        found.push({ sample: point * per, text: `${name} ${side} its lane` });
      }
      last[side] = point * per;
    }
  });
  return found;
}

/** First sample of each clipped stretch, a second apart at least. */
export function clippedRuns(
  picture: Picture,
  channels: readonly number[],
  firstSample: number,
  endSample: number,
): number[] {
  const ring = picture.ring!;
  const rate = picture.info?.sampleRateHz ?? 500;
  const per = ring.samplesPerPoint;
  const found: number[] = [];
  for (const channel of channels) {
    const range = picture.info?.channels[channel]?.codeRange;
    if (range === undefined) continue;
    let last = Number.NEGATIVE_INFINITY;
    const end = Math.min(ring.end, Math.ceil(endSample / per));
    for (let point = Math.max(ring.begin, Math.floor(firstSample / per)); point < end; point++) {
      const low = ring.min[channel]![ring.at(point)]!;
      if (!isSample(low)) continue;
      if (low > range[0] && ring.max[channel]![ring.at(point)]! < range[1]) continue;
      if (point * per - last > rate) found.push(point * per);
      last = point * per;
    }
  }
  return found;
}

/** Letter and shape: a colour alone tells nobody anything. */
export function glyph(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  letter: string,
  mark: BeatMark,
  ratio: number,
  colors: Colors,
  byPerson = false,
): void {
  const r = 10 * ratio;
  if (byPerson) {
    // Two lines below: not the machine's.
    context.fillStyle = colors.ink;
    for (const down of [1.3, 1.6]) context.fillRect(x - r, y + down * r, 2 * r, Math.max(1, 1.3 * ratio));
  }
  context.lineWidth = Math.max(1, 1.3 * ratio);
  context.strokeStyle = colors.muted;
  context.setLineDash([]);
  context.beginPath();
  let ink = colors.ink;
  let down = 0;
  if (mark === "artefact") {
    context.lineWidth = Math.max(1, 2.4 * ratio);
    context.strokeStyle = colors.warn;
    for (const side of [-1, 1]) {
      context.moveTo(x - 0.75 * r, y - side * 0.75 * r);
      context.lineTo(x + 0.75 * r, y + side * 0.75 * r);
    }
    context.stroke();
    return;
  }
  if (mark === "v") {
    context.rect(x - r, y - r, 2 * r, 2 * r);
    context.fillStyle = colors.v;
    context.fill();
    ink = colors.onV;
  } else if (mark === "s") {
    context.moveTo(x, y - 1.25 * r);
    context.lineTo(x + 1.3 * r, y + r);
    context.lineTo(x - 1.3 * r, y + r);
    context.closePath();
    context.fillStyle = colors.s;
    context.fill();
    ink = colors.onS;
    down = 0.3 * r;
  } else if (mark === "bundle") {
    context.roundRect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r, 4 * ratio);
    context.stroke();
  } else {
    if (mark === "unknown") context.setLineDash([3 * ratio, 2.5 * ratio]);
    context.arc(x, y, 0.95 * r, 0, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
  }
  context.font = `700 ${Math.round(12.5 * ratio)}px ${FONT}`;
  context.fillStyle = ink;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(letter, x, y + down + 0.5 * ratio);
}
