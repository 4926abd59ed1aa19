// What a person at the bed does: mark a time, and begin a new patient.

import { correct, newPatient, problemText, undo } from "./api.js";
import { MOST_NOTE } from "./correct.js";
import { openForm } from "./dialogs.js";
import { button, el, say } from "./dom.js";
import { clockText } from "./format.js";
import type { Live } from "./live.js";
import type { Correction } from "./protocol.js";

const MOST_LABEL = 64;
/** So long the bar with what can be done about a mark stays. */
const BAR_MS = 20_000;

export class Bedside {
  readonly buttons: HTMLElement[];
  /** Beside the ages, so that it covers nothing: what was marked, and what can be done about it. */
  readonly bar: HTMLElement;
  private readonly said = el("span", { role: "status" });
  private readonly more = el("span", { class: "actions" });
  /** A question to the gateway is under way: a second press must not mark, or undo, a second time. */
  private busy = false;
  private hideAt: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly live: Live) {
    this.bar = el("span", { class: "mark-bar", hidden: true }, this.said, this.more);
    this.buttons = [
      button("Mark now", {}, () => this.mark()),
      button("New patient …", {}, () => this.patient()),
    ];
  }

  private tell(text: string, ...more: HTMLElement[]): void {
    this.bar.hidden = false;
    say(this.said, text);
    this.more.replaceChildren(
      ...more,
      button("Close", {}, () => this.hide()),
    );
    clearTimeout(this.hideAt);
    // What somebody is about to press must not go away.
    this.hideAt = setTimeout(() => {
      if (!this.bar.contains(document.activeElement) && document.querySelector("dialog[open]") === null)
        this.hide();
    }, BAR_MS);
  }

  private hide(): void {
    this.bar.hidden = true;
  }

  /** At once, without a question: the time is what matters. Words can be added afterwards. */
  async mark(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      const made = await correct({ kind: "note", target: "moment", note: null });
      this.show(made);
      const when = made.fromUs === null ? "" : ` ${clockText(made.fromUs, false)}`;
      this.tell(
        `Marked${when}.`,
        button("Add words …", {}, () => this.words(made)),
        button("Undo", {}, () => void this.undo(made)),
      );
    } catch (error) {
      this.tell(`Not marked. ${problemText(error)}`);
    } finally {
      this.busy = false;
    }
  }

  /** The answer may come before the live connection tells of it. */
  private show(correction: Correction): void {
    this.live.correction(correction);
  }

  private async undo(made: Correction): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      this.show(await undo(made));
      this.tell("The mark is undone.");
    } catch (error) {
      this.tell(problemText(error));
    } finally {
      this.busy = false;
    }
  }

  private words(made: Correction): void {
    const note = el("textarea", { id: "mark-words", rows: 3, maxlength: MOST_NOTE });
    openForm(
      "Words for the mark",
      [el("label", { for: note.id }, "What happened"), note],
      "Store note",
      async () => {
        const written = note.value.trim();
        if (written === "" || made.fromUs === null) return "Write something.";
        const at = { session: made.session, from_us: made.fromUs };
        this.show(await correct({ ...at, kind: "note", target: "moment", note: written }));
        this.tell("Stored.");
        return null;
      },
      problemText,
    );
  }

  private patient(): void {
    const old = this.live.model.info?.patientLabel ?? null;
    const label = el("input", {
      id: "patient",
      type: "text",
      maxlength: MOST_LABEL,
      autocomplete: "off",
      "aria-describedby": "patient-note",
    });
    openForm(
      "Begin a new patient?",
      [
        el(
          "p",
          {},
          "The running session ends",
          old === null ? "" : " (",
          old === null ? null : el("bdi", {}, old),
          old === null ? "" : ")",
          ", and a new one begins. All that was learned of the last patient is cleared; what is stored of them stays.",
        ),
        el("label", { for: label.id }, "Patient or bed (not needed)"),
        label,
        el(
          "p",
          { class: "note", id: "patient-note" },
          `At most ${MOST_LABEL} characters. Stored with the session, and left out of log, metrics and exports.`,
        ),
      ],
      "New patient",
      async () => {
        const written = label.value.trim();
        await newPatient(written === "" ? null : written);
        this.tell("New patient: a new session begins.");
        return null;
      },
      problemText,
    );
  }
}
