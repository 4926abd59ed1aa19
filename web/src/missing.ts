// Which stretches are missing, and why: from the ring, with the causes that the gateway told.

import type { Gap } from "./protocol.js";
import { isSample, NOT_RECEIVED, type Ring } from "./ring.js";

/** A missing stretch as it is drawn. */
export interface MissingRun {
  first: number;
  end: number;
  cause: string;
}

/** Told gaps that reach into [first, end), oldest first, cut there. */
function toldWithin(gaps: readonly Gap[], first: number, end: number): MissingRun[] {
  return gaps
    .map((gap) => ({
      first: Math.max(first, gap.firstMissingSample),
      end: Math.min(end, gap.firstMissingSample + gap.missingSamples),
      cause: gap.cause,
    }))
    .filter((run) => run.end > run.first)
    .sort((a, b) => a.first - b.first);
}

/**
 * Missing stretches that reach into [first, end) in samples. A gap of one channel is one of the session. The gateway sends
 * no samples for a gap, so it is a hole in the ring like one that the page missed: only the told gaps tell them apart.
 */
export function missingRuns(
  ring: Ring,
  gaps: readonly Gap[],
  firstSample: number,
  endSample: number,
): MissingRun[] {
  const per = ring.samplesPerPoint;
  const min = ring.min[0]!;
  const begin = ring.begin * per;
  let point = Math.max(ring.begin, Math.floor(firstSample / per));
  const last = Math.min(ring.end, Math.ceil(endSample / per));
  const runs: MissingRun[] = [];
  // A gap may begin and end inside of points that have samples, too: then only the told gap knows of it.
  if (per > 1) {
    runs.push(...toldWithin(gaps, begin, last * per).filter((gap) => gap.end > point * per));
  }
  while (point < last) {
    const code = min[ring.at(point)]!;
    if (isSample(code)) {
      point++;
      continue;
    }
    let from = point;
    // A gap that began before the window keeps its length while the window moves over it.
    while (from > ring.begin && min[ring.at(from - 1)] === code) from--;
    while (point < last && min[ring.at(point)] === code) point++;
    const otherwise = code === NOT_RECEIVED ? "not_received" : "unknown";
    let at = from * per;
    for (const told of toldWithin(gaps, at, point * per)) {
      if (told.first > at) runs.push({ first: at, end: told.first, cause: otherwise });
      if (per === 1 && told.end > at) runs.push({ ...told, first: Math.max(at, told.first) });
      at = Math.max(at, told.end);
    }
    if (at < point * per) runs.push({ first: at, end: point * per, cause: otherwise });
  }
  return joined(runs);
}

/** What touches and has one cause is one stretch: part of a gap may be stored as missing, part never have come. */
function joined(runs: MissingRun[]): MissingRun[] {
  const made: MissingRun[] = [];
  for (const run of runs.sort((a, b) => a.first - b.first)) {
    const before = made.at(-1);
    if (before !== undefined && before.cause === run.cause && before.end >= run.first)
      before.end = Math.max(before.end, run.end);
    else made.push({ ...run });
  }
  return made;
}
