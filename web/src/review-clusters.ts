// Beats grouped by their shape: of each group the examples over each other, their mean, how many, of which classes.
// A group can be opened to see its beats, and renamed as a whole.

import type { Place } from "./address.js";
import {
  type Cluster,
  type Clusters,
  getBeat,
  getClusters,
  problemText,
  type StoredBeat,
  wasAborted,
} from "./api.js";
import { readColors } from "./colors.js";
import { type Correcting, openCorrection } from "./correct.js";
import { button, el, say } from "./dom.js";
import { lineWidth, paintLane } from "./drawing.js";
import { beatsText, clockText, countText, preciseText, zoneText } from "./format.js";
import type { Action } from "./keys.js";
import {
  keepFocus,
  Latest,
  makeLook,
  mmText,
  type Part,
  placeOfRow,
  type Review,
  spanButtons,
  spanOf,
} from "./review.js";
import { SmallStrips } from "./review-list.js";
import { type Lane, laneMiddle, timeScale, unrolledX, yOf } from "./scale.js";
import { beatMark, className, correctedMark, correctedName, leftOutReason } from "./words.js";

const SPEED = 50;
const HEIGHT_MM = 36;
const PER_PAGE = 24;
const GAINS = [20, 10, 5, 2.5] as const;

export function clusterName(cluster: Cluster): string {
  return cluster.cluster === 0 ? "The others" : `Cluster ${cluster.cluster}`;
}

/** Counts of the classes that there are, in words. */
export function classesText(cluster: Cluster): string {
  const parts = Object.entries(cluster.byClass)
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([letter, count]) => `${letter} ${countText(count)}`);
  if (cluster.unclassifiable > 0) parts.push(`of these ? ${countText(cluster.unclassifiable)}`);
  return parts.join(" · ");
}

/** Middle of all that is drawn, and the highest gain at which it fits. */
export function fitShapes(cluster: Cluster): { middleUv: number; gain: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const uv of [cluster.meanUv, ...cluster.examplesUv].flat()) {
    low = Math.min(low, uv);
    high = Math.max(high, uv);
  }
  if (low > high) return { middleUv: 0, gain: 10 };
  const mv = (high - low) / 1000;
  const gain = GAINS.find((one) => mv * one <= HEIGHT_MM - 4) ?? 2.5;
  return { middleUv: (low + high) / 2, gain };
}

