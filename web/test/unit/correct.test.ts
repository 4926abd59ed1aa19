import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readAccess } from "../../src/access.js";
import { readPlace, writePlace } from "../../src/address.js";
import { type Cluster, type Minute, readBeat, readSession } from "../../src/api.js";
import { misplaced } from "../../src/correct.js";
import { noteText } from "../../src/format.js";
import { actionOf, allowed, type Press, REVIEW_SHORTCUTS, SHORTCUTS } from "../../src/keys.js";
import { type Correction, decodeText, readCorrection } from "../../src/protocol.js";
import { MOST_STRIPS, readChosen } from "../../src/report-strips.js";
import { classesText, fitShapes } from "../../src/review-clusters.js";
import { correctionText, standing } from "../../src/review-corrections.js";
import { shareText, summarize } from "../../src/review-report.js";
import { Model } from "../../src/session.js";
import { cut, makeContent, rowsCssPx } from "../../src/strip.js";
import { WallTime } from "../../src/wall-time.js";
import { correctedMark, correctedName } from "../../src/words.js";
import { Zone } from "../../src/zone.js";
import { info, piece } from "./help.js";

const ROW = {
  id: 12,
  session: 1,
  kind: "note",
  target: "moment",
  beats: null,
  from_sample: 5001,
  from_time: "x",
  from_time_us: 10_002_001,
  to_sample: null,
  to_time: null,
  to_time_us: null,
  class: null,
  note: "felt dizzy",
  author: "night-shift",
  origin: "mark",
  supersedes: null,
  superseded_by: null,
  time: "x",
  time_us: 11,
};

describe("corrections", () => {
  test("a row is read field by field", () => {
    const row = readCorrection(ROW);
    assert.equal(row.fromUs, 10_002_001);
    assert.equal(row.author, "night-shift");
    assert.equal(standing(row), true);
    assert.equal(standing({ ...row, supersededBy: 13 }), false);
    assert.equal(standing({ ...row, kind: "undo" }), false);
    assert.throws(() => readCorrection({ ...ROW, author: null }), /author is not a text/);
    assert.throws(() => readCorrection({ ...ROW, beats: ["1"] }), /beats holds/);
  });

  test("an answer about other samples than were meant is told; what the session's end cuts off is not", () => {
    const row: Correction = readCorrection({
      ...ROW,
      kind: "label",
      class: "V",
      target: "stretch",
      from_sample: 5000,
      to_sample: 10_000,
      to_time_us: 20_002_001,
    });
    const meant = { from: 5000, to: 10_000, end: 60_000, rateHz: 500 };
    assert.equal(misplaced(meant, row), null);
    assert.equal(misplaced({ ...meant, from: 5400, to: 9600 }, row), null, "within a second");
    assert.match(misplaced({ ...meant, to: 9000 }, row) ?? "", /^Number 12 .* 10 s of recording.*Undo it/);
    assert.match(misplaced({ ...meant, from: 5600 }, row) ?? "", /another place/);
    assert.equal(misplaced({ ...meant, to: 12_000, end: 9900 }, row), null, "cut at the end");
    assert.equal(misplaced({ ...meant, from: -2000 }, { ...row, fromSample: 0 }), null, "and at the begin");
    assert.match(misplaced({ ...meant, to: 12_000 }, row) ?? "", /another place/);
    const moment = { ...row, target: "moment", toSample: null, toUs: null };
    assert.equal(misplaced({ ...meant, to: null }, moment), null);
    assert.match(misplaced({ ...meant, from: 9000, to: null }, moment) ?? "", /another place/);
    assert.equal(misplaced(undefined, row), null, "beats are named");
  });

  test("what it says in words", () => {
    const row: Correction = readCorrection({ ...ROW, kind: "label", class: "V" });
    assert.equal(correctionText(row), "V ventricular premature");
    assert.equal(correctionText({ ...row, kind: "artefact", class: null }), "artefact");
    assert.equal(correctionText({ ...row, kind: "undo", supersedes: 3 }), "takes back number 3");
  });

  test("the corrected label has letter and shape of its own; an artefact is a cross", () => {
    const of = (correctedClass: string | null, artefact = false) =>
      correctedMark({ correctedClass, artefact });
    assert.equal(of(null), null);
    assert.deepEqual(of("V"), { letter: "V", mark: "v" });
    assert.deepEqual(of("A"), { letter: "A", mark: "s" });
    assert.deepEqual(of("L"), { letter: "L", mark: "bundle" });
    assert.deepEqual(of("F"), { letter: "F", mark: "bundle" });
    assert.deepEqual(of("Q"), { letter: "Q", mark: "unknown" });
    assert.deepEqual(of("N", true), { letter: "✕", mark: "artefact" });
    assert.equal(correctedName({ correctedClass: "F", artefact: false }), "fusion beat");
  });

  test("a beat from a gateway that knows no corrections has none", () => {
    const beat = {
      id: 1,
      session: 1,
      r_sample: 1,
      r_time_us: 1,
      class: "N",
      aami_class: "N",
      outcome: "classified",
    };
    const { correctedClass, artefact, correction } = readBeat(beat);
    assert.deepEqual(
      { correctedClass, artefact, correction },
      { correctedClass: null, artefact: false, correction: null },
    );
    const with_ = readBeat({ ...beat, corrected_class: "V", artefact: false, correction: 7 });
    assert.equal(with_.correctedClass, "V");
    assert.equal(with_.class, "N", "the machine's stays");
  });

  test("a note is drawn on the running session once, until it is undone; others are left alone", () => {
    const model = new Model();
    model.take({ type: "session", session: info() }, 0);
    model.takePiece(piece(5000, [1, 2, 3, 4]), 0, []);
    const told = decodeText(JSON.stringify({ type: "correction", ...ROW }));
    assert.ok(told.ok && told.value.type === "correction");
    model.take(told.value, 0);
    model.take(told.value, 0);
    assert.deepEqual(model.marks, [{ sample: 5001, text: "✎ felt dizzy", note: true, id: 12 }]);
    model.take({ type: "correction", correction: readCorrection({ ...ROW, id: 13, session: 2 }) }, 0);
    assert.equal(model.marks.length, 1);
    const undo = readCorrection({ ...ROW, id: 14, kind: "undo", supersedes: 12, note: null });
    model.take({ type: "correction", correction: undo }, 0);
    assert.equal(model.marks.length, 0);
    assert.equal(model.errors.length, 0);
  });

  test("a long note is cut where it is drawn", () => {
    assert.equal(noteText(null), "✎ mark");
    assert.equal(noteText("  a\n b "), "✎ a b");
    assert.equal(noteText("x".repeat(200)).length, 62);
  });

  test("the row for corrected labels comes with the first of them", () => {
    const stretch = {
      session: 1,
      rateHz: 500,
      samplesPerPoint: 1,
      firstSample: 0,
      points: 0,
      startUs: 0,
      channels: [],
      gaps: [],
      nextUs: null,
      codes: new Int32Array(0),
    };
    const beat = readBeat({
      id: 1,
      session: 1,
      r_sample: 1,
      r_time_us: 1,
      class: "N",
      aami_class: "N",
      outcome: "classified",
    });
    const signal = { mainsHz: 60, codeRange: [-100, 100] as const };
    const plain = makeContent(stretch, [beat], [], 0, 1, signal);
    const corrected = makeContent(stretch, [{ ...beat, correction: 3, artefact: true }], [], 0, 1, signal);
    assert.equal(rowsCssPx(corrected) - rowsCssPx(plain), 32);
    assert.equal(plain.picture.info!.mainsHz, 60, "the notch is that of the stored session");
  });
});

