// Deletes a session, after a person has written which one.

import { deleteSession, problemText, type Session } from "./api.js";
import { openForm } from "./dialogs.js";
import { el } from "./dom.js";
import { clockText, countText, zoneText } from "./format.js";

/** `done` is told what was deleted, in words. */
export function openDelete(session: Session, done: (said: string) => void): void {
  const wanted = `delete ${session.id}`;
  const field = el("input", { id: "typed", type: "text", autocomplete: "off", spellcheck: "false" });
  const label = session.patientLabel;
  openForm(
    `Delete session ${session.id}?`,
    [
      el(
        "p",
        {},
        `${clockText(session.startUs, true)} ${zoneText(session.startUs)}, ${countText(session.beats)} beats`,
        label === null ? "" : ", ",
        label === null ? null : el("bdi", {}, label),
        ".",
      ),
      el(
        "p",
        {},
        "ECG, beats, maps, gaps, events, corrections and the label are removed and cannot be brought back. " +
          "What remains is a row that says who deleted how much, and when.",
      ),
      el("label", { for: "typed" }, "To confirm, write ", el("strong", {}, wanted)),
      field,
    ],
    "Delete for ever",
    async () => {
      if (field.value.trim().toLowerCase() !== wanted) return `Write “${wanted}” to delete this session.`;
      const gone = await deleteSession(session.id);
      const counts = Object.entries(gone).filter(([, count]) => count > 0);
      const what = counts.map(([name, count]) => `${countText(count)} ${name.replaceAll("_", " ")}`);
      done(`Session ${session.id} is deleted: ${what.join(", ") || "it held nothing"}.`);
      return null;
    },
    problemText,
  );
}
