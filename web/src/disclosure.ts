// Full disclosure: the whole session, a minute per row. Only the rows on the screen are drawn, and fetched.

import type { Place } from "./address.js";
import { getBeats, getEcg, labelsAsked, problemText, Refusal, type StoredBeat, wasAborted } from "./api.js";
import { FONT } from "./colors.js";
import { button, el, say } from "./dom.js";
import { drawTrace, type Ground, hatchPattern, type Look } from "./drawing.js";
import { clockText, durationText, mvText } from "./format.js";
import { glyph } from "./marks.js";
import { median, Shifts } from "./offset.js";
import {
  channelsShown,
  makeLook,
  mmText,
  type Part,
  placeOf,
  placeOfRow,
  type Review,
  replaceTable,
  tableOf,
} from "./review.js";
import { isSample } from "./ring.js";
import { type Lane, type TimeScale, timeScale, unrolledX } from "./scale.js";
import { fit, textScale } from "./sizing.js";
import { type Content, makeContent } from "./strip.js";
import { minuteOf, minuteText } from "./trend.js";
import { beatMark, correctedMark } from "./words.js";

const ROW_CSS_PX = 56;
/** The base line lies below the middle of a row: R peaks and letters need the room above. */
const BASE = 0.66;
const LEFT_CSS_PX = 60;
/** Minutes fetched together. */
const TOGETHER = 5;
const MOST_KEPT = 40;
const GAIN = 5;
/** After so long a block that the gateway was too busy for is asked for again. */
const AGAIN_MS = 3000;
/** The gateway gives no more at a time. */
const MOST_POINTS = 60_000;

interface Block {
  content: Content | null;
  beats: readonly StoredBeat[];
  /** Offset of each minute of the block and each channel, in microvolts. */
  offsets: number[][];
  problem: string | null;
}

