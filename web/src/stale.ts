// How old the newest sample is, and whether the picture may still be taken for the present.
// Only the browser's monotonic clock is used: a wrong wall clock, or one that is set, changes nothing here.

/** After this long without a newer sample the trace greys and the heart rate becomes `---`. */
export const STALE_AFTER_MS = 2000;
/** The server says its status once per second; after this long the last one is no longer true. */
export const STATUS_LOST_AFTER_MS = 3000;
/** With no message at all for this long the connection is taken for dead. */
export const SILENT_AFTER_MS = 5000;

/** Whether the last status is no longer true of the present, or there is none. */
export function statusIsOld(atMs: number | null, nowMs: number): boolean {
  return atMs === null || nowMs - atMs > STATUS_LOST_AFTER_MS;
}

/** The wall clock may gain this much on the monotonic one, between two looks, before it counts as sleep. */
const SLEPT_MS = 2000;

/**
 * Whether the machine slept. The monotonic clock stands still meanwhile, so that what is minutes old seems young. A step of
 * the wall clock looks the same, for one look: what comes next from the gateway is right again.
 */
export class Sleep {
  private last: { wallMs: number; monotonicMs: number } | null = null;

  /** Compares with the look before. */
  look(wallMs: number, monotonicMs: number): boolean {
    const { last } = this;
    this.last = { wallMs, monotonicMs };
    return last !== null && wallMs - last.wallMs - (monotonicMs - last.monotonicMs) > SLEPT_MS;
  }
}

/** An age that was known at a moment of the monotonic clock. */
export interface KnownAge {
  ageMs: number;
  atMs: number;
}

export function ageNow(known: KnownAge | null, nowMs: number): number | null {
  return known === null ? null : known.ageMs + Math.max(0, nowMs - known.atMs);
}

export type LinkState = "connecting" | "open" | "lost" | "ended";

export interface Freshness {
  stale: boolean;
  /** Why, in words; null while the picture is fresh. */
  reason: string | null;
  ageMs: number | null;
}

export function freshness(
  link: LinkState,
  sessionOpen: boolean | null,
  newest: KnownAge | null,
  nowMs: number,
): Freshness {
  const ageMs = ageNow(newest, nowMs);
  if (ageMs !== null && ageMs < STALE_AFTER_MS && sessionOpen !== false) {
    return { stale: false, reason: null, ageMs };
  }
  let reason = "no samples";
  if (link === "lost" || link === "ended") reason = "connection lost";
  else if (link === "connecting") reason = "connecting";
  else if (sessionOpen === null) reason = "waiting for the gateway";
  else if (sessionOpen === false) reason = "no recording runs";
  return { stale: true, reason, ageMs };
}
