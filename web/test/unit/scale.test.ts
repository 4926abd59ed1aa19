import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CSS_PX_PER_MM,
  GAINS_MM_PER_MV,
  mmScale,
  SPEEDS_MM_PER_S,
  sampleAt,
  screenName,
  step,
  sweepX,
  timeScale,
  unrolledX,
  yOf,
} from "../../src/scale.js";

test("a second and a millivolt are as long as they are said to be", () => {
  const lane = { topPx: 10, heightPx: 301 };
  for (const ratio of [1, 2]) {
    const perMm = CSS_PX_PER_MM * ratio;
    for (const speed of SPEEDS_MM_PER_S) {
      const scale = timeScale(500, speed, perMm, 1000);
      assert.ok(Math.abs(unrolledX(500, scale) - speed * perMm) < 1e-9, `${speed} mm/s`);
    }
    for (const gain of GAINS_MM_PER_MV) {
      const high = yOf(1000, 0, gain, perMm, lane) - yOf(0, 0, gain, perMm, lane);
      assert.ok(Math.abs(high + gain * perMm) < 1e-9, `${gain} mm/mV`);
      assert.equal(yOf(-3200, -3200, gain, perMm, lane), 160.5);
    }
  }
});

test("places stay exact after days", () => {
  const scale = timeScale(8000, 25, CSS_PX_PER_MM, 1029);
  const sample = 8000 * 86400 * 30;
  const { sweep, x } = sweepX(sample, scale);
  const next = sweepX(sample + 8000, scale);
  const moved = next.x + (next.sweep - sweep) * scale.widthPx - x;
  assert.ok(Math.abs(moved - 25 * CSS_PX_PER_MM) < 1e-3);
  assert.ok(x >= 0 && x < scale.widthPx);
});

test("a sample at the right edge is at the left edge of the next sweep", () => {
  const scale = { pxPerSample: 0.5, widthPx: 100 };
  assert.deepEqual(sweepX(199, scale), { sweep: 0, x: 99.5 });
  assert.deepEqual(sweepX(200, scale), { sweep: 1, x: 0 });
  for (let sample = 0; sample < 1000; sample++)
    assert.equal(sampleAt(unrolledX(sample, scale), scale) + 0, sample);
});

test("calibration holds for its screen, zoomed or not, and for no other", () => {
  const calibration = { devicePxPerMm: 5.1, screen: screenName(1920, 1080, 1) };
  assert.deepEqual(mmScale(calibration, screenName(1920, 1080, 1), 1), {
    devicePxPerMm: 5.1,
    calibrated: true,
  });
  assert.deepEqual(mmScale(calibration, screenName(960, 540, 2), 2), {
    devicePxPerMm: 5.1,
    calibrated: true,
  });
  assert.equal(mmScale(calibration, screenName(1280, 800, 1), 1).calibrated, false);
  const beside = screenName(1920, 1080, 1, { left: 1920, top: 0 });
  assert.equal(mmScale(calibration, beside, 1).calibrated, false, "the same pixels on another screen");
  assert.equal(beside, screenName(960, 540, 2, { left: 960, top: 0 }), "zoomed");
  const bar = screenName(1920, 1080, 1, { left: 70, top: 32 });
  assert.equal(mmScale(calibration, bar, 1).calibrated, true, "a bar of the desktop");
  assert.equal(mmScale(null, "x", 2).devicePxPerMm, 2 * CSS_PX_PER_MM);
});

test("steps end at the ends", () => {
  assert.equal(step(GAINS_MM_PER_MV, 10, 1), 20);
  assert.equal(step(GAINS_MM_PER_MV, 40, 1), 40);
  assert.equal(step(GAINS_MM_PER_MV, 2.5, -1), 2.5);
  assert.equal(step(SPEEDS_MM_PER_S, 7, 1), 25);
});
