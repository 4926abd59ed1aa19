// A person corrects a label, marks an artefact or writes a note. Each is a row of its own; the machine's label stays.

import { correct, problemText, type Said } from "./api.js";
import { openForm } from "./dialogs.js";
import { el } from "./dom.js";
import { preciseText } from "./format.js";
import type { Correction } from "./protocol.js";
import { className, LETTERS } from "./words.js";

/** What can be corrected from where the person is; the first is chosen. */
export interface Target {
  name: string;
  /** Something to know about it before it is chosen. */
  note?: string;
  at: Pick<Said, "target" | "beats" | "from_us" | "to_us">;
  /** The samples that are meant by these times. */
  meant?: Meant;
  /** Why it cannot be said of this, in words. */
  refused?: string;
}

export interface Meant {
  from: number;
  /** Null: a moment. */
  to: number | null;
  /** The page knows of samples up to here: what lies beyond it the gateway may have cut off. */
  end: number;
  rateHz: number;
}

/** What goes wrong by less than this is rounding. */
const WITHIN_S = 1;

/** A sentence where the gateway stored other samples than were meant, as it may where the clock was set; else null. */
export function misplaced(meant: Meant | undefined, row: Correction): string | null {
  if (meant === undefined || row.fromSample === null) return null;
  const within = WITHIN_S * meant.rateHz;
  const apart = (stored: number, least: number, most: number) =>
    stored < least - within || stored > most + within;
  const from = apart(row.fromSample, meant.from, Math.max(0, meant.from));
  const to =
    meant.to !== null &&
    row.toSample !== null &&
    apart(row.toSample, Math.min(meant.to, meant.end), meant.to);
  if (!from && !to) return null;
  const at = row.fromUs === null ? "" : `: ${preciseText(row.fromUs)}`;
  const until = row.toUs === null ? "" : ` to ${preciseText(row.toUs)}`;
  const seconds = row.toSample === null ? 0 : Math.round((row.toSample - row.fromSample) / meant.rateHz);
  return (
    `Number ${row.id} was stored for another place than was meant${at}${until}` +
    `${seconds > 0 ? `, ${seconds} s of recording` : ""}. Undo it, unless that is what it should be of.`
  );
}

export type Correcting = "label" | "artefact" | "note";
export const MOST_NOTE = 2000;

const TITLES: Record<Correcting, string> = {
  label: "Rename",
  artefact: "Mark as artefact",
  note: "Add a note",
};

function choice(name: string, legend: string, options: [string, string, string][], first: boolean) {
  const inputs = options.map(([value], i) => {
    const input = el("input", { type: "radio", name, value, id: `${name}-${i}` });
    input.checked = first && i === 0;
    return input;
  });
  const set = el(
    "fieldset",
    {},
    el("legend", {}, legend),
    ...options.map(([, text, more], i) =>
      el(
        "label",
        { class: "check", for: `${name}-${i}` },
        inputs[i]!,
        el("span", {}, text, el("span", { class: "note" }, more)),
      ),
    ),
  );
  return { set, value: () => inputs.find((input) => input.checked)?.value ?? "" };
}

/** `done` is called when the row is stored, with a warning where it is about another place than was meant. */
export function openCorrection(
  session: number,
  kind: Correcting,
  targets: readonly Target[],
  done: (row: Correction, warning: string | null) => void,
): void {
  const of = choice(
    "correct-of",
    kind === "note" ? "About" : "Which",
    targets.map((target, i) => [String(i), target.name, target.note ?? ""]),
    true,
  );
  const letter = choice(
    "correct-class",
    "New label",
    LETTERS.map((one) => [one, `${one} ${className(one)}`, ""]),
    false,
  );
  const note = el("textarea", { id: "correct-note", maxlength: MOST_NOTE, rows: 3 });
  const children: Node[] = [of.set];
  if (kind === "label") {
    letter.set.classList.add("letters");
    children.push(letter.set);
  }
  children.push(el("label", { for: note.id }, kind === "note" ? "Note" : "Note (not needed)"), note);
  if (kind !== "note")
    children.push(
      el(
        "p",
        { class: "note" },
        "What the machine said stays stored, and is shown beside it. It can be undone.",
      ),
    );
  openForm(
    TITLES[kind],
    children,
    kind === "label" ? "Rename" : kind === "artefact" ? "Mark" : "Store note",
    async () => {
      const written = note.value.trim();
      if (kind === "note" && written === "") return "Write something.";
      if (kind === "label" && letter.value() === "") return "Choose a label.";
      const target = targets[Number(of.value())]!;
      if (target.refused !== undefined) return target.refused;
      const row = await correct({
        session,
        kind,
        ...target.at,
        ...(kind === "label" ? { class: letter.value() } : {}),
        note: written === "" ? null : written,
      });
      done(row, misplaced(target.meant, row));
      return null;
    },
    problemText,
  );
}
