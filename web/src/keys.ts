// Single-key shortcuts. Never in a field, never with a modifier, and not at all where they are switched off.

export type Action =
  | "freeze"
  | "gain-up"
  | "gain-down"
  | "speed-up"
  | "speed-down"
  | "lead-1"
  | "lead-2"
  | "filter"
  | "dark"
  | "help";

export const SHORTCUTS: readonly { keys: readonly string[]; shown: string; action: Action; what: string }[] =
  [
    { keys: [" "], shown: "Space", action: "freeze", what: "Freeze the picture; again to go on" },
    { keys: ["+", "="], shown: "+", action: "gain-up", what: "Higher gain" },
    { keys: ["-"], shown: "−", action: "gain-down", what: "Lower gain" },
    { keys: ["."], shown: ".", action: "speed-up", what: "Faster sweep" },
    { keys: [","], shown: ",", action: "speed-down", what: "Slower sweep" },
    { keys: ["1"], shown: "1", action: "lead-1", what: "Only lead 1; again for both" },
    { keys: ["2"], shown: "2", action: "lead-2", what: "Only lead 2; again for both" },
    { keys: ["w"], shown: "w", action: "filter", what: "Raw or filtered" },
    { keys: ["d"], shown: "d", action: "dark", what: "Dark or light" },
    { keys: ["?"], shown: "?", action: "help", what: "This help" },
  ];

export interface Press {
  key: string;
  ctrl: boolean;
  alt: boolean;
  meta: boolean;
  /** What has the focus: its tag name in capitals, and whether text can be written into it. */
  focus: string;
  editable: boolean;
  /** A dialog is open: its keys are its own. */
  dialog: boolean;
}

const FIELDS = new Set(["INPUT", "TEXTAREA", "SELECT", "OPTION"]);
/** Space presses these; it must not freeze the picture besides. */
const PRESSED_BY_SPACE = new Set(["BUTTON", "A", "SUMMARY"]);

export function actionOf(press: Press, switchedOn: boolean): Action | null {
  if (!switchedOn || press.ctrl || press.alt || press.meta || press.dialog) return null;
  if (press.editable || FIELDS.has(press.focus)) return null;
  if (press.key === " " && PRESSED_BY_SPACE.has(press.focus)) return null;
  return SHORTCUTS.find((one) => one.keys.includes(press.key))?.action ?? null;
}

export function pressOf(event: KeyboardEvent): Press {
  const target = event.target instanceof HTMLElement ? event.target : document.body;
  return {
    key: event.key,
    ctrl: event.ctrlKey,
    alt: event.altKey,
    meta: event.metaKey,
    focus: target.tagName,
    editable: target.isContentEditable,
    dialog: document.querySelector("dialog[open]") !== null,
  };
}
