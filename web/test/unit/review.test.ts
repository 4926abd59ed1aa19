import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NOWHERE, readPlace, readTime, viewOf, writePlace, writeTime } from "../../src/address.js";
import { type Minute, readSaliency } from "../../src/api.js";
import { reading, readingText } from "../../src/calipers.js";
import { drawTrace, type Ground, type Look } from "../../src/drawing.js";
import { decodeEcg } from "../../src/ecg.js";
import { readGoTo } from "../../src/go-to.js";
import { axisStep, chain, histogram, spread } from "../../src/intervals.js";
import { actionOf, REVIEW_SHORTCUTS } from "../../src/keys.js";
import { layWords } from "../../src/marks.js";
import { Newest } from "../../src/newest.js";
import { CODE_RANGE_24_BIT } from "../../src/protocol.js";
import { isSample, NOT_RECEIVED } from "../../src/ring.js";
import { Model } from "../../src/session.js";
import { fittingSpeed, localSample, localTimeUs, makeContent } from "../../src/strip.js";
import { minuteAt, minuteText, rateRange } from "../../src/trend.js";
import { info, piece } from "./help.js";

const MISSING = -2147483648;

describe("address", () => {
  test("a place comes back as it was written", () => {
    const place = { ...NOWHERE, session: 3, timeUs: 1_769_755_925_250_000, seconds: 30 };
    assert.equal(writePlace(place), "#/review/3?t=2026-01-30T06:52:05.250Z&w=30&show=strip");
    assert.deepEqual(readPlace(writePlace(place)), place);
    const beat = { ...place, show: "beat" as const, beat: 17, method: "shap" as const };
    assert.deepEqual(readPlace(writePlace(beat)), beat);
  });

  test("with and without the slash, and rubbish becomes the default", () => {
    assert.equal(readPlace("#review/3?t=5").session, 3);
    assert.equal(readPlace("#/review/3?t=5").timeUs, 5);
    assert.deepEqual(readPlace("#/review/x?t=never&w=7&show=all&beat=-1&span=1"), NOWHERE);
    assert.equal(viewOf("#/review/3?t=5"), "review");
    assert.equal(viewOf("#live"), "live");
    assert.equal(viewOf(""), "");
  });

  test("times with offset and with microseconds", () => {
    assert.equal(readTime("2026-01-30T07:52:05+01:00"), 1_769_755_925_000_000);
    assert.equal(readTime("2026-01-30T06:52:05.000123Z"), 1_769_755_925_000_123);
    assert.equal(writeTime(1_769_755_925_000_123), "2026-01-30T06:52:05.000123Z");
    assert.equal(readTime("2026-01-30 06:52"), null);
  });
});

describe("stored ECG", () => {
  const bytes = (header: object, codes: number[], magic = "ECG1") => {
    const text = new TextEncoder().encode(JSON.stringify(header));
    const data = new ArrayBuffer(8 + text.length + 4 * codes.length);
    const view = new DataView(data);
    for (let i = 0; i < 4; i++) view.setUint8(i, magic.charCodeAt(i));
    view.setUint32(4, text.length, true);
    new Uint8Array(data).set(text, 8);
    codes.forEach((code, i) => {
      view.setInt32(8 + text.length + 4 * i, code, true);
    });
    return data;
  };
  const HEADER = {
    session: 3,
    sample_rate_hz: 500,
    samples_per_point: 1,
    first_sample: 1000,
    points: 3,
    start_time: "x",
    start_time_us: 2_000_000,
    channels: [
      { channel_number: 1, lead: "II", uv_per_code: 0.5 },
      { channel_number: 2, lead: null, uv_per_code: 0.5 },
    ],
    gaps: [{ first_missing_sample: 1001, missing_samples: 1, cause: "bad_frame" }],
    missing_samples: 1,
    next_time_us: null,
  };

  test("header of any length, codes, gaps", () => {
    const decoded = decodeEcg(bytes(HEADER, [1, 2, MISSING, MISSING, 5, -6]));
    assert.ok(decoded.ok);
    assert.deepEqual([...decoded.value.codes], [1, 2, MISSING, MISSING, 5, -6]);
    assert.equal(decoded.value.gaps[0]!.cause, "bad_frame");
    assert.equal(decoded.value.channels[1]!.lead, null);
  });

  test("what does not fit is an error in words", () => {
    for (const data of [
      new ArrayBuffer(3),
      bytes(HEADER, [1, 2, 3]),
      bytes(HEADER, [], "ECG2"),
      bytes({ ...HEADER, points: "3" }, [1, 2, 3, 4, 5, 6]),
      bytes({ ...HEADER, samples_per_point: 0 }, [1, 2, 3, 4, 5, 6]),
    ]) {
      const decoded = decodeEcg(data);
      assert.ok(!decoded.ok && decoded.error.startsWith("ECG could not be read"));
    }
  });

  test("a strip has its offset from what is shown, and its places from its times", () => {
    const codes = Array.from({ length: 2000 }, (_, i) => (i < 1000 ? 90_000 : 2000 * 2));
    const decoded = decodeEcg(bytes({ ...HEADER, points: 1000 }, codes));
    assert.ok(decoded.ok);
    const content = makeContent(decoded.value, [], [], 500, 1, {
      mainsHz: 50,
      codeRange: CODE_RANGE_24_BIT,
    });
    assert.equal(content.start, 500);
    assert.equal(content.picture.shifts[0]!.newest(), 2000);
    assert.equal(localSample(decoded.value, localTimeUs(decoded.value, 123)), 123);
    assert.equal(content.picture.gaps[0]!.firstMissingSample, 1);
  });

  test("a strip is drawn at the fastest usual speed that fits", () => {
    assert.equal(fittingSpeed(10, 1000, 3.78, 25), 25);
    assert.equal(fittingSpeed(10, 900, 3.78, 25), 12.5);
    assert.equal(fittingSpeed(5, 1000, 3.78, 50), 50);
    assert.equal(fittingSpeed(60, 1200, 3.78, 25), 5);
    assert.equal(fittingSpeed(60, 100, 3.78, 25), 1.25);
  });
});

