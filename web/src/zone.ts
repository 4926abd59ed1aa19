// Times in a named zone, for what is printed: the site's, or the browser's where it has none.

import { offsetText } from "./format.js";

export class Zone {
  readonly name: string;
  private readonly parts: Intl.DateTimeFormat;

  /** A zone that this browser does not know becomes the browser's own; its name says so. */
  constructor(timezone: string | null) {
    const make = (timeZone: string | undefined) =>
      new Intl.DateTimeFormat("en-GB", {
        timeZone,
        hourCycle: "h23",
        year: "numeric",
        month: "2-digit",
        day: "2-digit",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
      });
    let parts: Intl.DateTimeFormat;
    let known = timezone !== null;
    try {
      parts = make(timezone ?? undefined);
    } catch {
      parts = make(undefined);
      known = false;
    }
    this.parts = parts;
    // The name as it was configured: browsers write some zones otherwise.
    this.name = known ? timezone! : `${parts.resolvedOptions().timeZone}, this browser's zone`;
  }

  private read(us: number): Record<string, string> {
    const of: Record<string, string> = {};
    for (const { type, value } of this.parts.formatToParts(new Date(us / 1000))) of[type] = value;
    return of;
  }

  date(us: number): string {
    const { year, month, day } = this.read(us);
    return `${year}-${month}-${day}`;
  }

  time(us: number): string {
    const { hour, minute, second } = this.read(us);
    return `${hour}:${minute}:${second}`;
  }

  offset(us: number): string {
    const seconds = Math.floor(us / 1e6);
    const shown = Date.parse(`${this.date(us)}T${this.time(us)}Z`) / 1000;
    return offsetText(Math.round((seconds - shown) / 60));
  }

  /** Date, time and offset. */
  full(us: number): string {
    return `${this.date(us)} ${this.time(us)} ${this.offset(us)}`;
  }
}
