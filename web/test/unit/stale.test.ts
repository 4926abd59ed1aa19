import assert from "node:assert/strict";
import { test } from "node:test";
import { waitMs } from "../../src/connection.js";
import { heartRate } from "../../src/panel.js";
import { Playout } from "../../src/playout.js";
import { decodeText } from "../../src/protocol.js";
import { Model } from "../../src/session.js";
import { ageNow, freshness, Sleep, statusIsOld } from "../../src/stale.js";
import { info, piece, STATUS_JSON } from "./help.js";

test("age is the server's age and the monotonic time since", () => {
  assert.equal(ageNow({ ageMs: 43, atMs: 1000 }, 1500), 543);
  assert.equal(ageNow({ ageMs: 43, atMs: 1000 }, 900), 43, "never younger than the server said");
  assert.equal(ageNow(null, 5), null);
});

test("after two seconds nothing counts as live, and it is said why", () => {
  const newest = { ageMs: 40, atMs: 0 };
  const rows: [Parameters<typeof freshness>, boolean, string | null][] = [
    [["open", true, newest, 1959], false, null],
    [["open", true, newest, 1960], true, "no samples"],
    [["lost", true, newest, 1000], false, null],
    [["lost", true, newest, 2500], true, "connection lost"],
    [["ended", true, newest, 2500], true, "connection lost"],
    [["connecting", null, null, 0], true, "connecting"],
    [["open", null, null, 0], true, "waiting for the gateway"],
    [["open", false, newest, 100], true, "no recording runs"],
    [["open", true, { ageMs: 2400, atMs: 0 }, 1], true, "no samples"],
  ];
  for (const [given, stale, reason] of rows) {
    const got = freshness(...given);
    assert.deepEqual([got.stale, got.reason], [stale, reason], JSON.stringify(given));
  }
});

test("a heart rate is shown only while picture and status are fresh", () => {
  const model = new Model();
  model.take({ type: "session", session: info() }, 0);
  const fresh = { stale: false, reason: null, ageMs: 20 };
  assert.deepEqual(heartRate(model, fresh, 0), { number: "---", reason: "waiting for the gateway" });
  const status = decodeText(JSON.stringify(STATUS_JSON));
  assert.ok(status.ok);
  model.take(status.value, 1000);
  assert.deepEqual(heartRate(model, fresh, 1500), { number: "72", reason: null });
  assert.deepEqual(heartRate(model, fresh, 4001), { number: "---", reason: "no word from the gateway" });
  const stale = { stale: true, reason: "no samples", ageMs: 2100 };
  assert.deepEqual(heartRate(model, stale, 1500), { number: "---", reason: "no samples" });
  const none = decodeText(
    JSON.stringify({ ...STATUS_JSON, heart_rate_bpm: null, heart_rate_reason: "lead_off" }),
  );
  assert.ok(none.ok);
  model.take(none.value, 2000);
  assert.deepEqual(heartRate(model, fresh, 2100), { number: "---", reason: "electrode off" });
});

test("a status is of the present for three seconds", () => {
  assert.deepEqual([statusIsOld(null, 0), statusIsOld(0, 3000), statusIsOld(0, 3001)], [true, false, true]);
});

test("after sleep the ages are void until the gateway says them anew", () => {
  const sleep = new Sleep();
  const looks: [number, number, boolean][] = [
    [1_000_000, 0, false],
    [1_000_200, 200, false],
    // The monotonic clock stood still for a minute.
    [1_060_400, 400, true],
    [1_060_600, 600, false],
    // A tab in the background looks seldom: both clocks go on.
    [1_120_600, 60_600, false],
    // The browser's clock is set: forward for one look, back never.
    [5_000_000, 60_800, true],
    [5_000_200, 61_000, false],
    [1_000_000, 61_200, false],
    [1_002_100, 61_300, false],
    [1_004_201, 61_400, true],
  ];
  for (const [wall, monotonic, expected] of looks) {
    assert.equal(sleep.look(wall, monotonic), expected, `${wall} ${monotonic}`);
  }
  const model = new Model();
  model.take({ type: "session", session: info() }, 0);
  model.takePiece(piece(0, [1, 1]), 0, [1500, 1500]);
  const status = decodeText(JSON.stringify(STATUS_JSON));
  assert.ok(status.ok);
  model.take(status.value, 0);
  const fresh = () => freshness("open", true, model.newestSample, 10);
  assert.equal(heartRate(model, fresh(), 10).number, "72");
  model.voidAges();
  assert.deepEqual(heartRate(model, fresh(), 10), { number: "---", reason: "no samples" });
  assert.equal(model.labelAgeMs(10), null);
  model.takePiece(piece(1, [1, 1]), 10, [1500, 1500]);
  assert.equal(fresh().stale, false);
  assert.equal(heartRate(model, fresh(), 10).number, "---", "the status is still the old one");
  model.take(status.value, 10);
  assert.equal(heartRate(model, fresh(), 10).number, "72");
});

test("waits grow to ten seconds", () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 60].map((failures) => waitMs(failures, 1)),
    [500, 1000, 2000, 4000, 8000, 10_000, 10_000],
  );
  assert.equal(waitMs(1, 0), 400);
});

test("the head keeps a steady pace, close behind and never ahead", () => {
  const playout = new Playout();
  let end = 0;
  let last = 0;
  let slowest = Number.POSITIVE_INFINITY;
  let fastest = 0;
  let furthest = 0;
  for (let frame = 0; frame < 60 * 20; frame++) {
    const now = (frame * 1000) / 60;
    if (frame % 6 === 0) {
      end += 50;
      playout.piece(50);
    }
    const head = playout.advance(now, 500, end);
    assert.ok(head <= end);
    assert.ok(head >= last);
    if (frame > 300) {
      slowest = Math.min(slowest, head - last);
      fastest = Math.max(fastest, head - last);
      furthest = Math.max(furthest, end - head);
    }
    last = head;
  }
  assert.ok(slowest > 7 && fastest < 10, `${slowest} ${fastest}`);
  assert.ok(furthest < 100, `${furthest}`);
});

test("after a stall the head does not run through old signal", () => {
  const playout = new Playout();
  playout.piece(50);
  playout.advance(0, 500, 1000);
  const head = playout.advance(16, 500, 60_000);
  assert.ok(60_000 - head < 100);
});
