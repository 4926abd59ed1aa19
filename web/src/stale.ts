// How old the newest sample is, and whether the picture may still be taken for the present.
// Only the browser's monotonic clock is used: a wrong wall clock, or one that is set, changes nothing here.

/** After this long without a newer sample the trace greys and the heart rate becomes `---`. */
export const STALE_AFTER_MS = 2000;
/** The server says its status once per second; after this long the last one is no longer true. */
export const STATUS_LOST_AFTER_MS = 3000;
/** With no message at all for this long the connection is taken for dead. */
export const SILENT_AFTER_MS = 5000;

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