describe("what is allowed", () => {
  test("only a clear yes is control", () => {
    for (const control of [undefined, null, 1, "true"]) assert.equal(readAccess({ control }).control, false);
    const site = readAccess({
      name: "a",
      control: true,
      site: { timezone: "Europe/Berlin" },
      disclaimer: "x",
    });
    assert.deepEqual(site, { name: "a", control: true, timezone: "Europe/Berlin", disclaimer: "x" });
    assert.equal(readAccess({ site: { timezone: null } }).timezone, null);
    assert.equal(readAccess("<html>").control, false);
  });

  test("a reader's keys hold none that change something", () => {
    const press = (key: string): Press => ({
      key,
      ctrl: false,
      alt: false,
      meta: false,
      focus: "BODY",
      editable: false,
      dialog: false,
    });
    assert.equal(actionOf(press("m"), true, allowed(SHORTCUTS, true)), "mark");
    assert.equal(actionOf(press("m"), true, allowed(SHORTCUTS, false)), null);
    for (const key of ["r", "a", "n"]) {
      assert.notEqual(actionOf(press(key), true, allowed(REVIEW_SHORTCUTS, true)), null);
      assert.equal(actionOf(press(key), true, allowed(REVIEW_SHORTCUTS, false)), null);
    }
    assert.equal(actionOf(press("p"), true, allowed(REVIEW_SHORTCUTS, false)), "report");
  });

  test("what of a session is not told is not known", () => {
    const session = readSession({
      id: 1,
      source: "live",
      sample_rate_hz: 500,
      start_time_us: 1,
      beats: 0,
      beats_by_class: {},
      beats_unclassifiable: 0,
      gaps: 0,
      missing_samples: 0,
      events: 0,
      samples: 0,
      mains_hz: null,
      code_min: null,
      code_max: 100,
      deleted_time: "2026-01-30T06:52:05Z",
    });
    assert.equal(session.mainsHz, 0);
    assert.deepEqual(session.codeRange, [-8388608, 100]);
    assert.equal(session.patientLabel, null);
    assert.equal(session.deletedUs, Date.parse("2026-01-30T06:52:05Z") * 1000);
  });
});

