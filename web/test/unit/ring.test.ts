import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pendingFrom } from "../../src/marks.js";
import { missingRuns } from "../../src/missing.js";
import { decodeText, type Gap, MISSING } from "../../src/protocol.js";
import { isSample, NOT_RECEIVED, Ring } from "../../src/ring.js";
import { KEPT_S, Model } from "../../src/session.js";
import { beat, info, piece, STATUS_JSON } from "./help.js";

function model(): Model {
  const made = new Model();
  made.take({ type: "session", session: info() }, 0);
  return made;
}

const HALF = [1500, 1500];

test("the ring keeps 60 s and no more, however long it runs", () => {
  const made = model();
  const ring = made.ring!;
  const sizes = ring.min.map((array) => array.length);
  for (let first = 0; first < 500 * 3600; first += 5000) {
    made.takePiece(
      piece(
        first,
        Array.from({ length: 10_000 }, (_, i) => first + (i >> 1)),
      ),
      first,
      HALF,
    );
  }
  assert.deepEqual(
    ring.min.map((array) => array.length),
    sizes,
  );
  assert.equal(ring.end - ring.begin, 500 * KEPT_S);
  assert.equal(made.ring!.min[1]![ring.at(ring.end - 1)], 500 * 3600 - 1);
});

const gap = (firstMissingSample: number, missingSamples: number, change: Partial<Gap> = {}): Gap => ({
  committed: false,
  session: null,
  firstMissingSample,
  missingSamples,
  cause: "overrun",
  ...change,
});

test("a hole has the cause that the gateway told, and what it did not tell was not received", () => {
  const made = model();
  made.takePiece(piece(0, [1, 1, 2, 2]), 0, HALF);
  // As the gateway does: told once it is over, before the piece behind it.
  made.take({ type: "gap", gap: gap(2, 4) }, 0);
  made.takePiece(piece(6, [3, 3]), 0, HALF);
  const ring = made.ring!;
  assert.equal(ring.min[0]![2], NOT_RECEIVED);
  assert.ok(!isSample(MISSING) && !isSample(NOT_RECEIVED) && isSample(-8388608));
  assert.deepEqual(missingRuns(ring, made.gaps, 0, 7), [{ first: 2, end: 6, cause: "overrun" }]);
  made.takePiece(piece(20, [3, 3]), 0, HALF);
  made.take({ type: "gap", gap: gap(10, 3, { cause: "missed_drdy" }) }, 0);
  made.take({ type: "gap", gap: gap(18, 2, { cause: "bad_frame" }) }, 0);
  assert.deepEqual(missingRuns(ring, made.gaps, 0, 21), [
    { first: 2, end: 6, cause: "overrun" },
    { first: 7, end: 10, cause: "not_received" },
    { first: 10, end: 13, cause: "missed_drdy" },
    { first: 13, end: 18, cause: "not_received" },
    { first: 18, end: 20, cause: "bad_frame" },
  ]);
});

test("what is stored as missing and what never came are one gap where one was told", () => {
  const made = model();
  made.takePiece(piece(0, [1, 1]), 0, HALF);
  made.takePiece(piece(1, [MISSING, MISSING]), 0, HALF);
  made.takePiece(piece(4, [1, 1]), 0, HALF);
  assert.deepEqual(missingRuns(made.ring!, [gap(1, 3)], 0, 5), [{ first: 1, end: 4, cause: "overrun" }]);
  assert.deepEqual(missingRuns(made.ring!, [], 0, 5), [
    { first: 1, end: 2, cause: "unknown" },
    { first: 2, end: 4, cause: "not_received" },
  ]);
});

test("a gap that is told late is drawn anew, and its words follow the window", () => {
  const made = model();
  made.takePiece(piece(0, [1, 1]), 0, HALF);
  made.takePiece(piece(9, [1, 1]), 0, HALF);
  const { drawing } = made;
  made.take({ type: "gap", gap: gap(1, 8) }, 0);
  assert.equal(made.drawing, drawing + 1);
  made.take({ type: "gap", gap: gap(1, 8, { committed: true }) }, 0);
  made.take({ type: "gap", gap: gap(10, 8) }, 0);
  assert.equal(made.drawing, drawing + 1, "known, and not drawn yet");
  assert.deepEqual(missingRuns(made.ring!, made.gaps, 5, 10), [{ first: 1, end: 9, cause: "overrun" }]);
});

