// A stretch of stored ECG on paper. It is drawn by the same functions as the sweep of the live view; only the place of
// the first sample differs. Positions are local: sample 0 is the first one of the stretch that was fetched.

import type { StoredBeat, StoredEvent } from "./api.js";
import { FONT } from "./colors.js";
import {
  drawFlags,
  drawGaps,
  drawSettling,
  drawTicks,
  drawTrace,
  type Ground,
  hatchPattern,
  type Look,
  layCaption,
  paintCaption,
  paintLane,
} from "./drawing.js";
import type { Stretch } from "./ecg.js";
import { DisplayFilter } from "./filter.js";
import { clockText, durationText, noteText } from "./format.js";
import { beyondRuns, clippedRuns, glyph, layWords, settlingRuns } from "./marks.js";
import { median, Shifts } from "./offset.js";
import type { Picture } from "./picture.js";
import type { Correction } from "./protocol.js";
import { isSample, Ring } from "./ring.js";
import { type Lane, laneMiddle, type TimeScale, timeScale, unrolledX } from "./scale.js";
import { filterRing, missingRuns } from "./session.js";
import type { WallTime } from "./wall-time.js";
import { beatMark, correctedMark, eventText, gapCause } from "./words.js";

export interface Content {
  stretch: Stretch;
  picture: Picture;
  beats: readonly StoredBeat[];
  events: readonly StoredEvent[];
  /** What persons said about this stretch, without what was undone. */
  corrections: readonly Correction[];
  /** Local sample at the left edge, with fractions, and how many are shown. */
  start: number;
  length: number;
  /** Where the wall clock was set within the session: what it showed at each sample. */
  clock: WallTime | null;
}

/** What a stretch must be drawn with, from its session. */
export interface Signal {
  /** 0: not known. */
  mainsHz: number;
  codeRange: readonly [number, number];
}

export function localSample(stretch: Stretch, timeUs: number): number {
  return ((timeUs - stretch.startUs) / 1e6) * stretch.rateHz;
}

export function localTimeUs(stretch: Stretch, sample: number): number {
  return stretch.startUs + (sample / stretch.rateHz) * 1e6;
}

/** Wall time of a local sample of a content. */
export function contentTimeUs(content: Content, sample: number): number {
  const { clock, stretch } = content;
  return clock === null ? localTimeUs(stretch, sample) : clock.timeAt(stretch.firstSample + sample);
}

/** Only some samples of a stretch that is not thinned; `first` and `end` are samples of the session. */
export function cut(stretch: Stretch, first: number, end: number, startUs: number): Stretch {
  const channels = stretch.channels.length;
  const from = Math.min(stretch.points, Math.max(0, Math.floor(first) - stretch.firstSample));
  const to = Math.min(stretch.points, Math.max(from, Math.ceil(end) - stretch.firstSample));
  return {
    ...stretch,
    startUs,
    firstSample: stretch.firstSample + from,
    points: to - from,
    codes: stretch.codes.subarray(from * channels, to * channels),
  };
}

