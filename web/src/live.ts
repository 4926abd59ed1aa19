// Connection and model together: what every view reads its live data from. It runs while the page is open,
// whichever view is shown.

import { allCorrections, getBeats, getEcg } from "./api.js";
import { Connection } from "./connection.js";
import { type Beat, type Correction, decodePiece, decodeText } from "./protocol.js";
import { Model } from "./session.js";
import { type Freshness, freshness, Sleep } from "./stale.js";

const TICK_MS = 200;
/** ECG is stored in blocks of some seconds: what lay between the newest block and the first piece is there then. */
const FILL_AGAIN_MS = 12_000;
/** A session this young is fetched from its begin, where nothing of it was stored at first. */
const YOUNG_S = 30;
const SESSION_ANSWER_MS = 10_000;

export class Live {
  readonly model = new Model();
  readonly connection: Connection;
  /** Half a lane in microvolts per channel, told by the view that draws: when to re-centre. */
  halfLaneUv: readonly number[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly pieceListeners = new Set<(samples: number) => void>();
  private readonly beatListeners = new Set<(beat: Beat) => void>();
  private readonly correctionListeners = new Set<(correction: Correction) => void>();

  private readonly sleep = new Sleep();
  /** The next piece is the first one of its connection. */
  private firstPiece = true;

  constructor(address: string, signedOut: () => void) {
    this.connection = new Connection(address, {
      text: (data) => this.text(data, signedOut),
      piece: (data) => this.piece(data),
      changed: () => {
        if (this.connection?.state !== "open") this.firstPiece = true;
        // Why the one before ended says nothing about this one.
        else this.model.closed = null;
        this.tell();
      },
      refused: () => {
        // A handshake that is refused looks like a lost network. Only the server can say which it was.
        const signal = AbortSignal.timeout(SESSION_ANSWER_MS);
        fetch("/session", { headers: { accept: "application/json" }, signal }).then(
          (answer) => {
            if (answer.status === 401) signedOut();
          },
          () => {},
        );
      },
    });
    setInterval(() => {
      const now = performance.now();
      this.lookForSleep(now);
      this.connection.tick(now);
      this.model.forget(now);
      this.tell();
    }, TICK_MS);
  }

  private lookForSleep(nowMs: number): void {
    if (this.sleep.look(Date.now(), nowMs)) this.model.voidAges();
  }

  fresh(nowMs: number): Freshness {
    const { model } = this;
    // Not with the next tick alone: the first frame after the machine slept must not look live.
    this.lookForSleep(nowMs);
    return freshness(
      this.connection.state,
      model.info === null ? null : model.info.open,
      model.newestSample,
      nowMs,
    );
  }

  private text(data: string, signedOut: () => void): void {
    const now = performance.now();
    const decoded = decodeText(data);
    if (!decoded.ok) {
      this.model.error(decoded.error, now);
      return;
    }
    this.model.take(decoded.value, now);
    if (decoded.value.type === "beat" && this.model.owns(decoded.value.beat)) {
      for (const tell of this.beatListeners) tell(decoded.value.beat);
    }
    if (decoded.value.type === "correction") {
      for (const tell of this.correctionListeners) tell(decoded.value.correction);
    }
    if (decoded.value.type === "closed" && decoded.value.reason === "session_revoked") {
      this.connection.stop();
      signedOut();
    }
    if (decoded.value.type === "status" || decoded.value.type === "session") this.tell();
  }

  private piece(data: ArrayBuffer): void {
    const now = performance.now();
    const decoded = decodePiece(data);
    if (!decoded.ok) {
      this.model.error(decoded.error, now);
      return;
    }
    if (!this.model.takePiece(decoded.value, now, this.halfLaneUv)) return;
    if (this.firstPiece) {
      this.firstPiece = false;
      const before = decoded.value.firstSample;
      const fetched = this.fill(before, null);
      setTimeout(() => void fetched.then((from) => this.fill(before, from)), FILL_AGAIN_MS);
    }
    const samples = decoded.value.points * decoded.value.samplesPerPoint;
    for (const tell of this.pieceListeners) tell(samples);
  }

  /**
   * Fetches the newest 10 s that are stored, or all from a time on; gives the time of its first sample. The gateway chooses
   * by samples: a time that the page computed from the nominal rate would miss after hours of drift, or after the
   * gateway's clock was set. What is not stored stays "not received by this page".
   */
  private async fill(before: number, fromUs: number | null): Promise<number | null> {
    const { info } = this.model;
    if (info === null || info.id === null || info.sampleRateHz === null) return null;
    const session = info.id;
    let from = fromUs;
    try {
      const stretch = await getEcg({ session, from });
      from =
        stretch.points > 0 ? stretch.startUs : before < YOUNG_S * info.sampleRateHz ? info.startTimeUs : null;
      // A gateway that keeps no ECG has labels all the same.
      const beats = await getBeats(
        stretch.points > 0
          ? { session, from: stretch.startUs, limit: 200 }
          : { session, order: "desc", limit: 20 },
      );
      const notesFrom =
        stretch.points > 0 ? stretch.startUs : (beats.rows.at(-1)?.timeUs ?? info.startTimeUs);
      // Another session may have begun meanwhile.
      if (this.model.info !== info && this.model.info?.id !== info.id) return null;
      if (stretch.samplesPerPoint !== 1 || stretch.channels.length !== info.channels.length) return null;
      for (const gap of stretch.gaps) this.model.take({ type: "gap", gap }, performance.now());
      this.model.fill(stretch.firstSample, stretch.codes);
      for (const beat of beats.rows) {
        this.model.take(
          { type: "beat", beat: { ...beat, rTimeUs: beat.timeUs, committed: true } },
          performance.now(),
        );
      }
      const notes = await allCorrections({ session, from: notesFrom });
      for (const correction of notes.rows) {
        if (correction.supersededBy === null)
          this.model.take({ type: "correction", correction }, performance.now());
      }
      this.model.drawing++;
      this.tell();
    } catch {
      // The stretch then stays empty, and says that this page did not receive it.
    }
    return from;
  }

  private tell(): void {
    for (const tell of this.listeners) tell();
  }

  listen(tell: () => void): () => void {
    this.listeners.add(tell);
    return () => this.listeners.delete(tell);
  }

  onPiece(tell: (samples: number) => void): () => void {
    this.pieceListeners.add(tell);
    return () => this.pieceListeners.delete(tell);
  }

  onBeat(tell: (beat: Beat) => void): () => void {
    this.beatListeners.add(tell);
    return () => this.beatListeners.delete(tell);
  }

  /** One that this page stored itself. */
  correction(correction: Correction): void {
    this.model.take({ type: "correction", correction }, performance.now());
    for (const tell of this.correctionListeners) tell(correction);
  }

  onCorrection(tell: (correction: Correction) => void): () => void {
    this.correctionListeners.add(tell);
    return () => this.correctionListeners.delete(tell);
  }
}
