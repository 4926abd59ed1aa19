import assert from "node:assert/strict";
import { test } from "node:test";
import { MISSING } from "../../src/protocol.js";
import { isSample, NOT_RECEIVED, Ring } from "../../src/ring.js";
import { KEPT_S, Model, missingRuns } from "../../src/session.js";
import { beat, info, piece } from "./help.js";

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

test("what was not received is told from what the server says is missing", () => {
  const made = model();
  made.takePiece(piece(0, [1, 1, 2, 2]), 0, HALF);
  made.takePiece(piece(4, [MISSING, MISSING, 3, 3]), 0, HALF);
  const { ring } = made;
  assert.equal(ring!.min[0]![2], NOT_RECEIVED);
  assert.equal(ring!.min[0]![4], MISSING);
  assert.ok(!isSample(MISSING) && !isSample(NOT_RECEIVED) && isSample(-8388608));
  made.take(
    { type: "gap", gap: { committed: false, firstMissingSample: 4, missingSamples: 1, cause: "overrun" } },
    0,
  );
  assert.deepEqual(missingRuns(ring!, made.gaps, 0, 6), [
    { first: 2, end: 4, cause: "not_received" },
    { first: 4, end: 5, cause: "overrun" },
  ]);
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
    made.take(
      { type: "gap", gap: { committed: true, firstMissingSample: i * 9, missingSamples: 1, cause: "x" } },
      0,
    );
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
