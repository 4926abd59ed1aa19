// Which strips go into the report of a session: kept while the browser's tab is open. Times alone, no ECG.

export interface Chosen {
  timeUs: number;
  sample: number | null;
  seconds: number;
}

export const MOST_STRIPS = 20;

const key = (session: number) => `ecg-gateway.report.${session}`;

export function readChosen(stored: string | null): Chosen[] {
  try {
    const list: unknown = JSON.parse(stored ?? "[]");
    if (!Array.isArray(list)) return [];
    return list
      .filter(
        (one): one is Chosen =>
          Number.isFinite(one?.timeUs) &&
          (one.sample === null || Number.isFinite(one.sample)) &&
          one.seconds > 0 &&
          one.seconds <= 60,
      )
      .slice(0, MOST_STRIPS);
  } catch {
    return [];
  }
}

export function chosenStrips(session: number): Chosen[] {
  try {
    return readChosen(sessionStorage.getItem(key(session)));
  } catch {
    return [];
  }
}

export function keepStrips(session: number, strips: readonly Chosen[]): void {
  try {
    sessionStorage.setItem(key(session), JSON.stringify(strips));
  } catch {
    // Storage can be forbidden: nothing is remembered then.
  }
}

/** Gives a sentence about what came of it. */
export function addStrip(session: number, strip: Chosen): string {
  const strips = chosenStrips(session);
  if (strips.some((one) => one.timeUs === strip.timeUs && one.seconds === strip.seconds))
    return "This strip is in the report already.";
  if (strips.length >= MOST_STRIPS) return `The report holds ${MOST_STRIPS} strips at most.`;
  strips.push(strip);
  strips.sort((a, b) => a.timeUs - b.timeUs);
  keepStrips(session, strips);
  return `In the report: ${strips.length} ${strips.length === 1 ? "strip" : "strips"}.`;
}
