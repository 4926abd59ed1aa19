// Where a sample belongs on the screen. Pure arithmetic, in device pixels, so that it can be tested to the pixel.
// Nothing else computes a place from a sample index or from microvolts.

/** CSS says an inch is 96 px; on most screens it is not, so this is "mm (not calibrated)". */
export const CSS_PX_PER_MM = 96 / 25.4;

export const SPEEDS_MM_PER_S = [12.5, 25, 50] as const;
export const GAINS_MM_PER_MV = [2.5, 5, 10, 20, 40] as const;

export interface TimeScale {
  /** Device pixels per sample. */
  pxPerSample: number;
  /** Width of one sweep in device pixels. */
  widthPx: number;
}

export interface Lane {
  topPx: number;
  heightPx: number;
}

export function timeScale(
  sampleRateHz: number,
  speedMmPerS: number,
  devicePxPerMm: number,
  widthPx: number,
): TimeScale {
  return { pxPerSample: (speedMmPerS * devicePxPerMm) / sampleRateHz, widthPx };
}

/** Distance from the session's first sample, as if the screen had no right edge. */
export function unrolledX(sample: number, scale: TimeScale): number {
  return sample * scale.pxPerSample;
}

/** Which sweep a sample lies in (0 is the first), and how far from the left edge of the sweep. */
export function sweepX(sample: number, scale: TimeScale): { sweep: number; x: number } {
  const unrolled = unrolledX(sample, scale);
  const sweep = Math.floor(unrolled / scale.widthPx);
  return { sweep, x: unrolled - sweep * scale.widthPx };
}

/** The first sample at or right of an unrolled place. */
export function sampleAt(unrolledPx: number, scale: TimeScale): number {
  return Math.ceil(unrolledPx / scale.pxPerSample - 1e-9) + 0;
}

/** Height of the line a signal equal to `offsetUv` is drawn at: the middle of the lane. */
export function laneMiddle(lane: Lane): number {
  return lane.topPx + lane.heightPx / 2;
}

export function yOf(
  uv: number,
  offsetUv: number,
  gainMmPerMv: number,
  devicePxPerMm: number,
  lane: Lane,
): number {
  return laneMiddle(lane) - ((uv - offsetUv) / 1000) * gainMmPerMv * devicePxPerMm;
}

/** How many microvolts fit between the middle of a lane and its edge. */
export function halfLaneUv(gainMmPerMv: number, devicePxPerMm: number, lane: Lane): number {
  return ((lane.heightPx / 2 / devicePxPerMm) * 1000) / gainMmPerMv;
}

/** The next larger (or smaller) value of a list of steps; the same at its ends. */
export function step(values: readonly number[], now: number, by: 1 | -1): number {
  const at = values.indexOf(now);
  if (at < 0) return values[Math.floor(values.length / 2)]!;
  return values[Math.min(values.length - 1, Math.max(0, at + by))]!;
}

/** Calibration is kept in device pixels, so that zooming the page does not spoil it, and for one screen only. */
export interface Calibration {
  devicePxPerMm: number;
  screen: string;
}

export interface MmScale {
  devicePxPerMm: number;
  calibrated: boolean;
}

export function mmScale(calibration: Calibration | null, screen: string, devicePixelRatio: number): MmScale {
  if (calibration !== null && calibration.screen === screen) {
    return { devicePxPerMm: calibration.devicePxPerMm, calibrated: true };
  }
  return { devicePxPerMm: CSS_PX_PER_MM * devicePixelRatio, calibrated: false };
}

/** Where the screen lies beside others, in CSS pixels; nowhere without a browser. Not in every browser, so not in its types. */
function screenPlace(): { left: number; top: number } {
  const { availLeft, availTop } = (globalThis.screen ?? {}) as { availLeft?: number; availTop?: number };
  return { left: availLeft ?? 0, top: availTop ?? 0 };
}

/**
 * Names a screen by its size in device pixels, to 8: zooming rounds the size in CSS pixels. A screen beside the first one has
 * its place in its name, too: two of the same number of pixels need not be of the same size. The place is rough, so that a
 * bar of the desktop does not make another screen of it.
 */
export function screenName(
  widthCss: number,
  heightCss: number,
  devicePixelRatio: number,
  place = screenPlace(),
): string {
  const near = (css: number, to = 8) => Math.round((css * devicePixelRatio) / to) * to + 0;
  const [left, top] = [near(place.left, 512), near(place.top, 512)];
  const beside = left === 0 && top === 0 ? "" : ` at ${left},${top}`;
  return `${near(widthCss)}x${near(heightCss)}${beside}`;
}
