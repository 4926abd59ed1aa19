// What the server sends over /v1/live, decoded and checked. Nothing here throws: a message that cannot be read
// becomes an error with a sentence, because a page that shows an ECG must not stop at one bad message.

import {
  BadField,
  count,
  type Decoded,
  type Fields,
  fields,
  flag,
  list,
  num,
  numOrNull,
  text,
  textOrNull,
} from "./fields.js";

/** In a piece of waveform: the sample is missing. The converter's codes never reach this value. */
export const MISSING = -2147483648;

export interface ChannelInfo {
  channelNumber: number;
  lead: string | null;
  uvPerCode: number;
  /** Lowest and highest code the converter can give; a sample there is clipped. */
  codeRange: readonly [number, number];
}

export interface SessionInfo {
  open: boolean;
  id: number | null;
  source: string | null;
  origin: string | null;
  chip: string | null;
  sampleRateHz: number | null;
  samplesPerPoint: number;
  channels: ChannelInfo[];
  startTimeUs: number | null;
  mainsHz: number;
  patientLabel: string | null;
  version: string;
}

export interface Condition {
  kind: string;
  subject: string | null;
  channelNumber: number | null;
  detail: string;
  sinceTimeUs: number | null;
}

export interface Status {
  timeUs: number;
  state: string;
  stateDetail: string | null;
  heartRateBpm: number | null;
  heartRateReason: string | null;
  newestRrMs: number | null;
  leadOff: boolean[] | null;
  signalQuality: string[] | null;
  conditions: Condition[];
  beats: number | null;
  beatsByClass: Record<string, number>;
  beatsUnclassifiable: number | null;
  lastVTimeUs: number | null;
  lastSTimeUs: number | null;
  gaps: number | null;
  missingSamples: number | null;
  newestSampleAgeMs: number | null;
  newestLabelAgeMs: number | null;
  store: {
    state: string;
    detail: string | null;
    freeBytes: number | null;
    freeBytesWanted: number | null;
    rowsWaiting: number | null;
  };
  model: string | null;
  engine: string | null;
}

export interface Beat {
  committed: boolean;
  /** Of what is stored; null: the running one. */
  session: number | null;
  rSample: number;
  rTimeUs: number | null;
  rrMs: number | null;
  class: string;
  aamiClass: string;
  unclassifiable: boolean;
  unclassifiableReason: string | null;
  signalQuality: string | null;
  channelNumber: number | null;
}

export interface Gap {
  committed: boolean;
  /** As of a beat. */
  session: number | null;
  firstMissingSample: number;
  missingSamples: number;
  cause: string;
}

export interface GatewayEvent {
  committed: boolean;
  kind: string;
  detail: string;
  sample: number | null;
  timeUs: number | null;
  phase: string | null;
  subject: string | null;
  channelNumber: number | null;
}

/** What a person said about beats or a time. It is a row of its own: the machine's label stays as it is. */
export interface Correction {
  id: number;
  session: number;
  kind: string;
  target: string | null;
  beats: number[] | null;
  fromUs: number | null;
  toUs: number | null;
  fromSample: number | null;
  toSample: number | null;
  class: string | null;
  note: string | null;
  author: string;
  origin: string;
  supersedes: number | null;
  supersededBy: number | null;
  timeUs: number;
}

export type Message =
  | { type: "session"; session: SessionInfo }
  | { type: "status"; status: Status }
  | { type: "beat"; beat: Beat }
  | { type: "gap"; gap: Gap }
  | { type: "event"; event: GatewayEvent }
  | { type: "correction"; correction: Correction }
  | { type: "clock"; stepMs: number; timeUs: number }
  | { type: "closed"; reason: string; detail: string }
  | { type: "unknown"; name: string };

/** A piece of the waveform. `codes` holds [points][channels], or [points][channels][minimum, maximum]. */
export interface Piece {
  channels: number;
  samplesPerPoint: number;
  points: number;
  firstSample: number;
  /** Age of the newest sample when the server sent the piece, by the server's monotonic clock. */
  newestAgeMs: number;
  codes: Int32Array;
}

export const CODE_RANGE_24_BIT = [-8388608, 8388607] as const;

