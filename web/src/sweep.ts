// Draws the ECG as a monitor does: new samples overwrite the old ones from left to right. Each frame draws only the
// strip that changed; the same function draws a strip and the whole, so both give the same pixels.
// Nothing is smoothed, and no line is drawn over a sample that is missing.

import { type Colors, FONT } from "./colors.js";
import { filterText } from "./filter.js";
import { mvText } from "./format.js";
import type { Picture } from "./picture.js";
import { isSample } from "./ring.js";
import {
  halfLaneUv,
  type Lane,
  laneMiddle,
  sampleAt,
  type TimeScale,
  timeScale,
  unrolledX,
  yOf,
} from "./scale.js";
import { missingRuns } from "./session.js";
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
interface Caption {
  heightPx: number;
  texts: { text: string; x: number; y: number; kind: "name" | "part" | "warn" }[];
}

const BLANK_BAR_MM = 5;
/** The ring holds 60 s; what is older must not stay on a very wide screen. */
const MOST_SHOWN_S = 58;
/** Redrawn to the left of a strip, so that joins and line ends come out as in one piece. */
const PAD_PX = 6;

export class Sweep {
  look: Look | null = null;
  lanes: Lane[] = [];
  time: TimeScale = { pxPerSample: 1, widthPx: 1 };
  /** Left edge of the sweep; left of it stands the calibration pulse. */
  leftPx = 0;
  /** Per channel, what is wrong with its signal now, e.g. an electrode is off; printed with the lead's name. */
  warnings: readonly string[] = [];
  private captions: Caption[] = [];
  /** Unrolled place up to which is drawn; null: all has to be drawn. */
  private drawnTo: number | null = null;
  private touched: [number, number][] = [];
  private readonly paper = document.createElement("canvas");
  private hatch: CanvasPattern | null = null;
  private readonly context: CanvasRenderingContext2D;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d", { alpha: false })!;
  }

  /** Void all that is drawn, e.g. after a new session or an other look. */
  void(): void {
    this.drawnTo = null;
  }

  /** Something about a stretch changed (a label came): draw it again. */
  touch(firstSample: number, endSample: number): void {
    this.touched.push([firstSample, endSample]);
  }

  setLook(look: Look, picture: Picture): void {
    this.look = look;
    const { canvas } = this;
    if (canvas.width !== look.widthPx || canvas.height !== look.heightPx) {
      canvas.width = look.widthPx;
      canvas.height = look.heightPx;
    }
    const mm = look.devicePxPerMm;
    const narrow = look.widthPx < 120 * mm;
    this.leftPx = Math.round((narrow ? 6 : 9) * mm);
    const rate = picture.info?.sampleRateHz ?? 500;
    this.time = timeScale(rate, look.speed, mm, Math.max(1, look.widthPx - this.leftPx));
    const count = Math.max(1, look.channels.length);
    const between = Math.round(look.devicePixelRatio);
    this.captions = Array.from({ length: count }, (_, i) =>
      this.caption(look, look.channels[i] ?? 0, i === 0, picture),
    );
    const captionPx = this.captions.map((caption) => caption.heightPx);
    const all = captionPx.reduce((a, b) => a + b, 0);
    const height = Math.floor((look.heightPx - all - between * (count - 1)) / count);
    let top = 0;
    this.lanes = captionPx.map((own) => {
      const lane = { topPx: top + own, heightPx: Math.max(1, height) };
      top += own + height + between;
      return lane;
    });
    this.paintPaper();
    this.void();
  }

  get barPx(): number {
    const bar = BLANK_BAR_MM * (this.look?.devicePxPerMm ?? 4);
    const rate = this.time.pxPerSample === 0 ? 0 : this.pxPerSecond;
    return Math.ceil(Math.max(bar, this.time.widthPx - MOST_SHOWN_S * rate));
  }

  private rateHz = 500;

  private get pxPerSecond(): number {
    return this.time.pxPerSample * this.rateHz;
  }

  /** First and last unrolled place that is on the screen, for a head. */
  window(headSample: number): [number, number] {
    const head = unrolledX(headSample, this.time);
    return [Math.max(0, head - this.time.widthPx + this.barPx), head];
  }

  halfLanes(): number[] {
    const look = this.look;
    if (look === null) return [];
    const half = halfLaneUv(look.gain, look.devicePxPerMm, this.lanes[0]!);
    return [half, half];
  }

  /** The offset that is printed can change while the look stays. */
  repaint(picture: Picture): void {
    if (this.look !== null) this.setLook(this.look, picture);
  }

  frame(picture: Picture, headSample: number): void {
    const { look, context } = this;
    if (look === null) return;
    this.rateHz = picture.info?.sampleRateHz ?? 500;
    const head = unrolledX(headSample, this.time);
    const [first] = this.window(headSample);
    const from = this.drawnTo;
    if (from === null || head < from || head - from > this.time.widthPx / 2) {
      context.drawImage(this.paper, 0, 0);
      this.touched.length = 0;
      if (picture.ring !== null && picture.ring.end > picture.ring.begin) {
        this.blank(head);
        this.strip(picture, first, head, head);
      }
      this.drawnTo = head;
      return;
    }
    if (head > from) {
      this.blank(head);
      this.strip(picture, Math.max(first, from - PAD_PX), head, head);
      this.drawnTo = head;
    }
    for (const [a, b] of this.touched) {
      const left = Math.max(first, unrolledX(a, this.time) - PAD_PX);
      const right = Math.min(head, unrolledX(b, this.time) + PAD_PX);
      if (right > left) this.strip(picture, left, right, head);
    }
    this.touched.length = 0;
  }

  /** The blank bar in front of the head. */
  private blank(head: number): void {
    const { context, look } = this;
    context.fillStyle = look!.colors.blank;
    this.eachSweep(Math.ceil(head), Math.ceil(head) + this.barPx, (left, right) => {
      for (const lane of this.lanes) context.fillRect(left, lane.topPx, right - left, lane.heightPx);
    });
  }

  /** Calls with places on the canvas for a stretch that may run over the right edge. */
  private eachSweep(
    from: number,
    to: number,
    each: (left: number, right: number, shift: number) => void,
  ): void {
    const width = this.time.widthPx;
    for (let sweep = Math.floor(from / width); sweep * width < to; sweep++) {
      const left = Math.max(0, from - sweep * width);
      const right = Math.min(width, to - sweep * width);
      if (right > left) each(this.leftPx + left, this.leftPx + right, this.leftPx - sweep * width);
    }
  }

  private strip(picture: Picture, from: number, to: number, head: number): void {
    const { context, look, lanes } = this;
    const ring = picture.ring;
    if (look === null || ring === null) return;
    this.eachSweep(Math.floor(from), Math.ceil(to), (left, right, shift) => {
      context.save();
      context.beginPath();
      context.rect(left, 0, right - left, look.heightPx);
      context.clip();
      context.drawImage(
        this.paper,
        left,
        0,
        right - left,
        look.heightPx,
        left,
        0,
        right - left,
        look.heightPx,
      );
      // Two points more on each side, for the lines that come from or lead beyond the strip.
      const per = ring.samplesPerPoint;
      const firstSample =
        sampleAt(left - shift, this.time) - 2 * per - Math.ceil(PAD_PX / this.time.pxPerSample);
      const endSample = Math.min(
        sampleAt(unrolledX(0, this.time) + (right - shift), this.time) + 2 * per,
        Math.floor(sampleAt(head, this.time)) + 1,
      );
      this.gaps(picture, firstSample, endSample, shift);
      look.channels.forEach((channel, i) => {
        context.save();
        context.beginPath();
        context.rect(left, lanes[i]!.topPx, right - left, lanes[i]!.heightPx);
        context.clip();
        this.trace(picture, channel, lanes[i]!, firstSample, endSample, shift);
        this.ticks(picture, channel, lanes[i]!, firstSample, endSample, shift);
        context.restore();
      });
      context.restore();
    });
  }

  private gaps(picture: Picture, firstSample: number, endSample: number, shift: number): void {
    const { context, look } = this;
    for (const run of missingRuns(picture.ring!, picture.gaps, firstSample, endSample)) {
      const left = unrolledX(run.first - 0.5, this.time) + shift;
      const right = unrolledX(run.end - 0.5, this.time) + shift;
      for (const lane of this.lanes) {
        context.fillStyle = look!.colors.blank;
        context.fillRect(left, lane.topPx, right - left, lane.heightPx);
        if (this.hatch === null) continue;
        context.fillStyle = this.hatch;
        context.fillRect(left, lane.topPx, right - left, lane.heightPx);
      }
    }
  }

  private trace(
    picture: Picture,
    channel: number,
    lane: Lane,
    firstSample: number,
    endSample: number,
    shift: number,
  ): void {
    const { context, time } = this;
    const look = this.look!;
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
    const bottom = lane.topPx + lane.heightPx;
    const clipped: [number, boolean][] = [];
    const beyond: [number, boolean][] = [];
    const offsets = shifts.all();
    let at = 0;
    let joined = false;
    let before: [number, number] = [0, 0];
    context.beginPath();
    for (let point = first; point < end; point++) {
      const place = ring.at(point);
      const low = min[place]!;
      if (!isSample(low)) {
        joined = false;
        continue;
      }
      const high = max[place]!;
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
        if (y < lane.topPx || y > bottom) beyond.push([x, y < lane.topPx]);
        if (joined) context.lineTo(x, y);
        else {
          context.moveTo(x, y);
          // A sample between two missing ones is still to be seen.
          context.lineTo(x + 0.01, y);
        }
      } else {
        const yLow = yOf(low * info.uvPerCode, offset, look.gain, look.devicePxPerMm, lane);
        const yHigh = yOf(high * info.uvPerCode, offset, look.gain, look.devicePxPerMm, lane);
        if (yHigh < lane.topPx || yLow > bottom) beyond.push([x, yHigh < lane.topPx]);
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
    for (const [x, above] of beyond)
      context.fillRect(x - wide / 2, above ? lane.topPx : bottom - thick, wide, thick);
    context.fillStyle = look.colors.warn;
    for (const [x, above] of clipped) {
      context.fillRect(x - wide / 2, above ? lane.topPx : bottom - 2 * thick, wide, 2 * thick);
    }
  }

  /** A short tick at the lower edge of the lane the label came from; the letter stands below. */
  private ticks(
    picture: Picture,
    channel: number,
    lane: Lane,
    firstSample: number,
    endSample: number,
    shift: number,
  ): void {
    const { context } = this;
    const look = this.look!;
    const number = picture.info!.channels[channel]?.channelNumber;
    const height = 2.5 * look.devicePxPerMm;
    const width = Math.max(1, Math.round(1.5 * look.devicePixelRatio));
    for (let i = picture.beats.length - 1; i >= 0; i--) {
      const beat = picture.beats[i]!;
      if (beat.rSample < firstSample) break;
      if (beat.rSample > endSample || (beat.channelNumber !== null && beat.channelNumber !== number))
        continue;
      const { mark } = beatMark(beat);
      context.fillStyle = mark === "v" ? look.colors.v : mark === "s" ? look.colors.s : look.colors.muted;
      const x = Math.round(unrolledX(beat.rSample, this.time) + shift - width / 2);
      context.fillRect(x, lane.topPx + lane.heightPx - height, width, height);
    }
  }

  private paintPaper(): void {
    const look = this.look;
    if (look === null) return;
    const { paper } = this;
    paper.width = look.widthPx;
    paper.height = look.heightPx;
    const context = paper.getContext("2d", { alpha: false })!;
    context.fillStyle = look.colors.blank;
    context.fillRect(0, 0, look.widthPx, look.heightPx);
    this.lanes.forEach((lane, i) => {
      this.paintLane(context, look, lane);
      this.paintCaption(context, look, lane, this.captions[i]!);
    });
    this.hatch = hatchPattern(this.context, look);
  }

  private paintLane(context: CanvasRenderingContext2D, look: Look, lane: Lane): void {
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
      for (let k = -Math.ceil(this.leftPx / mm / every); k * every * mm < look.widthPx; k++) {
        context.fillRect(
          Math.round(this.leftPx + k * every * mm - width / 2),
          lane.topPx,
          width,
          lane.heightPx,
        );
      }
      for (let k = -Math.ceil(half / mm / every); k * every * mm < half; k++) {
        context.fillRect(0, Math.round(middle + k * every * mm - width / 2), look.widthPx, width);
      }
    }
    // The calibration pulse: 1 mV, about the middle of the lane so that it fits at a high gain.
    const pulse = look.gain * mm;
    const wide = this.leftPx < 8 * mm ? 3 * mm : 5 * mm;
    const x = (this.leftPx - wide) / 2 - 0.5 * mm;
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
  private caption(look: Look, channel: number, top: boolean, picture: Picture): Caption {
    const { context } = this;
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
    if (top) parts.push(look.calibrated ? "mm" : "mm (not calibrated)");
    const size = captionSize(look);
    const line = Math.round(size * 1.4);
    const left = Math.round(size * 0.6);
    const right = look.widthPx - left;
    const texts: Caption["texts"] = [{ text: name, x: left, y: line, kind: "name" }];
    context.font = nameFont(look);
    let x = left + context.measureText(name).width + size;
    let y = line;
    const warning = this.warnings[channel] ?? "";
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

  private paintCaption(context: CanvasRenderingContext2D, look: Look, lane: Lane, caption: Caption): void {
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
}

function captionSize(look: Look): number {
  const narrow = look.widthPx / look.devicePixelRatio < 500;
  return Math.round((narrow ? 12 : 14) * look.textScale * look.devicePixelRatio);
}

/** A wall screen is seen from afar and gets a stronger line; its middle stays where it belongs. */
function lineWidth(look: Look): number {
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

function hatchPattern(context: CanvasRenderingContext2D, look: Look): CanvasPattern | null {
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
