// Questions to the gateway. Every answer is read field by field; a refusal is shown in the gateway's own words.

import { readTime } from "./address.js";
import { decodeEcg, type Stretch } from "./ecg.js";
import { BadField, count, type Fields, fields, list, num, numOrNull, text, textOrNull } from "./fields.js";
import { CODE_RANGE_24_BIT, type Correction, readCorrection } from "./protocol.js";
import { aamiOf } from "./words.js";

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

/** Longer than the gateway itself takes before it gives up (docs/api.md): its own words are better than ours. */
const ANSWER_MS = 35_000;
/** What it computes first, or sends for long. */
const LONG_ANSWER_MS = 130_000;
const LONG = /^\/v1\/(clusters|ecg)$|\/saliency$/;

/** Ends after a time, and when `other` does. By hand: `AbortSignal.any` is younger than the browsers that are served. */
export function limited(ms: number, other?: AbortSignal): AbortSignal {
  if (other === undefined) return AbortSignal.timeout(ms);
  const both = new AbortController();
  const end = () => both.abort(other.reason);
  if (other.aborted) end();
  other.addEventListener("abort", end, { once: true });
  const timeout = AbortSignal.timeout(ms);
  timeout.addEventListener("abort", () => {
    other.removeEventListener("abort", end);
    both.abort(timeout.reason);
  });
  return both.signal;
}

const tookTooLong = (error: unknown) => error instanceof DOMException && error.name === "TimeoutError";

/** What the gateway's clock showed at an answer, and this browser's monotonic clock then. */
let heard: { us: number; atMs: number } | null = null;

/** To the second, as HTTP says it. */
function heardTime(date: string | null): void {
  const ms = date === null ? Number.NaN : Date.parse(date);
  if (Number.isFinite(ms)) heard = { us: ms * 1000, atMs: performance.now() };
}

/** What the gateway's clock shows now, whatever the browser's does; null where no answer has told. */
export function gatewayNowUs(): number | null {
  return heard === null ? null : Math.round(heard.us + (performance.now() - heard.atMs) * 1000);
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
  change?: RequestInit,
): Promise<Response> {
  let answer: Response;
  try {
    const headers = { accept, ...(change === undefined ? {} : { "content-type": "application/json" }) };
    const limit = limited(LONG.test(path) ? LONG_ANSWER_MS : ANSWER_MS, signal);
    answer = await fetch(address(path, parameters), { ...change, headers, signal: limit });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new Refusal(
      0,
      "",
      tookTooLong(error) ? "The gateway took too long to answer." : "The gateway does not answer.",
    );
  }
  heardTime(answer.headers.get("date"));
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
  return readJson(await ask(path, parameters, "application/json", signal), read, signal);
}

/** Changes something: with a body as POST, without one as DELETE. */
export async function change<T>(path: string, body: unknown, read: (from: Fields) => T): Promise<T> {
  const how = body === undefined ? { method: "DELETE" } : { method: "POST", body: JSON.stringify(body) };
  return readJson(await ask(path, {}, "application/json", undefined, how), read);
}