test("addresses keep labels, cluster and, where it is needed, the sample", () => {
  const place = readPlace("#/review/2?t=5&n=1215000&show=clusters&span=300&cluster=0&labels=corrected");
  assert.equal(place.labels, "corrected");
  assert.equal(place.cluster, 0);
  assert.equal(place.sample, 1_215_000);
  assert.deepEqual(readPlace(writePlace(place)), place);
  assert.equal(readPlace("#/review/2?labels=mine").labels, "machine");
});

describe("wall time", () => {
  const rate = 500;
  const minute = (m: number, us: number) => ({ sample: m * 60 * rate, timeUs: us });
  // Set back by an hour half a minute into minute 2, and on by ten minutes within minute 4.
  const anchors = [
    minute(0, 0),
    minute(1, 60e6),
    minute(2, 120e6),
    minute(3, 180e6 - 3600e6),
    minute(4, 240e6 - 3600e6),
    minute(5, 300e6 - 3000e6),
  ];
  const clock = new WallTime(anchors, rate).with([
    { sample: 2.5 * 60 * rate, timeUs: 150e6 - 3600e6 },
    { sample: 2.5 * 60 * rate - 10, timeUs: 150e6 - 20_000 },
  ]);

  test("a clock that ran by itself, also a little fast, was not set", () => {
    const plain = new WallTime(
      [0, 1, 2, 3].map((m) => minute(m, m * 60.6e6)),
      rate,
    );
    assert.equal(plain.stepped, false);
    assert.ok(Math.abs(plain.timeAt(1.5 * 60 * rate) - 90.9e6) < 1);
    assert.ok(Math.abs(plain.sampleAt(90.9e6) - 1.5 * 60 * rate) < 1e-3);
    assert.equal(new WallTime([], rate).stepped, false);
  });

  test("steps are found, and where they may be", () => {
    assert.equal(clock.stepped, true);
    const steps = clock.steps();
    assert.equal(steps.length, 2);
    assert.equal(steps[0]!.first, 2.5 * 60 * rate - 10);
    assert.equal(steps[0]!.end, 2.5 * 60 * rate);
    assert.deepEqual(steps[1]!.shown[0], [240e6 - 3600e6, 300e6 - 3600e6]);
    assert.deepEqual(steps[1]!.shown[1], [240e6 - 3000e6, 300e6 - 3000e6]);
  });

  test("times before and after a step, there and back", () => {
    const step = 2.5 * 60 * rate;
    assert.equal(clock.timeAt(step - 500), 149e6);
    assert.equal(clock.timeAt(step + 500), 151e6 - 3600e6);
    assert.equal(clock.sampleAt(149e6), step - 500);
    assert.equal(clock.sampleAt(151e6 - 3600e6), step + 500);
    // Never shown: the next that was.
    assert.equal(clock.sampleAt(290e6 - 3000e6), 5 * 60 * rate);
  });

  test("a time leads back to its sample where no sample before it showed it or a later one", () => {
    const step = 2.5 * 60 * rate;
    assert.equal(clock.tells(step - 500), true, "before the clock was set back");
    assert.equal(clock.tells(step + 500), false, "times that all came before");
    assert.equal(clock.tells(5 * 60 * rate + 500), false);
    // Set on: every time comes once.
    const on = new WallTime([minute(0, 0), minute(1, 60e6), minute(2, 720e6)], rate);
    assert.equal(on.tells(30 * rate), true);
    assert.equal(on.tells(2 * 60 * rate + 500), true);
    // Set back by half a minute: what was not shown before is clear again.
    const back = new WallTime([minute(0, 0), minute(1, 60e6), minute(2, 90e6), minute(3, 150e6)], rate);
    assert.equal(back.tells(2 * 60 * rate + 10 * rate), false);
    assert.equal(back.tells(2 * 60 * rate + 40 * rate), true);
  });

  test("a stretch over a step is two pieces, and what it takes to fetch it is known", () => {
    const step = 2.5 * 60 * rate;
    const pieces = clock.pieces(step - 2500, step + 2500);
    assert.deepEqual(
      pieces.map((one) => [one.first, one.end, one.fromUs / 1e6, one.toUs / 1e6]),
      [
        [step - 2500, step, 145, 150],
        [step, step + 2500, -3450, -3445],
      ],
    );
    const asked = clock.asked(step - 2500, step + 2500);
    assert.equal(asked.fromUs, -3450e6);
    assert.equal(asked.toUs, 150e6);
    assert.ok(asked.samples >= 5000 && asked.samples <= 6 * 60 * rate + 60 * rate, String(asked.samples));
  });

  test("a stretch is cut out of what came with it", () => {
    const codes = Int32Array.from({ length: 20 }, (_, i) => i);
    const stretch = {
      session: 1,
      rateHz: 500,
      samplesPerPoint: 1,
      firstSample: 100,
      points: 10,
      startUs: 7,
      channels: [1, 2].map((channelNumber) => ({ channelNumber, lead: null, uvPerCode: 1 })),
      gaps: [],
      nextUs: null,
      codes,
    };
    const part = cut(stretch, 103, 106, 42);
    assert.deepEqual([part.firstSample, part.points, part.startUs], [103, 3, 42]);
    assert.deepEqual([...part.codes], [6, 7, 8, 9, 10, 11]);
    assert.equal(cut(stretch, 90, 95, 0).points, 0);
  });
});

