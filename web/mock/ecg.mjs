// A made-up ECG: a sum of bell curves per beat, in microvolts. For tests and screenshots only.

const NORMAL = [
  // amplitude, centre and width in ms, about the R peak
  [120, -165, 22],
  [-90, -28, 8],
  [1150, 0, 9],
  [-220, 27, 9],
  [300, 265, 45],
];
const VENTRICULAR = [
  [1500, 0, 38],
  [-700, 85, 42],
  [-420, 300, 60],
];
const ATRIAL = [
  [90, -130, 16],
  [-80, -26, 8],
  [1060, 0, 9],
  [-210, 26, 9],
  [240, 245, 42],
];
export const SHAPES = { N: NORMAL, A: ATRIAL, V: VENTRICULAR };
export const SECOND_LEAD = { N: 0.62, A: 0.6, V: -0.55 };

/** A small generator with a fixed seed: every run looks the same. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export class Ecg {
  constructor(rateHz) {
    this.rateHz = rateHz;
    this.beats = [];
    this.random = random(7);
    this.next = 0.4;
    this.count = 0;
    this.noise = random(11);
  }

  /** Makes beats up to a time in seconds; gives those that are new. */
  beatsTo(seconds) {
    const made = [];
    while (this.next < seconds) {
      this.count++;
      const kind = this.count % 11 === 7 ? "V" : this.count % 17 === 12 ? "A" : "N";
      const sample = Math.round(this.next * this.rateHz);
      const beat = { sample, kind, unclassifiable: this.count % 23 === 19, id: this.count };
      this.beats.push(beat);
      made.push(beat);
      if (this.beats.length > 40) this.beats.shift();
      const rr = 0.83 + 0.05 * Math.sin(this.next / 2.1) + 0.02 * (this.random() - 0.5);
      const following = (this.count + 1) % 11 === 7 ? 0.62 : (this.count + 1) % 17 === 12 ? 0.7 : 1;
      this.next += kind === "V" ? rr * 1.35 : rr * following;
    }
    return made;
  }

  uv(sample, channel) {
    let uv = 0;
    for (let i = this.beats.length - 1; i >= 0; i--) {
      const beat = this.beats[i];
      const ms = ((sample - beat.sample) / this.rateHz) * 1000;
      if (ms > 700) break;
      if (ms < -500) continue;
      const factor = channel === 0 ? 1 : SECOND_LEAD[beat.kind];
      for (const [height, centre, width] of SHAPES[beat.kind]) {
        uv += factor * height * Math.exp(-0.5 * ((ms - centre) / width) ** 2);
      }
    }
    const t = sample / this.rateHz;
    uv += 45 * Math.sin(2 * Math.PI * 0.24 * t + channel);
    uv += 9 * Math.sin(2 * Math.PI * 50 * t) + 22 * (this.noise() - 0.5);
    return uv;
  }
}
