// Draws the ECG as a monitor does: new samples overwrite the old ones from left to right. Each frame draws only the
// strip that changed; the same function draws a strip and the whole, so both give the same pixels.
// Nothing is smoothed, and no line is drawn over a sample that is missing.

import {
  type Caption,
  drawFlags,
  drawGaps,
  drawNarrowGaps,
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
import { settlingRuns } from "./marks.js";
import type { Picture } from "./picture.js";
import { halfLaneUv, type Lane, sampleAt, type TimeScale, timeScale, unrolledX } from "./scale.js";

const BLANK_BAR_MM = 5;
/** The ring holds 60 s; what is older must not stay on a very wide screen. */
const MOST_SHOWN_S = 58;
/** Redrawn to the left of a strip, so that joins and line ends come out as in one piece. */
const PAD_PX = 6;

export class Sweep implements Ground {
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
  hatch: CanvasPattern | null = null;
  readonly context: CanvasRenderingContext2D;

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
      layCaption(
        this,
        look,
        look.channels[i] ?? 0,
        i === 0,
        picture,
        this.warnings[look.channels[i] ?? 0] ?? "",
      ),
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

  /** The samples that are on the screen, for a head: the first and the one after the last. */
  shown(headSample: number): [number, number] {
    return [sampleAt(this.window(headSample)[0], this.time), Math.floor(headSample)];
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
      drawGaps(this, picture, firstSample, endSample, shift);
      const settling = look.filtered && per === 1 ? settlingRuns(picture, firstSample, endSample) : [];
      look.channels.forEach((channel, i) => {
        context.save();
        context.beginPath();
        context.rect(left, lanes[i]!.topPx, right - left, lanes[i]!.heightPx);
        context.clip();
        drawTrace(this, picture, channel, lanes[i]!, firstSample, endSample, shift);
        drawSettling(this, lanes[i]!, settling, shift);
        drawTicks(this, picture, channel, lanes[i]!, firstSample, endSample, shift);
        context.restore();
      });
      drawNarrowGaps(this, picture, firstSample, endSample, shift);
      const noted = picture.marks.filter(
        (mark) => mark.note === true && mark.sample >= firstSample && mark.sample <= endSample,
      );
      drawFlags(
        this,
        noted.map((mark) => mark.sample),
        shift,
      );
      context.restore();
    });
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
      paintLane(this, context, look, lane);
      paintCaption(context, look, lane, this.captions[i]!);
    });
    this.hatch = hatchPattern(this.context, look);
  }
}
