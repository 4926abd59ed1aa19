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
  | "help"
  | "earlier"
  | "later"
  | "page-back"
  | "page-on"
  | "begin"
  | "end"
  | "shorter"
  | "longer"
  | "previous"
  | "next"
  | "go-to"
  | "calipers"
  | "explain"
  | "mark"
  | "rename"
  | "artefact"
  | "note"
  | "report";

export interface Shortcut {
  keys: readonly string[];
  shown: string;
  action: Action;
  what: string;
}

/** Of the live view. */
export const SHORTCUTS: readonly Shortcut[] = [
  { keys: [" "], shown: "Space", action: "freeze", what: "Freeze the picture; again to go on" },
  { keys: ["+", "="], shown: "+", action: "gain-up", what: "Higher gain" },
  { keys: ["-"], shown: "−", action: "gain-down", what: "Lower gain" },
  { keys: ["."], shown: ".", action: "speed-up", what: "Faster sweep" },
  { keys: [","], shown: ",", action: "speed-down", what: "Slower sweep" },
  { keys: ["1"], shown: "1", action: "lead-1", what: "Only lead 1; again for both" },
  { keys: ["2"], shown: "2", action: "lead-2", what: "Only lead 2; again for both" },
  { keys: ["w"], shown: "w", action: "filter", what: "Raw or filtered" },
  { keys: ["m"], shown: "m", action: "mark", what: "Mark now: a note with the time" },
  { keys: ["d"], shown: "d", action: "dark", what: "Dark or light" },
  { keys: ["?"], shown: "?", action: "help", what: "This help" },
];

/** Of the review view. */
export const REVIEW_SHORTCUTS: readonly Shortcut[] = [
  { keys: ["ArrowLeft"], shown: "←", action: "earlier", what: "A second earlier" },
  { keys: ["ArrowRight"], shown: "→", action: "later", what: "A second later" },
  { keys: ["PageUp"], shown: "PgUp", action: "page-back", what: "The strip before" },
  { keys: ["PageDown"], shown: "PgDn", action: "page-on", what: "The strip after" },
  { keys: ["Home"], shown: "Home", action: "begin", what: "Begin of the session" },
  { keys: ["End"], shown: "End", action: "end", what: "End of the session" },
  { keys: ["["], shown: "[", action: "previous", what: "To the event, V or S beat before" },
  { keys: ["]"], shown: "]", action: "next", what: "To the next event, V or S beat" },
  { keys: ["g"], shown: "g", action: "go-to", what: "Go to a time" },
  { keys: ["c"], shown: "c", action: "calipers", what: "Calipers" },
  { keys: ["e"], shown: "e", action: "explain", what: "Explain the beat in the middle of the strip" },
  { keys: [","], shown: ",", action: "longer", what: "A longer stretch in the strip" },
  { keys: ["."], shown: ".", action: "shorter", what: "A shorter stretch in the strip" },
  { keys: ["p"], shown: "p", action: "report", what: "This strip into the report, for printing" },
  { keys: ["r"], shown: "r", action: "rename", what: "Rename a beat, a stretch or a cluster" },
  { keys: ["a"], shown: "a", action: "artefact", what: "Mark an artefact" },
  { keys: ["n"], shown: "n", action: "note", what: "Add a note" },
  ...SHORTCUTS.filter((one) => !["freeze", "speed-up", "speed-down", "mark"].includes(one.action)),
];

const CONTROL = new Set<Action>(["mark", "rename", "artefact", "note"]);

/** Those that a person may use. */
export function allowed(shortcuts: readonly Shortcut[], control: boolean): readonly Shortcut[] {
  return control ? shortcuts : shortcuts.filter((one) => !CONTROL.has(one.action));
}

export interface Press {
  key: string;
  ctrl: boolean;
  alt: boolean;
  meta: boolean;
  /** What has the focus: its tag name in capitals, and whether text can be written into it. */
  focus: string;
  editable: boolean;
  /** What has the focus uses the arrows and the keys for paging itself. */
  moves?: boolean;
  /** A dialog is open: its keys are its own. */
  dialog: boolean;
  /** The key is held: the browser presses it again and again. */
  repeat?: boolean;
}

const FIELDS = new Set(["INPUT", "TEXTAREA", "SELECT", "OPTION"]);
/** Space presses these; it must not freeze the picture besides. */
const PRESSED_BY_SPACE = new Set(["BUTTON", "A", "SUMMARY"]);

/** These are no letters: they work where single-key shortcuts are switched off, too. */
const MOVING = /^(Arrow|Page|Home$|End$)/;

/** Of letters and signs only these may be held: holding `m` would store thirty marks in a second. */
const HELD = new Set<Action>(["previous", "next"]);

export function actionOf(
  press: Press,
  switchedOn: boolean,
  shortcuts: readonly Shortcut[] = SHORTCUTS,
): Action | null {
  const moving = MOVING.test(press.key);
  if (moving && press.moves === true) return null;
  if ((!switchedOn && !moving) || press.ctrl || press.alt || press.meta || press.dialog) return null;
  if (press.editable || FIELDS.has(press.focus)) return null;
  if (press.key === " " && PRESSED_BY_SPACE.has(press.focus)) return null;
  const action = shortcuts.find((one) => one.keys.includes(press.key))?.action ?? null;
  if (press.repeat === true && !moving && action !== null && !HELD.has(action)) return null;
  return action;
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
    moves: target.closest("[data-moves]") !== null,
    dialog: document.querySelector("dialog[open]") !== null,
    repeat: event.repeat,
  };
}
