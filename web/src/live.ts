// Connection and model together: what every view reads its live data from. It runs while the page is open,
// whichever view is shown.

import { Connection } from "./connection.js";
import { type Beat, decodePiece, decodeText } from "./protocol.js";
import { Model } from "./session.js";
import { type Freshness, freshness } from "./stale.js";

const TICK_MS = 200;

export class Live {
  readonly model = new Model();
  readonly connection: Connection;
  /** Half a lane in microvolts per channel, told by the view that draws: when to re-centre. */
  halfLaneUv: readonly number[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly pieceListeners = new Set<(samples: number) => void>();
  private readonly beatListeners = new Set<(beat: Beat) => void>();

  constructor(address: string, signedOut: () => void) {
    this.connection = new Connection(address, {
      text: (data) => this.text(data, signedOut),
      piece: (data) => this.piece(data),
      changed: () => this.tell(),
      refused: () => {
        // A handshake that is refused looks like a lost network. Only the server can say which it was.
        fetch("/session", { headers: { accept: "application/json" } }).then(
          (answer) => {
            if (answer.status === 401 || answer.status === 403) signedOut();
          },
          () => {},
        );
      },
    });
    setInterval(() => {
      this.connection.tick(performance.now());
      this.tell();
    }, TICK_MS);
  }

  fresh(nowMs: number): Freshness {
    const { model } = this;
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
    if (decoded.value.type === "beat") {
      for (const tell of this.beatListeners) tell(decoded.value.beat);
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
    const samples = decoded.value.points * decoded.value.samplesPerPoint;
    for (const tell of this.pieceListeners) tell(samples);
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
}
