// The side panel: numbers and words. It is written a few times per second and only where something changed.

import { Announcer } from "./announce.js";
import { Body } from "./body.js";
import { button, el, say, toggle } from "./dom.js";
import { ELECTRODES, siteOfInput, siteStates } from "./electrodes.js";
import {
  ageText,
  bytesText,
  clockDifferenceText,
  clockText,
  countText,
  durationText,
  UNKNOWN,
  zoneText,
} from "./format.js";
import type { Model } from "./session.js";
import type { SettingsStore } from "./settings.js";
import { type Freshness, statusIsOld } from "./stale.js";
import { className, conditionName, heartRateReason, qualityName, stateName, storeState } from "./words.js";

const CLASSES = ["N", "L", "R", "A", "V"] as const;
const TABLE_ROWS = 12;

/** The number to show, or why there is none. One place decides, so that nothing else can show an old number. */
export function heartRate(
  model: Model,
  fresh: Freshness,
  nowMs: number,
): { number: string; reason: string | null } {
  if (fresh.stale) return { number: UNKNOWN, reason: fresh.reason };
  const { status, statusAtMs } = model;
  if (status === null || statusAtMs === null) return { number: UNKNOWN, reason: "waiting for the gateway" };
  if (statusIsOld(statusAtMs, nowMs)) return { number: UNKNOWN, reason: "no word from the gateway" };
  if (status.heartRateBpm === null)
    return { number: UNKNOWN, reason: heartRateReason(status.heartRateReason) };
  return { number: String(Math.round(status.heartRateBpm)), reason: null };
}

function card(title: string, ...children: Node[]): HTMLElement {
  return el("section", { class: "card" }, el("h2", {}, title), ...children);
}

class Pairs {
  readonly element = el("dl", { class: "pairs" });
  private readonly values = new Map<string, HTMLElement>();

  set(name: string, value: string, kind: "" | "warn" = ""): void {
    let at = this.values.get(name);
    if (at === undefined) {
      at = el("dd");
      this.values.set(name, at);
      this.element.append(el("div", {}, el("dt", {}, name), at));
    }
    say(at, value);
    toggle(at, "warn", kind === "warn");
  }
}

export class Panel {
  readonly element: HTMLElement;
  readonly announcer = new Announcer();
  // No `output`: that would be read out with each change. The announcer says it, at most every ten seconds.
  private readonly number = el("span", { class: "heart-rate" });
  private readonly reason = el("p", { class: "heart-rate-reason" });
  private readonly rr = el("span", { class: "rr" });
  private readonly conditions = el("ul", { class: "conditions" });
  private readonly counts = new Map<string, HTMLElement>();
  private readonly lastS = el("dd");
  private readonly lastV = el("dd");
  private readonly body = new Body();
  private readonly bodyNote = el("p", { class: "note" });
  private readonly naming: HTMLButtonElement;
  private readonly quality = el("ul", { class: "quality" });
  private readonly system = new Pairs();
  private readonly clock = el("p", { class: "clock" });
  private readonly clockNote = el("p", { class: "note warn" });
  private readonly rows = el("tbody");
  private rowsKey = "";

