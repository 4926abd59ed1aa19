// The live view: the sweep, what is printed around it, and the side panel.

import { Bedside } from "./bedside.js";
import { readColors } from "./colors.js";
import { openCalibration, openHelp } from "./dialogs.js";
import { button, el, say, toggle } from "./dom.js";
import { Figures } from "./figures.js";
import { ageText } from "./format.js";
import { type Action, actionOf, allowed, pressOf, SHORTCUTS } from "./keys.js";
import { Marks } from "./marks.js";
import { missingRuns } from "./missing.js";
import { Panel } from "./panel.js";
import { addLate, type Picture, still } from "./picture.js";
import { Playout } from "./playout.js";
import type { Status } from "./protocol.js";
import { GAINS_MM_PER_MV, mmScale, SPEEDS_MM_PER_S, screenName, step } from "./scale.js";
import { sameSession } from "./session.js";
import { isDark } from "./settings.js";
import { textScale, watchSize } from "./sizing.js";
import { statusIsOld } from "./stale.js";
import { Sweep } from "./sweep.js";
import type { Page, View } from "./view.js";
import { closedReason, qualityName } from "./words.js";

declare global {
  /** Measured figures and the geometry of the picture, for tests. */
  var ecgFigures: ((clear?: boolean) => unknown) | undefined;
}

function signalWarnings(status: Status | null): string[] {
  return (status?.signalQuality ?? []).map((quality, i) => {
    if (status?.leadOff?.[i] === true) return "⚠ electrode off";
    return quality === "good" ? "" : `⚠ ${qualityName(quality)}`;
  });
}

