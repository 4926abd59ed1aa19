// What the wall clock showed at each sample of a session, and the other way round, also where the clock was set
// meanwhile: a time may then be shown twice, or never. Known from places whose time the gateway told (the first sample
// of each minute, R peaks). Pure arithmetic.

export interface Anchor {
  sample: number;
  timeUs: number;
}

/** A converter's own clock is off by less than this share; what differs by more is a clock that was set. */
const DRIFT = 0.03;
const TOLERANCE_US = 50_000;

export class WallTime {
  /** Stretches in which the clock ran by itself; each begins where it was set, as far as is known. */
  private readonly runs: Anchor[][] = [];

  /** `anchors` in the order of their samples. */
  constructor(
    private readonly anchors: readonly Anchor[],
    readonly rateHz: number,
  ) {
    for (const anchor of anchors) {
      const run = this.runs.at(-1);
      const last = run?.at(-1);
      if (last === undefined) this.runs.push([anchor]);
      else if (anchor.sample <= last.sample) continue;
      else {
        const nominal = ((anchor.sample - last.sample) / rateHz) * 1e6;
        const off = Math.abs(anchor.timeUs - last.timeUs - nominal);
        if (off <= DRIFT * nominal + TOLERANCE_US) run!.push(anchor);
        else this.runs.push([anchor]);
      }
    }
  }

  /** Whether the clock was set during the session. */
  get stepped(): boolean {
    return this.runs.length > 1;
  }

  /** Between which places the clock was set, and what it may have shown between them. */
  steps(): { first: number; end: number; shown: [fromUs: number, toUs: number][] }[] {
    return this.runs.slice(1).map((run, i) => {
      const before = this.runs[i]!.at(-1)!;
      const after = run[0]!;
      const lengthUs = ((after.sample - before.sample) / this.rateHz) * 1e6;
      return {
        first: before.sample,
        end: after.sample,
        shown: [
          [before.timeUs, Math.ceil(before.timeUs + lengthUs)],
          [Math.floor(after.timeUs - lengthUs), after.timeUs],
        ],
      };
    });
  }

  /** The same with more places, so that a step is known more exactly. */
  with(more: readonly Anchor[]): WallTime {
    return new WallTime(
      [...this.anchors, ...more].sort((a, b) => a.sample - b.sample),
      this.rateHz,
    );
  }

  private inRun(run: readonly Anchor[], sample: number): number {
    let at = 0;
    while (at + 2 < run.length && run[at + 1]!.sample <= sample) at++;
    const a = run[at]!;
    const b = run[at + 1];
    const perSample =
      b === undefined || sample > b.sample || sample < a.sample
        ? 1e6 / this.rateHz
        : (b.timeUs - a.timeUs) / (b.sample - a.sample);
    const from = b !== undefined && sample > b.sample ? b : a;
    return from.timeUs + (sample - from.sample) * perSample;
  }

  timeAt(sample: number): number {
    let found = this.runs[0];
    for (const run of this.runs) if (run[0]!.sample <= sample) found = run;
    return found === undefined ? 0 : this.inRun(found, sample);
  }

  /** First and end of the samples of each run, within a stretch. */
  pieces(first: number, end: number): { first: number; end: number; fromUs: number; toUs: number }[] {
    return this.runs.flatMap((run, i) => {
      const a = i === 0 ? first : Math.max(first, run[0]!.sample);
      const z = Math.min(end, this.runs[i + 1]?.[0]?.sample ?? end);
      return z <= a ? [] : [{ first: a, end: z, fromUs: this.inRun(run, a), toUs: this.inRun(run, z) }];
    });
  }

  /**
   * Whether the time of a sample leads the gateway back to it, within a second: it takes the first sample that showed
   * this time or a later one. Where the clock was set back that may lie long before.
   */
  tells(sample: number): boolean {
    const timeUs = this.timeAt(sample);
    for (const { first, fromUs, toUs } of this.pieces(0, Number.POSITIVE_INFINITY)) {
      if (toUs <= timeUs) continue;
      const found = first + Math.max(0, ((timeUs - fromUs) / 1e6) * this.rateHz);
      return Math.abs(found - sample) < this.rateHz;
    }
    return false;
  }

  /** The first sample that showed a time; where none did, the next one after it. */
  sampleAt(timeUs: number): number {
    let early: number | null = null;
    let next: number | null = null;
    let passed = false;
    for (const [i, run] of this.runs.entries()) {
      const end = this.runs[i + 1]?.[0]?.sample ?? Number.POSITIVE_INFINITY;
      const first = run[0]!;
      if (timeUs < first.timeUs) {
        if (i === 0) early = first.sample - ((first.timeUs - timeUs) / 1e6) * this.rateHz;
        else next ??= first.sample;
        continue;
      }
      let at = 0;
      while (at + 1 < run.length && run[at + 1]!.timeUs <= timeUs) at++;
      const a = run[at]!;
      const b = run[at + 1];
      const perUs = b === undefined ? this.rateHz / 1e6 : (b.sample - a.sample) / (b.timeUs - a.timeUs);
      const sample = a.sample + (timeUs - a.timeUs) * perUs;
      if (sample < end) return sample;
      passed = true;
    }
    return (passed ? next : early) ?? next ?? this.runs.at(-1)?.[0]?.sample ?? 0;
  }

  /**
   * What to ask for so that the answer holds these samples, and how many samples it will hold: a time that was shown
   * twice brings everything between.
   */
  asked(first: number, end: number): { fromUs: number; toUs: number; samples: number } {
    const pieces = this.pieces(first, end);
    const fromUs = Math.floor(Math.min(...pieces.map((piece) => piece.fromUs)));
    const toUs = Math.ceil(Math.max(...pieces.map((piece) => piece.toUs)));
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (const piece of this.pieces(0, Math.max(end, this.anchors.at(-1)?.sample ?? 0) + 60 * this.rateHz)) {
      if (piece.toUs <= fromUs || piece.fromUs >= toUs) continue;
      const of = (us: number) => piece.first + ((us - piece.fromUs) / 1e6) * this.rateHz;
      low = Math.min(low, Math.max(piece.first, of(fromUs)));
      high = Math.max(high, Math.min(piece.end, of(toUs)));
    }
    return { fromUs, toUs, samples: Math.max(0, high - low) };
  }
}
