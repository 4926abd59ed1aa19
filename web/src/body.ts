// A small picture of the body with the electrodes in the colours of IEC or AHA. Off is a ring, a cross and a word.

import { el, say, svg } from "./dom.js";
import { ELECTRODES, type Site, type SiteState } from "./electrodes.js";

const PLACES: Record<Site, [number, number]> = {
  RA: [58, 66],
  LA: [122, 66],
  RL: [66, 148],
  LL: [114, 148],
  chest: [104, 102],
};

const WORDS: Record<SiteState, string> = {
  on: "on",
  off: "off",
  perhaps: "perhaps off",
  unused: "not used",
  unwatched: "not watched",
  unknown: "not known",
};

/** Black on light colours, white on dark ones. */
function inkOn(color: string): string {
  const part = (at: number) => Number.parseInt(color.slice(at, at + 2), 16);
  return 0.3 * part(1) + 0.59 * part(3) + 0.11 * part(5) > 140 ? "#000000" : "#ffffff";
}

export class Body {
  readonly element: HTMLElement;
  private readonly picture = svg("svg", { viewBox: "0 0 180 190", class: "body", "aria-hidden": "true" });
  private readonly list = el("ul", { class: "electrodes" });
  private shown = "";

  constructor() {
    this.element = el("div", { class: "body-and-list" }, this.picture, this.list);
  }

  show(sites: Record<Site, SiteState>, naming: "IEC" | "AHA"): void {
    const key = JSON.stringify([sites, naming]);
    if (key === this.shown) return;
    this.shown = key;
    this.picture.replaceChildren(
      svg("path", {
        class: "torso",
        d:
          "M90 8 a19 21 0 0 1 0 42 a19 21 0 0 1 0 -42 Z M78 50 C 76 56 66 57 50 60 C 34 64 28 76 25 94 L 14 150 " +
          "L 28 154 L 44 100 L 48 184 L 132 184 L 136 100 L 152 154 L 166 150 L 155 94 C 152 76 146 64 130 60 " +
          "C 114 57 104 56 102 50 Z",
      }),
    );
    this.list.replaceChildren();
    for (const site of Object.keys(PLACES) as Site[]) {
      const state = sites[site];
      if (state === "unused") continue;
      const { name, color, colorName } = ELECTRODES[naming][site];
      const [x, y] = PLACES[site];
      const off = state === "off" || state === "perhaps";
      const group = svg("g", { class: `electrode ${state}` });
      if (off) group.append(svg("circle", { class: "off-ring", cx: x, cy: y, r: 17 }));
      group.append(
        svg("circle", { class: "disc", cx: x, cy: y, r: 11.5, fill: color }),
        svg("text", { x, y: y + 4.5, fill: inkOn(color), class: name.length > 1 ? "two" : "one" }, name),
      );
      if (off) {
        group.append(
          svg("path", {
            class: "off-cross",
            d: `M${x - 13} ${y - 13} L${x + 13} ${y + 13} M${x + 13} ${y - 13} L${x - 13} ${y + 13}`,
          }),
        );
      }
      this.picture.append(group);
      const item = el("li", { class: state });
      const text = el("span", {});
      say(text, `${name} (${colorName}): ${WORDS[state]}`);
      item.append(text);
      this.list.append(item);
    }
  }
}