describe("back-fill of the live picture", () => {
  const model = () => {
    const made = new Model();
    made.take({ type: "session", session: info() }, 0);
    made.takePiece(piece(5000, [1, 2, 3, 4]), 0, []);
    return made;
  };

  test("fills in front of the first piece, and leaves what is not stored", () => {
    const made = model();
    made.fill(
      4000,
      Int32Array.from({ length: 2 * 900 }, (_, i) => i),
    );
    const ring = made.ring!;
    assert.equal(ring.begin, 4000);
    assert.equal(ring.end, 5002);
    assert.equal(ring.min[0]![ring.at(4000)], 0);
    assert.equal(ring.min[1]![ring.at(4899)], 1799);
    assert.equal(ring.min[0]![ring.at(4900)], NOT_RECEIVED);
    assert.equal(ring.min[0]![ring.at(5000)], 1);
    assert.ok(Number.isNaN(ring.filtered[0]![ring.at(4950)]));
  });

  test("what came live is not overwritten, and a second fill completes the first", () => {
    const made = model();
    made.fill(4000, new Int32Array(2 * 900).fill(7));
    made.fill(4500, new Int32Array(2 * 600).fill(9));
    const ring = made.ring!;
    assert.equal(ring.min[0]![ring.at(4899)], 7);
    assert.equal(ring.min[0]![ring.at(4900)], 9);
    assert.equal(ring.min[0]![ring.at(5001)], 3);
    assert.equal(ring.end, 5002);
    for (let point = ring.begin; point < ring.end; point++)
      assert.ok(isSample(ring.min[0]![ring.at(point)]!));
  });

  test("never more than the ring holds", () => {
    const made = model();
    made.takePiece(piece(34_000, [5, 6]), 0, []);
    made.fill(3000, new Int32Array(2 * 2500).fill(7));
    const ring = made.ring!;
    assert.ok(ring.end - ring.begin <= ring.points);
  });
});

