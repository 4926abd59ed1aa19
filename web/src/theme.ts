// Runs in the head, before anything is painted, so that a dark page never flashes white.

import { isDark, readSettings, STORED_AS } from "./settings.js";

let stored: string | null = null;
try {
  stored = localStorage.getItem(STORED_AS);
} catch {
  // Storage can be forbidden.
}
document.documentElement.dataset.theme = isDark(readSettings(stored).theme) ? "dark" : "light";
