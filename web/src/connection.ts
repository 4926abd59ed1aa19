// The one WebSocket of the page, made again when it is lost. Waits grow from half a second to ten.

import { type LinkState, SILENT_AFTER_MS } from "./stale.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const LONGEST_HANDSHAKE_MS = 10_000;

/** `spread` (0 to 1) keeps many pages from coming back in the same moment. */
export function waitMs(failures: number, spread: number): number {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));
  return wait * (0.8 + 0.2 * spread);
}

export interface Listener {
  text(data: string): void;
  piece(data: ArrayBuffer): void;
  changed(): void;
  /** The connection failed before it opened: perhaps the browser's session has ended. */
  refused(): void;
}

export class Connection {
  state: LinkState = "connecting";
  /** When the next try begins; null while there is a connection or a try. */
  retryAtMs: number | null = null;
  private socket: WebSocket | null = null;
  private failures = 0;
  private sinceMs = 0;
  private stopped = false;

  constructor(
    private readonly address: string,
    private readonly listener: Listener,
  ) {
    this.open();
  }

  private open(): void {
    this.retryAtMs = null;
    this.sinceMs = performance.now();
    this.state = this.failures === 0 ? "connecting" : "lost";
    let opened = false;
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
      this.sinceMs = performance.now();
      this.state = "open";
      this.listener.changed();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      this.sinceMs = performance.now();
      this.failures = 0;
      if (typeof event.data === "string") this.listener.text(event.data);
      else if (event.data instanceof ArrayBuffer) this.listener.piece(event.data);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.lose();
      if (!opened) this.listener.refused();
    };
    this.listener.changed();
  }

  private lose(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    if (this.stopped) return;
    this.failures++;
    this.state = "lost";
    this.retryAtMs = performance.now() + waitMs(this.failures, Math.random());
    this.listener.changed();
  }

  /** To be called a few times per second. */
  tick(nowMs: number): void {
    if (this.stopped) return;
    if (this.socket === null) {
      if (this.retryAtMs !== null && nowMs >= this.retryAtMs) this.open();
      return;
    }
    // A network that vanished closes nothing: only the silence tells.
    const limit = this.state === "open" ? SILENT_AFTER_MS : LONGEST_HANDSHAKE_MS;
    if (nowMs - this.sinceMs > limit) this.lose();
  }

  tryNow(): void {
    if (this.socket === null && !this.stopped) this.open();
  }

  stop(): void {
    this.stopped = true;
    this.state = "ended";
    this.retryAtMs = null;
    this.socket?.close();
    this.socket = null;
    this.listener.changed();
  }
}