describe("RR intervals", () => {
  const n = (rrMs: number | null, aamiClass = "N", unclassifiable = false) => ({
    rrMs,
    aamiClass,
    unclassifiable,
  });

  test("only between beats of class N that follow each other", () => {
    const found = chain([
      n(null),
      n(800),
      n(810),
      n(500, "V"),
      n(1100),
      n(790),
      n(null),
      n(820),
      n(830, "N", true),
      n(805),
      n(815),
    ]);
    assert.deepEqual(found.rr, [800, 810, 790, 820, 815]);
    assert.deepEqual(found.pairs, [800, 810]);
    assert.deepEqual(found.leftOut, { noInterval: 2, notN: 2, unclassifiable: 2 });
    const { noInterval, notN, unclassifiable } = found.leftOut;
    assert.equal(found.rr.length + noInterval + notN + unclassifiable, found.beats);
  });

  test("spread and bins", () => {
    const found = chain([n(null), n(800), n(820), n(780)]);
    const made = spread(found)!;
    assert.equal(made.mean, 800);
    assert.equal(made.sd, 20);
    assert.ok(Math.abs(made.rmssd! - Math.sqrt((400 + 1600) / 2)) < 1e-9);
    assert.equal(spread(chain([n(null), n(800)])), null);
    assert.deepEqual(histogram([800, 819.9, 840]), [
      { fromMs: 800, toMs: 820, count: 2 },
      { fromMs: 820, toMs: 840, count: 0 },
      { fromMs: 840, toMs: 860, count: 1 },
    ]);
    assert.deepEqual(histogram([]), []);
    assert.equal(axisStep(100, 4), 50);
    assert.equal(axisStep(7, 10), 1);
  });
});

test("several lists become one, newest first", async () => {
  const asked: string[] = [];
  const source = (name: string, pages: number[][]) => ({
    async fetch(cursor: string | null) {
      asked.push(name);
      const at = Number(cursor ?? 0);
      return { rows: pages[at] ?? [], next: at + 1 < pages.length ? String(at + 1) : null };
    },
  });
  const newest = new Newest(
    [source("a", [[9, 5], [3]]), source("b", [[8, 7, 1]]), source("c", [[]])],
    (row) => row,
  );
  assert.deepEqual(await newest.take(3), [9, 8, 7]);
  assert.deepEqual(asked.sort(), ["a", "b", "c"]);
  assert.equal(newest.ended, false);
  assert.deepEqual(await newest.take(10), [5, 3, 1]);
  assert.equal(newest.ended, true);
});

test("calipers read time, voltage and rate", () => {
  const read = reading({ sample: 1000, uv: 0 }, { sample: 1250, uv: 1000 }, 500);
  assert.deepEqual(read, { ms: 500, mv: 1, perMinute: 120 });
  assert.equal(readingText(read), "500 ms · +1.00 mV · 120.0 per minute");
  assert.match(
    readingText(reading({ sample: 5, uv: 0 }, { sample: 5, uv: -500 }, 500)),
    /^0 ms · −0.50 mV · ---/,
  );
});

test("a time that a person writes", () => {
  const local = (h: number, m: number, s = 0, day = 30) => new Date(2026, 0, day, h, m, s).getTime() * 1000;
  const begin = local(22, 0);
  const end = local(6, 0, 0, 31);
  assert.equal(readGoTo("22:30", begin, end), local(22, 30));
  assert.equal(readGoTo(" 05:12:30 ", begin, end), local(5, 12, 30, 31));
  assert.equal(readGoTo("2026-01-31 00:00:00.5", begin, end), local(0, 0, 0, 31) + 500_000);
  assert.match(String(readGoTo("12:00", begin, end)), /outside of the session/);
  assert.match(String(readGoTo("25:00", begin, end)), /not a time of day/);
  assert.match(String(readGoTo("tomorrow", begin, end)), /not a time/);
});

test("keys of the review view", () => {
  const press = {
    key: "[",
    ctrl: false,
    alt: false,
    meta: false,
    focus: "BODY",
    editable: false,
    dialog: false,
  };
  assert.equal(actionOf(press, true, REVIEW_SHORTCUTS), "previous");
  assert.equal(
    actionOf({ ...press, key: "PageDown" }, false, REVIEW_SHORTCUTS),
    "page-on",
    "no letter: always on",
  );
  assert.equal(actionOf({ ...press, key: "ArrowLeft", moves: true }, true, REVIEW_SHORTCUTS), null);
  assert.equal(actionOf({ ...press, key: "g" }, false, REVIEW_SHORTCUTS), null);
  assert.equal(actionOf({ ...press, key: "ArrowLeft", focus: "INPUT" }, true, REVIEW_SHORTCUTS), null);
  assert.equal(actionOf({ ...press, key: " " }, true, REVIEW_SHORTCUTS), null);
  const keys = REVIEW_SHORTCUTS.flatMap((one) => one.keys);
  assert.equal(new Set(keys).size, keys.length, "no key twice");
});

