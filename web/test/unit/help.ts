import type { Beat, SessionInfo, Status } from "../../src/protocol.js";

export function info(change: Partial<SessionInfo> = {}): SessionInfo {
  const channel = (channelNumber: number, lead: string) => ({
    channelNumber,
    lead,
    uvPerCode: 0.5,
    codeRange: [-8388608, 8388607] as const,
  });
  return {
    open: true,
    id: 1,
    source: "live",
    origin: null,
    chip: "ADS1292R",
    sampleRateHz: 500,
    samplesPerPoint: 1,
    channels: [channel(1, "II"), channel(2, "I")],
    startTimeUs: 1,
    mainsHz: 50,
    patientLabel: null,
    version: "0",
    ...change,
  };
}

export function piece(firstSample: number, codes: number[], change: Partial<{ newestAgeMs: number }> = {}) {
  return {
    channels: 2,
    samplesPerPoint: 1,
    points: codes.length / 2,
    firstSample,
    newestAgeMs: 20,
    codes: Int32Array.from(codes),
    ...change,
  };
}

export function beat(rSample: number, change: Partial<Beat> = {}): Beat {
  return {
    committed: false,
    session: null,
    rSample,
    rTimeUs: null,
    rrMs: null,
    class: "N",
    aamiClass: "N",
    unclassifiable: false,
    unclassifiableReason: null,
    signalQuality: "good",
    channelNumber: 1,
    ...change,
  };
}

export const STATUS_JSON = {
  type: "status",
  time_us: 1_700_000_000_000_000,
  state: "recording",
  state_detail: null,
  heart_rate_bpm: 72.1,
  heart_rate_reason: null,
  newest_rr_ms: 830,
  lead_off: [false, true],
  signal_quality: ["good", "lead_off"],
  conditions: [
    {
      kind: "lead_off",
      subject: "in2p",
      channel_number: 2,
      detail: "off",
      since_time_us: 1_700_000_000_000_000,
    },
  ],
  beats: 812,
  beats_by_class: { N: 800, L: 0, R: 0, A: 4, V: 8 },
  beats_unclassifiable: 3,
  last_v_time_us: null,
  last_s_time_us: null,
  gaps: 1,
  missing_samples: 40,
  newest_sample_age_ms: 43.1,
  newest_label_age_ms: 950,
  store: { state: "ok", detail: null, free_bytes: null, free_bytes_wanted: null, rows_waiting: 0 },
  model: "v1-context",
  engine: "cpu-avx2",
};

export type { Status };
