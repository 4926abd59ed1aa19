// What the page knows: the newest 60 s of ECG, the beats, gaps and marks over it, and the last status.
// No drawing and no browser clock here: whoever calls gives the monotonic time.

import { DisplayFilter } from "./filter.js";
import { noteText } from "./format.js";
import { Shifts } from "./offset.js";
import {
  type Beat,
  type Correction,
  type Gap,
  type GatewayEvent,
  type Message,
  MISSING,
  type Piece,
  type SessionInfo,
  type Status,
} from "./protocol.js";
import { isSample, NOT_RECEIVED, Ring } from "./ring.js";
import { ageNow, type KnownAge } from "./stale.js";

export { missingRuns } from "./missing.js";

export const KEPT_S = 60;
const MOST_BEATS = 400;
const MOST_GAPS = 200;
const MOST_MARKS = 100;
const MOST_ERRORS = 5;
/** What went wrong once is not wrong for ever. */
const ERRORS_KEPT_MS = 60_000;

/** Something with a place on the time axis that is neither a beat nor a gap. */
export interface Mark {
  sample: number;
  text: string;
  /** Id of the correction where a person wrote it: then it is drawn over the trace, too. */
  note?: boolean;
  id?: number;
}

export interface ModelError {
  text: string;
  atMs: number;
  times: number;
}

/** A session that is not stored yet has no id: then its begin tells. */
export function sameSession(a: SessionInfo | null, b: SessionInfo | null): boolean {
  if (a === null || b === null) return a === b;
  return a.startTimeUs === b.startTimeUs && (a.id === b.id || a.id === null || b.id === null);
}

export class Model {
  info: SessionInfo | null = null;
  ring: Ring | null = null;
  shifts: Shifts[] = [];
  /** Oldest first, by place of the R peak. */
  beats: Beat[] = [];
  gaps: Gap[] = [];
  marks: Mark[] = [];
  events: GatewayEvent[] = [];
  errors: ModelError[] = [];
  status: Status | null = null;
  statusAtMs: number | null = null;
  newestSample: KnownAge | null = null;
  newestLabel: KnownAge | null = null;
  /** Set when a wall clock step was told, for the panel. */
  clockStep: { stepMs: number; atMs: number } | null = null;
  closed: { reason: string; detail: string } | null = null;
  /** Goes up when everything drawn so far is void. */
  drawing = 0;
  private filters: DisplayFilter[] = [];

  get channels(): number {
    return this.ring?.channels ?? this.info?.channels.length ?? 0;
  }

  get rateHz(): number {
    return this.info?.sampleRateHz ?? 0;
  }

  /** One past the newest sample received. */
  get endSample(): number {
    return this.ring === null ? 0 : this.ring.end * this.ring.samplesPerPoint;
  }

  lead(channel: number): string {
    const known = this.info?.channels[channel];
    return known?.lead ?? `channel ${known?.channelNumber ?? channel + 1}`;
  }

  error(text: string, nowMs: number): void {
    const same = this.errors.find((error) => error.text === text);
    if (same !== undefined) {
      same.times++;
      same.atMs = nowMs;
      return;
    }
    this.errors.push({ text, atMs: nowMs, times: 1 });
    if (this.errors.length > MOST_ERRORS) this.errors.shift();
  }

  /** To be called a few times per second: what went wrong longer than a minute ago is no longer told. */
  forget(nowMs: number): void {
    if (this.errors.some((error) => nowMs - error.atMs > ERRORS_KEPT_MS))
      this.errors = this.errors.filter((error) => nowMs - error.atMs <= ERRORS_KEPT_MS);
  }

  /** How old anything is, is not known any more, until the gateway says it anew. */
  voidAges(): void {
    this.newestSample = null;
    this.newestLabel = null;
    this.statusAtMs = null;
  }

  take(message: Message, nowMs: number): void {
    switch (message.type) {
      case "session":
        this.takeSession(message.session);
        break;
      case "status":
        this.status = message.status;
        this.statusAtMs = nowMs;
        this.newestLabel =
          message.status.newestLabelAgeMs === null
            ? null
            : { ageMs: message.status.newestLabelAgeMs, atMs: nowMs };
        break;
      case "beat":
        this.takeBeat(message.beat);
        break;
      case "gap":
        this.takeGap(message.gap);
        break;
      case "event":
        if (!message.event.committed) {
          this.events.push(message.event);
          if (this.events.length > MOST_MARKS) this.events.shift();
        }
        break;
      case "correction":
        this.takeCorrection(message.correction);
        break;
      case "clock":
        this.clockStep = { stepMs: message.stepMs, atMs: nowMs };
        this.mark(this.endSample, `gateway's clock set by ${(message.stepMs / 1000).toFixed(1)} s`);
        break;
      case "closed":
        this.closed = { reason: message.reason, detail: message.detail };
        break;
      case "unknown":
        this.error(`The gateway sent "${message.name}", which this page does not know.`, nowMs);
        break;
    }
  }

