// How ECG is drawn on paper: grid, calibration pulse, caption, trace, gaps, ticks. The sweep of the live view and the
// strips of the review view draw with these same functions, so both are true to the pixel in the same way.
// Nothing is smoothed, and no line is drawn over a sample that is missing.

import { type Colors, FONT } from "./colors.js";
import { filterText } from "./filter.js";
import { mvText } from "./format.js";
import { type MissingRun, missingRuns } from "./missing.js";
import type { Picture } from "./picture.js";
import { isSample } from "./ring.js";
import { type Lane, laneMiddle, type TimeScale, unrolledX, yOf } from "./scale.js";
import { beatMark } from "./words.js";

export interface Look {
  widthPx: number;
  heightPx: number;
  devicePixelRatio: number;
  devicePxPerMm: number;
  calibrated: boolean;
  speed: number;
  gain: number;
  filtered: boolean;
  /** Channels to show, from above to below. */
  channels: readonly number[];
  /** How much larger than usual words and letters are: the root font size over 16 px. */
  textScale: number;
  colors: Colors;
}

/** What is printed above a lane, laid out. */
export interface Caption {
  heightPx: number;
  texts: { text: string; x: number; y: number; kind: "name" | "part" | "warn" }[];
}

/** A canvas and where things lie on it. */
export interface Ground {
  readonly context: CanvasRenderingContext2D;
  look: Look | null;
  lanes: Lane[];
  time: TimeScale;
  /** Left edge of the trace; left of it stands the calibration pulse. */
  leftPx: number;
  hatch: CanvasPattern | null;
}

export function drawGaps(
  ground: Ground,
  picture: Picture,
  firstSample: number,
  endSample: number,
  shift: number,
): void {
  const { context, look } = ground;
  for (const run of missingRuns(picture.ring!, picture.gaps, firstSample, endSample)) {
    const left = unrolledX(run.first - 0.5, ground.time) + shift;
    const right = unrolledX(run.end - 0.5, ground.time) + shift;
    for (const lane of ground.lanes) {
      context.fillStyle = look!.colors.blank;
      context.fillRect(left, lane.topPx, right - left, lane.heightPx);
      if (ground.hatch === null) continue;
      context.fillStyle = ground.hatch;
      context.fillRect(left, lane.topPx, right - left, lane.heightPx);
    }
  }
}

/**
 * A gap narrower than the line is covered by the ends of the trace beside it: over the trace it is a blank line, one device
 * pixel wide at least.
 */
export function drawNarrowGaps(
  ground: Ground,
  picture: Picture,
  firstSample: number,
  endSample: number,
  shift: number,
): void {
  const { context, look, time } = ground;
  for (const run of missingRuns(picture.ring!, picture.gaps, firstSample, endSample)) {
    const wide = (run.end - run.first) * time.pxPerSample;
    if (wide > 2 * lineWidth(look!)) continue;
    const width = Math.max(1, Math.round(wide));
    const left = Math.round(unrolledX((run.first + run.end - 1) / 2, time) + shift - width / 2);
    context.fillStyle = look!.colors.blank;
    for (const lane of ground.lanes) context.fillRect(left, lane.topPx, width, lane.heightPx);
  }
}

/** Whether a missing stretch touches one of the samples, for stretches that are asked for from left to right. */
function holes(runs: readonly MissingRun[]): (first: number, end: number) => boolean {
  let at = 0;
  return (first, end) => {
    while (at < runs.length && runs[at]!.end <= first) at++;
    return at < runs.length && runs[at]!.first < end;
  };
}

