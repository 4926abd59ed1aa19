// RR intervals for histogram and Poincaré plot, and what was left out of them. Pure arithmetic.

export interface IntervalBeat {
  rrMs: number | null;
  aamiClass: string;
  unclassifiable: boolean;
}

export interface Intervals {
  beats: number;
  /** RR intervals between two beats of class N that follow each other. */
  rr: number[];
  /** Pairs of such intervals that follow each other: x, y, x, y ... */
  pairs: number[];
  leftOut: { noInterval: number; notN: number; unclassifiable: number };
}

const isN = (beat: IntervalBeat) => !beat.unclassifiable && beat.aamiClass === "N";

/**
 * `beats` in the order of recording, without holes. An interval counts where it has a class N beat at both ends; a pair
 * of intervals counts where three such beats follow each other. Every beat whose interval does not count is left out
 * for one reason: the first that holds.
 */
export function chain(beats: readonly IntervalBeat[]): Intervals {
  const rr: number[] = [];
  const pairs: number[] = [];
  const leftOut = { noInterval: 0, notN: 0, unclassifiable: 0 };
  let before: number | null = null;
  beats.forEach((beat, i) => {
    const last = beats[i - 1];
    let own: number | null = null;
    if (beat.rrMs === null || last === undefined) leftOut.noInterval++;
    else if (beat.unclassifiable || last.unclassifiable) leftOut.unclassifiable++;
    else if (!isN(beat) || !isN(last)) leftOut.notN++;
    else own = beat.rrMs;
    if (own !== null) {
      rr.push(own);
      if (before !== null) pairs.push(before, own);
    }
    before = own;
  });
  return { beats: beats.length, rr, pairs, leftOut };
}

export interface Spread {
  mean: number;
  /** Standard deviation of the intervals. */
  sd: number;
  /** Root of the mean square of the differences of neighbours. */
  rmssd: number | null;
}

export function spread(intervals: Intervals): Spread | null {
  const { rr, pairs } = intervals;
  if (rr.length < 2) return null;
  const mean = rr.reduce((sum, value) => sum + value, 0) / rr.length;
  const square = rr.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  let differences = 0;
  for (let i = 0; i < pairs.length; i += 2) differences += (pairs[i + 1]! - pairs[i]!) ** 2;
  return {
    mean,
    sd: Math.sqrt(square / (rr.length - 1)),
    rmssd: pairs.length === 0 ? null : Math.sqrt(differences / (pairs.length / 2)),
  };
}

export interface Bin {
  fromMs: number;
  toMs: number;
  count: number;
}

export const BIN_MS = 20;

/** Bins of 20 ms from the shortest to the longest interval. */
export function histogram(rr: readonly number[]): Bin[] {
  if (rr.length === 0) return [];
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of rr) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const first = Math.floor(low / BIN_MS);
  const last = Math.floor(high / BIN_MS);
  const bins = Array.from({ length: last - first + 1 }, (_, i) => ({
    fromMs: (first + i) * BIN_MS,
    toMs: (first + i + 1) * BIN_MS,
    count: 0,
  }));
  for (const value of rr) bins[Math.floor(value / BIN_MS) - first]!.count++;
  return bins;
}

/** Round steps for an axis: 1, 2 or 5 times a power of ten, at most `most` of them. */
export function axisStep(range: number, most: number): number {
  const raw = range / Math.max(1, most);
  const ten = 10 ** Math.floor(Math.log10(Math.max(raw, 1e-9)));
  return ([1, 2, 5, 10].find((one) => one * ten >= raw) ?? 10) * ten;
}
