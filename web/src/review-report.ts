// A report to print: summary, trend, events and chosen strips at true scale. It says how much could not be assessed,
// and what it is not.

import type { Place } from "./address.js";
import {
  allCorrections,
  gatewayNowUs,
  getBeats,
  getEvents,
  type Minute,
  problemText,
  wasAborted,
} from "./api.js";
import { button, el, say } from "./dom.js";
import { countText, durationText, UNKNOWN } from "./format.js";
import { addStrip, type Chosen, chosenStrips, keepStrips } from "./report-strips.js";
import { ROW_S, stripDrawing, trendDrawing } from "./report-svg.js";
import {
  channelsShown,
  Latest,
  loadStretch,
  type Part,
  type Review,
  rowsAbout,
  spanButtons,
  spanOf,
} from "./review.js";
import { standing } from "./review-corrections.js";
import { makeContent } from "./strip.js";
import { rateRange } from "./trend.js";
import { className, endReason, eventText, sourceBand, sourceName } from "./words.js";
import { Zone } from "./zone.js";

const MOST_ROWS = 40;
/** As long as a strip can be in the strip view. */
const LONGEST_S = 60;

/** Sums of some minutes. */
export interface Summary {
  minutes: number;
  beats: number;
  byClass: Record<string, number>;
  unclassifiable: number;
  hrMin: number | null;
  hrMean: number | null;
  hrMax: number | null;
  gaps: number;
  missing: number;
  /** Beats whose signal was not good. */
  poor: number;
  /** Minutes without any beat. */
  silent: number;
}

export function summarize(minutes: readonly Minute[]): Summary {
  const all: Summary = {
    minutes: minutes.length,
    beats: 0,
    byClass: {},
    unclassifiable: 0,
    hrMin: null,
    hrMean: null,
    hrMax: null,
    gaps: 0,
    missing: 0,
    poor: 0,
    silent: 0,
  };
  let weight = 0;
  let sum = 0;
  for (const minute of minutes) {
    all.beats += minute.beats;
    for (const [letter, count] of Object.entries(minute.byClass))
      all.byClass[letter] = (all.byClass[letter] ?? 0) + count;
    all.unclassifiable += minute.unclassifiable;
    all.gaps += minute.gaps;
    all.missing += minute.missing;
    all.poor += Math.round(minute.beats * (1 - (minute.good ?? 1)));
    if (minute.beats === 0) all.silent++;
    if (minute.hrMin !== null) all.hrMin = Math.min(all.hrMin ?? minute.hrMin, minute.hrMin);
    if (minute.hrMax !== null) all.hrMax = Math.max(all.hrMax ?? minute.hrMax, minute.hrMax);
    if (minute.hrMean !== null) {
      sum += minute.hrMean * minute.beats;
      weight += minute.beats;
    }
  }
  if (weight > 0) all.hrMean = sum / weight;
  return all;
}

export function shareText(part: number, whole: number): string {
  if (whole <= 0) return UNKNOWN;
  const share = (part / whole) * 100;
  return `${part > 0 && share < 0.1 ? "under 0.1" : share.toFixed(1)} %`;
}