async function readJson<T>(answer: Response, read: (from: Fields) => T, signal?: AbortSignal): Promise<T> {
  try {
    return read(fields(await answer.json(), "answer"));
  } catch (error) {
    if (signal?.aborted === true) throw error;
    if (tookTooLong(error)) throw new Refusal(0, "", "The gateway took too long to answer.");
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
  patientLabel: string | null;
  /** 0: not known. */
  mainsHz: number;
  /** Lowest and highest code of the converter: what reaches them is clipped. */
  codeRange: readonly [number, number];
  deletedUs: number | null;
}

/** Whether a session goes on. One that was interrupted has no end either, and does not. */
export function isRecording(session: Session): boolean {
  return session.endReason === "recording";
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
  /** What a person made of the label; the machine's own stays in `class`. */
  correctedClass: string | null;
  artefact: boolean;
  /** Id of the correction that decides. */
  correction: number | null;
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
  byClass: Record<string, number>;
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
    patientLabel: textOrNull(from, "patient_label"),
    mainsHz: numOrNull(from, "mains_hz") ?? 0,
    codeRange: [
      numOrNull(from, "code_min") ?? CODE_RANGE_24_BIT[0],
      numOrNull(from, "code_max") ?? CODE_RANGE_24_BIT[1],
    ],
    deletedUs: readTime(textOrNull(from, "deleted_time")),
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
    correctedClass: textOrNull(from, "corrected_class"),
    artefact: from.artefact === true,
    correction: numOrNull(from, "correction"),
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
    byClass,
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

export type Labels = "machine" | "corrected";

export const getMinutes = (session: number, labels: Labels, signal?: AbortSignal) =>
  getJson(
    "/v1/minutes",
    { session, ...labelsAsked(labels) },
    (from) => list(from.minutes, "minutes").map(readMinute),
    signal,
  );

/** The parameter is left out where it is not needed: an older gateway does not know it. */
export function labelsAsked(labels: Labels): Parameters {
  return labels === "corrected" ? { labels } : {};
}

export const getCorrections = (parameters: Parameters, signal?: AbortSignal) =>
  getJson("/v1/corrections", parameters, page("corrections", readCorrection), signal);

/** All pages: one may hold few rows, because a row can name thousands of beats. */
export async function allCorrections(
  parameters: Parameters,
  signal?: AbortSignal,
): Promise<Rows<Correction>> {
  const rows: Correction[] = [];
  let cursor: string | null = null;
  do {
    const part: Rows<Correction> = await getCorrections({ ...parameters, cursor }, signal);
    rows.push(...part.rows);
    cursor = part.next;
  } while (cursor !== null);
  return { rows, next: null };
}

/** What a person says about beats or a time; the gateway adds who and when. */
export interface Said {
  session?: number;
  kind: "label" | "artefact" | "note" | "undo";
  target?: "beat" | "beats" | "stretch" | "moment";
  beats?: readonly number[];
  from_us?: number;
  to_us?: number;
  class?: string;
  note?: string | null;
  supersedes?: number;
}

export const correct = (said: Said): Promise<Correction> => change("/v1/corrections", said, readCorrection);

export const undo = (correction: Correction) =>
  correct({ session: correction.session, kind: "undo", supersedes: correction.id });

export interface Cluster {
  /** 0: all that are in no other. */
  cluster: number;
  beats: number;
  byClass: Record<string, number>;
  unclassifiable: number;
  correlation: number | null;
  channelNumber: number | null;
  rateHz: number;
  before: number;
  /** Empty where there is none: the others are of several shapes. */
  meanUv: number[];
  examplesUv: number[][];
  beatIds: number[];
  more: number;
}

export interface Clusters {
  method: string;
  clusters: Cluster[];
  leftOut: number;
  reason: string | null;
}

function values(value: unknown, name: string): number[] {
  return list(value, name).map((one) => {
    if (typeof one !== "number") throw new BadField(`${name} holds something that is not a number`);
    return one;
  });
}

export const getClusters = (parameters: Parameters, signal?: AbortSignal) =>
  getJson(
    "/v1/clusters",
    parameters,
    (from): Clusters => ({
      method: text(from, "method"),
      clusters: list(from.clusters, "clusters").map((value) => {
        const one = fields(value, "clusters[]");
        return {
          cluster: count(one, "cluster"),
          beats: count(one, "beats"),
          byClass: numbers(one.beats_by_class, "beats_by_class"),
          unclassifiable: count(one, "beats_unclassifiable"),
          correlation: numOrNull(one, "mean_correlation"),
          channelNumber: numOrNull(one, "channel_number"),
          rateHz: num(one, "sample_rate_hz"),
          before: count(one, "before_samples"),
          meanUv: values(one.mean_uv ?? [], "mean_uv"),
          examplesUv: list(one.examples_uv, "examples_uv").map((uv) => values(uv, "examples_uv[]")),
          beatIds: values(one.beat_ids, "beat_ids"),
          more: count(one, "more_beats"),
        };
      }),
      leftOut: count(from, "beats_left_out"),
      reason: textOrNull(from, "left_out_reason"),
    }),
    signal,
  );

/** Ids of the unclassifiable beats of a stretch: RR intervals come without what was made of their beats. */
async function unclassifiableIds(parameters: Parameters, signal?: AbortSignal): Promise<Set<number>> {
  const ids = new Set<number>();
  let cursor: string | null = null;
  do {
    const asked = { ...parameters, outcome: "unclassifiable", limit: 5000, cursor };
    const { rows, next }: Rows<StoredBeat> = await getBeats(asked, signal);
    for (const beat of rows) ids.add(beat.id);
    cursor = next;
  } while (cursor !== null);
  return ids;
}

/** Beats as `/v1/rr` gives them: little of each, but many. */
export interface RrBeat {
  id: number;
  timeUs: number;
  rrMs: number | null;
  class: string;
  aamiClass: string;
  unclassifiable: boolean;
}

export async function getRr(
  parameters: Parameters,
  signal?: AbortSignal,
  told?: (count: number) => void,
): Promise<RrBeat[]> {
  const all: RrBeat[] = [];
  const unknown = await unclassifiableIds(parameters, signal);
  let cursor: string | null = null;
  do {
    cursor = await getJson(
      "/v1/rr",
      { ...parameters, cursor },
      (from) => {
        const rr = list(from.rr_ms, "rr_ms");
        const times = values(from.r_time_us, "r_time_us");
        const ids = values(from.beat_ids, "beat_ids");
        const letters = text(from, "class");
        if (rr.length !== times.length || ids.length !== rr.length || letters.length !== rr.length)
          throw new BadField("rr_ms, r_time_us, beat_ids and class are not of one length");
        rr.forEach((ms, i) => {
          const letter = letters[i]!;
          all.push({
            id: ids[i]!,
            timeUs: times[i]!,
            rrMs: typeof ms === "number" ? ms : null,
            class: letter,
            aamiClass: aamiOf(letter),
            unclassifiable: unknown.has(ids[i]!),
          });
        });
        return textOrNull(from, "next_cursor");
      },
      signal,
    );
    told?.(all.length);
  } while (cursor !== null);
  return all;
}

export const newPatient = (label: string | null) => change("/v1/patient", { label }, () => null);

export const deleteSession = (id: number) =>
  change(`/v1/sessions/${id}`, undefined, (from) => numbers(from.deleted, "deleted"));

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
    map: values(from.map, "map"),
    context: values(from.context, "context"),
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
