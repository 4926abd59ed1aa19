import assert from "node:assert/strict";
import { test } from "node:test";
import { DisplayFilter } from "../../src/filter.js";
import { median, roundShift, Shifts } from "../../src/offset.js";

function gain(hz: number, rate: number, mains: number): number {
  const filter = new DisplayFilter(rate, mains);
  let most = 0;
  for (let i = 0; i < rate * 20; i++) {
    const out = filter.next(1000 * Math.sin((2 * Math.PI * hz * i) / rate));
    if (i > rate * 15) most = Math.max(most, Math.abs(out));
  }
  return most / 1000;
}

test("the filtered view passes the ECG and stops drift and mains", () => {
  const rows: [number, number, number, number, number][] = [
    // Hz, rate, mains, least, most gain
    [5, 500, 50, 0.97, 1.03],
    [15, 500, 50, 0.95, 1.05],
    [40, 500, 0, 0.65, 0.75],
    [0.5, 500, 50, 0.65, 0.75],
    [0.05, 500, 50, 0, 0.02],
    [50, 500, 50, 0, 0.02],
    [60, 500, 60, 0, 0.02],
    [50, 250, 50, 0, 0.02],
    [5, 125, 50, 0.95, 1.05],
  ];
  for (const [hz, rate, mains, least, most] of rows) {
    const got = gain(hz, rate, mains);
    assert.ok(got >= least && got <= most, `${hz} Hz at ${rate}, mains ${mains}: ${got}`);
  }
});

test("an electrode's offset does not ring at the start", () => {
  const filter = new DisplayFilter(500, 50);
  let most = 0;
  for (let i = 0; i < 500; i++) most = Math.max(most, Math.abs(filter.next(300_000)));
  assert.ok(most < 1, `${most} uV`);
});

test("the shift is a multiple of what is printed", () => {
  assert.equal(roundShift(-3249), -3200);
  assert.ok(Object.is(roundShift(-20), 0));
  assert.equal(median([3, 1, 2]), 2);
});

test("the trace is re-centred where it leaves its lane, and only there", () => {
  const shifts = new Shifts();
  const flat = (uv: number) => Array.from({ length: 100 }, () => uv);
  assert.equal(shifts.look(flat(-3210), 50, 500, 1500), "all");
  assert.equal(shifts.look(flat(-3190), 100, 500, 1500), "none");
  assert.equal(shifts.newest(), -3200);
  assert.equal(shifts.look(flat(-2400), 5000, 500, 1500), "none", "wanders within its lane");
  const tall = [...flat(-3200), 2000];
  assert.equal(shifts.look(tall, 6000, 500, 1500), "none", "a tall beat is no reason");
  assert.equal(shifts.look(flat(2800), 7000, 500, 1500), "from");
  assert.equal(shifts.at(6999), -3200);
  assert.equal(shifts.at(7000), 2800);
  assert.equal(shifts.look(flat(-9000), 7100, 500, 1500), "none", "not twice in a moment");
  assert.equal(shifts.look([], 9000, 500, 1500), "none");
  const square = [...flat(2800), ...flat(6800), 6800];
  assert.equal(shifts.look(square, 9500, 500, 1500), "none", "taller than its lane: leaves it anyhow");
  const before = shifts.copy();
  assert.equal(shifts.look(flat(-9000), 9900, 500, 1500), "from");
  assert.deepEqual([before.newest(), shifts.newest()], [2800, -9000], "a copy stands still");
});