describe("report", () => {
  test("times in the site's zone, with offset and over its summer time", () => {
    const zone = new Zone("Europe/Berlin");
    assert.equal(zone.full(Date.parse("2026-03-29T00:59:59Z") * 1000), "2026-03-29 01:59:59 +01:00");
    assert.equal(zone.full(Date.parse("2026-03-29T01:00:00Z") * 1000), "2026-03-29 03:00:00 +02:00");
    assert.equal(new Zone("America/St_Johns").offset(Date.parse("2026-01-30T12:00:00Z") * 1000), "−03:30");
    assert.equal(zone.full(Date.parse("2026-01-30T23:00:00.999Z") * 1000), "2026-01-31 00:00:00 +01:00");
    assert.equal(zone.name, "Europe/Berlin");
    assert.match(new Zone("Mars/Olympus").name, /this browser's zone$/);
    assert.match(new Zone(null).name, /this browser's zone$/);
  });

  test("sums of minutes; unknown stays unknown", () => {
    const minute = (change: Partial<Minute>): Minute => ({
      minute: 0,
      timeUs: 0,
      firstSample: 0,
      beats: 60,
      byClass: { N: 59, V: 1 },
      v: 1,
      s: 0,
      unclassifiable: 3,
      hrMin: 50,
      hrMean: 60,
      hrMax: 70,
      good: 0.9,
      gaps: 1,
      missing: 500,
      events: 0,
      ...change,
    });
    const silent = minute({
      beats: 0,
      byClass: { N: 0 },
      hrMin: null,
      hrMean: null,
      hrMax: null,
      good: null,
      unclassifiable: 0,
    });
    const all = summarize([
      minute({}),
      minute({ beats: 120, byClass: { N: 118, F: 2 }, hrMean: 120, hrMax: 140 }),
      silent,
    ]);
    assert.deepEqual(all.byClass, { N: 177, V: 1, F: 2 });
    assert.equal(all.beats, 180);
    assert.equal(all.hrMean, 100, "weighted by beats");
    assert.deepEqual([all.hrMin, all.hrMax, all.silent, all.gaps, all.missing], [50, 140, 1, 3, 1500]);
    assert.equal(all.poor, 18);
    assert.equal(summarize([silent]).hrMean, null);
    assert.equal(shareText(0, 0), "---");
    assert.equal(shareText(1, 100_000), "under 0.1 %");
    assert.equal(shareText(0, 100), "0.0 %");
    assert.equal(shareText(1, 8), "12.5 %");
  });

  test("chosen strips that were stored are checked", () => {
    assert.deepEqual(readChosen(null), []);
    assert.deepEqual(readChosen("{"), []);
    assert.deepEqual(readChosen('{"a":1}'), []);
    const good = { timeUs: 5, sample: null, seconds: 7 };
    assert.deepEqual(
      readChosen(JSON.stringify([good, null, 4, { ...good, seconds: 6000 }, { ...good, timeUs: "x" }])),
      [good],
    );
    assert.equal(readChosen(JSON.stringify(Array(99).fill(good))).length, MOST_STRIPS);
  });
});

test("clusters: middle and gain so that all fits; classes in words", () => {
  const cluster: Cluster = {
    cluster: 1,
    beats: 812,
    byClass: { N: 800, L: 0, V: 1200 },
    unclassifiable: 3,
    correlation: 0.98,
    channelNumber: 1,
    rateHz: 125,
    before: 2,
    meanUv: [0, 1000, -200],
    examplesUv: [
      [0, 1200, 0],
      [0, 900, -400],
    ],
    beatIds: [17],
    more: 0,
  };
  assert.deepEqual(fitShapes(cluster), { middleUv: 400, gain: 20 });
  assert.equal(fitShapes({ ...cluster, examplesUv: [[-9000, 9000]] }).gain, 2.5);
  assert.deepEqual(fitShapes({ ...cluster, meanUv: [], examplesUv: [] }), { middleUv: 0, gain: 10 });
  assert.equal(classesText(cluster), "V 1,200 · N 800 · of these ? 3");
});
