// Numbers as people read them. Unknown is never a zero.

export const UNKNOWN = "---";

export function ageText(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  return durationText(ms);
}

/** A length of time from milliseconds to days. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = Math.round(ms / 1000);
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min ${s % 60} s`;
  const h = Math.floor(min / 60);
  if (h < 48) return `${h} h ${min % 60} min`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

export function bytesText(bytes: number | null): string {
  if (bytes === null) return UNKNOWN;
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  if (bytes < 1e9) return `${Math.round(bytes / 1e6)} MB`;
  return `${(bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0)} GB`;
}

export function mvText(uv: number): string {
  const mv = uv / 1000;
  return `${mv > 0 ? "+" : mv < 0 ? "−" : ""}${Math.abs(mv).toFixed(1)} mV`;
}

export function countText(count: number | null | undefined): string {
  return count === null || count === undefined ? UNKNOWN : count.toLocaleString("en-GB");
}

/** "1 beat", "4,812 beats". */
export function beatsText(count: number): string {
  return `${countText(count)} ${count === 1 ? "beat" : "beats"}`;
}

/** `+01:00` from the minutes that `Date.getTimezoneOffset` gives. */
export function offsetText(minutesWest: number): string {
  const east = -minutesWest;
  const abs = Math.abs(east);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${east < 0 ? "−" : "+"}${two(Math.floor(abs / 60))}:${two(abs % 60)}`;
}

export function clockText(timeUs: number, withDate: boolean): string {
  const date = new Date(timeUs / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (!withDate) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

export function zoneText(timeUs: number): string {
  return offsetText(new Date(timeUs / 1000).getTimezoneOffset());
}

/** How far the browser's wall clock is from the gateway's; null where they agree to two seconds. */
export function clockDifferenceText(browserMs: number, gatewayUs: number): string | null {
  const ms = browserMs - gatewayUs / 1000;
  if (Math.abs(ms) < 2000) return null;
  return `this browser's clock is ${durationText(Math.abs(ms))} ${ms > 0 ? "ahead" : "behind"}`;
}

/** Time of day with milliseconds. */
export function preciseText(timeUs: number): string {
  const ms = Math.floor(timeUs / 1000);
  return `${clockText(ms * 1000, false)}.${String(((ms % 1000) + 1000) % 1000).padStart(3, "0")}`;
}

export function dayText(timeUs: number): string {
  return clockText(timeUs, true).slice(0, 10);
}

/** What is written at a note, in a few words. */
export function noteText(note: string | null): string {
  const text = (note ?? "").replace(/\s+/g, " ").trim();
  return `✎ ${text === "" ? "mark" : text.length > 60 ? `${text.slice(0, 58)} …` : text}`;
}