export function clustersPart(review: Review): Part {
  const { settings, session } = review;
  const latest = new Latest();
  const controller = new AbortController();
  const message = el("p", { class: "message", role: "status" });
  const spans = spanButtons(review);
  const list = el("ul", { class: "clusters", "data-moves": "", "aria-label": "Clusters, largest first" });
  const detail = el("section", { class: "strip", "aria-label": "Beats of the cluster", hidden: true });
  const element = el(
    "section",
    { class: "strip", "aria-label": "Clusters" },
    el("div", { class: "tools" }, spans.element),
    el(
      "p",
      { class: "note" },
      "Examples (thin) and their mean (strong), each about its own middle line; the gain stands at each. Choose a " +
        "cluster with the arrows and Enter to see its beats.",
    ),
    message,
    list,
    detail,
  );
  let found: Clusters | null = null;
  let loaded = "";
  let asked = "";
  let opened: number | null = null;
  let redraw: (() => void)[] = [];
  const strips = new SmallStrips(review, controller.signal);

  const chosen = () => found?.clusters.find((one) => one.cluster === review.place().cluster) ?? null;

  const correcting = (kind: Correcting) => {
    const cluster = chosen();
    if (!review.access.control) return;
    if (cluster === null) {
      say(message, "Choose a cluster first.");
      return;
    }
    const name = `${clusterName(cluster)}: ${beatsText(cluster.beatIds.length)}`;
    const note =
      cluster.more === 0
        ? `of ${clockText(spanOf(review, review.place())[0], true)} and after, as chosen above`
        : `${countText(cluster.more)} further beats are not reached: choose a shorter span for them`;
    const at = { target: "beats" as const, beats: cluster.beatIds };
    openCorrection(session.id, kind, [{ name, note, at }], () => {
      say(message, `${clusterName(cluster)}: stored for ${countText(cluster.beatIds.length)} beats.`);
      review.corrected();
    });
  };

  const card = (cluster: Cluster): HTMLElement => {
    const canvas = el("canvas", { "aria-hidden": "true" });
    const { middleUv, gain } = fitShapes(cluster);
    const draw = () => drawShapes(canvas, review, cluster, middleUv, gain);
    draw();
    redraw.push(draw);
    const choose = button(
      "",
      { class: "cluster", "data-cluster": cluster.cluster, "aria-pressed": "false" },
      () =>
        review.go(
          { cluster: review.place().cluster === cluster.cluster ? null : cluster.cluster },
          "replace",
        ),
    );
    const facts = [`${gain} ${mmText(settings)}/mV`];
    if (cluster.correlation !== null) facts.push(`correlation ${cluster.correlation.toFixed(3)}`);
    choose.append(
      canvas,
      el(
        "span",
        { class: "cluster-text" },
        el("strong", {}, `${clusterName(cluster)}: ${beatsText(cluster.beats)}`),
        el("span", {}, classesText(cluster)),
        el("span", { class: "note" }, facts.join(" · ")),
      ),
    );
    return el("li", {}, choose);
  };

  const mark = () => {
    for (const one of list.querySelectorAll("button"))
      one.setAttribute("aria-pressed", String(one.dataset.cluster === String(review.place().cluster)));
  };

  /** The beats of the chosen cluster; more of them on demand. */
  const open = () => {
    const cluster = chosen();
    detail.hidden = cluster === null;
    if (cluster === null) {
      opened = null;
      return;
    }
    if (opened === cluster.cluster) return;
    opened = cluster.cluster;
    strips.clear();
    const items = el("ul", { class: "moments" });
    const count = el("p", { class: "message", role: "status" });
    const more = button("Load more", {}, () => next());
    const next = () => {
      const from = items.children.length;
      for (const id of cluster.beatIds.slice(from, from + PER_PAGE)) items.append(item(id));
      const shown = items.children.length;
      say(
        count,
        `${countText(shown)} of ${countText(cluster.beats)} beats shown.` +
          (cluster.more === 0 ? "" : ` ${countText(cluster.more)} can be seen in a shorter span alone.`),
      );
      more.hidden = shown >= cluster.beatIds.length;
    };
    detail.replaceChildren(
      el("h2", { class: "review-title" }, `${clusterName(cluster)}: ${beatsText(cluster.beats)}`),
      ...(review.access.control
        ? [
            el(
              "div",
              { class: "tools" },
              button("Rename the cluster …", {}, () => correcting("label")),
              button("Artefacts …", {}, () => correcting("artefact")),
              button("Note …", {}, () => correcting("note")),
            ),
          ]
        : []),
      items,
      count,
      el("p", { class: "actions" }, more),
    );
    next();
  };

  const item = (id: number): HTMLElement => {
    const canvas = el("canvas", { class: "small-strip", role: "img", "aria-label": `ECG about beat ${id}` });
    const text = el("span", { class: "moment-text" }, `beat ${id}`);
    const problem = el("span", { class: "note" });
    const made = el(
      "li",
      { class: "moment card" },
      canvas,
      el("span", { class: "moment-text" }, text, problem),
    );
    strips.watch(
      made,
      canvas,
      async () => {
        const { beat } = await getBeat(id, 0, 0, controller.signal);
        text.replaceChildren(...about(beat));
        return placeOfRow(review, beat.rSample, beat.timeUs);
      },
      problem,
    );
    return made;
  };

  const about = (beat: StoredBeat): Node[] => {
    const machine = beatMark(beat);
    const by = correctedMark(beat);
    const at = placeOfRow(review, beat.rSample, beat.timeUs);
    const name = beat.unclassifiable ? "unclassifiable" : className(beat.class);
    return [
      el(
        "span",
        { class: "moment-head" },
        el("span", { class: `badge mark-${machine.mark}`, "aria-hidden": "true" }, machine.letter),
        by === null
          ? null
          : el("span", { class: `badge by-person mark-${by.mark}`, "aria-hidden": "true" }, by.letter),
        el("strong", {}, by === null ? name : `${name}; corrected: ${correctedName(beat)}`),
      ),
      el("span", {}, `${preciseText(beat.timeUs)} ${zoneText(beat.timeUs)}`),
      el(
        "span",
        { class: "moment-links" },
        el("a", { href: review.link({ show: "strip", ...at }) }, "strip"),
        el("a", { href: review.link({ show: "beat", beat: beat.id, ...at }) }, "beat"),
      ),
    ];
  };

  const load = async (place: Place) => {
    spans.show(place);
    const [from, to] = spanOf(review, place);
    const key = `${from} ${to}`;
    if (key === loaded) {
      mark();
      open();
      return;
    }
    const other = asked !== "" && asked !== key;
    asked = key;
    if (other && place.cluster !== null) {
      // The number of a cluster of the span before: here it would be another one.
      loaded = "";
      review.go({ cluster: null }, "replace");
      return;
    }
    const signal = latest.begin();
    // Nothing can be said about clusters that are not of this span any more.
    found = null;
    opened = null;
    redraw = [];
    strips.clear();
    list.replaceChildren();
    detail.hidden = true;
    const span = `${clockText(from, true)} to ${clockText(to, true)} ${zoneText(from)}`;
    say(message, `${span}: grouping …`);
    loaded = "";
    try {
      found = await getClusters({ session: session.id, from, to }, signal);
      loaded = key;
      list.replaceChildren(...found.clusters.map(card));
      const left =
        found.leftOut === 0
          ? ""
          : ` ${countText(found.leftOut)} beats are in none (mostly: ${leftOutReason(found.reason)}).`;
      say(
        message,
        found.clusters.length === 0
          ? `${span}: no beats to group.${left}`
          : `${span}: ${found.clusters.length} clusters by ${found.method}.${left}`,
      );
      mark();
      open();
    } catch (error) {
      if (wasAborted(error)) return;
      say(message, problemText(error));
    }
  };

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const all = [...list.querySelectorAll("button")];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowUp: -1,
      ArrowRight: 1,
      ArrowDown: 1,
      Home: -all.length,
      End: all.length,
    };
    const step = steps[event.key];
    if (step === undefined || at < 0) return;
    all[Math.min(all.length - 1, Math.max(0, at + step))]?.focus();
    event.preventDefault();
    event.stopPropagation();
  });

  const stop = settings.listen(() => {
    for (const draw of redraw) draw();
    strips.again();
  });
  const acts: Partial<Record<Action, Correcting>> = { rename: "label", artefact: "artefact", note: "note" };
  return {
    element,
    update: (place) => void load(place),
    act(action) {
      const kind = acts[action];
      if (kind !== undefined) correcting(kind);
      return kind !== undefined;
    },
    corrected() {
      opened = null;
      keepFocus(detail, open, list);
    },
    leave() {
      latest.stop();
      controller.abort();
      strips.clear();
      stop();
    },
  };
}