test("minutes: found by time, said in words, null is never a zero", () => {
  const minute = (at: number, change: Partial<Minute> = {}): Minute => ({
    minute: at,
    timeUs: at * 60e6,
    firstSample: 0,
    beats: 70,
    v: 1,
    s: 0,
    unclassifiable: 0,
    hrMin: 60,
    hrMean: 70.4,
    hrMax: 88,
    good: 0.984,
    gaps: 1,
    missing: 40,
    events: 0,
    ...change,
  });
  const minutes = [minute(0), minute(1), minute(2, { hrMax: 171 })];
  assert.equal(minuteAt(minutes, 59e6), 0);
  assert.equal(minuteAt(minutes, 60e6), 1);
  assert.equal(minuteAt(minutes, 900e6), 2);
  assert.deepEqual(rateRange(minutes), [40, 180]);
  assert.equal(
    minuteText(minutes[0]!),
    "heart rate 70 (60 to 88), 70 beats, V 1, S 0, quality 98 % good, 1 gap",
  );
  assert.match(minuteText(minute(4, { unclassifiable: 2 })), /V 1, S 0 \(with unclassifiable ones\), \? 2,/);
  assert.match(minuteText(minute(5, { v: 0, unclassifiable: 2 })), /V 0, S 0, \? 2,/);
  const none = minute(3, { beats: 0, v: 0, hrMin: null, hrMean: null, hrMax: null, good: null, gaps: 0 });
  assert.equal(minuteText(none), "heart rate --- (no beats), 0 beats, V 0, S 0, quality ---");
});

test("a trace that is cut off above the end of its lane is marked where it is cut off", () => {
  const filled: number[][] = [];
  const nothing = () => {};
  const context = {
    ...Object.fromEntries(["beginPath", "moveTo", "lineTo", "stroke"].map((name) => [name, nothing])),
    fillRect: (...at: number[]) => filled.push(at),
  } as unknown as CanvasRenderingContext2D;
  const stretch = {
    session: 1,
    rateHz: 100,
    samplesPerPoint: 1,
    firstSample: 0,
    points: 100,
    startUs: 0,
    channels: [{ channelNumber: 1, lead: null, uvPerCode: 1 }],
    gaps: [],
    nextUs: null,
    // One dip of 6 mV: at 5 mm/mV and 1 px per mm 30 px below the middle of the lane.
    codes: Int32Array.from({ length: 100 }, (_, i) => (i === 50 ? -6000 : 0)),
  };
  const content = makeContent(stretch, [], [], 0, 1, { mainsHz: 50, codeRange: [-1e6, 1e6] });
  const look = {
    gain: 5,
    devicePxPerMm: 1,
    devicePixelRatio: 1,
    filtered: false,
    colors: {},
  } as unknown as Look;
  const ground: Ground = {
    context,
    look,
    lanes: [],
    time: { pxPerSample: 1, widthPx: 100 },
    leftPx: 0,
    hatch: null,
  };
  const lane = { topPx: 0, heightPx: 80 };
  drawTrace(ground, content.picture, 0, lane, 0, 100, 0);
  assert.deepEqual(filled, [], "within the lane nothing is to be marked");
  drawTrace(ground, content.picture, 0, lane, 0, 100, 0, { topPx: 0, heightPx: 60 });
  assert.equal(filled.length, 1);
  assert.deepEqual(filled[0]!.slice(1), [58, 1, 2], "a bar at the row's lower edge");
});

test("a map with something that is not a number is refused", () => {
  const map = {
    method: "gradcam",
    class: "V",
    called: "V",
    source: "stored",
    probability_difference: null,
    logit: 1,
    base: 0,
    sample_rate_hz: 250,
    r_index: 1,
    map: [0.1, -0.2],
    context: [],
    shares: null,
    waves: { p: null, qrs: { onset_ms: -40, end_ms: null }, t: null },
  };
  assert.deepEqual(readSaliency(map).waves!.qrs, { onsetMs: -40, endMs: null });
  assert.throws(() => readSaliency({ ...map, map: [0.1, null] }), /not a number/);
});

test("words in a row never lie over each other; the first ones stay where they belong", () => {
  const laid = layWords(
    [
      { x: 100, wide: 80, text: "gap" },
      { x: 150, wide: 60, text: "settles" },
      { x: 400, wide: 60, text: "event" },
      { x: 10, wide: 300, text: "too long to move" },
      { x: 490, wide: 50, text: "edge" },
    ],
    2,
    500,
    6,
  );
  assert.deepEqual(
    laid.map(({ text, at }) => [text, at]),
    [
      ["gap", 100],
      ["settles", 189],
      ["event", 400],
    ],
  );
});
