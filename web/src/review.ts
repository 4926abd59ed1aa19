// What the parts of the review view share.

import type { Place } from "./address.js";
import type { Minute, Session } from "./api.js";
import { readColors } from "./colors.js";
import { el } from "./dom.js";
import type { Look } from "./drawing.js";
import type { Action } from "./keys.js";
import { mmScale, screenName } from "./scale.js";
import type { SettingsStore } from "./settings.js";
import { textScale } from "./sizing.js";

export interface Review {
  settings: SettingsStore;
  session: Session;
  minutes: readonly Minute[];
  beginUs: number;
  endUs: number;
  /** 0: not known. */
  mainsHz: number;
  place(): Place;
  /** Changes the address. `push` makes a step that the browser's back button undoes. */
  go(change: Partial<Place>, how: "push" | "replace"): void;
  /** The address of a place, for links. */
  link(change: Partial<Place>): string;
}

/** A part of the view below the trend. */
export interface Part {
  element: HTMLElement;
  update(place: Place): void;
  /** Gives true where the part did something for the key. */
  act?(action: Action): boolean;
  leave(): void;
}

/** The settings of a picture, as for the live view. */
export function makeLook(settings: SettingsStore, change: Partial<Look>): Look {
  const ratio = window.devicePixelRatio;
  const scale = mmScale(settings.now.calibration, screenName(screen.width, screen.height, ratio), ratio);
  return {
    widthPx: 10,
    heightPx: 10,
    devicePixelRatio: ratio,
    devicePxPerMm: scale.devicePxPerMm,
    calibrated: scale.calibrated,
    speed: 25,
    gain: settings.now.gain,
    filtered: settings.now.filtered,
    channels: [0],
    textScale: textScale(),
    colors: readColors(),
    ...change,
  };
}

/** Numbers of the channels to show. */
export function channelsShown(settings: SettingsStore, count: number): number[] {
  const wanted = settings.now.leads;
  if (wanted !== "both" && Number(wanted) <= count) return [Number(wanted) - 1];
  return Array.from({ length: Math.max(1, count) }, (_, i) => i);
}

/** A table that says what a picture shows. It is folded, and read by a screen reader like any other. */
export function tableOf(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | Node)[])[],
): HTMLElement {
  const table = el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell))))),
  );
  return el(
    "details",
    { class: "as-table" },
    el("summary", {}, title),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title, "data-moves": "" }, table),
  );
}

/** Puts a new table in place of the old one; one that was open stays open. */
export function replaceTable(box: HTMLElement, table: HTMLElement): void {
  const open = box.querySelector("details")?.open === true;
  table.toggleAttribute("open", open);
  box.replaceChildren(table);
}

/** Runs what is asked for one after the other starts: a newer question gives the older one up. */
export class Latest {
  private controller: AbortController | null = null;

  begin(): AbortSignal {
    this.controller?.abort();
    this.controller = new AbortController();
    return this.controller.signal;
  }

  stop(): void {
    this.controller?.abort();
    this.controller = null;
  }
}