export function drawTrace(
  ground: Ground,
  picture: Picture,
  channel: number,
  lane: Lane,
  firstSample: number,
  endSample: number,
  shift: number,
  /** Where the picture is cut off, if not at the lane's own edges. */
  edges: Lane = lane,
): void {
  const { context, time } = ground;
  const look = ground.look!;
  const ring = picture.ring!;
  const info = picture.info!.channels[channel];
  const shifts = picture.shifts[channel];
  if (info === undefined || shifts === undefined) return;
  const per = ring.samplesPerPoint;
  const filtered = look.filtered ? ring.filtered[channel] : undefined;
  const min = ring.min[channel]!;
  const max = ring.max[channel]!;
  const [lowest, highest] = info.codeRange;
  const first = Math.max(ring.begin, Math.floor(firstSample / per));
  const end = Math.min(ring.end, Math.ceil(endSample / per));
  const { topPx: top } = edges;
  const bottom = top + edges.heightPx;
  const clipped: [number, boolean][] = [];
  const beyond: [number, boolean][] = [];
  const offsets = shifts.all();
  let at = 0;
  let joined = false;
  let before: [number, number] = [0, 0];
  // A gap within one point leaves samples of it on both sides: no line may lead over it.
  const hole = holes(per === 1 ? [] : missingRuns(ring, picture.gaps, firstSample, endSample));
  context.beginPath();
  for (let point = first; point < end; point++) {
    const place = ring.at(point);
    const low = min[place]!;
    if (!isSample(low)) {
      joined = false;
      continue;
    }
    const high = max[place]!;
    if (joined && hole((point - 1) * per, (point + 1) * per)) joined = false;
    const sample = point * per + (per - 1) / 2;
    while (at + 1 < offsets.length && offsets[at + 1]!.fromSample <= sample) {
      at++;
      // The step of a re-centring is no signal: no line over it.
      joined = false;
    }
    const offset = filtered !== undefined ? 0 : (offsets[at]?.uv ?? 0);
    const x = unrolledX(sample, time) + shift;
    if (low <= lowest || high >= highest) clipped.push([x, high >= highest]);
    if (per === 1) {
      const uv = filtered !== undefined ? filtered[place]! : low * info.uvPerCode;
      const y = yOf(uv, offset, look.gain, look.devicePxPerMm, lane);
      if (y < top || y > bottom) beyond.push([x, y < top]);
      if (joined) context.lineTo(x, y);
      else {
        context.moveTo(x, y);
        // A sample between two missing ones is still to be seen.
        context.lineTo(x + 0.01, y);
      }
    } else {
      const yLow = yOf(low * info.uvPerCode, offset, look.gain, look.devicePxPerMm, lane);
      const yHigh = yOf(high * info.uvPerCode, offset, look.gain, look.devicePxPerMm, lane);
      if (yHigh < top || yLow > bottom) beyond.push([x, yHigh < top]);
      // Neighbouring pairs that do not overlap are one sample apart: joined by the ends that face each other.
      if (joined && yHigh > before[0]) {
        context.moveTo(x - time.pxPerSample * per, before[0]);
        context.lineTo(x, yHigh);
      } else if (joined && yLow < before[1]) {
        context.moveTo(x - time.pxPerSample * per, before[1]);
        context.lineTo(x, yLow);
      }
      context.moveTo(x, yHigh);
      context.lineTo(x, yLow + 0.01);
      before = [yLow, yHigh];
    }
    joined = true;
  }
  context.strokeStyle = look.colors.trace;
  context.lineWidth = lineWidth(look);
  context.lineJoin = "round";
  context.lineCap = "round";
  context.stroke();
  const thick = 2 * look.devicePixelRatio;
  const wide = Math.max(1, time.pxPerSample * per);
  context.fillStyle = look.colors.muted;
  for (const [x, above] of beyond) context.fillRect(x - wide / 2, above ? top : bottom - thick, wide, thick);
  context.fillStyle = look.colors.warn;
  for (const [x, above] of clipped) {
    context.fillRect(x - wide / 2, above ? top : bottom - 2 * thick, wide, 2 * thick);
  }
}

/** Where the filter still settles, a dashed line at the upper edge says that the trace there is not yet to be trusted. */
export function drawSettling(
  ground: Ground,
  lane: Lane,
  runs: readonly { first: number; end: number }[],
  shift: number,
): void {
  const { context, time } = ground;
  const look = ground.look!;
  const dash = 1.5 * look.devicePxPerMm;
  context.strokeStyle = look.colors.warn;
  context.lineWidth = lineWidth(look);
  for (const run of runs) {
    const left = unrolledX(run.first, time) + shift;
    const right = unrolledX(run.end, time) + shift;
    const y = lane.topPx + 1.5 * look.devicePxPerMm;
    context.setLineDash([dash, dash]);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(right, y);
    context.stroke();
  }
  context.setLineDash([]);
}

