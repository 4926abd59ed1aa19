// All corrections of a session, newest first: what, of what, by whom, when; each can be undone by a further row.

import { getCorrections, problemText, undo, wasAborted } from "./api.js";
import { button, el, say } from "./dom.js";
import { clockText, countText, preciseText, zoneText } from "./format.js";
import type { Correction } from "./protocol.js";
import { keepFocus, Latest, type Part, placeOfRow, type Review } from "./review.js";
import { className, correctionKind, originName } from "./words.js";

const PER_PAGE = 50;

/** One that says something still: not undone, and no undoing itself. */
export const standing = (one: Correction) => one.supersededBy === null && one.kind !== "undo";

/** What a correction says, in words: "V ventricular premature". */
export function correctionText(one: Correction): string {
  if (one.kind === "undo") return `takes back number ${one.supersedes ?? "?"}`;
  if (one.kind === "label" && one.class !== null) return `${one.class} ${className(one.class)}`;
  return correctionKind(one.kind);
}

/** Of what: beats, a stretch, a moment. */
export function targetText(one: Correction): string {
  const count = one.beats?.length ?? 0;
  if (count === 1) return `beat ${one.beats![0]}`;
  if (count > 1) return `${countText(count)} beats`;
  if (one.fromUs === null) return "";
  if (one.toUs === null) return preciseText(one.fromUs);
  return `${preciseText(one.fromUs)} to ${preciseText(one.toUs)}`;
}

/** Who and when. */
export function authorText(one: Correction): string {
  return `${one.author}, ${clockText(one.timeUs, true)} ${zoneText(one.timeUs)}`;
}

export function undoButton(
  review: Review,
  one: Correction,
  told: (text: string) => void,
): HTMLElement | null {
  if (!review.access.control || !standing(one)) return null;
  // Not disabled meanwhile: it would lose the focus.
  let sent = false;
  return button("Undo", { "aria-label": `Undo number ${one.id}` }, async () => {
    if (sent) return;
    sent = true;
    try {
      await undo(one);
      told(`Number ${one.id} is undone.`);
      review.corrected();
    } catch (error) {
      told(problemText(error));
      sent = false;
    }
  });
}

export function correctionsPart(review: Review): Part {
  const latest = new Latest();
  const message = el("p", { class: "message", role: "status" });
  const said = el("p", { class: "message", role: "status" });
  const body = el("tbody");
  const more = button("Load more", { hidden: true }, () => void load(false));
  const head = ["Number", "What", "Of", "Note", "By", ""];
  const table = el(
    "table",
    { class: "sessions corrections" },
    el("thead", {}, el("tr", {}, ...head.map((text) => el(text === "" ? "td" : "th", {}, text)))),
    body,
  );
  const box = el(
    "div",
    { class: "card scroll", tabindex: 0, role: "region", "aria-label": "Corrections", "data-moves": "" },
    table,
  );
  const element = el(
    "section",
    { class: "strip", "aria-label": "Corrections" },
    el(
      "p",
      { class: "note" },
      "Newest first. The machine's labels are never changed: a correction is a row beside them, and undoing it is a " +
        "further row. New ones are made in the strip, at a beat, or for a whole cluster.",
    ),
    said,
    box,
    message,
    el("p", { class: "actions" }, more),
  );
  let cursor: string | null = null;

  /** A link to where it is; for beats, to the first of them. */
  const where = (one: Correction): Node => {
    const text = targetText(one);
    if (one.fromUs !== null) {
      const at = placeOfRow(review, one.fromSample ?? 0, one.fromUs);
      return el("a", { href: review.link({ show: "strip", ...at }) }, text);
    }
    const first = one.beats?.[0];
    if (first === undefined) return document.createTextNode(text);
    return el("a", { href: review.link({ show: "beat", beat: first }) }, text);
  };

  const row = (one: Correction): HTMLElement =>
    el(
      "tr",
      one.supersededBy === null ? {} : { class: "undone" },
      el("th", { scope: "row" }, String(one.id)),
      el(
        "td",
        {},
        correctionText(one),
        one.supersededBy === null
          ? null
          : el("span", { class: "note" }, `undone by number ${one.supersededBy}`),
      ),
      el("td", {}, where(one)),
      el("td", { class: "words" }, el("bdi", {}, one.note ?? "")),
      el("td", {}, authorText(one), el("span", { class: "note" }, originName(one.origin))),
      el(
        "td",
        {},
        undoButton(review, one, (text) => say(said, text)),
      ),
    );

  const load = async (anew: boolean) => {
    const signal = latest.begin();
    if (anew) cursor = null;
    say(message, "Loading …");
    try {
      const asked = { session: review.session.id, order: "desc", limit: PER_PAGE, cursor };
      const { rows, next } = await getCorrections(asked, signal);
      if (anew) keepFocus(body, () => body.replaceChildren(...rows.map(row)), box);
      else body.append(...rows.map(row));
      cursor = next;
      more.hidden = next === null;
      box.hidden = body.childElementCount === 0;
      say(message, body.childElementCount === 0 ? "Nobody has corrected anything in this session." : "");
    } catch (error) {
      if (!wasAborted(error)) say(message, problemText(error));
    }
  };

  return {
    element,
    update: () => void load(true),
    corrected: () => void load(true),
    leave: () => latest.stop(),
  };
}