  constructor(private readonly settings: SettingsStore) {
    this.naming = button(
      "IEC",
      { class: "small", title: "Names and colours of the electrodes: IEC or AHA" },
      () => {
        settings.set({ electrodes: settings.now.electrodes === "IEC" ? "AHA" : "IEC" });
      },
    );
    const heart = el(
      "section",
      { class: "card heart", "aria-label": "Heart rate" },
      el("div", { class: "heart-line" }, this.number, el("span", { class: "unit" }, "/min")),
      this.reason,
      this.rr,
    );
    const classes = el("ul", { class: "classes" });
    for (const name of [...CLASSES, "?"]) {
      const value = el("span", { class: "count" });
      this.counts.set(name, value);
      const what = name === "?" ? "unclassifiable" : className(name);
      const badge = el("span", { class: `badge mark-${badgeOf(name)}`, "aria-hidden": "true" }, name);
      classes.append(
        el("li", { title: what }, badge, el("span", { class: "only-spoken" }, `${what}: `), value),
      );
    }
    const beats = card(
      "Beats",
      classes,
      el(
        "dl",
        { class: "pairs" },
        el("div", {}, el("dt", {}, "Last V"), this.lastV),
        el("div", {}, el("dt", {}, "Last S"), this.lastS),
      ),
      el(
        "details",
        { class: "last-beats" },
        el("summary", {}, "Last beats"),
        el(
          "table",
          {},
          el("caption", { class: "only-spoken" }, "The last beats, newest first"),
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", { scope: "col" }, "Time"),
              el("th", { scope: "col" }, "Class"),
              el("th", { scope: "col" }, "RR ms"),
              el("th", { scope: "col" }, "Stored"),
            ),
          ),
          this.rows,
        ),
      ),
    );
    const electrodes = card("Electrodes", this.naming, this.quality, this.body.element, this.bodyNote);
    electrodes.classList.add("electrode-card");
    this.element = el(
      "aside",
      { class: "panel", "aria-label": "Numbers", tabindex: 0 },
      heart,
      el(
        "section",
        { class: "card", "aria-label": "What is wrong" },
        el("h2", {}, "Conditions"),
        this.conditions,
      ),
      electrodes,
      beats,
      card("Gateway", this.system.element, this.clock, this.clockNote),
      this.announcer.element,
    );
  }

  show(model: Model, fresh: Freshness, nowMs: number): void {
    const rate = heartRate(model, fresh, nowMs);
    say(this.number, rate.number);
    say(this.reason, rate.reason ?? "");
    toggle(this.number, "none", rate.reason !== null);
    const status = model.status;
    const statusOld = statusIsOld(model.statusAtMs, nowMs);
    // Counts stay when the connection is lost, but they are of the past and look so.
    toggle(this.element, "old", fresh.stale || statusOld);
    const rrMs = fresh.stale || statusOld ? null : (status?.newestRrMs ?? null);
    say(this.rr, `RR ${rrMs === null ? UNKNOWN : `${Math.round(rrMs)} ms`}`);
    this.announcer.heartRate(
      rate.reason === null ? `Heart rate ${rate.number}` : `No heart rate: ${rate.reason}`,
      nowMs,
    );
    this.showConditions(model, fresh, statusOld);
    this.showBeats(model, nowMs);
    this.showElectrodes(model, fresh.stale || statusOld);
    this.showSystem(model, statusOld, nowMs);
  }

  private showConditions(model: Model, fresh: Freshness, statusOld: boolean): void {
    const items: { text: string; detail: string }[] = [];
    if (fresh.stale) items.push({ text: `Not live: ${fresh.reason}`, detail: "" });
    // Without a word from the gateway nobody knows what is wrong: an empty list would say that nothing is.
    if (statusOld) {
      const had = model.status?.conditions.length ?? 0;
      const detail = had === 0 ? "" : "What is listed below was true when it was last told.";
      items.push({ text: "Conditions not known: no word from the gateway", detail });
    }
    for (const condition of model.status?.conditions ?? []) {
      const since =
        condition.sinceTimeUs === null ? "" : ` Since ${clockText(condition.sinceTimeUs, false)}.`;
      const text = `${conditionName(condition.kind)}${this.where(model, condition.subject)}`;
      items.push({ text, detail: `${condition.detail}${since}` });
    }
    for (const error of model.errors) {
      items.push({ text: error.text, detail: error.times > 1 ? `${error.times} times` : "" });
    }
    const key = JSON.stringify(items);
    if (this.conditions.dataset.key === key) return;
    this.conditions.dataset.key = key;
    this.announcer.trouble(items.map((item) => item.text).join(". "));
    toggle(this.conditions, "none", items.length === 0);
    if (items.length === 0) {
      this.conditions.replaceChildren(el("li", {}, "none"));
      return;
    }
    this.conditions.replaceChildren(
      ...items.map((item) =>
        el(
          "li",
          {},
          el("strong", {}, item.text),
          item.detail === "" ? null : el("span", { class: "note" }, item.detail),
        ),
      ),
    );
  }

  /** What a condition is about, in the words of whoever stands at the bed where they are known. */
  private where(model: Model, subject: string | null): string {
    if (subject === null || subject === "chip" || subject === "store") return "";
    const channel = /^ch([12])$/.exec(subject);
    if (channel !== null) return `: ${model.lead(Number(channel[1]) - 1)}`;
    const site = siteOfInput(subject, model.info?.channels ?? []);
    if (site === null) return `: input ${subject}`;
    const { name, colorName } = ELECTRODES[this.settings.now.electrodes][site];
    return `: ${name} (${colorName}), input ${subject}`;
  }

  private showBeats(model: Model, nowMs: number): void {
    const status = model.status;
    for (const name of CLASSES) {
      say(this.counts.get(name)!, countText(status === null ? null : (status.beatsByClass[name] ?? 0)));
    }
    say(this.counts.get("?")!, countText(status?.beatsUnclassifiable));
    const since = (timeUs: number | null | undefined): string => {
      const now = model.gatewayTimeUs(nowMs);
      if (status === null || now === null) return UNKNOWN;
      if (timeUs === null || timeUs === undefined) return "none in this session";
      const ms = (now - timeUs) / 1000;
      // After the gateway's clock was set, a difference of wall times says nothing.
      if (ms < 0 || model.clockStep !== null) return `at ${clockText(timeUs, false)}`;
      return `${durationText(Math.max(1000, ms))} ago`;
    };
    say(this.lastV, since(status?.lastVTimeUs));
    say(this.lastS, since(status?.lastSTimeUs));
    const last = model.beats.slice(-TABLE_ROWS).reverse();
    const key = last.map((beat) => `${beat.rSample}${beat.committed ? "c" : ""}`).join();
    if (key === this.rowsKey) return;
    this.rowsKey = key;
    this.rows.replaceChildren(
      ...last.map((beat) =>
        el(
          "tr",
          {},
          el("td", {}, beat.rTimeUs === null ? UNKNOWN : clockText(beat.rTimeUs, false)),
          el("td", {}, beat.unclassifiable ? "? unclassifiable" : `${beat.class} ${className(beat.class)}`),
          el("td", {}, beat.rrMs === null ? UNKNOWN : String(Math.round(beat.rrMs))),
          el("td", {}, beat.committed ? "yes" : "not yet"),
        ),
      ),
    );
  }

  private showElectrodes(model: Model, old: boolean): void {
    const { status, info } = model;
    const naming = this.settings.now.electrodes;
    say(this.naming, naming);
    const quality = info?.channels.map((channel, i) => {
      const word = old ? UNKNOWN : qualityName(status?.signalQuality?.[i] ?? "not known");
      return { lead: channel.lead ?? `channel ${channel.channelNumber}`, word };
    });
    const key = JSON.stringify(quality ?? []);
    if (this.quality.dataset.key !== key) {
      this.quality.dataset.key = key;
      this.quality.replaceChildren(
        ...(quality ?? []).map(({ lead, word }) =>
          el(
            "li",
            { class: word === "good" ? "good" : word === UNKNOWN || word === "not known" ? "" : "warn" },
            el("span", { class: "lead" }, lead),
            el("span", {}, word),
          ),
        ),
      );
    }
    const off = (status?.conditions ?? [])
      .filter((condition) => condition.kind === "lead_off" && condition.subject !== null)
      .map((condition) => condition.subject!);
    const { sites, placed } = siteStates(
      info?.channels ?? [],
      old ? null : (status?.leadOff ?? null),
      old ? [] : off,
    );
    this.body.show(sites, naming);
    let note = "";
    if (info !== null && !placed) note = "The lead names do not tell where the electrodes are.";
    else if (status !== null && status.leadOff === null)
      note = "The source does not tell whether electrodes are on.";
    say(this.bodyNote, note);
  }

  private showSystem(model: Model, statusOld: boolean, nowMs: number): void {
    const { system } = this;
    // Counts and the model's name stay, as of the past; what may change at any time is not known.
    const known = model.status;
    const status = statusOld ? null : known;
    const state = status === null ? UNKNOWN : stateName(status.state);
    const detail = status?.stateDetail ?? null;
    system.set(
      "State",
      detail === null ? state : `${state}: ${detail}`,
      status?.state === "recovering" ? "warn" : "",
    );
    const store = status?.store;
    let stored = store === undefined ? UNKNOWN : storeState(store.state);
    if (store !== undefined && store.state !== "ok" && (store.rowsWaiting ?? 0) > 0) {
      stored += ` (${countText(store.rowsWaiting)} rows)`;
    }
    system.set("Database", stored, store === undefined || store.state === "ok" ? "" : "warn");
    const low = (store?.freeBytes ?? null) !== null && store!.freeBytes! < (store!.freeBytesWanted ?? 0);
    system.set(
      "Disk left",
      low ? `${bytesText(store!.freeBytes)}, too little` : bytesText(store?.freeBytes ?? null),
      low ? "warn" : "",
    );
    const missing = known?.missingSamples ?? null;
    const rate = model.rateHz;
    const missingText =
      missing === null || missing === 0 || rate === 0 ? "" : `, ${durationText((missing / rate) * 1000)}`;
    system.set("Gaps", `${countText(known?.gaps)}${missingText}`);
    system.set(
      "Model",
      [known?.model ?? UNKNOWN, known?.engine ?? null].filter((one) => one !== null).join(", "),
    );
    const now = model.gatewayTimeUs(nowMs);
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
    say(this.clock, now === null ? UNKNOWN : `${clockText(now, true)} ${zoneText(now)} ${zone}`);
    const notes: string[] = [];
    if (now !== null) {
      const difference = clockDifferenceText(Date.now(), now);
      if (difference !== null) notes.push(difference);
    }
    if (model.clockStep !== null) {
      const { stepMs, atMs } = model.clockStep;
      const by = `${durationText(Math.abs(stepMs))} ${stepMs < 0 ? "back" : "forward"}`;
      notes.push(`the gateway's clock was set ${by}, ${ageText(nowMs - atMs)} ago`);
    }
    say(this.clockNote, notes.join("; "));
  }
}

function badgeOf(name: string): string {
  if (name === "V") return "v";
  if (name === "A") return "s";
  if (name === "?") return "unknown";
  return name === "N" ? "normal" : "bundle";
}
