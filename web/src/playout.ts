// Pieces come ten times per second, the picture moves sixty times. The head of the sweep follows the newest sample at
// a steady pace, a little more than half a piece behind on average, and never goes beyond what was received.

/** Kept back for pieces that come a little late. */
const MARGIN_S = 0.03;
/** Correction of the pace per second of distance from where the head should be. */
const PULL = 0.6;
const LATE_S = 0.3;
const LONGEST_STEP_S = 0.25;

export class Playout {
  private head: number | null = null;
  private lastMs = 0;
  private pieceSamples = 0;

  clear(): void {
    this.head = null;
    this.pieceSamples = 0;
  }

  piece(samples: number): void {
    this.pieceSamples = this.pieceSamples === 0 ? samples : 0.9 * this.pieceSamples + 0.1 * samples;
  }

  /** The sample up to which to draw now. */
  advance(nowMs: number, rateHz: number, end: number): number {
    const dt = Math.min(LONGEST_STEP_S, Math.max(0, (nowMs - this.lastMs) / 1000));
    this.lastMs = nowMs;
    const aim = MARGIN_S * rateHz + this.pieceSamples / 2;
    if (this.head === null || this.head > end) this.head = Math.max(0, end - aim);
    const behind = end - this.head;
    // After a stall, or where a recording is played faster than it was made, there is no use in running after it.
    if (behind > aim + this.pieceSamples + LATE_S * rateHz) this.head = end - aim;
    else {
      const pace = 1 + Math.max(-0.2, Math.min(0.3, (PULL * (behind - aim)) / rateHz));
      this.head = Math.min(end, this.head + dt * rateHz * pace);
    }
    return this.head;
  }
}