/** A stored stretch as the canvases read it. `start` is the local sample at the left edge. */
export function makeContent(
  stretch: Stretch,
  beats: readonly StoredBeat[],
  events: readonly StoredEvent[],
  start: number,
  seconds: number,
  { mainsHz, codeRange }: Signal,
): Content {
  const { samplesPerPoint: per, points, rateHz } = stretch;
  const channels = stretch.channels.length;
  const uvPerCode = stretch.channels.map((channel) => channel.uvPerCode);
  const length = seconds * rateHz;
  let ring: Ring | null = null;
  const shifts = stretch.channels.map(() => new Shifts());
  if (points > 0 && channels > 0) {
    ring = new Ring(channels, per, points, 1);
    ring.open(0, points);
    const each = per > 1 ? 2 : 1;
    for (let c = 0; c < channels; c++) {
      const min = ring.min[c]!;
      const max = ring.max[c]!;
      const shown: number[] = [];
      // The offset is rounded to a tenth of a millivolt; some thousand values tell its median.
      const every = Math.max(1, Math.floor(length / per / 2000));
      for (let point = 0; point < points; point++) {
        const at = (point * channels + c) * each;
        min[point] = stretch.codes[at]!;
        if (each === 2) max[point] = stretch.codes[at + 1]!;
        const sample = point * per;
        if (point % every === 0 && isSample(min[point]!) && sample >= start && sample < start + length)
          shown.push(min[point]! * uvPerCode[c]!);
      }
      shifts[c]!.hold(median(shown));
    }
    if (per === 1)
      filterRing(
        ring,
        uvPerCode,
        uvPerCode.map(() => new DisplayFilter(rateHz, mainsHz)),
      );
  }
  return {
    stretch,
    beats,
    events,
    corrections: [],
    clock: null,
    start,
    length,
    picture: {
      info: {
        open: false,
        id: stretch.session,
        source: null,
        origin: null,
        chip: null,
        sampleRateHz: rateHz,
        samplesPerPoint: per,
        channels: stretch.channels.map((channel) => ({ ...channel, codeRange })),
        startTimeUs: stretch.startUs,
        mainsHz,
        patientLabel: null,
        version: "",
      },
      ring,
      shifts,
      beats: beats.map((beat) => ({
        ...beat,
        committed: true,
        rSample: beat.rSample - stretch.firstSample,
        rTimeUs: beat.timeUs,
      })),
      gaps: stretch.gaps.map((gap) => ({
        ...gap,
        firstMissingSample: gap.firstMissingSample - stretch.firstSample,
      })),
      marks: [],
    },
  };
}

/** From fast to slow. A strip is drawn at the first speed at which it fits. */
const SPEEDS = [200, 100, 50, 25, 12.5, 10, 5, 2.5, 1.25] as const;

export function fittingSpeed(
  seconds: number,
  widthPx: number,
  devicePxPerMm: number,
  fastest: number,
): number {
  const fits = SPEEDS.find((speed) => speed <= fastest && seconds * speed * devicePxPerMm <= widthPx);
  return fits ?? SPEEDS.at(-1)!;
}

const ROWS = { letters: 28, corrected: 32, intervals: 18, words: 20, axis: 20 };

/** Whether a person said something about a label: then a row of its own below the machine's letters says what. */
function anyCorrected(content: Content): boolean {
  return content.beats.some((beat) => beat.correction !== null);
}

/** Height of the rows below a strip, at the usual font size. */
export function rowsCssPx(content: Content): number {
  const { letters, corrected, intervals, words, axis } = ROWS;
  return letters + (anyCorrected(content) ? corrected : 0) + intervals + words + axis;
}

/** Notes of a content with the local sample at which each begins. */
function notes(content: Content): { sample: number; text: string }[] {
  return content.corrections
    .filter((one) => one.kind === "note" && one.fromSample !== null)
    .map((one) => ({
      sample: one.fromSample! - content.stretch.firstSample,
      text: noteText(one.note),
    }));
}