  /** A note about the running session stands at its place until it is undone. */
  private takeCorrection(correction: Correction): void {
    if (correction.session !== this.info?.id) return;
    if (correction.kind === "undo") {
      this.marks = this.marks.filter((mark) => mark.id !== correction.supersedes);
    } else if (
      correction.kind === "note" &&
      correction.fromSample !== null &&
      // It comes twice where this page made it: in the answer, and over the live connection.
      !this.marks.some((mark) => mark.id === correction.id)
    ) {
      this.marks.push({
        sample: correction.fromSample,
        text: noteText(correction.note),
        note: true,
        id: correction.id,
      });
      if (this.marks.length > MOST_MARKS) this.marks.shift();
    }
  }

  mark(sample: number, text: string): void {
    this.marks.push({ sample, text });
    if (this.marks.length > MOST_MARKS) this.marks.shift();
  }

  private takeSession(info: SessionInfo): void {
    const before = this.info;
    this.info = info;
    const same =
      before !== null &&
      sameSession(before, info) &&
      before.sampleRateHz === info.sampleRateHz &&
      before.samplesPerPoint === info.samplesPerPoint &&
      before.channels.length === info.channels.length;
    if (same && this.ring !== null) return;
    this.ring = null;
    this.shifts = [];
    this.filters = [];
    this.beats = [];
    this.gaps = [];
    this.marks = [];
    this.events = [];
    this.newestSample = null;
    this.newestLabel = null;
    // The heart rate of the last patient must not stand under the new one, not even for a second.
    this.status = null;
    this.statusAtMs = null;
    this.clockStep = null;
    this.drawing++;
    if (info.sampleRateHz === null || info.channels.length === 0) return;
    const rate = info.sampleRateHz;
    this.ring = new Ring(info.channels.length, info.samplesPerPoint, rate / info.samplesPerPoint, KEPT_S);
    this.shifts = info.channels.map(() => new Shifts());
    this.filters = info.channels.map(() => new DisplayFilter(rate, info.mainsHz));
  }

  /** Gives false, with an error noted, where the piece does not fit the session. */
  takePiece(piece: Piece, nowMs: number, halfLaneUv: readonly number[]): boolean {
    const { info, ring } = this;
    if (info === null || ring === null || info.sampleRateHz === null) {
      this.error("ECG came before its session was told.", nowMs);
      return false;
    }
    if (piece.channels !== ring.channels || piece.samplesPerPoint !== ring.samplesPerPoint) {
      this.error("A piece of ECG does not fit its session (channels or samples per point).", nowMs);
      return false;
    }
    const first = Math.floor(piece.firstSample / piece.samplesPerPoint);
    const before = ring.end;
    if (!ring.open(first, first + piece.points)) {
      this.error("A piece of ECG came too late to be shown.", nowMs);
      return false;
    }
    let anySample = false;
    const pair = piece.samplesPerPoint > 1;
    for (let c = 0; c < ring.channels; c++) {
      const uvPerCode = info.channels[c]!.uvPerCode;
      const filter = this.filters[c]!;
      if (first > before) filter.restart();
      const min = ring.min[c]!;
      const max = ring.max[c]!;
      const filtered = ring.filtered[c];
      for (let i = 0; i < piece.points; i++) {
        const at = ring.at(first + i);
        const from = (i * ring.channels + c) * (pair ? 2 : 1);
        const code = piece.codes[from]!;
        if (!pair) min[at] = code;
        else {
          // Behind a gap a piece begins inside of a point: what the piece before had of it stays in it.
          const known = first + i < before && isSample(min[at]!);
          const low = known && isSample(code) ? Math.min(min[at]!, code) : known ? min[at]! : code;
          max[at] = known ? Math.max(max[at]!, piece.codes[from + 1]!) : piece.codes[from + 1]!;
          min[at] = low;
        }
        const there = isSample(code);
        anySample ||= there;
        if (filtered !== undefined) {
          if (there) filtered[at] = filter.next(code * uvPerCode);
          else {
            filtered[at] = Number.NaN;
            filter.restart();
          }
        }
      }
    }
    // A piece that only says what is missing, or repeats what is known, makes nothing younger.
    if (anySample && ring.end > before) this.newestSample = { ageMs: piece.newestAgeMs, atMs: nowMs };
    this.lookAtShifts(halfLaneUv);
    return true;
  }

  /**
   * Puts stored ECG where this page received none: before its first piece, and where the connection was down.
   * What came over the live connection stays. `codes` holds [samples][channels].
   */
  fill(firstSample: number, codes: Int32Array): void {
    const { info, ring } = this;
    if (info === null || ring === null || ring.end === ring.begin) return;
    const { channels, samplesPerPoint: per } = ring;
    // Whole points only: a part of one would not be its minimum and maximum.
    const first = Math.ceil(firstSample / per);
    const end = Math.min(ring.end, Math.floor((firstSample + codes.length / channels) / per));
    if (end <= first) return;
    const from = Math.max(first, ring.openBefore(first));
    for (let point = from; point < end; point++) {
      const at = ring.at(point);
      for (let c = 0; c < channels; c++) {
        if (ring.min[c]![at] !== NOT_RECEIVED) continue;
        let low = MISSING;
        let high = MISSING;
        for (let i = 0; i < per; i++) {
          const code = codes[(point * per + i - firstSample) * channels + c]!;
          if (!isSample(code)) continue;
          low = low === MISSING ? code : Math.min(low, code);
          high = Math.max(high, code);
        }
        ring.min[c]![at] = low;
        ring.max[c]![at] = high;
      }
    }
    this.filterAgain();
    this.drawing++;
  }

