// The newest stretch of the waveform in typed arrays of fixed size: an hour of ECG takes no more memory than a minute.

import { MISSING } from "./protocol.js";

/** The page never got this point: the connection was down, or the server dropped messages. Not a code either. */
export const NOT_RECEIVED = MISSING + 1;

export function isSample(code: number): boolean {
  return code > NOT_RECEIVED;
}

export class Ring {
  readonly points: number;
  /** Per channel; minimum and maximum are the same array where a point is one sample. */
  readonly min: Int32Array[];
  readonly max: Int32Array[];
  readonly filtered: Float32Array[];
  /** First point that is held, and the one after the newest. */
  begin = 0;
  end = 0;

  constructor(
    readonly channels: number,
    readonly samplesPerPoint: number,
    pointRateHz: number,
    seconds: number,
  ) {
    this.points = Math.ceil(pointRateHz * seconds);
    const make = () => Array.from({ length: channels }, () => new Int32Array(this.points));
    this.min = make();
    this.max = samplesPerPoint > 1 ? make() : this.min;
    this.filtered = Array.from(
      { length: samplesPerPoint > 1 ? 0 : channels },
      () => new Float32Array(this.points),
    );
  }

  /** Place of a point in the arrays. */
  at(point: number): number {
    return point % this.points;
  }

  holds(point: number): boolean {
    return point >= this.begin && point < this.end;
  }

  /** Makes room up to `end`; what lies between was not received. Gives false where the points are already passed by. */
  open(first: number, end: number): boolean {
    if (end <= this.end) return first >= this.begin;
    if (this.end === this.begin || first - this.end >= this.points) {
      this.begin = first;
      this.end = first;
    }
    for (let point = Math.max(this.end, end - this.points); point < end; point++) {
      const at = this.at(point);
      for (let c = 0; c < this.channels; c++) {
        this.min[c]![at] = NOT_RECEIVED;
        this.max[c]![at] = NOT_RECEIVED;
        const filtered = this.filtered[c];
        if (filtered !== undefined) filtered[at] = Number.NaN;
      }
    }
    this.end = end;
    this.begin = Math.max(this.begin, end - this.points);
    return true;
  }

  /** Makes room in front of the oldest point, for ECG that is fetched later. Gives the first point there is room for. */
  openBefore(first: number): number {
    if (this.end === this.begin) return this.begin;
    const from = Math.max(0, first, this.end - this.points);
    for (let point = from; point < this.begin; point++) {
      const at = this.at(point);
      for (let c = 0; c < this.channels; c++) {
        this.min[c]![at] = NOT_RECEIVED;
        this.max[c]![at] = NOT_RECEIVED;
        const filtered = this.filtered[c];
        if (filtered !== undefined) filtered[at] = Number.NaN;
      }
    }
    this.begin = Math.min(this.begin, from);
    return this.begin;
  }

  /** A copy that stands still, for the frozen picture. */
  copy(): Ring {
    const other = new Ring(this.channels, this.samplesPerPoint, this.points, 1);
    for (let c = 0; c < this.channels; c++) {
      other.min[c]!.set(this.min[c]!);
      if (other.max !== other.min) other.max[c]!.set(this.max[c]!);
      other.filtered[c]?.set(this.filtered[c]!);
    }
    other.begin = this.begin;
    other.end = this.end;
    return other;
  }
}
