// The binary form of `GET /v1/ecg`: a JSON header and the codes of the converter, decoded and checked.

import { BadField, count, type Decoded, fields, list, num, numOrNull, text, textOrNull } from "./fields.js";
import type { Gap } from "./protocol.js";

export interface Stretch {
  session: number;
  rateHz: number;
  samplesPerPoint: number;
  firstSample: number;
  points: number;
  startUs: number;
  channels: { channelNumber: number; lead: string | null; uvPerCode: number }[];
  gaps: Gap[];
  /** Where to go on, if the answer was cut. */
  nextUs: number | null;
  /** [points][channels], or [points][channels][minimum, maximum]. */
  codes: Int32Array;
}

const MAGIC = 0x31474345; // "ECG1" as a little-endian number

export function decodeEcg(data: ArrayBuffer): Decoded<Stretch> {
  const bad = (why: string): Decoded<Stretch> => ({ ok: false, error: `ECG could not be read: ${why}` });
  if (data.byteLength < 8) return bad(`${data.byteLength} bytes`);
  const view = new DataView(data);
  if (view.getUint32(0, true) !== MAGIC) return bad("it does not begin with ECG1");
  const length = view.getUint32(4, true);
  if (8 + length > data.byteLength) return bad("its header is cut off");
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 8, length)));
    const from = fields(json, "header");
    const channels = list(from.channels, "channels").map((one) => {
      const channel = fields(one, "channels[]");
      return {
        channelNumber: count(channel, "channel_number"),
        lead: textOrNull(channel, "lead"),
        uvPerCode: num(channel, "uv_per_code"),
      };
    });
    const samplesPerPoint = count(from, "samples_per_point");
    const points = count(from, "points");
    if (samplesPerPoint < 1) return bad("no samples per point");
    const values = points * channels.length * (samplesPerPoint > 1 ? 2 : 1);
    if (data.byteLength !== 8 + length + 4 * values) {
      return bad(`${data.byteLength} bytes, ${8 + length + 4 * values} expected`);
    }
    const codes = new Int32Array(values);
    for (let i = 0; i < values; i++) codes[i] = view.getInt32(8 + length + 4 * i, true);
    return {
      ok: true,
      value: {
        session: count(from, "session"),
        rateHz: num(from, "sample_rate_hz"),
        samplesPerPoint,
        firstSample: count(from, "first_sample"),
        points,
        startUs: num(from, "start_time_us"),
        channels,
        gaps: list(from.gaps, "gaps").map((one) => {
          const gap = fields(one, "gaps[]");
          return {
            committed: true,
            session: null,
            firstMissingSample: count(gap, "first_missing_sample"),
            missingSamples: count(gap, "missing_samples"),
            cause: text(gap, "cause"),
          };
        }),
        nextUs: numOrNull(from, "next_time_us"),
        codes,
      },
    };
  } catch (error) {
    return bad(error instanceof BadField ? error.message : "its header is not JSON");
  }
}