function show(root: HTMLElement, page: Page): () => void {
  const { live, settings, access } = page;
  const shortcuts = allowed(SHORTCUTS, access.control);
  const { model } = live;
  const panel = new Panel(settings);
  const sweep = new Sweep(el("canvas", { class: "trace", role: "img", "aria-label": "ECG, live" }));
  const marks = new Marks(el("canvas", { class: "marks", "aria-hidden": "true" }));
  const playout = new Playout();
  const figures = new Figures();
  let frozen: { picture: Picture; head: number; atMs: number } | null = null;
  let head = 0;
  let drawn = -1;
  let ended = false;
  let pictured = model.info;

  const bedside = access.control ? new Bedside(live) : null;
  // What is always to be seen: how old the ECG and the labels are.
  const ecgAge = el("strong");
  const labelAge = el("strong");
  const link = el("span", { class: "link" });
  const tryNow = button("Try now", { class: "small" }, () => live.connection.tryNow());
  const ages = el(
    "p",
    { class: "ages" },
    link,
    el("span", {}, "ECG ", ecgAge, " old"),
    el("span", {}, "labels ", labelAge, " old"),
    tryNow,
    bedside?.bar ?? null,
  );
  const frozenSign = el("p", { class: "sign frozen", hidden: true });
  const staleSign = el("p", { class: "sign stale", hidden: true });
  const stage = el(
    "div",
    { class: "stage" },
    el("div", { class: "trace-box" }, sweep.canvas),
    marks.canvas,
    frozenSign,
    staleSign,
  );

  const change = {
    gain: (by: 1 | -1) => settings.set({ gain: step(GAINS_MM_PER_MV, settings.now.gain, by) }),
    speed: (by: 1 | -1) => settings.set({ speed: step(SPEEDS_MM_PER_S, settings.now.speed, by) }),
    lead: (lead: "1" | "2") => settings.set({ leads: settings.now.leads === lead ? "both" : lead }),
    filter: () => settings.set({ filtered: !settings.now.filtered }),
    dark: () => settings.set({ theme: isDark(settings.now.theme) ? "light" : "dark" }),
  };
  const freeze = () => {
    frozen = frozen === null ? { picture: still(model), head, atMs: performance.now() } : null;
    sweep.void();
    refresh();
  };
  const act: Partial<Record<Action, () => void>> = {
    freeze,
    "gain-up": () => change.gain(1),
    "gain-down": () => change.gain(-1),
    "speed-up": () => change.speed(1),
    "speed-down": () => change.speed(-1),
    "lead-1": () => change.lead("1"),
    "lead-2": () => change.lead("2"),
    filter: change.filter,
    dark: change.dark,
    mark: () => bedside?.mark(),
    help: () => openHelp(settings, shortcuts),
  };

  const freezeButton = button("Freeze", { "aria-pressed": "false" }, freeze);
  const gainShown = el("output", { "aria-label": "Gain" });
  const speedShown = el("output", { "aria-label": "Speed" });
  const leadButtons = (["both", "1", "2"] as const).map((lead) =>
    button(
      lead === "both" ? "Both" : lead,
      { "data-lead": lead, "aria-label": lead === "both" ? "Both leads" : `Lead ${lead}` },
      () => settings.set({ leads: lead }),
    ),
  );
  const filterButton = button("Filtered", { "aria-pressed": "false" }, change.filter);
  const darkButton = button("Dark", {}, change.dark);
  const tools = el(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Picture" },
    freezeButton,
    ...(bedside === null ? [] : bedside.buttons),
    el(
      "span",
      { class: "stepper" },
      button("−", { "aria-label": "Lower gain" }, () => change.gain(-1)),
      gainShown,
      button("+", { "aria-label": "Higher gain" }, () => change.gain(1)),
    ),
    el(
      "span",
      { class: "stepper" },
      button("−", { "aria-label": "Slower sweep" }, () => change.speed(-1)),
      speedShown,
      button("+", { "aria-label": "Faster sweep" }, () => change.speed(1)),
    ),
    el(
      "span",
      { class: "choice", role: "group", "aria-label": "Leads" },
      el("span", { class: "choice-name", "aria-hidden": "true" }, "Leads"),
      ...leadButtons,
    ),
    filterButton,
    darkButton,
    button("Calibrate", {}, () => openCalibration(settings)),
    button("Help", {}, () => openHelp(settings, shortcuts)),
  );

  root.append(el("div", { class: "live" }, el("div", { class: "main" }, ages, stage, tools), panel.element));

  let lookedAt = "";
  let sizePx: { width: number; height: number } | null = null;

  const channelsShown = (): number[] => {
    const count = model.channels;
    const wanted = settings.now.leads;
    if (wanted !== "both" && Number(wanted) <= count) return [Number(wanted) - 1];
    return Array.from({ length: Math.max(1, count) }, (_, i) => i);
  };

  const setLook = () => {
    if (sizePx === null) return;
    const ratio = window.devicePixelRatio;
    const screenIs = screenName(screen.width, screen.height, ratio);
    lookedAt = screenIs;
    const scale = mmScale(settings.now.calibration, screenIs, ratio);
    const canFilter = model.ring === null || model.ring.samplesPerPoint === 1;
    sweep.setLook(
      {
        widthPx: sizePx.width,
        heightPx: sizePx.height,
        devicePixelRatio: ratio,
        devicePxPerMm: scale.devicePxPerMm,
        calibrated: scale.calibrated,
        speed: settings.now.speed,
        gain: settings.now.gain,
        filtered: settings.now.filtered && canFilter,
        channels: channelsShown(),
        textScale: textScale(),
        colors: readColors(),
      },
      frozen?.picture ?? model,
    );
    live.halfLaneUv = sweep.halfLanes();
    say(gainShown, `${settings.now.gain} mm/mV`);
    say(speedShown, `${settings.now.speed} mm/s`);
    filterButton.setAttribute("aria-pressed", String(settings.now.filtered));
    filterButton.disabled = !canFilter;
    say(darkButton, isDark(settings.now.theme) ? "Light" : "Dark");
    for (const one of leadButtons) {
      one.setAttribute("aria-pressed", String(one.dataset.lead === settings.now.leads));
    }
  };

  const refresh = () => {
    const now = performance.now();
    const fresh = live.fresh(now);
    // Nothing tells that a window was moved to another screen, for which the calibration does not hold.
    if (lookedAt !== "" && lookedAt !== screenName(screen.width, screen.height, window.devicePixelRatio))
      setLook();
    say(ecgAge, ageText(model.sampleAgeMs(now)));
    say(labelAge, ageText(model.labelAgeMs(now)));
    toggle(ecgAge, "warn", fresh.stale);
    const { state, retryAtMs } = live.connection;
    let linkText = "live";
    if (state !== "open") {
      const why = model.closed === null ? "" : ` (${closedReason(model.closed.reason)})`;
      const next =
        retryAtMs === null
          ? ", trying now"
          : `, next try in ${Math.max(0, (retryAtMs - now) / 1000).toFixed(0)} s`;
      linkText = state === "connecting" ? "connecting" : `connection lost${why}${next}`;
    } else if (fresh.stale) linkText = "connected, not live";
    say(link, linkText);
    toggle(link, "ok", state === "open" && !fresh.stale);
    tryNow.hidden = retryAtMs === null;
    toggle(stage, "is-stale", fresh.stale);
    staleSign.hidden = !fresh.stale;
    if (fresh.stale) {
      const age = fresh.ageMs === null ? "" : `, newest sample ${ageText(fresh.ageMs)} old`;
      say(staleSign, `Not live: ${fresh.reason}${age}`);
    }
    frozenSign.hidden = frozen === null;
    toggle(stage, "is-frozen", frozen !== null);
    if (frozen !== null) say(frozenSign, `FROZEN for ${ageText(now - frozen.atMs)}. Data go on.`);
    freezeButton.setAttribute("aria-pressed", String(frozen !== null));
    say(freezeButton, frozen === null ? "Freeze" : "Go on");
    panel.show(model, fresh, now);
    // An electrode that is off stands at its trace, too. A frozen picture keeps what was true of it.
    const unknown = fresh.stale || statusIsOld(model.statusAtMs, now);
    const warnings = unknown ? [] : signalWarnings(model.status);
    if (frozen === null && warnings.join() !== sweep.warnings.join()) {
      sweep.warnings = warnings;
      sweep.repaint(model);
    }
  };

  const draw = () => {
    const picture = frozen?.picture ?? model;
    const at = frozen?.head ?? head;
    sweep.frame(picture, at);
    marks.frame(picture, sweep, at);
  };

  let lastFrameMs = 0;
  const frame = (nowMs: number) => {
    if (ended) return;
    requestAnimationFrame(frame);
    if (sizePx === null) return;
    const begin = performance.now();
    if (drawn !== model.drawing) {
      drawn = model.drawing;
      if (model.ring === null || model.ring.end === model.ring.begin) playout.clear();
      if (!sameSession(pictured, model.info)) playout.clear();
      pictured = model.info;
      // The last patient's picture must not stand under the new one's name, whatever came within one frame.
      if (frozen !== null && !sameSession(frozen.picture.info, model.info)) frozen = null;
      setLook();
    }
    if (model.ring !== null && model.rateHz > 0) head = playout.advance(begin, model.rateHz, model.endSample);
    // Not with the next tick: what is no longer live must not look it for a fifth of a second.
    if (live.fresh(begin).stale !== stage.classList.contains("is-stale")) refresh();
    draw();
    const age = model.sampleAgeMs(begin);
    if (age !== null && frozen === null) {
      figures.drawnAgeMs.add(age + ((model.endSample - head) / model.rateHz) * 1000);
    }
    if (lastFrameMs > 0) figures.frameMs.add(nowMs - lastFrameMs);
    lastFrameMs = nowMs;
    figures.frames++;
    figures.drawMs.add(performance.now() - begin);
  };

  let shiftKey = "";
  const stops = [
    live.listen(refresh),
    live.onPiece((samples) => {
      playout.piece(samples);
      // A new offset is printed on the paper, so the paper is painted again.
      const key = model.shifts.map((shifts) => shifts.newest()).join();
      if (key !== shiftKey) {
        shiftKey = key;
        if (frozen === null) sweep.repaint(model);
      }
    }),
    live.onCorrection(() => sweep.void()),
    live.onBeat((beat) => {
      if (frozen !== null) {
        if (beat.rSample > frozen.head) return;
        addLate(frozen.picture, beat);
      }
      sweep.touch(beat.rSample, beat.rSample + 1);
    }),
    settings.listen(() => {
      document.documentElement.dataset.theme = isDark(settings.now.theme) ? "dark" : "light";
      setLook();
      refresh();
    }),
  ];
  const onKey = (event: KeyboardEvent) => {
    const press = pressOf(event);
    const { shortcuts: on } = settings.now;
    if (actionOf({ ...press, repeat: false }, on, shortcuts) === null) return;
    // A key that is held does nothing more, and must not scroll the page either.
    event.preventDefault();
    const action = actionOf(press, on, shortcuts);
    if (action !== null) act[action]?.();
  };
  document.addEventListener("keydown", onKey);

  const unwatch = watchSize(sweep.canvas, (width, height) => {
    sizePx = { width, height };
    setLook();
    // A canvas that was given a size is empty until it is drawn; this frame must not show it so.
    draw();
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const onDark = () => settings.set({});
  dark.addEventListener("change", onDark);

  globalThis.ecgFigures = (clear = false) => {
    if (clear) figures.clear();
    const picture = frozen?.picture ?? model;
    const missing =
      picture.ring === null
        ? []
        : missingRuns(picture.ring, picture.gaps, ...sweep.shown(frozen?.head ?? head));
    return {
      ...figures.read(),
      head_sample: frozen?.head ?? head,
      begin_sample: model.ring === null ? 0 : model.ring.begin * model.ring.samplesPerPoint,
      end_sample: model.endSample,
      rate_hz: model.rateHz,
      left_px: sweep.leftPx,
      width_px: sweep.time.widthPx,
      lanes: sweep.lanes,
      shifts_uv: picture.shifts.map((shifts) => shifts.newest()),
      calibrated: sweep.look?.calibrated ?? false,
      device_px_per_mm: sweep.look?.devicePxPerMm ?? null,
      beats: picture.beats.length,
      stale: live.fresh(performance.now()),
      ring_points: model.ring?.points ?? 0,
      missing_runs: missing.length,
      missing,
      words: marks.words,
      letters: marks.letters,
    };
  };

  refresh();
  requestAnimationFrame(frame);
  return () => {
    ended = true;
    for (const stop of stops) stop();
    document.removeEventListener("keydown", onKey);
    dark.removeEventListener("change", onDark);
    unwatch();
    globalThis.ecgFigures = undefined;
    live.halfLaneUv = [];
  };
}

export const liveView: View = { path: "live", title: "Live", show };