function drawShapes(
  canvas: HTMLCanvasElement,
  review: Review,
  cluster: Cluster,
  middleUv: number,
  gain: number,
): void {
  const look = makeLook(review.settings, { speed: SPEED, gain, textScale: 1 });
  const mm = look.devicePxPerMm;
  const points = Math.max(2, cluster.meanUv.length, ...cluster.examplesUv.map((one) => one.length));
  look.widthPx = Math.round((points / cluster.rateHz) * SPEED * mm);
  look.heightPx = Math.round(HEIGHT_MM * mm);
  canvas.width = look.widthPx;
  canvas.height = look.heightPx;
  canvas.style.width = `${look.widthPx / look.devicePixelRatio}px`;
  const context = canvas.getContext("2d", { alpha: false })!;
  const colors = readColors();
  const lane: Lane = { topPx: 0, heightPx: look.heightPx };
  const time = timeScale(cluster.rateHz, SPEED, mm, look.widthPx);
  paintLane({ context, look, lanes: [lane], time, leftPx: 0, hatch: null }, context, look, lane);
  const line = (uv: readonly number[]) => {
    context.beginPath();
    uv.forEach((value, i) => {
      const y = yOf(value, middleUv, gain, mm, lane);
      if (i === 0) context.moveTo(0, y);
      else context.lineTo(unrolledX(i, time), y);
    });
    context.stroke();
  };
  context.lineJoin = "round";
  context.strokeStyle = colors.muted;
  context.lineWidth = Math.max(1, 0.8 * look.devicePixelRatio);
  context.globalAlpha = 0.35;
  for (const example of cluster.examplesUv) line(example);
  context.globalAlpha = 1;
  context.strokeStyle = colors.trace;
  context.lineWidth = 1.7 * lineWidth(look);
  line(cluster.meanUv);
  // Where the R peak was found.
  context.fillStyle = colors.muted;
  const x = unrolledX(cluster.before, time);
  context.fillRect(
    x,
    laneMiddle(lane) + lane.heightPx / 2 - 2.5 * mm,
    Math.max(1, look.devicePixelRatio),
    2.5 * mm,
  );
}