describe("several samples in a point", () => {
  const PER = 4;
  /** One channel's codes for both, as pairs of minimum and maximum. */
  const points = (firstSample: number, pairs: [number, number][]) => ({
    ...piece(firstSample, []),
    samplesPerPoint: PER,
    points: pairs.length,
    codes: Int32Array.from(pairs.flatMap((pair) => [...pair, ...pair])),
  });

  test("a gap within points is a gap, in its exact place, though every point has samples", () => {
    const made = new Model();
    made.take({ type: "session", session: info({ samplesPerPoint: PER }) }, 0);
    made.takePiece(
      points(0, [
        [1, 2],
        [3, 9],
      ]),
      0,
      HALF,
    );
    made.take({ type: "gap", gap: gap(6, 1) }, 0);
    made.takePiece(
      points(4, [
        [-5, 4],
        [6, 6],
      ]),
      0,
      HALF,
    );
    const ring = made.ring!;
    // What the piece before the gap had of the point stays in it.
    assert.deepEqual([ring.min[0]![1], ring.max[0]![1], ring.min[1]![1], ring.max[1]![1]], [-5, 9, -5, 9]);
    assert.deepEqual([ring.min[0]![2], ring.max[0]![2]], [6, 6]);
    assert.deepEqual(missingRuns(ring, made.gaps, 0, 12), [{ first: 6, end: 7, cause: "overrun" }]);
    assert.deepEqual(missingRuns(ring, made.gaps, 8, 12), [], "left of the window");
  });

  test("a longer one has its exact ends, and holes beside it keep their own cause", () => {
    const made = new Model();
    made.take({ type: "session", session: info({ samplesPerPoint: PER }) }, 0);
    made.takePiece(points(0, [[1, 2]]), 0, HALF);
    made.take({ type: "gap", gap: gap(3, 6) }, 0);
    made.takePiece(points(16, [[1, 2]]), 0, HALF);
    assert.deepEqual(missingRuns(made.ring!, made.gaps, 0, 20), [
      { first: 3, end: 9, cause: "overrun" },
      { first: 9, end: 16, cause: "not_received" },
    ]);
  });
});

test("rows of another session are left out: they come when they are stored, seconds later", () => {
  const made = model();
  made.take({ type: "session", session: info({ id: 2, startTimeUs: 5 }) }, 0);
  made.take({ type: "beat", beat: beat(100, { session: 1, committed: true }) }, 0);
  made.take({ type: "gap", gap: gap(3, 6, { session: 1, committed: true }) }, 0);
  assert.deepEqual([made.beats.length, made.gaps.length], [0, 0]);
  made.take({ type: "beat", beat: beat(100, { session: 2, committed: true }) }, 0);
  made.take({ type: "gap", gap: gap(3, 6, { session: 2, committed: true }) }, 0);
  assert.deepEqual([made.beats.length, made.gaps.length], [1, 1]);
});

test("while a session has no id, stored rows count that came before they were stored", () => {
  const made = model();
  made.take({ type: "session", session: info({ id: null, startTimeUs: 5 }) }, 0);
  made.take({ type: "beat", beat: beat(100, { rTimeUs: 7 }) }, 0);
  made.take({ type: "beat", beat: beat(100, { rTimeUs: 6, session: 1, committed: true }) }, 0);
  made.take({ type: "beat", beat: beat(90, { rTimeUs: 7, session: 1, committed: true }) }, 0);
  assert.deepEqual(
    made.beats.map((one) => [one.rSample, one.committed]),
    [[100, false]],
  );
  made.take({ type: "beat", beat: beat(100, { rTimeUs: 7, session: 9, committed: true }) }, 0);
  assert.equal(made.beats[0]!.committed, true);
});

test("an error is told for a minute after it was last seen", () => {
  const made = model();
  made.error("a", 0);
  made.error("b", 0);
  made.error("b", 50_000);
  made.forget(60_000);
  assert.deepEqual(
    made.errors.map((error) => error.text),
    ["a", "b"],
  );
  made.forget(60_001);
  assert.deepEqual(
    made.errors.map((error) => error.text),
    ["b"],
  );
  made.forget(110_001);
  assert.deepEqual(made.errors, []);
});

test("a hole longer than the ring begins it anew", () => {
  const ring = new Ring(1, 1, 10, 1);
  ring.open(0, 5);
  ring.open(1000, 1005);
  assert.deepEqual([ring.begin, ring.end], [1000, 1005]);
});