export function disclosurePart(review: Review): Part {
  const { settings, session } = review;
  const canvas = el("canvas", { class: "disclosure-canvas" });
  const context = canvas.getContext("2d", { alpha: false })!;
  const spacer = el("div", { class: "disclosure-spacer" });
  const message = el("p", { class: "message", role: "status" });
  const selected = el("p", { class: "when" });
  const tables = el("div");
  const scroller = el(
    "div",
    {
      class: "disclosure",
      role: "slider",
      tabindex: 0,
      "aria-label": "Full disclosure: choose a minute, Enter opens it",
      "aria-valuemin": 0,
      "aria-valuemax": Math.max(0, review.minutes.length - 1),
      "data-moves": "",
    },
    spacer,
  );
  spacer.append(canvas);
  const blocks = new Map<number, Block>();
  const controller = new AbortController();
  let chosen = 0;
  let known = review.minutes.length;
  let channel = 0;
  let waiting = false;
  let ended = false;
  let firstDrawnMs: number | null = null;
  const openedMs = performance.now();

  const rowPx = () => ROW_CSS_PX * textScale();
  const leadButtons = session.channels.map((one, i) =>
    button(one.lead ?? `channel ${one.channelNumber}`, { "aria-pressed": "false" }, () => {
      channel = i;
      draw();
      mark();
    }),
  );
  const mark = () => {
    for (const [i, one] of leadButtons.entries()) one.setAttribute("aria-pressed", String(i === channel));
  };
  channel = channelsShown(settings, session.channels.length)[0] ?? 0;
  mark();

  const element = el(
    "section",
    { class: "strip", "aria-label": "Full disclosure" },
    el(
      "div",
      { class: "tools" },
      el(
        "span",
        { class: "choice", role: "group", "aria-label": "Lead" },
        el("span", { class: "choice-name", "aria-hidden": "true" }, "Lead"),
        ...leadButtons,
      ),
      el(
        "p",
        { class: "note grow" },
        `A minute per row, raw, ${GAIN} ${mmText(settings)}/mV; each row is shifted by a constant of its own. Letters: V, S (triangle A) and ?. ` +
          "Click, or Enter, opens a place as a strip.",
      ),
    ),
    selected,
    scroller,
    message,
    tables,
  );

  const timeScaleOf = (look: Look): [TimeScale, number] => {
    const left = Math.round(LEFT_CSS_PX * look.devicePixelRatio * look.textScale);
    const width = Math.max(10, look.widthPx - left - 2);
    const speed = width / 60 / look.devicePxPerMm;
    return [timeScale(session.rateHz, speed, look.devicePxPerMm, width), left];
  };

  const fetchBlock = async (index: number) => {
    const first = index * TOGETHER;
    const last = Math.min(review.minutes.length, first + TOGETHER) - 1;
    const begin = review.minutes[first]!.firstSample;
    const end = Math.min(review.endSample, review.minutes[last]!.firstSample + 60 * session.rateHz);
    let from = review.minutes[first]!.timeUs;
    let to = Math.max(from + 1, Math.min(review.endUs, review.minutes[last]!.timeUs + 60e6));
    // A time that the clock showed twice brings all that lies between: as many more points are asked for.
    let more = 1;
    if (review.clock.stepped) {
      const asked = review.clock.asked(begin, Math.max(begin + 1, end));
      [from, to] = [asked.fromUs, Math.max(asked.fromUs + 1, asked.toUs)];
      more = Math.max(1, asked.samples / Math.max(1, end - begin));
    }
    const block: Block = { content: null, beats: [], offsets: [], problem: null };
    blocks.set(index, block);
    try {
      const common = { session: session.id, from, to, limit: 5000 };
      const points = Math.min(MOST_POINTS, Math.round(Math.max(600, canvas.width) * TOGETHER * more));
      const [stretch, marked, unknown] = await Promise.all([
        getEcg({ session: session.id, from, to, max_points: points }, controller.signal),
        getBeats({ ...common, class: "A,V", ...labelsAsked(review.labels) }, controller.signal),
        getBeats({ ...common, outcome: "unclassifiable" }, controller.signal),
      ]);
      const all = [
        ...marked.rows.filter((beat) => !beat.unclassifiable || correctedMark(beat) !== null),
        ...unknown.rows,
      ];
      block.content = makeContent(stretch, [], [], 0, (to - from) / 1e6, review.signal);
      block.beats = all;
      for (let m = first; m <= last; m++)
        block.offsets.push(offsetsOf(block.content, review.minutes[m]!.firstSample, session.rateHz));
    } catch (error) {
      if (wasAborted(error)) return;
      block.problem = problemText(error);
      say(message, `Some minutes could not be fetched. ${block.problem}`);
      // Busy now is not busy for ever: what is on the screen then is asked for again.
      if (error instanceof Refusal && error.status === 503)
        setTimeout(() => {
          if (blocks.get(index) === block) blocks.delete(index);
          draw();
        }, AGAIN_MS);
    }
    if (block.problem === null && ![...blocks.values()].some((one) => one.problem !== null)) say(message, "");
    for (const key of blocks.keys()) {
      if (blocks.size <= MOST_KEPT) break;
      if (key !== index) blocks.delete(key);
    }
    draw();
  };

  const draw = () => {
    if (waiting || ended) return;
    waiting = true;
    requestAnimationFrame(paint);
  };

  const paint = () => {
    waiting = false;
    if (ended) return;
    const ratio = window.devicePixelRatio;
    fit(canvas, Math.round(scroller.clientWidth * ratio), Math.round(scroller.clientHeight * ratio));
    if (canvas.width < 50) return;
    const look = makeLook(settings, {
      widthPx: canvas.width,
      heightPx: canvas.height,
      gain: GAIN,
      filtered: false,
      channels: [channel],
    });
    const { colors } = look;
    const [time, left] = timeScaleOf(look);
    const high = rowPx() * ratio;
    const scale = ratio * look.textScale;
    context.fillStyle = colors.blank;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const ground: Ground = {
      context,
      look,
      lanes: [],
      time,
      leftPx: left,
      hatch: hatchPattern(context, look),
    };
    const first = Math.max(0, Math.floor(scroller.scrollTop / rowPx()));
    const end = Math.min(
      review.minutes.length,
      Math.ceil((scroller.scrollTop + scroller.clientHeight) / rowPx()),
    );
    let all = true;
    for (let m = first; m < end; m++) {
      const top = Math.round((m * rowPx() - scroller.scrollTop) * ratio);
      const lane: Lane = { topPx: top, heightPx: Math.round(2 * BASE * high) };
      if (m === chosen) {
        context.fillStyle = colors.paper;
        context.fillRect(0, top, canvas.width, high);
        context.fillStyle = colors.ink;
        context.fillRect(0, top, 3 * ratio, high);
      }
      context.fillStyle = colors.gridMinor;
      context.fillRect(0, top, canvas.width, Math.max(1, ratio / 2));
      for (let s = 10; s < 60; s += 10)
        context.fillRect(left + unrolledX(s * session.rateHz, time), top, Math.max(1, ratio / 2), high);
      context.textBaseline = "middle";
      context.textAlign = "left";
      context.font = `700 ${Math.round(13 * scale)}px ${FONT}`;
      context.fillStyle = colors.ink;
      context.fillText(clockText(review.minutes[m]!.timeUs, false).slice(0, 5), 6 * ratio, top + high * 0.34);
      context.font = `500 ${Math.round(11 * scale)}px ${FONT}`;
      context.fillStyle = colors.muted;
      const mean = review.minutes[m]!.hrMean;
      context.fillText(mean === null ? "--- /min" : `${mean.toFixed(0)} /min`, 6 * ratio, top + high * 0.7);
      const index = Math.floor(m / TOGETHER);
      const block = blocks.get(index);
      if (block === undefined) void fetchBlock(index);
      if (block?.content === undefined || block.content === null) {
        all = false;
        const text = block?.problem ?? "loading …";
        context.fillText(text, left + 6 * ratio, top + high / 2);
        continue;
      }
      row(ground, lane, review.minutes[m]!.firstSample, block, block.offsets[m % TOGETHER] ?? [], scale);
    }
    if (all && firstDrawnMs === null) firstDrawnMs = performance.now() - openedMs;
  };

  const row = (
    ground: Ground,
    lane: Lane,
    firstSample: number,
    block: Block,
    offsets: number[],
    scale: number,
  ) => {
    const { look, time, leftPx: left } = ground;
    const { stretch, picture } = block.content!;
    const local = firstSample - stretch.firstSample;
    const perMinute = 60 * session.rateHz;
    const shift = left - unrolledX(local, time);
    context.save();
    context.beginPath();
    const high = Math.round(rowPx() * look!.devicePixelRatio);
    context.rect(left, lane.topPx, time.widthPx, high);
    context.clip();
    for (const gap of picture.gaps) {
      const from = gap.firstMissingSample;
      const to = from + gap.missingSamples;
      if (to < local || from > local + perMinute) continue;
      const x = unrolledX(from, time) + shift;
      const wide = Math.max(3 * look!.devicePixelRatio, unrolledX(gap.missingSamples, time));
      context.fillStyle = ground.hatch ?? look!.colors.hatch;
      context.fillRect(x, lane.topPx, wide, high);
      context.fillStyle = look!.colors.warn;
      context.fillRect(x, lane.topPx, Math.max(1, look!.devicePixelRatio), high);
    }
    if (picture.ring !== null) {
      const shifts = offsets.map((uv) => {
        const one = new Shifts();
        one.hold(uv);
        return one;
      });
      // A thin line: neighbouring rows must stay apart.
      const thin = {
        ...ground,
        look: { ...look!, devicePixelRatio: look!.devicePixelRatio * 0.6, textScale: 1 },
      };
      // The lane is higher than the row: what leaves the row is marked where it is cut off.
      const edges = { topPx: lane.topPx, heightPx: high };
      drawTrace(thin, { ...picture, shifts }, channel, lane, local, local + perMinute, shift, edges);
    }
    context.restore();
    for (const beat of block.beats) {
      const at = beat.rSample - firstSample;
      if (at < 0 || at >= perMinute) continue;
      const by = correctedMark(beat);
      const { letter, mark } = by ?? beatMark(beat);
      glyph(
        context,
        left + unrolledX(at, time),
        lane.topPx + 9 * scale,
        letter,
        mark,
        0.62 * scale,
        look!.colors,
        by !== null,
      );
      if (by === null) continue;
      // What the machine said stays to be seen beside it.
      context.font = `600 ${Math.round(10 * scale)}px ${FONT}`;
      context.fillStyle = look!.colors.muted;
      context.fillText(
        beatMark(beat).letter,
        left + unrolledX(at, time) + 12 * scale,
        lane.topPx + 9 * scale,
      );
    }
  };

  const show = (m: number) => {
    chosen = Math.min(review.minutes.length - 1, Math.max(0, m));
    const top = chosen * rowPx();
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + rowPx() > scroller.scrollTop + scroller.clientHeight)
      scroller.scrollTop = top + rowPx() - scroller.clientHeight;
    const row = review.minutes[chosen];
    if (row !== undefined) {
      const offset = blocks.get(Math.floor(chosen / TOGETHER))?.offsets[chosen % TOGETHER]?.[channel];
      const text = `${clockText(row.timeUs, true).slice(0, 16)}: ${minuteText(row)}`;
      say(selected, offset === undefined ? text : `${text}, offset ${mvText(offset)}`);
      scroller.setAttribute("aria-valuenow", String(chosen));
      scroller.setAttribute("aria-valuetext", text);
    }
    draw();
  };

  /** Opens a place of a minute; `share` is how far into it. */
  const open = (m: number, share: number) => {
    const row = review.minutes[m];
    if (row === undefined) return;
    const at = review.clock.stepped
      ? placeOf(review, row.firstSample + share * 60 * session.rateHz)
      : { timeUs: Math.round(row.timeUs + share * 60e6) };
    review.go({ show: "strip", ...at }, "push");
  };

  scroller.addEventListener("scroll", draw);
  scroller.addEventListener("click", (event) => {
    const box = scroller.getBoundingClientRect();
    const m = Math.floor((event.clientY - box.top + scroller.scrollTop) / rowPx());
    const left = LEFT_CSS_PX * textScale();
    const share = (event.clientX - box.left - left) / (scroller.clientWidth - left - 2);
    open(m, Math.min(1, Math.max(0, share)));
  });
  scroller.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(scroller.clientHeight / rowPx()) - 1);
    const steps: Record<string, number> = {
      ArrowUp: -1,
      ArrowDown: 1,
      ArrowLeft: -1,
      ArrowRight: 1,
      PageUp: -page,
      PageDown: page,
      Home: -review.minutes.length,
      End: review.minutes.length,
    };
    const step = steps[event.key];
    if (step !== undefined) show(chosen + step);
    else if (event.key === "Enter") {
      const { at, part } = minuteOf(review);
      open(chosen, review.place().timeUs !== null && at === chosen ? part : 0.5);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const size = () => {
    spacer.style.height = `${review.minutes.length * rowPx()}px`;
    canvas.style.width = `${scroller.clientWidth}px`;
    canvas.style.height = `${scroller.clientHeight}px`;
    draw();
  };
  const observer = new ResizeObserver(size);
  observer.observe(scroller);
  const stop = settings.listen(draw);
  if (review.minutes.length === 0) say(message, "No minute of this session is stored.");
  const table = () => {
    const rows = review.minutes
      .filter((row) => row.v + row.s + row.unclassifiable + row.gaps + row.events > 0)
      .slice(0, 1500)
      .map((row) => [
        el(
          "a",
          {
            href: review.link({
              show: "strip",
              ...placeOfRow(review, row.firstSample + 30 * session.rateHz, row.timeUs + 30e6),
            }),
          },
          clockText(row.timeUs, true).slice(0, 16),
        ),
        minuteText(row),
      ]);
    const title = "Minutes with V, S, ?, gaps or events, as a table";
    replaceTable(tables, tableOf(title, ["Minute", "What"], rows));
  };
  table();

  globalThis.ecgDisclosure = () => ({
    first_drawn_ms: firstDrawnMs,
    row_px: rowPx(),
    left_px: LEFT_CSS_PX * textScale(),
    loaded: blocks.size,
    chosen,
    length: durationText(review.minutes.length * 60_000),
  });

  return {
    element,
    update(_place: Place) {
      size();
      const m = minuteOf(review).at;
      scroller.scrollTop = Math.max(0, (m + 0.5) * rowPx() - scroller.clientHeight / 2);
      show(m);
    },
    leave() {
      ended = true;
      controller.abort();
      observer.disconnect();
      stop();
      globalThis.ecgDisclosure = undefined;
    },
    corrected() {
      blocks.clear();
      draw();
    },
    grown() {
      // The last minute had not ended: its block is fetched anew.
      const first = Math.floor(Math.max(0, known - 1) / TOGETHER);
      for (const index of blocks.keys()) if (index >= first) blocks.delete(index);
      known = review.minutes.length;
      scroller.setAttribute("aria-valuemax", String(Math.max(0, known - 1)));
      if (known > 0) say(message, "");
      table();
      size();
    },
  };
}

declare global {
  var ecgDisclosure: (() => unknown) | undefined;
}

/** Median of a minute in each channel. */
function offsetsOf(content: Content, firstSample: number, rateHz: number): number[] {
  const { stretch, picture } = content;
  const { ring } = picture;
  if (ring === null) return [];
  const per = stretch.samplesPerPoint;
  const first = Math.max(0, Math.floor((firstSample - stretch.firstSample) / per));
  const end = Math.min(stretch.points, Math.ceil((firstSample - stretch.firstSample + 60 * rateHz) / per));
  return stretch.channels.map((channel, c) => {
    const values: number[] = [];
    for (let point = first; point < end; point += 3) {
      const low = ring.min[c]![point]!;
      if (isSample(low)) values.push(((low + ring.max[c]![point]!) / 2) * channel.uvPerCode);
    }
    return median(values);
  });
}