function channel(value: unknown, session: readonly [number | null, number | null]): ChannelInfo {
  const from = fields(value, "channels[]");
  const uvPerCode = num(from, "uv_per_code");
  if (uvPerCode <= 0) throw new BadField(`uv_per_code is not positive: ${uvPerCode}`);
  const own = Array.isArray(from.code_range) ? from.code_range : session;
  const limit = (i: 0 | 1) => (typeof own[i] === "number" ? own[i] : CODE_RANGE_24_BIT[i]);
  return {
    channelNumber: count(from, "channel_number"),
    lead: textOrNull(from, "lead"),
    uvPerCode,
    codeRange: [limit(0), limit(1)],
  };
}

function session(from: Fields): SessionInfo {
  const rate = numOrNull(from, "sample_rate_hz");
  if (rate !== null && rate <= 0) throw new BadField(`sample_rate_hz is not positive: ${rate}`);
  const perPoint = numOrNull(from, "samples_per_point") ?? 1;
  if (!Number.isInteger(perPoint) || perPoint < 1) throw new BadField(`samples_per_point: ${perPoint}`);
  const channels =
    from.channels === null || from.channels === undefined ? [] : list(from.channels, "channels");
  const range = [numOrNull(from, "code_min"), numOrNull(from, "code_max")] as const;
  return {
    open: flag(from, "open"),
    id: numOrNull(from, "id"),
    source: textOrNull(from, "source"),
    origin: textOrNull(from, "origin"),
    chip: textOrNull(from, "chip"),
    sampleRateHz: rate,
    samplesPerPoint: perPoint,
    channels: channels.map((one) => channel(one, range)),
    startTimeUs: numOrNull(from, "start_time_us"),
    mainsHz: numOrNull(from, "mains_hz") ?? 0,
    patientLabel: textOrNull(from, "patient_label"),
    version: textOrNull(from, "version") ?? "",
  };
}

function status(from: Fields): Status {
  const store = fields(from.store, "store");
  const byClass: Record<string, number> = {};
  if (from.beats_by_class !== null && from.beats_by_class !== undefined) {
    const counts = fields(from.beats_by_class, "beats_by_class");
    for (const name of Object.keys(counts)) byClass[name] = count(counts, name);
  }
  return {
    timeUs: num(from, "time_us"),
    state: text(from, "state"),
    stateDetail: textOrNull(from, "state_detail"),
    heartRateBpm: numOrNull(from, "heart_rate_bpm"),
    heartRateReason: textOrNull(from, "heart_rate_reason"),
    newestRrMs: numOrNull(from, "newest_rr_ms"),
    leadOff:
      from.lead_off === null || from.lead_off === undefined
        ? null
        : list(from.lead_off, "lead_off").map((off) => off === true),
    signalQuality:
      from.signal_quality === null || from.signal_quality === undefined
        ? null
        : list(from.signal_quality, "signal_quality").map(String),
    conditions: list(from.conditions, "conditions").map((value) => {
      const one = fields(value, "conditions[]");
      return {
        kind: text(one, "kind"),
        subject: textOrNull(one, "subject"),
        channelNumber: numOrNull(one, "channel_number"),
        detail: textOrNull(one, "detail") ?? "",
        sinceTimeUs: numOrNull(one, "since_time_us"),
      };
    }),
    beats: numOrNull(from, "beats"),
    beatsByClass: byClass,
    beatsUnclassifiable: numOrNull(from, "beats_unclassifiable"),
    lastVTimeUs: numOrNull(from, "last_v_time_us"),
    lastSTimeUs: numOrNull(from, "last_s_time_us"),
    gaps: numOrNull(from, "gaps"),
    missingSamples: numOrNull(from, "missing_samples"),
    newestSampleAgeMs: numOrNull(from, "newest_sample_age_ms"),
    newestLabelAgeMs: numOrNull(from, "newest_label_age_ms"),
    store: {
      state: text(store, "state"),
      detail: textOrNull(store, "detail"),
      freeBytes: numOrNull(store, "free_bytes"),
      freeBytesWanted: numOrNull(store, "free_bytes_wanted"),
      rowsWaiting: numOrNull(store, "rows_waiting"),
    },
    model: textOrNull(from, "model"),
    engine: textOrNull(from, "engine"),
  };
}

function beat(from: Fields): Beat {
  return {
    committed: flag(from, "committed"),
    session: numOrNull(from, "session"),
    rSample: count(from, "r_sample"),
    rTimeUs: numOrNull(from, "r_time_us"),
    rrMs: numOrNull(from, "rr_ms"),
    class: text(from, "class"),
    aamiClass: text(from, "aami_class"),
    unclassifiable: text(from, "outcome") !== "classified",
    unclassifiableReason: textOrNull(from, "unclassifiable_reason"),
    signalQuality: textOrNull(from, "signal_quality"),
    channelNumber: numOrNull(from, "channel_number"),
  };
}