export function reportPart(review: Review): Part {
  const { session, settings, access } = review;
  const latest = new Latest();
  const zone = new Zone(access.timezone);
  const spans = spanButtons(review);
  const message = el("p", { class: "message", role: "status" });
  const sheet = el("article", { class: "sheet" });
  const print = button("Print …", { class: "main-action" }, () => window.print());
  const add = button("Add the place of the trend", {}, () => {
    const place = review.place();
    const half = (place.seconds / 2) * 1e6;
    const strip = {
      timeUs: place.timeUs ?? Math.round(review.beginUs + half),
      sample: place.sample,
      seconds: ROW_S,
    };
    void load(place, addStrip(session.id, strip));
  });
  const element = el(
    "section",
    { class: "report", "aria-label": "Report" },
    el("div", { class: "tools" }, spans.element, add, print),
    el(
      "p",
      { class: "note" },
      "Strips come here from the strip view (p). Print at 100 %, not “fit to page”: then 25 mm are 1 s, and 1 mV is as high as the gain at each strip says.",
    ),
    message,
    el(
      "div",
      { class: "sheet-box", tabindex: 0, role: "region", "aria-label": "The report as it is printed" },
      sheet,
    ),
  );

  const pairs = (rows: readonly (readonly [string, string | Node])[]) =>
    el(
      "dl",
      { class: "pairs" },
      ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
    );

  const table = (head: readonly string[], rows: readonly (readonly string[])[], left: number) => [
    el(
      "table",
      { hidden: rows.length === 0 },
      el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
      el(
        "tbody",
        {},
        ...rows.map((row) => el("tr", {}, ...row.map((text) => el("td", {}, el("bdi", {}, text))))),
      ),
    ),
    left > 0 ? el("p", {}, `… and ${countText(left)} more.`) : "",
  ];

  const numbers = (minutes: readonly Minute[]): HTMLElement => {
    const all = summarize(minutes);
    const samples = review.endSample - (minutes[0]?.firstSample ?? 0);
    const recordedMs = Math.min(all.minutes * 60_000, (samples / session.rateHz) * 1000);
    const bpm = (value: number | null) => (value === null ? UNKNOWN : `${value.toFixed(0)} per minute`);
    const missingMs = (all.missing / session.rateHz) * 1000;
    const unsure = all.unclassifiable > 0 ? " (with unclassifiable ones)" : "";
    const classes = Object.entries(all.byClass)
      .filter(([letter, count]) => count > 0 || "NVA".includes(letter))
      .map(
        ([letter, count]) =>
          [`${letter} ${className(letter)}`, `${countText(count)}${count > 0 ? unsure : ""}`] as const,
      );
    return el(
      "div",
      { class: "columns" },
      el(
        "section",
        {},
        el("h2", {}, "Heart rate"),
        pairs([
          ["Lowest", bpm(all.hrMin)],
          ["Mean", bpm(all.hrMean)],
          ["Highest", bpm(all.hrMax)],
        ]),
        el("h2", {}, "Beats"),
        pairs([["All", countText(all.beats)], ...classes]),
        el(
          "p",
          { class: "small-print" },
          review.labels === "machine"
            ? "Labels are the machine's; corrections are not counted here."
            : "Labels as persons corrected them; artefacts are left out.",
        ),
      ),
      el(
        "section",
        {},
        el("h2", {}, "Not assessable"),
        pairs([
          [
            "Signal missing",
            `${durationText(missingMs)} (${shareText(missingMs, recordedMs)}), ${countText(all.gaps)} gaps`,
          ],
          [
            "Unclassifiable beats",
            `${countText(all.unclassifiable)} (${shareText(all.unclassifiable, all.beats)})`,
          ],
          ["Beats in poor signal", `${countText(all.poor)} (${shareText(all.poor, all.beats)})`],
          ["Minutes without a beat", `${countText(all.silent)} of ${countText(all.minutes)}`],
        ]),
        el("h2", {}, "What this is not"),
        el("p", {}, access.disclaimer),
        el(
          "p",
          {},
          "Labels come from a program, not from a physician. It is not a diagnosis, and nothing here says that what was " +
            "not found was not there.",
        ),
      ),
    );
  };

  /** A strip of the report; a refusal stands in its place. */
  const strip = async (chosen: Chosen, signal: AbortSignal): Promise<HTMLElement> => {
    const remove = button("Remove", { class: "small" }, () => {
      keepStrips(
        session.id,
        chosenStrips(session.id).filter(
          (one) => one.timeUs !== chosen.timeUs || one.seconds !== chosen.seconds,
        ),
      );
      void load(review.place());
    });
    const seconds = Math.min(LONGEST_S, chosen.seconds);
    const title = `${zone.full(chosen.timeUs - (seconds / 2) * 1e6)}, ${seconds} s`;
    const made = el(
      "section",
      { class: "strip-section" },
      remove,
      // Sheets come apart: each strip says whose it is.
      el("h3", {}, title, ` · session ${session.id} · `, el("bdi", {}, session.patientLabel ?? "")),
    );
    try {
      const [{ stretch, start }, beats, notes] = await Promise.all([
        loadStretch(review, chosen, seconds, 3, null, signal),
        rowsAbout(
          review,
          chosen,
          seconds,
          (asked) => getBeats({ ...asked, limit: 2000 }, signal),
          (beat) => beat.rSample,
        ),
        rowsAbout(
          review,
          chosen,
          seconds,
          (asked) => allCorrections(asked, signal),
          () => null,
        ),
      ]);
      if (stretch.points === 0 || stretch.samplesPerPoint > 1)
        throw new Error("No ECG is stored for this time.");
      const content = makeContent(stretch, beats, [], start, seconds, review.signal);
      content.corrections = notes.filter(standing);
      if (review.clock.stepped) content.clock = review.clock;
      const channels = channelsShown(settings, stretch.channels.length);
      made.append(...stripDrawing(content, channels, settings.now.filtered, zone));
      for (const note of content.corrections)
        if (note.note !== null) made.append(el("p", {}, "✎ ", el("bdi", {}, note.note), ` (${note.author})`));
    } catch (error) {
      if (wasAborted(error)) throw error;
      made.append(el("p", {}, problemText(error)));
    }
    return made;
  };

  /** `told` stands above the report when it is made: what came of what was asked for. */
  const load = async (place: Place, told = "") => {
    spans.show(place);
    const signal = latest.begin();
    const [from, to] = spanOf(review, place);
    say(message, "Making the report …");
    const minutes = review.minutes.filter((one) => one.timeUs + 60e6 > from && one.timeUs < to);
    try {
      const strips = chosenStrips(session.id);
      const [events, notes, ...drawn] = await Promise.all([
        getEvents({ session: session.id, from, to, limit: 1000 }, signal),
        allCorrections({ session: session.id, from, to, limit: 1000 }, signal),
        ...strips.map((one) => strip(one, signal)),
      ]);
      const written = notes.rows.filter((one) => one.kind === "note" && one.supersededBy === null);
      const now = gatewayNowUs();
      const made = now === null ? `${zone.full(Date.now() * 1000)}, by this browser's clock` : zone.full(now);
      const band = sourceBand(session.source);
      sheet.replaceChildren(
        el("h1", {}, "ECG report"),
        ...(band === null ? [] : [el("p", { class: "band" }, band)]),
        pairs([
          ["Patient or bed", session.patientLabel === null ? UNKNOWN : el("bdi", {}, session.patientLabel)],
          ["From", zone.full(from)],
          ["To", `${zone.full(to)} (${durationText((to - from) / 1000)})`],
          ["Session", `${session.id}, ${sourceName(session.source)}, ${endReason(session.endReason)}`],
          [
            "Recorder",
            `${session.chip ?? UNKNOWN}, ${session.rateHz} samples per second, ${session.origin ?? ""}`,
          ],
          ["Time zone", `${zone.name}, UTC${zone.offset(from)}`],
          ["Made", made],
        ]),
        numbers(minutes),
        el("h2", {}, "Trend"),
        trendDrawing(minutes, zone, rateRange(minutes)),
        el("h2", {}, `Events (${countText(events.rows.length)}${events.next === null ? "" : " or more"})`),
        ...table(
          ["Time", "Event", "Detail"],
          events.rows.slice(0, MOST_ROWS).map((one) => [zone.full(one.timeUs), eventText(one), one.detail]),
          events.rows.length - MOST_ROWS,
        ),
        ...(written.length === 0
          ? []
          : [
              el("h2", {}, "Notes"),
              ...table(
                ["Time", "Note", "By"],
                written
                  .slice(0, MOST_ROWS)
                  .map((one) => [
                    one.fromUs === null ? UNKNOWN : zone.full(one.fromUs),
                    one.note ?? "mark",
                    one.author,
                  ]),
                written.length - MOST_ROWS,
              ),
            ]),
        el("h2", {}, `Strips (${drawn.length})`),
        el(
          "p",
          { class: "scale" },
          el("span", { class: "mm-50" }),
          "50 mm: where a ruler says otherwise, this print is not to scale.",
        ),
        el(
          "p",
          { class: "small-print" },
          "Letters: the machine's labels (square V, triangle A, dashed circle ? unclassifiable). Below them, with two " +
            "lines, what a person made of them; a cross is an artefact.",
        ),
        ...drawn,
      );
      const none = "No strips are chosen: press p in the strip view.";
      say(message, told !== "" ? told : drawn.length === 0 ? none : "");
    } catch (error) {
      if (!wasAborted(error)) say(message, problemText(error));
    }
  };

  const stop = settings.listen(() => void load(review.place()));
  return {
    element,
    update: (place) => void load(place),
    corrected: () => void load(review.place()),
    leave() {
      latest.stop();
      stop();
    },
  };
}
