// What is measured in the page itself: frames per second and the age of the newest drawn sample. Read by the tests
// as `ecgFigures()`, and by anybody who wants to know. A fixed number of values is kept.

const KEPT = 2048;

class Kept {
  private readonly values = new Float64Array(KEPT);
  private count = 0;

  add(value: number): void {
    this.values[this.count++ % KEPT] = value;
  }

  clear(): void {
    this.count = 0;
  }

  percentile(p: number): number | null {
    const held = Math.min(this.count, KEPT);
    if (held === 0) return null;
    const sorted = this.values.slice(0, held).sort();
    return sorted[Math.min(held - 1, Math.floor(held * p))]!;
  }

  get held(): number {
    return Math.min(this.count, KEPT);
  }
}

export class Figures {
  readonly frameMs = new Kept();
  readonly drawnAgeMs = new Kept();
  readonly drawMs = new Kept();
  frames = 0;

  clear(): void {
    this.frameMs.clear();
    this.drawnAgeMs.clear();
    this.drawMs.clear();
    this.frames = 0;
  }

  read(): Record<string, number | null> {
    return {
      frames: this.frames,
      frame_ms_median: this.frameMs.percentile(0.5),
      frame_ms_p99: this.frameMs.percentile(0.99),
      draw_ms_median: this.drawMs.percentile(0.5),
      draw_ms_p99: this.drawMs.percentile(0.99),
      drawn_age_ms_median: this.drawnAgeMs.percentile(0.5),
      drawn_age_ms_p99: this.drawnAgeMs.percentile(0.99),
      drawn_ages: this.drawnAgeMs.held,
    };
  }
}
