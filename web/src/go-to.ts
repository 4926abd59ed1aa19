// Reads a time that a person wrote: `07:12`, `07:12:30.5`, `2026-01-31 07:12:30`, or RFC 3339. In the browser's zone.

import { readTime } from "./address.js";
import { clockText } from "./format.js";

/** Gives microseconds since 1970, or a sentence about what is wrong. */
export function readGoTo(written: string, beginUs: number, endUs: number): number | string {
  const text = written.trim();
  let us = text.includes("T") ? readTime(text) : null;
  if (us === null) {
    const found = /^(?:(\d{4})-(\d\d)-(\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d)(\.\d{1,3})?)?$/.exec(text);
    if (found === null) return "This is not a time. Write it like 07:12:30.";
    const [, year, month, day, hour, minute, second, part] = found;
    const at = (base: Date) => {
      base.setHours(Number(hour), Number(minute), Number(second ?? 0), Math.round(Number(part ?? 0) * 1000));
      return base.getTime() * 1000;
    };
    if (Number(hour) > 23 || Number(minute) > 59 || Number(second ?? 0) > 59) {
      return "This is not a time of day.";
    }
    if (year !== undefined) us = at(new Date(Number(year), Number(month) - 1, Number(day)));
    else {
      // Without a date: the first such time within the session.
      const date = new Date(beginUs / 1000);
      us = at(date);
      while (us < beginUs && us + 86_400e6 <= endUs) {
        date.setDate(date.getDate() + 1);
        us = at(date);
      }
    }
  }
  if (us < beginUs || us > endUs) {
    return `That is outside of the session (${clockText(beginUs, true)} to ${clockText(endUs, true)}).`;
  }
  return us;
}
