// What a person chose, kept in this browser. Everything read back is checked: the store may hold anything.

import { type Calibration, GAINS_MM_PER_MV, SPEEDS_MM_PER_S } from "./scale.js";

export type Theme = "auto" | "light" | "dark";
export type Leads = "both" | "1" | "2";

export interface Settings {
  speed: number;
  gain: number;
  leads: Leads;
  filtered: boolean;
  theme: Theme;
  shortcuts: boolean;
  electrodes: "IEC" | "AHA";
  calibration: Calibration | null;
}

/** The script in the page's head reads the theme from here, too. */
export const STORED_AS = "ecg-gateway.settings";

export const DEFAULTS: Settings = {
  speed: 25,
  gain: 10,
  leads: "both",
  filtered: false,
  theme: "auto",
  shortcuts: true,
  electrodes: "IEC",
  calibration: null,
};

function oneOf<T>(values: readonly T[], value: unknown, otherwise: T): T {
  return values.includes(value as T) ? (value as T) : otherwise;
}

export function readSettings(stored: string | null): Settings {
  let from: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(stored ?? "{}");
    if (typeof value === "object" && value !== null) from = value as Record<string, unknown>;
  } catch {
    // Not ours, or cut off: the defaults hold.
  }
  let calibration: Calibration | null = null;
  const c = from.calibration as { devicePxPerMm?: unknown; screen?: unknown } | null | undefined;
  if (typeof c?.devicePxPerMm === "number" && typeof c.screen === "string") {
    if (c.devicePxPerMm > 0.5 && c.devicePxPerMm < 60) {
      calibration = { devicePxPerMm: c.devicePxPerMm, screen: c.screen };
    }
  }
  return {
    speed: oneOf<number>(SPEEDS_MM_PER_S, from.speed, DEFAULTS.speed),
    gain: oneOf<number>(GAINS_MM_PER_MV, from.gain, DEFAULTS.gain),
    leads: oneOf<Leads>(["both", "1", "2"], from.leads, DEFAULTS.leads),
    filtered: from.filtered === true,
    theme: oneOf<Theme>(["auto", "light", "dark"], from.theme, DEFAULTS.theme),
    shortcuts: from.shortcuts !== false,
    electrodes: oneOf<"IEC" | "AHA">(["IEC", "AHA"], from.electrodes, DEFAULTS.electrodes),
    calibration,
  };
}

export function isDark(theme: Theme): boolean {
  return theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

export class SettingsStore {
  now: Settings;
  private readonly listeners = new Set<() => void>();

  constructor() {
    let stored: string | null = null;
    try {
      stored = localStorage.getItem(STORED_AS);
    } catch {
      // Storage can be forbidden; the page then forgets what was chosen.
    }
    this.now = readSettings(stored);
  }

  set(change: Partial<Settings>): void {
    this.now = { ...this.now, ...change };
    try {
      localStorage.setItem(STORED_AS, JSON.stringify(this.now));
    } catch {
      // As above.
    }
    for (const tell of this.listeners) tell();
  }

  /** Gives a function that stops listening. */
  listen(tell: () => void): () => void {
    this.listeners.add(tell);
    return () => this.listeners.delete(tell);
  }
}
