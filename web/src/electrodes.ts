// Which electrodes a lead is taken between, and what the two standards call and colour them.

export type Site = "RA" | "LA" | "LL" | "RL" | "chest";

export interface Naming {
  name: string;
  color: string;
  colorName: string;
}

export const ELECTRODES: Record<"IEC" | "AHA", Record<Site, Naming>> = {
  IEC: {
    RA: { name: "R", color: "#d7191c", colorName: "red" },
    LA: { name: "L", color: "#ffd500", colorName: "yellow" },
    LL: { name: "F", color: "#1a8f3c", colorName: "green" },
    RL: { name: "N", color: "#111111", colorName: "black" },
    chest: { name: "C", color: "#ffffff", colorName: "white" },
  },
  AHA: {
    RA: { name: "RA", color: "#ffffff", colorName: "white" },
    LA: { name: "LA", color: "#111111", colorName: "black" },
    LL: { name: "LL", color: "#d7191c", colorName: "red" },
    RL: { name: "RL", color: "#1a8f3c", colorName: "green" },
    chest: { name: "V", color: "#7a4a1e", colorName: "brown" },
  },
};

/** Plus and minus electrode of a lead; null where its name does not tell. */
export function leadSites(lead: string | null): { plus: Site; minus: Site | null } | null {
  const name = (lead ?? "")
    .trim()
    .toUpperCase()
    .replace(/^ML/, "")
    .replace(/^LEAD /, "");
  if (name === "I") return { plus: "LA", minus: "RA" };
  if (name === "II") return { plus: "LL", minus: "RA" };
  if (name === "III") return { plus: "LL", minus: "LA" };
  if (/^[VC][1-9]?$/.test(name)) return { plus: "chest", minus: null };
  return null;
}

export type SiteState = "on" | "off" | "perhaps" | "unused" | "unwatched" | "unknown";

export interface Wire {
  channelNumber: number;
  lead: string | null;
}

/**
 * What is known about each electrode. `off` names inputs (`in1p`, `in1n`, `rld` ...) with a condition; a channel that
 * is off without such a condition leaves it open which of its electrodes it is.
 */
export function siteStates(
  wires: readonly Wire[],
  leadOff: readonly boolean[] | null,
  off: readonly string[],
): { sites: Record<Site, SiteState>; placed: boolean } {
  const sites: Record<Site, SiteState> = {
    RA: "unused",
    LA: "unused",
    LL: "unused",
    RL: off.includes("rld") ? "off" : leadOff === null ? "unknown" : "unwatched",
    chest: "unused",
  };
  const rank: SiteState[] = ["unused", "unwatched", "unknown", "on", "perhaps", "off"];
  const set = (site: Site | null, state: SiteState) => {
    if (site !== null && rank.indexOf(state) > rank.indexOf(sites[site])) sites[site] = state;
  };
  let placed = wires.length > 0;
  wires.forEach((wire, i) => {
    const pair = leadSites(wire.lead);
    if (pair === null) {
      placed = false;
      return;
    }
    const plusOff = off.includes(`in${wire.channelNumber}p`);
    const minusOff = off.includes(`in${wire.channelNumber}n`);
    const channelOff = leadOff?.[i] === true;
    const otherwise: SiteState =
      leadOff === null ? "unknown" : channelOff && !plusOff && !minusOff ? "perhaps" : "on";
    set(pair.plus, plusOff ? "off" : otherwise);
    set(pair.minus, minusOff ? "off" : otherwise);
  });
  return { sites, placed };
}

/** The electrode an input of the chip is wired to, where the lead's name tells. */
export function siteOfInput(input: string, wires: readonly Wire[]): Site | null {
  if (input === "rld") return "RL";
  const found = /^in([12])([pn])$/.exec(input);
  if (found === null) return null;
  const pair = leadSites(wires.find((wire) => wire.channelNumber === Number(found[1]))?.lead ?? null);
  if (pair === null) return null;
  return found[2] === "p" ? pair.plus : pair.minus;
}
