// The review view: choose a session, see its trend, and below it one of several parts. The address says which.

import { LABELS, type Place, readPlace, type Show, viewOf, writePlace } from "./address.js";
import {
  getBeats,
  getMinutes,
  getSessions,
  isRecording,
  type Minute,
  problemText,
  type Session,
  wasAborted,
} from "./api.js";
import { openDelete } from "./delete-session.js";
import { openHelp } from "./dialogs.js";
import { disclosurePart } from "./disclosure.js";
import { button, el, say } from "./dom.js";
import { clockText, countText, durationText, zoneText } from "./format.js";
import { type Action, actionOf, allowed, pressOf, REVIEW_SHORTCUTS } from "./keys.js";
import { Latest, type Part, type Review } from "./review.js";
import { beatPart } from "./review-beat.js";
import { clustersPart } from "./review-clusters.js";
import { correctionsPart } from "./review-corrections.js";
import { listPart } from "./review-list.js";
import { reportPart } from "./review-report.js";
import { rrPart } from "./review-rr.js";
import { stripPart } from "./review-strip.js";
import { GAINS_MM_PER_MV, step } from "./scale.js";
import { isDark } from "./settings.js";
import { Trend } from "./trend.js";
import type { Page, View } from "./view.js";
import { WallTime } from "./wall-time.js";
import { endReason, sourceBand, sourceName } from "./words.js";

const PARTS: Record<Show, { title: string; make(review: Review): Part }> = {
  strip: { title: "Strip", make: stripPart },
  disclosure: { title: "Full disclosure", make: disclosurePart },
  list: { title: "Events and beats", make: listPart },
  rr: { title: "RR intervals", make: rrPart },
  clusters: { title: "Clusters", make: clustersPart },
  corrections: { title: "Corrections", make: correctionsPart },
  report: { title: "Report", make: reportPart },
  beat: { title: "Beat", make: beatPart },
};

/** End of what is stored: the session's end, or that of its last minute while there is none. */
export function sessionEnd(session: Session, minutes: readonly Minute[]): number {
  if (session.endUs !== null) return session.endUs;
  const bySamples = session.startUs + (session.samples / session.rateHz) * 1e6;
  const last = minutes.at(-1);
  return Math.round(
    last === undefined ? bySamples : Math.max(last.timeUs + 1e6, Math.min(bySamples, last.timeUs + 60e6)),
  );
}

/** From when to when, and up to which sample, as far as is known now. */
function extent(session: Session, minutes: readonly Minute[], clock: WallTime) {
  const last = minutes.at(-1)?.firstSample ?? 0;
  // What is stored may be less than what was recorded, because retention deletes it.
  const endSample = Math.min(last + 60 * session.rateHz, Math.max(last, session.samples));
  const shown = clock.stepped ? clock.pieces(0, endSample) : [];
  return {
    endSample,
    beginUs: Math.floor(Math.min(session.startUs, ...shown.map((piece) => piece.fromUs))),
    endUs: Math.ceil(
      Math.max(session.startUs, sessionEnd(session, minutes), ...shown.map((piece) => piece.toUs)),
    ),
  };
}

function factsText(session: Session): string {
  const facts = [
    `session ${session.id}`,
    lengthText(session),
    endReason(session.endReason),
    session.origin ?? "",
    `${countText(session.beats)} beats`,
    `${countText(session.gaps)} gaps`,
  ];
  return facts.filter(Boolean).join(" · ");
}

/** How often a session that goes on is read anew. */
const AGAIN_MS = 60_000;

/** A new time makes the old sample void. */
function moved(place: Place, change: Partial<Place>): Place {
  const sample = "timeUs" in change && !("sample" in change) ? { sample: null } : {};
  return { ...place, ...change, ...sample };
}

/** More steps than this are known to the minute alone. */
const MOST_STEPS = 20;

/** What the wall clock showed. Where it was set, the beats of that minute tell when. */
async function clockOf(session: Session, minutes: readonly Minute[], signal: AbortSignal): Promise<WallTime> {
  const clock = new WallTime(
    minutes.map((minute) => ({ sample: minute.firstSample, timeUs: minute.timeUs })),
    session.rateHz,
  );
  const steps = clock.steps().slice(0, MOST_STEPS);
  const found = await Promise.all(
    steps.flatMap(({ first, end, shown }) =>
      shown.map(async ([from, to]) => {
        const { rows } = await getBeats({ session: session.id, from, to, limit: 1000 }, signal);
        return rows.filter((beat) => beat.rSample >= first && beat.rSample < end);
      }),
    ),
  );
  return clock.with(found.flat().map((beat) => ({ sample: beat.rSample, timeUs: beat.timeUs })));
}