export class Strip implements Ground {
  look: Look | null = null;
  lanes: Lane[] = [];
  time: TimeScale = { pxPerSample: 1, widthPx: 1 };
  leftPx = 0;
  hatch: CanvasPattern | null = null;
  content: Content | null = null;
  readonly context: CanvasRenderingContext2D;
  private shift = 0;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d", { alpha: false })!;
  }

  /** Place of a local sample on the canvas, and back. */
  x(sample: number): number {
    return unrolledX(sample, this.time) + this.shift;
  }

  sampleAt(x: number): number {
    return (x - this.shift) / this.time.pxPerSample;
  }

  /** Microvolts of a trace at a place, as it is drawn; null where there is no sample. */
  uvAt(channel: number, sample: number): number | null {
    const ring = this.content?.picture.ring;
    const info = this.content?.picture.info?.channels[channel];
    if (ring === null || ring === undefined || info === undefined) return null;
    const point = Math.round(sample / ring.samplesPerPoint);
    if (!ring.holds(point)) return null;
    const code = ring.min[channel]![ring.at(point)]!;
    if (!isSample(code)) return null;
    if (this.look?.filtered === true && ring.filtered[channel] !== undefined)
      return ring.filtered[channel]![ring.at(point)]!;
    return code * info.uvPerCode;
  }

  /** Microvolts at the middle of a lane. */
  offset(channel: number): number {
    const ring = this.content?.picture.ring;
    if (this.look?.filtered === true && ring?.samplesPerPoint === 1) return 0;
    return this.content?.picture.shifts[channel]?.newest() ?? 0;
  }

  /** `behind` paints on the paper before the trace comes. */
  draw(content: Content, look: Look, extra: readonly string[], behind?: (strip: Strip) => void): void {
    const { canvas, context } = this;
    const { picture } = content;
    this.look = look;
    this.content = content;
    canvas.width = look.widthPx;
    canvas.height = look.heightPx;
    const width = Math.max(1, look.widthPx - this.leftPx);
    this.time = timeScale(content.stretch.rateHz, look.speed, look.devicePxPerMm, width);
    this.shift = this.leftPx - unrolledX(content.start, this.time);
    this.hatch = hatchPattern(context, look);
    const captions = look.channels.map((channel, i) =>
      layCaption(this, look, channel, i === 0, picture, "", i === 0 ? extra : []),
    );
    const between = Math.round(look.devicePixelRatio);
    const all = captions.reduce((sum, caption) => sum + caption.heightPx, 0);
    const height = Math.floor((look.heightPx - all - between * (captions.length - 1)) / captions.length);
    let top = 0;
    this.lanes = captions.map((caption) => {
      const lane = { topPx: top + caption.heightPx, heightPx: Math.max(1, height) };
      top += caption.heightPx + height + between;
      return lane;
    });
    context.fillStyle = look.colors.blank;
    context.fillRect(0, 0, look.widthPx, look.heightPx);
    this.lanes.forEach((lane, i) => {
      paintLane(this, context, look, lane);
      paintCaption(context, look, lane, captions[i]!);
    });
    behind?.(this);
    this.drawSignal();
  }

  /** Without captions and pulse, for a small strip: the whole canvas is one lane. */
  drawSmall(content: Content, look: Look): void {
    this.look = look;
    this.content = content;
    this.canvas.width = look.widthPx;
    this.canvas.height = look.heightPx;
    this.leftPx = 0;
    this.time = timeScale(content.stretch.rateHz, look.speed, look.devicePxPerMm, look.widthPx);
    this.shift = -unrolledX(content.start, this.time);
    this.hatch = hatchPattern(this.context, look);
    this.lanes = [{ topPx: 0, heightPx: look.heightPx }];
    paintLane(this, this.context, look, this.lanes[0]!);
    this.drawSignal();
  }

  private drawSignal(): void {
    const { context } = this;
    const look = this.look!;
    const { picture, start, length } = this.content!;
    context.save();
    context.beginPath();
    context.rect(this.leftPx, 0, look.widthPx - this.leftPx, look.heightPx);
    context.clip();
    this.outside();
    if (picture.ring !== null) {
      // A few points more on each side, for the lines that come from or lead beyond the strip.
      const pad = 4 * picture.ring.samplesPerPoint + 8 / this.time.pxPerSample;
      const first = start - pad;
      const end = start + length + pad;
      drawGaps(this, picture, first, end, this.shift);
      const settling =
        look.filtered && picture.ring.samplesPerPoint === 1 ? settlingRuns(picture, first, end) : [];
      look.channels.forEach((channel, i) => {
        const lane = this.lanes[i]!;
        context.save();
        context.beginPath();
        context.rect(this.leftPx, lane.topPx, look.widthPx - this.leftPx, lane.heightPx);
        context.clip();
        drawTrace(this, picture, channel, lane, first, end, this.shift);
        drawSettling(this, lane, settling, this.shift);
        drawTicks(this, picture, channel, lane, first, end, this.shift);
        context.restore();
      });
      drawFlags(
        this,
        notes(this.content!).map((note) => note.sample),
        this.shift,
      );
    }
    context.restore();
  }

  /** What was not fetched, because it lies outside of the session or is not stored, is no paper. */
  private outside(): void {
    const { context, content } = this;
    const look = this.look!;
    const { stretch } = content!;
    const end = stretch.points * stretch.samplesPerPoint;
    for (const [from, to] of [
      [this.leftPx, this.x(-0.5)],
      [this.x(Math.max(0, end - 0.5)), look.widthPx],
    ] as const) {
      if (to <= from) continue;
      for (const lane of this.lanes) {
        context.fillStyle = look.colors.blank;
        context.fillRect(from, lane.topPx, to - from, lane.heightPx);
        context.fillStyle = this.hatch ?? look.colors.hatch;
        context.fillRect(from, lane.topPx, to - from, lane.heightPx);
        const text = "nothing stored here";
        context.font = `600 ${Math.round(13 * look.devicePixelRatio * look.textScale)}px ${FONT}`;
        const wide = context.measureText(text).width;
        if (wide + 10 > to - from) continue;
        const middle = (Math.max(from, 0) + Math.min(to, look.widthPx)) / 2;
        const high = 22 * look.devicePixelRatio * look.textScale;
        context.fillStyle = look.colors.blank;
        context.fillRect(middle - wide / 2 - 6, laneMiddle(lane) - high / 2, wide + 12, high);
        context.fillStyle = look.colors.muted;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillText(text, middle, laneMiddle(lane));
        context.textAlign = "left";
      }
    }
  }
}

