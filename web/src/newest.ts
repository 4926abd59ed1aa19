// Several lists, each newest first and fetched in pages, given out as one list, newest first.

import type { Rows } from "./api.js";

export interface Source<T> {
  /** Gives a page; `cursor` is null for the first. */
  fetch(cursor: string | null): Promise<Rows<T>>;
}

interface Open<T> {
  source: Source<T>;
  held: T[];
  cursor: string | null;
  begun: boolean;
}

export class Newest<T> {
  private readonly open: Open<T>[];

  constructor(
    sources: readonly Source<T>[],
    private readonly timeUs: (row: T) => number,
  ) {
    this.open = sources.map((source) => ({ source, held: [], cursor: null, begun: false }));
  }

  /** The next `count` rows; fewer where there are no more. */
  async take(count: number): Promise<T[]> {
    const taken: T[] = [];
    while (taken.length < count) {
      // A list that ran empty may hold the newest row of all: it is filled before anything is given out.
      await Promise.all(this.open.map((one) => this.fill(one)));
      let best: Open<T> | null = null;
      for (const one of this.open) {
        const row = one.held[0];
        if (row === undefined) continue;
        if (best === null || this.timeUs(row) > this.timeUs(best.held[0]!)) best = one;
      }
      if (best === null) break;
      taken.push(best.held.shift()!);
    }
    return taken;
  }

  private async fill(one: Open<T>): Promise<void> {
    while (one.held.length === 0 && (!one.begun || one.cursor !== null)) {
      const rows = await one.source.fetch(one.cursor);
      one.begun = true;
      one.held = rows.rows;
      one.cursor = rows.next;
    }
  }

  get ended(): boolean {
    return this.open.every((one) => one.held.length === 0 && one.begun && one.cursor === null);
  }
}
