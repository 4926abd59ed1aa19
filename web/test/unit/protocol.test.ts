import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePiece, decodeText, MISSING } from "../../src/protocol.js";
import { STATUS_JSON } from "./help.js";

function bytes(
  { channels = 2, per = 1, points = 2, first = 500n, age = 43_000n, kind = 1 },
  codes: number[],
): ArrayBuffer {
  const buffer = new ArrayBuffer(24 + 4 * codes.length);
  const view = new DataView(buffer);
  view.setUint8(0, kind);
  view.setUint8(1, channels);
  view.setUint16(2, per, true);
  view.setUint32(4, points, true);
  view.setBigUint64(8, first, true);
  view.setBigUint64(16, age, true);
  codes.forEach((code, i) => {
    view.setInt32(24 + 4 * i, code, true);
  });
  return buffer;
}

test("a piece is read as it was written", () => {
  const got = decodePiece(bytes({}, [1, -2, MISSING, 8388607]));
  assert.ok(got.ok);
  assert.equal(got.value.firstSample, 500);
  assert.equal(got.value.newestAgeMs, 43);
  assert.deepEqual([...got.value.codes], [1, -2, MISSING, 8388607]);
});

test("a piece of pairs holds minimum and maximum", () => {
  const got = decodePiece(bytes({ per: 16, points: 1 }, [1, 2, 3, 4]));
  assert.ok(got.ok);
  assert.equal(got.value.samplesPerPoint, 16);
  assert.deepEqual([...got.value.codes], [1, 2, 3, 4]);
});

test("pieces that cannot be right are refused with a sentence", () => {
  const rows: [string, ArrayBuffer][] = [
    ["empty", new ArrayBuffer(0)],
    ["cut header", new ArrayBuffer(23)],
    ["other kind", bytes({ kind: 2 }, [1, 2, 3, 4])],
    ["no channel", bytes({ channels: 0 }, [])],
    ["three channels", bytes({ channels: 3 }, [1, 2, 3, 4, 5, 6])],
    ["no samples per point", bytes({ per: 0 }, [1, 2, 3, 4])],
    ["too short", bytes({}, [1, 2, 3])],
    ["too long", bytes({}, [1, 2, 3, 4, 5])],
    ["points beyond any length", bytes({ points: 0xffffffff }, [1])],
    ["position beyond 2^53", bytes({ first: 2n ** 60n }, [1, 2, 3, 4])],
  ];
  for (const [name, data] of rows) {
    const got = decodePiece(data);
    assert.equal(got.ok, false, name);
    assert.match((got as { error: string }).error, /could not be read: ./, name);
  }
});

test("each kind of message is read", () => {
  const rows: [string, unknown][] = [
    [
      "session",
      {
        type: "session",
        open: true,
        id: 3,
        source: "live",
        origin: "/dev/spidev0.0",
        chip: "ADS1292R",
        sample_rate_hz: 500,
        samples_per_point: 1,
        channels: [{ channel_number: 1, lead: "II", uv_per_code: 0.0481 }],
        start_time_us: 1,
        mains_hz: 50,
        version: "0.1.0",
      },
    ],
    ["status", STATUS_JSON],
    [
      "beat",
      {
        type: "beat",
        committed: false,
        r_sample: 1000,
        r_time_us: 1,
        rr_ms: null,
        class: "V",
        aami_class: "V",
        outcome: "classified",
        unclassifiable_reason: null,
        signal_quality: "good",
        channel_number: 1,
      },
    ],
    ["gap", { type: "gap", committed: true, first_missing_sample: 1, missing_samples: 2, cause: "overrun" }],
    [
      "event",
      {
        type: "event",
        committed: false,
        kind: "lead_off",
        detail: "x",
        sample: 1,
        time_us: 1,
        phase: "begin",
        subject: "in1p",
        channel_number: 1,
      },
    ],
    ["clock", { type: "clock", step_ms: -3_600_000, time_us: 1 }],
    ["closed", { type: "closed", reason: "slow_reader", detail: "x" }],
  ];
  for (const [type, value] of rows) {
    const got = decodeText(JSON.stringify(value));
    assert.ok(got.ok, `${type}: ${got.ok ? "" : got.error}`);
    assert.equal(got.value.type, type);
  }
});

test("what is stored says of which session it is", () => {
  const row = {
    committed: true,
    r_sample: 1,
    class: "N",
    aami_class: "N",
    outcome: "classified",
    first_missing_sample: 1,
    missing_samples: 2,
    cause: "overrun",
  };
  for (const type of ["beat", "gap"]) {
    for (const session of [7, undefined]) {
      const got = decodeText(JSON.stringify({ ...row, type, session }));
      assert.ok(got.ok && (got.value.type === "beat" || got.value.type === "gap"));
      const one = got.value.type === "beat" ? got.value.beat : got.value.gap;
      assert.equal(one.session, session ?? null, type);
    }
  }
});

test("a session that never ran is read", () => {
  const none = {
    id: null,
    source: null,
    origin: null,
    chip: null,
    sample_rate_hz: null,
    samples_per_point: null,
  };
  const got = decodeText(
    JSON.stringify({
      type: "session",
      open: false,
      ...none,
      channels: null,
      start_time_us: null,
      mains_hz: null,
      version: "1",
    }),
  );
  assert.ok(got.ok && got.value.type === "session");
  assert.equal(got.value.session.channels.length, 0);
});

test("unknown values stay unknown and never become zero", () => {
  const got = decodeText(
    JSON.stringify({ ...STATUS_JSON, heart_rate_bpm: null, newest_rr_ms: null, beats: null }),
  );
  assert.ok(got.ok && got.value.type === "status");
  assert.equal(got.value.status.heartRateBpm, null);
  assert.equal(got.value.status.newestRrMs, null);
  assert.equal(got.value.status.beats, null);
});

test("messages that cannot be read are errors with the field's name", () => {
  const rows: [string, string, RegExp][] = [
    ["no JSON", "{", /JSON/],
    ["a list", "[]", /not an object/],
    ["no type", "{}", /type/],
    ["null", "null", /not an object/],
    ["committed", '{"type":"beat","committed":1}', /committed/],
    ["negative place", '{"type":"gap","committed":true,"first_missing_sample":-1}', /first_missing_sample/],
    ["rate", '{"type":"session","open":true,"sample_rate_hz":0}', /sample_rate_hz/],
    ["status without store", JSON.stringify({ ...STATUS_JSON, store: null }), /store/],
  ];
  for (const [name, data, expected] of rows) {
    const got = decodeText(data);
    assert.equal(got.ok, false, name);
    assert.match((got as { error: string }).error, expected, name);
  }
});

test("a newer server's message is named, not an error", () => {
  const got = decodeText('{"type":"later"}');
  assert.ok(got.ok);
  assert.deepEqual(got.value, { type: "unknown", name: "later" });
});
