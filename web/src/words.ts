// The gateway's stable names in plain words. A name this page does not know is shown as it is, never hidden.

const HEART_RATE_REASONS: Record<string, string> = {
  no_open_session: "no recording runs",
  front_end_recovering: "the front-end does not deliver",
  lead_off: "electrode off",
  no_beat_yet: "no beat found yet",
  no_recent_sample: "no samples",
  no_recent_beat: "no beat found for 4 s",
  poor_signal: "signal too poor",
  too_few_beats: "too few beats yet",
};

const GAP_CAUSES: Record<string, string> = {
  missed_drdy: "samples missed",
  bad_frame: "bad frame",
  chip_restart: "chip set up again",
  register_check: "registers checked",
  source: "missing in the recording",
  overrun: "computer too slow",
  not_stored: "not stored",
  interrupted: "program interrupted",
  not_received: "not received by this page",
  unknown: "missing",
};

const CONDITIONS: Record<string, string> = {
  drdy_silent: "The front-end is silent",
  frames_bad: "The front-end sends bad frames",
  register_changed: "A register of the front-end changed",
  brown_out: "The front-end lost its supply",
  no_answer: "The front-end does not answer",
  drdy_rate_wrong: "The sample rate is wrong",
  input_saturated: "Input saturated",
  input_flat: "Input flat",
  lead_off: "Electrode off",
  ecg_not_stored: "ECG is not stored: disk nearly full",
  retention_warning: "Old ECG will be deleted",
  retention_held: "Deleting is held: clock doubtful",
  store_damaged: "The database is damaged",
};

const QUALITIES: Record<string, string> = {
  good: "good",
  noisy: "noisy",
  clipped: "clipped",
  flat: "flat",
  lead_off: "electrode off",
};

const STATES: Record<string, string> = {
  starting: "starting",
  recording: "recording",
  recovering: "front-end recovering",
  finished: "finished",
};

const STORE_STATES: Record<string, string> = {
  ok: "stored",
  retrying: "cannot write, rows wait",
  failed: "nothing is stored",
  unreadable: "unreadable",
  read_only: "read only",
};

const CLASS_NAMES: Record<string, string> = {
  N: "normal",
  L: "left bundle branch block",
  R: "right bundle branch block",
  A: "atrial premature",
  V: "ventricular premature",
  F: "fusion beat",
  Q: "unknown or paced",
};

const UNCLASSIFIABLE: Record<string, string> = {
  poor_signal: "poor signal",
  out_of_class: "unlike every class",
  low_confidence: "no class probable enough",
};

function plain(name: string): string {
  return name.replaceAll("_", " ");
}

function look(words: Record<string, string>, name: string): string {
  return Object.hasOwn(words, name) ? words[name]! : plain(name);
}

export const heartRateReason = (name: string | null) => look(HEART_RATE_REASONS, name ?? "not known");
export const gapCause = (name: string) => look(GAP_CAUSES, name);
export const conditionName = (name: string) => look(CONDITIONS, name);
export const qualityName = (name: string) => look(QUALITIES, name);
export const stateName = (name: string) => look(STATES, name);
export const storeState = (name: string) => look(STORE_STATES, name);
export const className = (name: string) => look(CLASS_NAMES, name);
export const unclassifiableReason = (name: string | null) => look(UNCLASSIFIABLE, name ?? "not known");

const EVENTS: Record<string, string> = {
  engine_chosen: "engine chosen",
  engine_lost: "engine lost",
  engine_recovered: "engine is back",
  engine_refused: "engine refused",
  chip_restarted: "front-end set up again",
  store_set_aside: "database set aside",
};

/** An event's kind; those that are conditions have the condition's words. */
export function eventName(kind: string): string {
  if (Object.hasOwn(EVENTS, kind)) return EVENTS[kind]!;
  return look(CONDITIONS, kind);
}