test("pieces of another session or shape are refused with an error", () => {
  const made = model();
  assert.equal(made.takePiece({ ...piece(0, [1, 2]), samplesPerPoint: 2 }, 0, HALF), false);
  assert.equal(made.takePiece({ ...piece(0, [1, 2]), channels: 1, points: 2 }, 0, HALF), false);
  assert.equal(new Model().takePiece(piece(0, [1, 2]), 0, HALF), false);
  assert.equal(made.errors.length, 1);
  assert.equal(made.errors[0]!.times, 2);
});

test("only newer samples make the picture younger", () => {
  const made = model();
  made.takePiece(piece(0, [1, 1], { newestAgeMs: 30 }), 1000, HALF);
  assert.equal(made.sampleAgeMs(1500), 530);
  made.takePiece(piece(0, [1, 1]), 3000, HALF);
  assert.equal(made.sampleAgeMs(3000), 2030, "a repetition");
  made.takePiece(piece(1, [MISSING, MISSING]), 4000, HALF);
  assert.equal(made.sampleAgeMs(4000), 3030, "a piece of missing samples");
});

test("a label that comes twice is one beat, stored once it was stored", () => {
  const made = model();
  made.take({ type: "beat", beat: beat(100) }, 0);
  made.take({ type: "beat", beat: beat(900) }, 0);
  made.take({ type: "beat", beat: beat(500) }, 0);
  made.take({ type: "beat", beat: beat(100, { committed: true }) }, 0);
  assert.deepEqual(
    made.beats.map((one) => [one.rSample, one.committed]),
    [
      [100, true],
      [500, false],
      [900, false],
    ],
  );
  assert.equal(made.labelledTo(), 900);
});

test("counts of beats, gaps and marks are bounded", () => {
  const made = model();
  for (let i = 0; i < 5000; i++) {
    made.take({ type: "beat", beat: beat(i * 400) }, 0);
    made.take({ type: "gap", gap: gap(i * 9, 1) }, 0);
    made.take({ type: "clock", stepMs: 1, timeUs: 1 }, 0);
    made.error(`error ${i}`, 0);
  }
  assert.ok(made.beats.length <= 400 && made.gaps.length <= 200);
  assert.ok(made.marks.length <= 100 && made.errors.length <= 5);
});

test("another session clears everything, the same one told again nothing", () => {
  const made = model();
  made.takePiece(piece(0, [1, 1]), 0, HALF);
  made.take({ type: "beat", beat: beat(0) }, 0);
  made.take({ type: "session", session: info({ open: false }) }, 0);
  assert.equal(made.beats.length, 1);
  assert.equal(made.endSample, 1);
  made.take({ type: "session", session: info({ id: 2, startTimeUs: 9 }) }, 0);
  assert.equal(made.beats.length, 0);
  assert.equal(made.endSample, 0);
  assert.equal(made.sampleAgeMs(0), null);
});

test("another session's status, its age and its clock step are gone with it", () => {
  const made = model();
  const status = decodeText(JSON.stringify(STATUS_JSON));
  assert.ok(status.ok);
  made.take(status.value, 5);
  made.take({ type: "clock", stepMs: 1, timeUs: 1 }, 5);
  made.take({ type: "session", session: info() }, 6);
  assert.equal(made.status?.heartRateBpm, 72.1, "the same session");
  made.take({ type: "session", session: info({ id: 2, startTimeUs: 9 }) }, 7);
  assert.deepEqual([made.status, made.statusAtMs, made.clockStep], [null, null, null]);
});

test("labels are pending for three seconds at most", () => {
  assert.equal(pendingFrom(9800, 10_000, 500), 9800);
  assert.equal(pendingFrom(100, 10_000, 500), 8500, "no beat for long");
  assert.equal(pendingFrom(null, 10_000, 500), 8500);
  assert.equal(pendingFrom(null, 500, 500), 0);
});

test("the frozen copy stands still", () => {
  const ring = new Ring(1, 1, 10, 1);
  ring.open(0, 1);
  ring.min[0]![0] = 7;
  const copy = ring.copy();
  ring.min[0]![0] = 8;
  assert.equal(copy.min[0]![0], 7);
  assert.equal(copy.max[0]![0], 7);
  assert.deepEqual([copy.begin, copy.end], [0, 1]);
});