export function lengthText(session: Session): string {
  if (session.endUs !== null) return durationText((session.endUs - session.startUs) / 1000);
  if (session.samples > 0) return `${durationText((session.samples / session.rateHz) * 1000)} stored`;
  return "---";
}

function show(root: HTMLElement, page: Page): () => void {
  const { settings, live, access } = page;
  const box = el("div", { class: "review" });
  root.append(box);
  const latest = new Latest();
  const growing = new Latest();
  const shortcuts = allowed(REVIEW_SHORTCUTS, access.control);
  let place = readPlace(location.hash);
  let opened: {
    review: Review;
    trend: Trend;
    links: Map<Show, HTMLAnchorElement>;
    body: HTMLElement;
    facts: HTMLElement;
  } | null = null;
  let part: { show: Show; part: Part } | null = null;

  const result = el("p", { class: "message", role: "status" });
  const closePart = () => {
    part?.part.leave();
    part = null;
  };
  const close = () => {
    closePart();
    opened?.trend.leave();
    opened = null;
  };

  const go = (change: Partial<Place>, how: "push" | "replace") => {
    place = moved(place, change);
    const address = writePlace(place);
    if (how === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    render();
  };

  const wait = (text: string, ...more: Node[]) => {
    box.replaceChildren(el("p", { class: "message wait", role: "status" }, text), ...more);
  };

  const fail = (what: string, error: unknown) => {
    wait(
      `${what} ${problemText(error)}`,
      el(
        "p",
        { class: "actions" },
        button("Try again", {}, () => void open()),
        el("a", { class: "button", href: "#/review" }, "All sessions"),
      ),
    );
  };

  /** Loads what the address names, where it is not the session that is open. */
  const open = async () => {
    close();
    const signal = latest.begin();
    const id = place.session;
    wait(id === null ? "Loading the sessions …" : `Loading session ${id} …`);
    try {
      const sessions = await getSessions(signal);
      if (id === null) return list(sessions);
      const session = sessions.find((one) => one.id === id);
      if (session === undefined) {
        wait(
          `There is no session ${id}.`,
          el("p", { class: "actions" }, el("a", { class: "button", href: "#/review" }, "All sessions")),
        );
        return;
      }
      if (session.deletedUs !== null) {
        wait(
          `Session ${id} was deleted ${clockText(session.deletedUs, true)}. Its data are gone.`,
          el("p", { class: "actions" }, el("a", { class: "button", href: "#/review" }, "All sessions")),
        );
        return;
      }
      const minutes = await getMinutes(id, place.labels, signal);
      frame(session, minutes, await clockOf(session, minutes, signal));
    } catch (error) {
      if (!wasAborted(error))
        fail(id === null ? "The sessions cannot be shown." : `Session ${id} cannot be shown.`, error);
    }
  };

  const list = (sessions: Session[]) => {
    document.title = "Review · ecg-gateway";
    if (sessions.length === 0) {
      wait("No session is stored yet. As soon as something was recorded, it is listed here.");
      return;
    }
    const rows = [...sessions].reverse().map((session) => {
      const start = clockText(session.startUs, true);
      const gone = session.deletedUs !== null;
      const at = { ...place, session: session.id, timeUs: null, sample: null, show: "strip" } as const;
      const link = gone ? start : el("a", { href: writePlace(at) }, start);
      const end =
        session.endUs === null || session.endReason === "interrupted"
          ? ` (${endReason(session.endReason)})`
          : "";
      const source = [sourceName(session.source), el("span", { class: "note" }, session.origin ?? "")];
      const cells = [
        session.beats,
        session.byClass.V,
        session.byClass.A,
        session.unclassifiable,
        session.gaps,
      ];
      const remove = button("Delete …", { "aria-label": `Delete session ${session.id} …` }, () =>
        openDelete(session, (said) => void open().then(() => say(result, said))),
      );
      return el(
        "tr",
        gone ? { class: "gone" } : {},
        el("th", { scope: "row" }, link),
        el("td", {}, String(session.id)),
        el("td", {}, el("bdi", {}, session.patientLabel ?? "")),
        el("td", {}, gone ? `deleted ${clockText(session.deletedUs!, true)}` : lengthText(session) + end),
        el("td", {}, ...(gone ? [] : source)),
        ...cells.map((one) => el("td", { class: "number" }, gone ? "" : countText(one))),
        // A session that is recording cannot be deleted.
        access.control ? el("td", {}, gone || isRecording(session) ? null : remove) : null,
      );
    });
    const head = ["Start", "Session", "Patient or bed", "Length", "Source", "Beats", "V", "S", "?", "Gaps"];
    const newest = sessions.at(-1)!;
    say(result, "");
    box.replaceChildren(
      el("h2", { class: "review-title" }, "Sessions"),
      el(
        "p",
        { class: "note" },
        `Newest first. Times in this browser's zone (${zoneText(newest.startUs)} at the newest). ` +
          "V and S count unclassifiable beats, too; ? says how many of all beats are unclassifiable.",
      ),
      el(
        "div",
        { class: "card scroll", tabindex: 0, role: "region", "aria-label": "Sessions" },
        el(
          "table",
          { class: "sessions" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ...head.map((text, i) => el("th", { scope: "col", class: i > 4 ? "number" : "" }, text)),
              access.control ? el("td", {}) : null,
            ),
          ),
          el("tbody", {}, ...rows),
        ),
      ),
      result,
    );
  };

  const frame = (session: Session, minutes: Minute[], clock: WallTime) => {
    const review: Review = {
      settings,
      session,
      minutes,
      ...extent(session, minutes, clock),
      signal: { mainsHz: session.mainsHz, codeRange: session.codeRange },
      clock,
      labels: place.labels,
      access,
      place: () => place,
      go,
      link: (change) => writePlace(moved(place, change)),
      newest,
      corrected: again,
    };
    const trend = new Trend(review);
    const links = new Map<Show, HTMLAnchorElement>();
    for (const [name, { title }] of Object.entries(PARTS))
      links.set(name as Show, el("a", { href: "#" }, title));
    const body = el("div", { class: "review-body" });
    const banner = sourceBand(session.source);
    const facts = el("p", { class: "note grow" }, factsText(session));
    const labels = LABELS.map((one) =>
      button(one, { "aria-pressed": String(one === place.labels) }, () => go({ labels: one }, "replace")),
    );
    const dark = button(isDark(settings.now.theme) ? "Light" : "Dark", { class: "small" }, () => act("dark"));
    const over = banner === null ? "" : session.origin === null ? banner : `${banner} (${session.origin})`;
    box.replaceChildren(
      el("p", { class: "band", hidden: banner === null }, over),
      el(
        "div",
        { class: "review-head" },
        el("a", { class: "button", href: "#/review" }, "All sessions"),
        el("h2", { class: "review-title" }, clockText(session.startUs, true)),
        session.patientLabel === null ? null : el("bdi", { class: "patient" }, session.patientLabel),
        facts,
        el(
          "span",
          { class: "choice", role: "group", "aria-label": "Counts by labels of" },
          el("span", { class: "choice-name", "aria-hidden": "true" }, "Labels"),
          ...labels,
        ),
        dark,
        button("Help", { class: "small" }, () => act("help")),
      ),
      trend.element,
      el("nav", { class: "parts", "aria-label": "Of this session" }, ...links.values()),
      body,
    );
    opened = { review, trend, links, body, facts };
    render();
  };

  /** Of a session that is recording: what came meanwhile. Its parts hold on to the same `review`. */
  const newest = async (): Promise<void> => {
    if (opened === null || !isRecording(opened.review.session)) return;
    const { review, trend, facts } = opened;
    const { id } = review.session;
    const signal = growing.begin();
    try {
      const [sessions, minutes] = await Promise.all([
        getSessions(signal),
        getMinutes(id, review.labels, signal),
      ]);
      const session = sessions.find((one) => one.id === id);
      if (session === undefined) return;
      const clock = await clockOf(session, minutes, signal);
      if (opened?.review !== review) return;
      Object.assign(review, { session, minutes, clock, ...extent(session, minutes, clock) });
      say(facts, factsText(session));
      trend.changed();
      part?.part.grown?.();
    } catch {
      // What was known stays; the part says what is wrong where it asks.
    }
  };
  const timer = setInterval(() => void newest(), AGAIN_MS);

  /** After a correction: what is counted by corrected labels is fetched anew, and the part reads its own again. */
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const again = () => {
    // What this page stored is told by the live connection, too: once is enough.
    clearTimeout(waiting);
    waiting = setTimeout(readAgain, 60);
  };
  const readAgain = async () => {
    if (opened === null) return;
    const { review, trend } = opened;
    if (review.labels === "corrected") {
      try {
        review.minutes = await getMinutes(review.session.id, "corrected");
      } catch {
        // The old counts stay; the part says what is wrong where it asks.
      }
      if (opened?.review !== review) return;
      trend.changed();
    }
    part?.part.corrected?.();
  };

  const render = () => {
    if (
      opened === null ||
      opened.review.session.id !== place.session ||
      opened.review.labels !== place.labels
    ) {
      void open();
      return;
    }
    const { review, trend, links, body } = opened;
    for (const [name, anchor] of links) {
      anchor.href = review.link({ show: name });
      if (name === place.show) anchor.setAttribute("aria-current", "page");
      else anchor.removeAttribute("aria-current");
      // Without a beat there is no beat page.
      anchor.hidden = name === "beat" && place.beat === null;
    }
    document.title = `${PARTS[place.show].title}, session ${review.session.id} · ecg-gateway`;
    if (part === null || part.show !== place.show) {
      closePart();
      const made = PARTS[place.show].make(review);
      part = { show: place.show, part: made };
      body.replaceChildren(made.element);
    }
    trend.update();
    part.part.update(place);
  };

  const onHash = () => {
    if (viewOf(location.hash) !== reviewView.path) return;
    place = readPlace(location.hash);
    render();
  };
  const act = (action: Action): void => {
    if (part?.part.act?.(action) === true) return;
    const { now } = settings;
    if (action === "help") openHelp(settings, shortcuts);
    else if (action === "dark") settings.set({ theme: isDark(now.theme) ? "light" : "dark" });
    else if (action === "filter") settings.set({ filtered: !now.filtered });
    else if (action === "gain-up" || action === "gain-down")
      settings.set({ gain: step(GAINS_MM_PER_MV, now.gain, action === "gain-up" ? 1 : -1) });
    else if (action === "lead-1" || action === "lead-2") {
      const lead = action === "lead-1" ? "1" : "2";
      settings.set({ leads: now.leads === lead ? "both" : lead });
    } else if (
      opened !== null &&
      (action === "go-to" || action === "previous" || action === "next") &&
      place.show !== "strip"
    ) {
      go({ show: "strip" }, "push");
      part?.part.act?.(action);
    }
  };
  const onKey = (event: KeyboardEvent) => {
    const action = actionOf(pressOf(event), settings.now.shortcuts, shortcuts);
    if (action === null) return;
    // In the list of sessions, and while one is loaded, there is nothing to move in.
    if (opened === null && action !== "help" && action !== "dark") return;
    // Where a part has no use for a key that moves, the page scrolls with it as pages do.
    if (/^(Arrow|Page|Home|End)/.test(event.key) && !["strip", "beat"].includes(place.show)) return;
    event.preventDefault();
    act(action);
  };
  const stopLive = live.onCorrection((correction) => {
    if (correction.session === opened?.review.session.id) again();
  });
  addEventListener("hashchange", onHash);
  document.addEventListener("keydown", onKey);
  const onDark = settings.listen(() => {
    document.documentElement.dataset.theme = isDark(settings.now.theme) ? "dark" : "light";
    opened?.trend.draw();
    const dark = box.querySelector(".review-head > .small");
    if (dark !== null) say(dark, isDark(settings.now.theme) ? "Light" : "Dark");
  });
  globalThis.ecgReview = () => ({ place, trend_draw_ms: opened?.trend.drawMs ?? null });
  void open();
  return () => {
    removeEventListener("hashchange", onHash);
    document.removeEventListener("keydown", onKey);
    onDark();
    stopLive();
    clearTimeout(waiting);
    clearInterval(timer);
    latest.stop();
    growing.stop();
    close();
    globalThis.ecgReview = undefined;
  };
}

declare global {
  var ecgReview: (() => unknown) | undefined;
}

export const reviewView: View = { path: "review", title: "Review", followsAddress: true, show };