/** An event in a few words, for a picture. */
export function eventText(event: { kind: string; phase: string | null; lead: string | null }): string {
  const phase = event.phase === "begin" ? " begins" : event.phase === "end" ? " ends" : "";
  return `${eventName(event.kind)}${event.lead === null ? "" : ` (${event.lead})`}${phase}`;
}

const END_REASONS: Record<string, string> = {
  recording: "still recording",
  interrupted: "interrupted: the program died",
  superseded: "another session began",
  new_patient: "new patient",
  completed: "completed",
  stopped: "stopped",
  truncated: "the trace was cut",
  failed: "failed",
};

const SOURCES: Record<string, string> = {
  live: "live",
  replay: "replayed recording",
  simulation: "simulated signal",
};

const RR_REASONS: Record<string, string> = {
  first_beat_after_start_or_gap: "first beat after the start or a gap",
};

export const endReason = (name: string | null) => look(END_REASONS, name ?? "not known");
export const sourceName = (name: string) => look(SOURCES, name);
export const rrReason = (name: string | null) => look(RR_REASONS, name ?? "not known");

/** Why the gateway closed the connection. */
export function closedReason(reason: string): string {
  if (reason === "slow_reader") return "this page read too slowly";
  if (reason === "shutting_down") return "the gateway shuts down";
  if (reason === "session_revoked") return "signed out by the gateway";
  return plain(reason);
}

/** What stands over a session that is not a patient's. */
export function sourceBand(source: string | null): string | null {
  if (source === "simulation") return "Simulated signal";
  if (source === "replay") return "Replayed recording";
  return null;
}

export type BeatMark = "normal" | "bundle" | "s" | "v" | "unknown" | "artefact";

/** Letters a person can give a beat. */
export const LETTERS = ["N", "L", "R", "A", "V", "F", "Q"] as const;

/** AAMI class of a letter. */
export function aamiOf(letter: string): string {
  if (letter === "L" || letter === "R") return "N";
  return letter === "A" ? "S" : letter;
}

/** How a beat is drawn: letter and kind of mark. */
export function beatMark(beat: { class: string; aamiClass: string; unclassifiable: boolean }): {
  letter: string;
  mark: BeatMark;
} {
  if (beat.unclassifiable) return { letter: "?", mark: "unknown" };
  const letter = beat.class.slice(0, 2);
  if (beat.aamiClass === "V") return { letter, mark: "v" };
  if (beat.aamiClass === "S") return { letter, mark: "s" };
  return { letter, mark: beat.class === "N" ? "normal" : "bundle" };
}

/** What a person made of a beat's label; null where nobody said anything. It stands beside the machine's, never over it. */
export function correctedMark(beat: { correctedClass: string | null; artefact: boolean }): {
  letter: string;
  mark: BeatMark;
} | null {
  if (beat.artefact) return { letter: "✕", mark: "artefact" };
  const letter = beat.correctedClass;
  if (letter === null) return null;
  if (letter === "Q") return { letter, mark: "unknown" };
  return beatMark({ class: letter, aamiClass: aamiOf(letter), unclassifiable: false });
}

/** The corrected label in words. */
export function correctedName(beat: { correctedClass: string | null; artefact: boolean }): string {
  if (beat.artefact) return "artefact";
  return beat.correctedClass === null ? "" : className(beat.correctedClass);
}

const CORRECTION_KINDS: Record<string, string> = {
  label: "label",
  artefact: "artefact",
  note: "note",
  undo: "undone",
};

const ORIGINS: Record<string, string> = {
  person: "by hand",
  mark: "marked live",
  import: "imported",
  "label-engine": "answer to the label engine",
};

const LEFT_OUT: Record<string, string> = {
  gap_or_not_stored: "window in a gap or not stored",
  clipped: "clipped",
  poor_signal: "poor signal",
};

export const leftOutReason = (name: string | null) => look(LEFT_OUT, name ?? "not known");
export const correctionKind = (name: string) => look(CORRECTION_KINDS, name);
export const originName = (name: string) => look(ORIGINS, name);