/** A short tick at the lower edge of the lane the label came from; the letter stands below. */
export function drawTicks(
  ground: Ground,
  picture: Picture,
  channel: number,
  lane: Lane,
  firstSample: number,
  endSample: number,
  shift: number,
): void {
  const { context } = ground;
  const look = ground.look!;
  const number = picture.info!.channels[channel]?.channelNumber;
  const height = 2.5 * look.devicePxPerMm;
  const width = Math.max(1, Math.round(1.5 * look.devicePixelRatio));
  for (let i = picture.beats.length - 1; i >= 0; i--) {
    const beat = picture.beats[i]!;
    if (beat.rSample < firstSample) break;
    if (beat.rSample > endSample || (beat.channelNumber !== null && beat.channelNumber !== number)) continue;
    const { mark } = beatMark(beat);
    context.fillStyle = mark === "v" ? look.colors.v : mark === "s" ? look.colors.s : look.colors.muted;
    const x = Math.round(unrolledX(beat.rSample, ground.time) + shift - width / 2);
    context.fillRect(x, lane.topPx + lane.heightPx - height, width, height);
  }
}

/** A dashed line over all lanes where a person marked a time; the words stand below. */
export function drawFlags(ground: Ground, samples: readonly number[], shift: number): void {
  const { context, lanes, time } = ground;
  const look = ground.look!;
  context.strokeStyle = look.colors.ink;
  context.lineWidth = Math.max(1, 1.5 * look.devicePixelRatio);
  context.setLineDash([4 * look.devicePixelRatio, 3 * look.devicePixelRatio]);
  context.lineCap = "butt";
  for (const sample of samples) {
    const x = unrolledX(sample, time) + shift;
    for (const lane of lanes) {
      context.beginPath();
      context.moveTo(x, lane.topPx);
      context.lineTo(x, lane.topPx + lane.heightPx);
      context.stroke();
    }
  }
  context.setLineDash([]);
}

export function paintLane(ground: Ground, context: CanvasRenderingContext2D, look: Look, lane: Lane): void {
  const mm = look.devicePxPerMm;
  context.save();
  context.beginPath();
  context.rect(0, lane.topPx, look.widthPx, lane.heightPx);
  context.clip();
  context.fillStyle = look.colors.paper;
  context.fillRect(0, lane.topPx, look.widthPx, lane.heightPx);
  const middle = laneMiddle(lane);
  const half = lane.heightPx / 2;
  const thin = Math.max(1, Math.floor(look.devicePixelRatio / 2));
  const thick = Math.max(1, Math.round(look.devicePixelRatio));
  // Millimetres nearer than three pixels would be a grey haze; the 5 mm lines stay.
  for (const every of mm >= 3 ? [1, 5] : [5]) {
    context.fillStyle = every === 1 ? look.colors.gridMinor : look.colors.gridMajor;
    const width = every === 1 ? thin : thick;
    for (let k = -Math.ceil(ground.leftPx / mm / every); k * every * mm < look.widthPx; k++) {
      context.fillRect(
        Math.round(ground.leftPx + k * every * mm - width / 2),
        lane.topPx,
        width,
        lane.heightPx,
      );
    }
    for (let k = -Math.ceil(half / mm / every); k * every * mm < half; k++) {
      context.fillRect(0, Math.round(middle + k * every * mm - width / 2), look.widthPx, width);
    }
  }
  if (ground.leftPx < 3 * mm) {
    context.restore();
    return;
  }
  // The calibration pulse: 1 mV, about the middle of the lane so that it fits at a high gain.
  const pulse = look.gain * mm;
  const wide = ground.leftPx < 8 * mm ? 3 * mm : 5 * mm;
  const x = (ground.leftPx - wide) / 2 - 0.5 * mm;
  context.strokeStyle = look.colors.ink;
  context.lineWidth = lineWidth(look);
  context.lineJoin = "miter";
  context.beginPath();
  context.moveTo(x - mm, middle + pulse / 2);
  context.lineTo(x, middle + pulse / 2);
  context.lineTo(x, middle - pulse / 2);
  context.lineTo(x + wide, middle - pulse / 2);
  context.lineTo(x + wide, middle + pulse / 2);
  context.lineTo(x + wide + mm, middle + pulse / 2);
  context.stroke();
  context.restore();
}

