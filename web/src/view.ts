// A view is one module: it fills an element and cleans up after itself. The page knows no more of it than this.

import type { Access } from "./access.js";
import type { Live } from "./live.js";
import type { SettingsStore } from "./settings.js";

export interface Page {
  live: Live;
  settings: SettingsStore;
  access: Access;
}

export interface View {
  /** Word in the address, behind `#/`. */
  path: string;
  title: string;
  /** The view follows changes of its own part of the address by itself. */
  followsAddress?: boolean;
  /** Fills `root`; gives what to call when the view is left. */
  show(root: HTMLElement, page: Page): () => void;
}
