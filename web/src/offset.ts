// The constant a lead's raw signal is shifted by. An electrode adds up to 300 mV; without a shift nothing would be
// seen. The shift is a step, never a filter, it is printed on the trace, and each change of it is marked.

export interface Shift {
  /** The shift holds from this sample on. */
  fromSample: number;
  uv: number;
  /** False for the choice at the start, which replaces itself until a second of signal was seen. */
  marked: boolean;
}

/** Printed with one decimal of a millivolt, so it is chosen so: what is printed is what was done. */
const STEP_UV = 100;
const SETTLE_S = 1;
/** Not more often than this, or a torn cable would make the trace jump all the time. */
const LEAST_TIME_BETWEEN_S = 1.5;
/** Re-centring must be worth it: by this share of the half lane. */
const LEAST_MOVE = 0.35;
const MOST_SHIFTS = 100;

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function roundShift(uv: number): number {
  return Math.round(uv / STEP_UV) * STEP_UV + 0;
}

export class Shifts {
  private readonly list: Shift[] = [];
  private firstSample: number | null = null;

  clear(): void {
    this.list.length = 0;
    this.firstSample = null;
  }

  /** As they are now, for a picture that stands still. */
  copy(): Shifts {
    const other = new Shifts();
    other.list.push(...this.list);
    other.firstSample = this.firstSample;
    return other;
  }

  /** One constant for the whole of a stored stretch. */
  hold(uv: number): void {
    this.list.length = 0;
    this.list.push({ fromSample: 0, uv: roundShift(uv), marked: false });
  }

  /** The shift that holds at a sample. */
  at(sample: number): number {
    for (let i = this.list.length - 1; i >= 0; i--) {
      if (this.list[i]!.fromSample <= sample) return this.list[i]!.uv;
    }
    return this.list[0]?.uv ?? 0;
  }

  newest(): number {
    return this.list.at(-1)?.uv ?? 0;
  }

  all(): readonly Shift[] {
    return this.list;
  }

  /**
   * Looks at the newest second of signal (microvolts, missing samples left out) and re-centres where the trace
   * leaves its lane. Says whether earlier drawing is now wrong ("all") or a change begins here ("from").
   */
  look(
    newestSecondUv: number[],
    endSample: number,
    rateHz: number,
    halfLaneUv: number,
  ): "none" | "from" | "all" {
    if (newestSecondUv.length === 0) return "none";
    this.firstSample ??= endSample;
    const middle = median(newestSecondUv);
    const last = this.list.at(-1);
    if (last === undefined || (!last.marked && endSample - this.firstSample < SETTLE_S * rateHz)) {
      const uv = roundShift(middle);
      if (last?.uv === uv) return "none";
      this.list.length = 0;
      this.list.push({ fromSample: 0, uv, marked: false });
      return "all";
    }
    if (endSample - last.fromSample < LEAST_TIME_BETWEEN_S * rateHz) return "none";
    const uv = roundShift(middle);
    if (Math.abs(uv - last.uv) < LEAST_MOVE * halfLaneUv) return "none";
    // A signal taller than the lane leaves it wherever it is put: moving it must halve what leaves, or it would go to
    // and fro for nothing.
    const outside = (shift: number) =>
      newestSecondUv.filter((value) => Math.abs(value - shift) > halfLaneUv).length;
    if (2 * outside(uv) >= outside(last.uv)) return "none";
    this.list.push({ fromSample: endSample, uv, marked: true });
    if (this.list.length > MOST_SHIFTS) this.list.shift();
    return "from";
  }
}