function message(from: Fields): Message {
  const type = text(from, "type");
  switch (type) {
    case "session":
      return { type, session: session(from) };
    case "status":
      return { type, status: status(from) };
    case "beat":
      return { type, beat: beat(from) };
    case "gap":
      return {
        type,
        gap: {
          committed: flag(from, "committed"),
          session: numOrNull(from, "session"),
          firstMissingSample: count(from, "first_missing_sample"),
          missingSamples: count(from, "missing_samples"),
          cause: text(from, "cause"),
        },
      };
    case "event":
      return {
        type,
        event: {
          committed: flag(from, "committed"),
          kind: text(from, "kind"),
          detail: textOrNull(from, "detail") ?? "",
          sample: numOrNull(from, "sample"),
          timeUs: numOrNull(from, "time_us"),
          phase: textOrNull(from, "phase"),
          subject: textOrNull(from, "subject"),
          channelNumber: numOrNull(from, "channel_number"),
        },
      };
    case "correction":
      return { type, correction: readCorrection(from) };
    case "clock":
      return { type, stepMs: num(from, "step_ms"), timeUs: num(from, "time_us") };
    case "closed":
      return { type, reason: text(from, "reason"), detail: textOrNull(from, "detail") ?? "" };
    default:
      // A newer server may send more than this page knows.
      return { type: "unknown", name: type.slice(0, 40) };
  }
}

export function readCorrection(value: unknown): Correction {
  const from = fields(value, "correction");
  return {
    id: count(from, "id"),
    session: count(from, "session"),
    kind: text(from, "kind"),
    target: textOrNull(from, "target"),
    beats:
      from.beats === null || from.beats === undefined
        ? null
        : list(from.beats, "beats").map((id) => {
            if (typeof id !== "number") throw new BadField("beats holds something that is not a number");
            return id;
          }),
    fromUs: numOrNull(from, "from_time_us"),
    toUs: numOrNull(from, "to_time_us"),
    fromSample: numOrNull(from, "from_sample"),
    toSample: numOrNull(from, "to_sample"),
    class: textOrNull(from, "class"),
    note: textOrNull(from, "note"),
    author: text(from, "author"),
    origin: text(from, "origin"),
    supersedes: numOrNull(from, "supersedes"),
    supersededBy: numOrNull(from, "superseded_by"),
    timeUs: num(from, "time_us"),
  };
}

export function decodeText(data: string): Decoded<Message> {
  try {
    return { ok: true, value: message(fields(JSON.parse(data), "message")) };
  } catch (error) {
    const why = error instanceof BadField ? error.message : "it is not JSON";
    return { ok: false, error: `A message could not be read: ${why}` };
  }
}

const HEADER_BYTES = 24;
const KIND_WAVEFORM = 1;

export function decodePiece(data: ArrayBuffer): Decoded<Piece> {
  const bad = (why: string): Decoded<Piece> => ({
    ok: false,
    error: `A piece of ECG could not be read: ${why}`,
  });
  if (data.byteLength < HEADER_BYTES) return bad(`${data.byteLength} bytes`);
  const view = new DataView(data);
  if (view.getUint8(0) !== KIND_WAVEFORM) return bad(`kind ${view.getUint8(0)}`);
  const channels = view.getUint8(1);
  const samplesPerPoint = view.getUint16(2, true);
  const points = view.getUint32(4, true);
  const firstSample = Number(view.getBigUint64(8, true));
  const newestAgeMs = Number(view.getBigUint64(16, true)) / 1000;
  if (channels < 1 || channels > 2) return bad(`${channels} channels`);
  if (samplesPerPoint < 1) return bad("no samples per point");
  if (!Number.isSafeInteger(firstSample)) return bad("its position is too large");
  const count = points * channels * (samplesPerPoint > 1 ? 2 : 1);
  if (data.byteLength !== HEADER_BYTES + 4 * count) {
    return bad(`${data.byteLength} bytes, ${HEADER_BYTES + 4 * count} expected`);
  }
  const codes = new Int32Array(count);
  for (let i = 0; i < count; i++) codes[i] = view.getInt32(HEADER_BYTES + 4 * i, true);
  return { ok: true, value: { channels, samplesPerPoint, points, firstSample, newestAgeMs, codes } };
}
