// The filters of the "filtered" view: 0.5 Hz high-pass, 40 Hz low-pass, a notch at the mains frequency.
// Second-order sections with the usual bilinear design. They delay and bend the signal (ST above all), so the view
// that uses them says so. The gateway's own detection and labels do not use them.

export const HIGH_PASS_HZ = 0.5;
export const LOW_PASS_HZ = 40;
/** How long behind a gap the high-pass is still settling: what it shows there is not yet to be trusted. */
export const SETTLE_S = 1.5;

interface Section {
  b0: number;
  b1: number;
  b2: number;
  a1: number;
  a2: number;
  z1: number;
  z2: number;
}

type Shape = "low" | "high" | "notch";

function section(shape: Shape, hz: number, rateHz: number, q: number): Section {
  const w = (2 * Math.PI * hz) / rateHz;
  const alpha = Math.sin(w) / (2 * q);
  const cos = Math.cos(w);
  const a0 = 1 + alpha;
  let b: [number, number, number];
  if (shape === "low") b = [(1 - cos) / 2, 1 - cos, (1 - cos) / 2];
  else if (shape === "high") b = [(1 + cos) / 2, -(1 + cos), (1 + cos) / 2];
  else b = [1, -2 * cos, 1];
  return {
    b0: b[0] / a0,
    b1: b[1] / a0,
    b2: b[2] / a0,
    a1: (-2 * cos) / a0,
    a2: (1 - alpha) / a0,
    z1: 0,
    z2: 0,
  };
}

export class DisplayFilter {
  private readonly sections: Section[];
  private started = false;

  constructor(rateHz: number, mainsHz: number) {
    const butterworth = Math.SQRT1_2;
    this.sections = [section("high", HIGH_PASS_HZ, rateHz, butterworth)];
    if (LOW_PASS_HZ < 0.45 * rateHz) this.sections.push(section("low", LOW_PASS_HZ, rateHz, butterworth));
    if (mainsHz > 0 && mainsHz < 0.45 * rateHz) this.sections.push(section("notch", mainsHz, rateHz, 10));
  }

  /** Behind a gap the filter begins anew: what it remembers belongs to another time. */
  restart(): void {
    this.started = false;
  }

  next(uv: number): number {
    if (!this.started) {
      // As if the first value had been there for ever, so that the electrode's offset does not ring for seconds.
      this.started = true;
      let level = uv;
      for (const s of this.sections) {
        const out = (level * (s.b0 + s.b1 + s.b2)) / (1 + s.a1 + s.a2);
        s.z2 = s.b2 * level - s.a2 * out;
        s.z1 = s.b1 * level - s.a1 * out + s.z2;
        level = out;
      }
    }
    let value = uv;
    for (const s of this.sections) {
      const out = s.b0 * value + s.z1;
      s.z1 = s.b1 * value - s.a1 * out + s.z2;
      s.z2 = s.b2 * value - s.a2 * out;
      value = out;
    }
    return value;
  }
}

export function filterText(mainsHz: number): string {
  const notch = mainsHz > 0 ? `, notch ${mainsHz} Hz` : "";
  return `filtered ${HIGH_PASS_HZ}–${LOW_PASS_HZ} Hz${notch}, bends ST`;
}
