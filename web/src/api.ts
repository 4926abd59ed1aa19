// Questions to the gateway. Every answer is read field by field; a refusal is shown in the gateway's own words.

import { decodeEcg, type Stretch } from "./ecg.js";
import { BadField, count, type Fields, fields, list, num, numOrNull, text, textOrNull } from "./fields.js";

/** Something the gateway refused, or an answer that cannot be read: a sentence to be shown. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    /** The last word of the problem's type, e.g. `ecg-not-stored`; empty where there is none. */
    readonly problem: string,
    message: string,
  ) {
    super(message);
  }
}

let signedOut: () => void = () => {};

/** What to do when the gateway says that nobody is signed in (401). */
export function onSignedOut(act: () => void): void {
  signedOut = act;
}

export type Parameters = Record<string, string | number | null>;

function address(path: string, parameters: Parameters): string {
  const query = Object.entries(parameters)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
    .join("&");
  return query === "" ? path : `${path}?${query}`;
}

async function ask(
  path: string,
  parameters: Parameters,
  accept: string,
  signal?: AbortSignal,
): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(address(path, parameters), { headers: { accept }, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new Refusal(0, "", "The gateway does not answer.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) signedOut();
  const problem = (await answer.json().catch(() => ({}))) as {
    type?: unknown;
    title?: unknown;
    detail?: unknown;
  };
  const said = [problem.title, problem.detail].filter((one) => typeof one === "string" && one !== "");
  throw new Refusal(
    answer.status,
    typeof problem.type === "string" ? problem.type.split(":").at(-1)! : "",
    said.length > 0 ? said.join(": ") : `The gateway answered ${answer.status}.`,
  );
}

export async function getJson<T>(
  path: string,
  parameters: Parameters,
  read: (from: Fields) => T,
  signal?: AbortSignal,
): Promise<T> {
  const answer = await ask(path, parameters, "application/json", signal);
  try {
    return read(fields(await answer.json(), "answer"));
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const why = error instanceof BadField ? error.message : "it is not JSON";
    throw new Refusal(0, "", `An answer of the gateway could not be read: ${why}`);
  }
}

export async function getEcg(parameters: Parameters, signal?: AbortSignal): Promise<Stretch> {
  const answer = await ask("/v1/ecg", parameters, "application/vnd.ecg-gateway.ecg", signal);
  const decoded = decodeEcg(await answer.arrayBuffer());
  if (!decoded.ok) throw new Refusal(0, "", decoded.error);
  return decoded.value;
}

/** In words, whatever went wrong. */
export function problemText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function wasAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

// What the gateway stores, as far as the page uses it.

export interface Session {
  id: number;
  source: string;
  origin: string | null;
  chip: string | null;
  rateHz: number;
  channels: { channelNumber: number; lead: string | null }[];
  startUs: number;
  endUs: number | null;
  endReason: string | null;
  beats: number;
  byClass: Record<string, number>;
  unclassifiable: number;
  gaps: number;
  missing: number;
  events: number;
  samples: number;
}

export interface StoredBeat {
  id: number;
  session: number;
  rSample: number;
  timeUs: number;
  rrMs: number | null;
  rrReason: string | null;
  class: string;
  aamiClass: string;
  unclassifiable: boolean;
  unclassifiableReason: string | null;
  probabilities: Record<string, number>;
  channelNumber: number | null;
  lead: string | null;
  signalQuality: string | null;
  windowComplete: boolean;
  labelDelayMs: number | null;
  model: string | null;
  engine: string | null;
}

export interface StoredEvent {
  id: number;
  session: number;
  sample: number;
  timeUs: number;
  kind: string;
  detail: string;
  phase: string | null;
  channelNumber: number | null;
  lead: string | null;
  subject: string | null;
}

export interface Minute {
  minute: number;
  timeUs: number;
  firstSample: number;
  beats: number;
  v: number;
  s: number;
  unclassifiable: number;
  hrMin: number | null;
  hrMean: number | null;
  hrMax: number | null;
  good: number | null;
  gaps: number;
  missing: number;
  events: number;
}

function numbers(value: unknown, name: string): Record<string, number> {
  const from = fields(value, name);
  const all: Record<string, number> = {};
  for (const key of Object.keys(from)) all[key] = num(from, key);
  return all;
}

export function readSession(value: unknown): Session {
  const from = fields(value, "session");
  return {
    id: count(from, "id"),
    source: text(from, "source"),
    origin: textOrNull(from, "origin"),
    chip: textOrNull(from, "chip"),
    rateHz: num(from, "sample_rate_hz"),
    channels: list(from.channels ?? [], "channels").map((one) => {
      const channel = fields(one, "channels[]");
      return { channelNumber: count(channel, "channel_number"), lead: textOrNull(channel, "lead") };
    }),
    startUs: num(from, "start_time_us"),
    endUs: numOrNull(from, "end_time_us"),
    endReason: textOrNull(from, "end_reason"),
    beats: count(from, "beats"),
    byClass: numbers(from.beats_by_class, "beats_by_class"),
    unclassifiable: count(from, "beats_unclassifiable"),
    gaps: count(from, "gaps"),
    missing: count(from, "missing_samples"),
    events: count(from, "events"),
    samples: count(from, "samples"),
  };
}

export function readBeat(value: unknown): StoredBeat {
  const from = fields(value, "beat");
  return {
    id: count(from, "id"),
    session: count(from, "session"),
    rSample: count(from, "r_sample"),
    timeUs: num(from, "r_time_us"),
    rrMs: numOrNull(from, "rr_ms"),
    rrReason: textOrNull(from, "rr_reason"),
    class: text(from, "class"),
    aamiClass: text(from, "aami_class"),
    unclassifiable: text(from, "outcome") !== "classified",
    unclassifiableReason: textOrNull(from, "unclassifiable_reason"),
    probabilities: numbers(from.probabilities ?? {}, "probabilities"),
    channelNumber: numOrNull(from, "channel_number"),
    lead: textOrNull(from, "lead"),
    signalQuality: textOrNull(from, "signal_quality"),
    windowComplete: from.window_complete !== false,
    labelDelayMs: numOrNull(from, "label_delay_ms"),
    model: textOrNull(from, "model"),
    engine: textOrNull(from, "engine"),
  };
}

export function readEvent(value: unknown): StoredEvent {
  const from = fields(value, "event");
  return {
    id: count(from, "id"),
    session: count(from, "session"),
    sample: num(from, "sample"),
    timeUs: num(from, "time_us"),
    kind: text(from, "kind"),
    detail: textOrNull(from, "detail") ?? "",
    phase: textOrNull(from, "phase"),
    channelNumber: numOrNull(from, "channel_number"),
    lead: textOrNull(from, "lead"),
    subject: textOrNull(from, "subject"),
  };
}

export function readMinute(value: unknown): Minute {
  const from = fields(value, "minute");
  const byClass = numbers(from.beats_by_class, "beats_by_class");
  return {
    minute: count(from, "minute"),
    timeUs: num(from, "time_us"),
    firstSample: count(from, "first_sample"),
    beats: count(from, "beats"),
    v: byClass.V ?? 0,
    s: byClass.A ?? 0,
    unclassifiable: count(from, "beats_unclassifiable"),
    hrMin: numOrNull(from, "heart_rate_min_bpm"),
    hrMean: numOrNull(from, "heart_rate_mean_bpm"),
    hrMax: numOrNull(from, "heart_rate_max_bpm"),
    good: numOrNull(from, "good_quality_share"),
    gaps: count(from, "gaps"),
    missing: count(from, "missing_samples"),
    events: count(from, "events"),
  };
}

export interface Rows<T> {
  rows: T[];
  next: string | null;
}

function page<T>(name: string, read: (value: unknown) => T): (from: Fields) => Rows<T> {
  return (from) => ({ rows: list(from[name], name).map(read), next: textOrNull(from, "next_cursor") });
}

export const getBeats = (parameters: Parameters, signal?: AbortSignal) =>
  getJson("/v1/beats", parameters, page("beats", readBeat), signal);

export const getEvents = (parameters: Parameters, signal?: AbortSignal) =>
  getJson("/v1/events", parameters, page("events", readEvent), signal);

export const getMinutes = (session: number, signal?: AbortSignal) =>
  getJson("/v1/minutes", { session }, (from) => list(from.minutes, "minutes").map(readMinute), signal);

export async function getSessions(signal?: AbortSignal): Promise<Session[]> {
  const all: Session[] = [];
  let cursor: string | null = null;
  do {
    const rows: Rows<Session> = await getJson(
      "/v1/sessions",
      { limit: 1000, cursor },
      page("sessions", readSession),
      signal,
    );
    all.push(...rows.rows);
    cursor = rows.next;
  } while (cursor !== null);
  return all;
}

export interface BeatPage {
  beat: StoredBeat;
  rateHz: number;
  rOffset: number;
  missing: number;
  /** Microvolts of each channel; null where no sample is stored. */
  uv: (number | null)[][];
}

export const getBeat = (id: number, beforeMs: number, afterMs: number, signal?: AbortSignal) =>
  getJson(
    `/v1/beats/${id}`,
    { before_ms: beforeMs, after_ms: afterMs },
    (from): BeatPage => {
      const wave = fields(from.waveform, "waveform");
      return {
        beat: readBeat(from),
        rateHz: num(wave, "sample_rate_hz"),
        rOffset: num(wave, "r_offset_samples"),
        missing: count(wave, "missing_samples"),
        uv: list(wave.channels_uv, "channels_uv").map((one) =>
          list(one, "channels_uv[]").map((value) => (typeof value === "number" ? value : null)),
        ),
      };
    },
    signal,
  );

export interface Wave {
  onsetMs: number;
  endMs: number | null;
}

export interface Saliency {
  method: string;
  class: string;
  called: string;
  source: string;
  model: string | null;
  difference: number | null;
  logit: number;
  base: number;
  rateHz: number;
  rIndex: number;
  map: number[];
  context: number[];
  shares: { p: number; qrs: number; stT: number; outside: number } | null;
  waves: { p: Wave | null; qrs: Wave | null; t: Wave | null } | null;
}

function wave(value: unknown): Wave | null {
  if (value === null || value === undefined) return null;
  const from = fields(value, "wave");
  return { onsetMs: num(from, "onset_ms"), endMs: numOrNull(from, "end_ms") };
}

export function readSaliency(from: Fields): Saliency {
  const values = (name: string) =>
    list(from[name], name).map((value) => {
      if (typeof value !== "number") throw new BadField(`${name} holds something that is not a number`);
      return value;
    });
  const waves = from.waves === null || from.waves === undefined ? null : fields(from.waves, "waves");
  const shares = from.shares === null || from.shares === undefined ? null : fields(from.shares, "shares");
  return {
    method: text(from, "method"),
    class: text(from, "class"),
    called: text(from, "called"),
    source: text(from, "source"),
    model: textOrNull(from, "model"),
    difference: numOrNull(from, "probability_difference"),
    logit: num(from, "logit"),
    base: num(from, "base"),
    rateHz: num(from, "sample_rate_hz"),
    rIndex: num(from, "r_index"),
    map: values("map"),
    context: values("context"),
    shares:
      shares === null
        ? null
        : {
            p: num(shares, "p"),
            qrs: num(shares, "qrs"),
            stT: num(shares, "st_t"),
            outside: num(shares, "outside"),
          },
    waves: waves === null ? null : { p: wave(waves.p), qrs: wave(waves.qrs), t: wave(waves.t) },
  };
}

export const getSaliency = (id: number, method: string, signal?: AbortSignal) =>
  getJson(`/v1/beats/${id}/saliency`, { method }, readSaliency, signal);