/** What somebody must know to read a trace, printed above it: sweep, gaps and trace never run over these words. */
export function layCaption(
  ground: Ground,
  look: Look,
  channel: number,
  top: boolean,
  picture: Picture,
  warning: string,
  extra: readonly string[] = [],
): Caption {
  const { context } = ground;
  const info = picture.info?.channels[channel];
  const name = info?.lead ?? (info === undefined ? "" : `channel ${info.channelNumber}`);
  const canFilter = picture.ring === null || picture.ring.samplesPerPoint === 1;
  const parts: string[] = [];
  if (top) parts.push(`${look.speed} mm/s`);
  parts.push(`${look.gain} mm/mV`);
  if (look.filtered && canFilter) parts.push(filterText(picture.info?.mainsHz ?? 0));
  else {
    const offset = picture.shifts[channel]?.newest() ?? 0;
    parts.push(`raw, offset ${mvText(offset)}`);
  }
  if (picture.ring !== null && picture.ring.samplesPerPoint > 1) {
    parts.push(`minimum and maximum of ${picture.ring.samplesPerPoint} samples`);
  }
  parts.push(...extra);
  if (top) parts.push(look.calibrated ? "mm" : "mm (not calibrated)");
  const size = captionSize(look);
  const line = Math.round(size * 1.4);
  const left = Math.round(size * 0.6);
  const right = look.widthPx - left;
  const texts: Caption["texts"] = [{ text: name, x: left, y: line, kind: "name" }];
  context.font = nameFont(look);
  let x = left + context.measureText(name).width + size;
  let y = line;
  if (warning !== "") {
    context.font = warnFont(look);
    texts.push({ text: warning, x, y, kind: "warn" });
    x += context.measureText(warning).width + size * 1.3;
  }
  context.font = partFont(look);
  for (const text of parts) {
    const width = context.measureText(text).width;
    if (x + width > right && x > left) {
      x = left;
      y += line;
    }
    texts.push({ text, x, y, kind: "part" });
    x += width + size * 1.3;
  }
  return { heightPx: y + Math.round(size * 0.5), texts };
}

export function paintCaption(
  context: CanvasRenderingContext2D,
  look: Look,
  lane: Lane,
  caption: Caption,
): void {
  const top = lane.topPx - caption.heightPx;
  context.fillStyle = look.colors.blank;
  context.fillRect(0, top, look.widthPx, caption.heightPx);
  context.textBaseline = "alphabetic";
  for (const { text, x, y, kind } of caption.texts) {
    context.font = kind === "name" ? nameFont(look) : kind === "warn" ? warnFont(look) : partFont(look);
    context.fillStyle =
      kind === "name" ? look.colors.ink : kind === "warn" ? look.colors.warn : look.colors.muted;
    context.fillText(text, x, top + y);
  }
}

function captionSize(look: Look): number {
  const narrow = look.widthPx / look.devicePixelRatio < 500;
  return Math.round((narrow ? 12 : 14) * look.textScale * look.devicePixelRatio);
}

/** A wall screen is seen from afar and gets a stronger line; its middle stays where it belongs. */
export function lineWidth(look: Look): number {
  return Math.max(1, 1.4 * look.devicePixelRatio * Math.min(1.6, Math.max(1, look.textScale)));
}

function nameFont(look: Look): string {
  return `700 ${Math.round(captionSize(look) * 1.2)}px ${FONT}`;
}

function warnFont(look: Look): string {
  return `700 ${captionSize(look)}px ${FONT}`;
}

function partFont(look: Look): string {
  return `500 ${captionSize(look)}px ${FONT}`;
}

export function hatchPattern(context: CanvasRenderingContext2D, look: Look): CanvasPattern | null {
  const size = Math.max(6, Math.round(7 * look.devicePixelRatio));
  const tile = document.createElement("canvas");
  tile.width = size;
  tile.height = size;
  const paint = tile.getContext("2d")!;
  paint.strokeStyle = look.colors.hatch;
  paint.lineWidth = Math.max(1, 1.2 * look.devicePixelRatio);
  paint.beginPath();
  for (const shift of [-size, 0, size]) {
    paint.moveTo(shift, size);
    paint.lineTo(shift + size, 0);
  }
  paint.stroke();
  return context.createPattern(tile, "repeat");
}