/** Rows below a strip: letters of the beats, RR intervals between them, what happened in words, the time. */
export class StripRows {
  private readonly context: CanvasRenderingContext2D;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d", { alpha: false })!;
  }

  draw(strip: Strip, middle: boolean): void {
    const { canvas, context } = this;
    const look = strip.look;
    const content = strip.content;
    if (look === null || content === null) return;
    const ratio = look.devicePixelRatio * look.textScale;
    canvas.width = look.widthPx;
    canvas.height = Math.round(rowsCssPx(content) * ratio);
    const lettersEnd = ROWS.letters + (anyCorrected(content) ? ROWS.corrected : 0);
    const { colors } = look;
    const { stretch, length } = content;
    context.fillStyle = colors.blank;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = colors.gridMajor;
    context.fillRect(0, 0, canvas.width, Math.max(1, ratio));
    const right = strip.leftPx + unrolledX(length, strip.time);

    if (middle) {
      const x = strip.x(content.start + length / 2);
      context.fillStyle = colors.muted;
      context.beginPath();
      context.moveTo(x - 6 * ratio, 0);
      context.lineTo(x + 6 * ratio, 0);
      context.lineTo(x, 5 * ratio);
      context.fill();
    }

    context.textAlign = "center";
    context.font = `500 ${Math.round(12 * ratio)}px ${FONT}`;
    const named = strip.leftPx > 24 * ratio;
    const begin = named ? context.measureText("RR ms").width + 6 * ratio : 2;
    const intervalsY = (lettersEnd + ROWS.intervals / 2) * ratio;
    let before: number | null = null;
    for (const beat of content.beats) {
      const x = strip.x(beat.rSample - stretch.firstSample);
      if (beat.rrMs !== null) {
        const from = before ?? x - (beat.rrMs / 1000) * stretch.rateHz * strip.time.pxPerSample;
        const text = String(Math.round(beat.rrMs));
        const at = (from + x) / 2;
        context.font = `500 ${Math.round(12 * ratio)}px ${FONT}`;
        context.textBaseline = "middle";
        const wide = context.measureText(text).width;
        if (wide + 4 * ratio < x - from && at - wide / 2 > begin && at + wide / 2 < right) {
          context.fillStyle = colors.ink;
          context.fillText(text, at, intervalsY);
        }
      }
      before = x;
    }
    this.letters(strip, content, ratio, right);
    if (lettersEnd > ROWS.letters) this.corrected(strip, content, ratio, right);
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `500 ${Math.round(12 * ratio)}px ${FONT}`;
    context.fillStyle = colors.muted;
    if (named) context.fillText("RR ms", 2 * ratio, intervalsY);

    this.words(strip, content, ratio, right, (lettersEnd + ROWS.intervals + ROWS.words / 2) * ratio);
    this.axis(strip, content, ratio, right, (lettersEnd + ROWS.intervals + ROWS.words) * ratio);
  }

  /** Below the machine's letters, what a person made of them: each with a line above it that leads to its own. */
  private corrected(strip: Strip, content: Content, ratio: number, right: number): void {
    const { context } = this;
    const { colors } = strip.look!;
    const y = (ROWS.letters + ROWS.corrected / 2 + 1) * ratio;
    for (const beat of content.beats) {
      const x = strip.x(beat.rSample - content.stretch.firstSample);
      const by = correctedMark(beat);
      if (by === null || x < strip.leftPx || x > right) continue;
      context.fillStyle = colors.ink;
      context.fillRect(x - ratio / 2, (ROWS.letters - 3) * ratio, Math.max(1, ratio), 6 * ratio);
      glyph(context, x, y, by.letter, by.mark, ratio, colors, true);
    }
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `500 ${Math.round(12 * ratio)}px ${FONT}`;
    context.fillStyle = colors.muted;
    if (strip.leftPx > 24 * ratio) context.fillText("person", 2 * ratio, y);
    context.textAlign = "center";
  }

  /** V, S and ? always have their letter. Where beats lie too close for the others, these have a tick. */
  private letters(strip: Strip, content: Content, ratio: number, right: number): void {
    const { context } = this;
    const { colors } = strip.look!;
    const y = (ROWS.letters / 2) * ratio;
    const taken: number[] = [];
    const marked = content.beats
      .map((beat) => ({ x: strip.x(beat.rSample - content.stretch.firstSample), ...beatMark(beat) }))
      .filter(({ x }) => x >= strip.leftPx && x <= right);
    const plain = (mark: string) => mark === "normal" || mark === "bundle";
    for (const one of [
      ...marked.filter(({ mark }) => !plain(mark)),
      ...marked.filter(({ mark }) => plain(mark)),
    ]) {
      if (plain(one.mark) && taken.some((x) => Math.abs(x - one.x) < 22 * ratio)) {
        context.fillStyle = colors.muted;
        context.fillRect(one.x - ratio / 2, y - 4 * ratio, Math.max(1, ratio), 8 * ratio);
        continue;
      }
      taken.push(one.x);
      glyph(context, one.x, y, one.letter, one.mark, ratio, colors);
    }
    context.textAlign = "center";
  }

  private words(strip: Strip, content: Content, ratio: number, right: number, y: number): void {
    const { context, canvas } = this;
    const look = strip.look!;
    const { picture, stretch, start, length } = content;
    const texts: { x: number; text: string; warn: boolean }[] = [];
    if (picture.ring !== null) {
      for (const run of missingRuns(picture.ring, picture.gaps, start, start + length)) {
        const told = picture.gaps.find(
          (gap) =>
            gap.firstMissingSample < run.end && gap.firstMissingSample + gap.missingSamples > run.first,
        );
        const missing = told?.missingSamples ?? run.end - run.first;
        texts.push({
          x: strip.x(run.first),
          text: `gap ${durationText((missing / stretch.rateHz) * 1000)}: ${gapCause(run.cause)}`,
          warn: true,
        });
      }
      if (look.filtered && picture.ring.samplesPerPoint === 1) {
        for (const run of settlingRuns(picture, start, start + length))
          if (run.end > start) texts.push({ x: strip.x(run.first), text: "▲ filter settles", warn: false });
      }
      for (const run of beyondRuns(picture, look, strip.lanes, start, start + length))
        texts.push({ x: strip.x(run.sample), text: run.text, warn: false });
      for (const sample of clippedRuns(picture, look.channels, start, start + length))
        texts.push({ x: strip.x(sample), text: "clipped", warn: true });
    }
    for (const event of content.events) {
      const x = strip.x(event.sample - stretch.firstSample);
      if (x >= strip.leftPx && x <= right) texts.push({ x, text: `▲ ${eventText(event)}`, warn: false });
    }
    for (const note of notes(content)) {
      const x = strip.x(note.sample);
      if (x >= strip.leftPx && x <= right) texts.push({ x, text: note.text, warn: false });
    }
    const pieces =
      content.clock?.pieces(stretch.firstSample + start, stretch.firstSample + start + length) ?? [];
    pieces.forEach((piece, i) => {
      const before = pieces[i - 1];
      if (before === undefined) return;
      const ms = (piece.fromUs - before.toUs) / 1000;
      const text = `▲ wall clock set ${ms < 0 ? "back" : "on"} by ${durationText(Math.abs(ms))}`;
      texts.push({ x: strip.x(piece.first - stretch.firstSample), text, warn: true });
    });
    texts.sort((a, b) => Number(b.warn) - Number(a.warn) || a.x - b.x);
    context.font = `500 ${Math.round(12 * ratio)}px ${FONT}`;
    const wanted = texts.map((one) => ({
      ...one,
      x: Math.max(strip.leftPx, one.x),
      wide: context.measureText(one.text).width,
    }));
    for (const { text, warn, at } of layWords(wanted, 2, canvas.width - 2, 6 * ratio)) {
      context.fillStyle = warn ? look.colors.warn : look.colors.muted;
      context.fillText(text, at, y);
    }
  }

  private axis(strip: Strip, content: Content, ratio: number, right: number, top: number): void {
    const { context } = this;
    const look = strip.look!;
    const { stretch, clock, start, length } = content;
    const pxPerS = strip.time.pxPerSample * stretch.rateHz;
    context.font = `500 ${Math.round(11.5 * ratio)}px ${FONT}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const wide = context.measureText("00:00:00").width + 14 * ratio;
    const every = [1, 2, 5, 10, 15, 30, 60].find((one) => one * pxPerS > wide) ?? 120;
    const own = stretch.firstSample;
    const pieces = clock?.pieces(own + start, own + start + length) ?? [
      {
        first: own + start,
        fromUs: localTimeUs(stretch, start),
        toUs: localTimeUs(stretch, start + length),
      },
    ];
    for (const { first, fromUs, toUs } of pieces) {
      for (let second = Math.ceil(fromUs / 1e6); second <= Math.floor(toUs / 1e6); second++) {
        const x = strip.x(first - own + ((second * 1e6 - fromUs) / 1e6) * stretch.rateHz);
        const labelled = second % every === 0;
        context.fillStyle = look.colors.muted;
        if (labelled || pxPerS > 12 * ratio)
          context.fillRect(Math.round(x), top, Math.max(1, ratio), (labelled ? 5 : 3) * ratio);
        const fits = x - wide / 2 + 7 * ratio > 0 && x + wide / 2 - 7 * ratio < Math.max(right, 1);
        if (labelled && fits) context.fillText(clockText(second * 1e6, false), x, top + 12.5 * ratio);
      }
    }
    context.textAlign = "left";
  }
}