  /** The filters run over the whole ring anew: what was filled in changes all that follows it. */
  private filterAgain(): void {
    const { info, ring } = this;
    if (info === null || ring === null || ring.filtered.length === 0) return;
    this.filters = info.channels.map(() => new DisplayFilter(info.sampleRateHz!, info.mainsHz));
    filterRing(
      ring,
      info.channels.map((channel) => channel.uvPerCode),
      this.filters,
    );
  }

  private lookAtShifts(halfLaneUv: readonly number[]): void {
    const { info, ring } = this;
    if (info === null || ring === null || info.sampleRateHz === null) return;
    const pointRate = info.sampleRateHz / ring.samplesPerPoint;
    // Every few milliseconds is enough for the median of a second.
    const by = Math.max(1, Math.floor(pointRate / 125));
    for (let c = 0; c < ring.channels; c++) {
      const uvPerCode = info.channels[c]!.uvPerCode;
      const newest: number[] = [];
      for (let point = Math.max(ring.begin, ring.end - Math.ceil(pointRate)); point < ring.end; point += by) {
        const code = ring.min[c]![ring.at(point)]!;
        if (isSample(code)) newest.push(code * uvPerCode);
      }
      const shifts = this.shifts[c]!;
      const old = shifts.newest();
      const change = shifts.look(newest, this.endSample, info.sampleRateHz, halfLaneUv[c] ?? 1500);
      if (change === "all") this.drawing++;
      else if (change === "from") {
        this.mark(
          this.endSample,
          `${this.lead(c)} re-centred, offset ${mv(old)} → ${mv(shifts.newest())} mV`,
        );
      }
    }
  }

  /**
   * Whether a row is of the running session. What is stored comes seconds later, when another may run: its places mean
   * nothing here. While the session has no id, a stored row counts if it came before it was stored.
   */
  owns(row: Beat | Gap): boolean {
    if (row.session === null) return true;
    const id = this.info?.id ?? null;
    if (id !== null) return row.session === id;
    if ("rSample" in row)
      return this.beats.some((one) => one.rSample === row.rSample && one.rTimeUs === row.rTimeUs);
    return this.gaps.some(
      (one) => one.firstMissingSample === row.firstMissingSample && one.missingSamples === row.missingSamples,
    );
  }

  private takeBeat(beat: Beat): void {
    if (!this.owns(beat)) return;
    let at = this.beats.length;
    while (at > 0 && this.beats[at - 1]!.rSample > beat.rSample) at--;
    const same = at > 0 && this.beats[at - 1]!.rSample === beat.rSample;
    if (same) {
      const known = this.beats[at - 1]!;
      this.beats[at - 1] = { ...beat, committed: beat.committed || known.committed };
    } else {
      this.beats.splice(at, 0, beat);
      if (this.beats.length > MOST_BEATS) this.beats.shift();
    }
  }

  private takeGap(gap: Gap): void {
    if (!this.owns(gap)) return;
    const known = this.gaps.find((one) => one.firstMissingSample === gap.firstMissingSample);
    if (known !== undefined) Object.assign(known, gap);
    else {
      this.gaps.push(gap);
      if (this.gaps.length > MOST_GAPS) this.gaps.shift();
      // Told after its place was drawn: draw it again, with what is known now.
      if (gap.firstMissingSample < this.endSample) this.drawing++;
    }
  }

  /** R peak of the newest beat with a label; what follows is pending. Null before the first. */
  labelledTo(): number | null {
    return this.beats.at(-1)?.rSample ?? null;
  }

  sampleAgeMs(nowMs: number): number | null {
    return ageNow(this.newestSample, nowMs);
  }

  labelAgeMs(nowMs: number): number | null {
    return ageNow(this.newestLabel, nowMs);
  }

  /** Now by the gateway's clock: its last word and the browser's monotonic time since. */
  gatewayTimeUs(nowMs: number): number | null {
    if (this.status === null || this.statusAtMs === null) return null;
    return this.status.timeUs + (nowMs - this.statusAtMs) * 1000;
  }
}

export function filterRing(
  ring: Ring,
  uvPerCode: readonly number[],
  filters: readonly DisplayFilter[],
): void {
  for (let c = 0; c < ring.channels; c++) {
    const filter = filters[c]!;
    const min = ring.min[c]!;
    const filtered = ring.filtered[c]!;
    for (let point = ring.begin; point < ring.end; point++) {
      const at = ring.at(point);
      const code = min[at]!;
      if (isSample(code)) filtered[at] = filter.next(code * uvPerCode[c]!);
      else {
        filtered[at] = Number.NaN;
        filter.restart();
      }
    }
  }
}

function mv(uv: number): string {
  return (uv / 1000).toFixed(1).replace("-", "−");
}
