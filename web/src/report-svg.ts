// What a report draws: strips and trend as vectors in millimetres of paper, so that 25 mm are a second and 10 mm a
// millivolt wherever it is printed.

import type { Minute } from "./api.js";
import { svg } from "./dom.js";
import { filterText } from "./filter.js";
import { durationText, mvText } from "./format.js";
import { clippedRuns } from "./marks.js";
import { isSample } from "./ring.js";
import { missingRuns } from "./session.js";
import { type Content, contentTimeUs } from "./strip.js";
import { type BeatMark, beatMark, correctedMark, gapCause } from "./words.js";
import type { Zone } from "./zone.js";

export const SPEED = 25;
const GAINS = [10, 5, 2.5] as const;
const LEFT_MM = 9;
/** A row of a strip: with the pulse it fits between the margins of A4 and of Letter. */
export const ROW_S = 7;
const CAPTION_MM = 5;
const WIDTH_MM = LEFT_MM + ROW_S * SPEED;
const f = (mm: number) => mm.toFixed(3).replace(/\.?0+$/, "");

function words(x: number, y: number, text: string, more: Record<string, string | number> = {}): SVGElement {
  return svg("text", { x: f(x), y: f(y), ...more }, text);
}

function path(d: string, name: string): SVGElement {
  return svg("path", { d, class: name });
}

/** Letter and shape, as on the screen. */
function letterMark(x: number, y: number, letter: string, mark: BeatMark, byPerson: boolean): SVGElement {
  const group = svg("g", { class: `letter ${mark}` });
  const r = 2;
  const at = (dx: number, dy: number) => `${f(x + dx)} ${f(y + dy)}`;
  if (mark === "artefact")
    group.append(path(`M${at(-r, -r)}L${at(r, r)}M${at(-r, r)}L${at(r, -r)}`, "cross"));
  else if (mark === "s") group.append(path(`M${at(0, -2.6)}L${at(2.7, r)}L${at(-2.7, r)}Z`, "shape"));
  else if (mark === "v" || mark === "bundle")
    group.append(
      svg("rect", {
        x: f(x - r),
        y: f(y - r),
        width: 4,
        height: 4,
        rx: mark === "v" ? 0 : 1,
        class: "shape",
      }),
    );
  else group.append(svg("circle", { cx: f(x), cy: f(y), r, class: "shape" }));
  if (mark !== "artefact") group.append(words(x, y + (mark === "s" ? 1.4 : 0.9), letter));
  if (byPerson) group.append(path(`M${at(-r, 2.6)}L${at(r, 2.6)}M${at(-r, 3.1)}L${at(r, 3.1)}`, "cross"));
  return group;
}

/** The highest usual gain at which these channels stay within half a lane; the usual one where none does. */
function gainFor(content: Content, channels: readonly number[], filtered: boolean, halfMm: number): number {
  const { picture, start, length, stretch } = content;
  const ring = picture.ring;
  let most = 0;
  if (ring === null) return GAINS[0];
  for (const c of channels) {
    const offset = picture.shifts[c]!.newest();
    for (let i = Math.max(0, Math.floor(start)); i < Math.min(ring.end, start + length); i++) {
      const code = ring.min[c]![i]!;
      if (!isSample(code)) continue;
      const uv = filtered ? ring.filtered[c]![i]! : code * stretch.channels[c]!.uvPerCode - offset;
      most = Math.max(most, Math.abs(uv));
    }
  }
  return GAINS.find((gain) => (most / 1000) * gain <= halfMm) ?? GAINS[0];
}

/**
 * A stretch that is not thinned, as a drawing of true size: 7 s in a row. Every sample is a point of the line; a gap
 * is blank and hatched.
 */
export function stripDrawing(
  content: Content,
  channels: readonly number[],
  filtered: boolean,
  zone: Zone,
): SVGSVGElement[] {
  const { stretch, picture, start, length } = content;
  const rate = stretch.rateHz;
  const laneMm = channels.length > 1 ? 30 : 40;
  const gain = gainFor(content, channels, filtered, laneMm / 2);
  const rows: SVGSVGElement[] = [];
  const lettersMm = content.beats.some((beat) => beat.correction !== null) ? 13 : 7;
  for (let first = start; first < start + length - 1; first += ROW_S * rate) {
    const end = Math.min(start + length, first + ROW_S * rate);
    const wide = LEFT_MM + ((end - first) / rate) * SPEED;
    const high = channels.length * (CAPTION_MM + laneMm) + lettersMm + 5;
    const drawing = svg("svg", {
      class: "ecg",
      viewBox: `0 0 ${f(WIDTH_MM)} ${f(high)}`,
      width: `${f(WIDTH_MM)}mm`,
      height: `${f(high)}mm`,
      role: "img",
      "aria-label": `ECG from ${zone.full(contentTimeUs(content, first))}, ${durationText(((end - first) / rate) * 1000)}`,
    });
    const x = (sample: number) => LEFT_MM + ((sample - first) / rate) * SPEED;
    channels.forEach((channel, i) => {
      const info = stretch.channels[channel]!;
      const top = i * (CAPTION_MM + laneMm) + CAPTION_MM;
      const offset = picture.shifts[channel]?.newest() ?? 0;
      const how = filtered ? filterText(picture.info!.mainsHz) : `raw, offset ${mvText(offset)}`;
      const name = info.lead ?? `channel ${info.channelNumber}`;
      drawing.append(
        words(0, top - 1.4, name, { class: "lead" }),
        words(LEFT_MM, top - 1.4, `${SPEED} mm/s · ${gain} mm/mV · ${how}`),
        // A drawing within the drawing: what leaves the lane is cut off, and said.
        lane(content, channel, { first, end, wide, laneMm, gain, filtered, offset, x, top }),
      );
    });
    const below = channels.length * (CAPTION_MM + laneMm);
    for (const beat of content.beats) {
      const sample = beat.rSample - stretch.firstSample;
      if (sample < first || sample >= end) continue;
      const machine = beatMark(beat);
      drawing.append(letterMark(x(sample), below + 3.6, machine.letter, machine.mark, false));
      const by = correctedMark(beat);
      if (by !== null) drawing.append(letterMark(x(sample), below + 9, by.letter, by.mark, true));
    }
    if (lettersMm > 7) drawing.append(words(0, below + 10, "person"));
    const at = below + lettersMm;
    const from = contentTimeUs(content, first);
    for (let second = Math.ceil(from / 1e6); ; second++) {
      const place = x(first + ((second * 1e6 - from) / 1e6) * rate);
      // Where the clock was set within the row, only the times before it can be written on one line.
      if (place > wide || (content.clock !== null && contentTimeUs(content, end) < from)) break;
      drawing.append(path(`M${f(place)} ${f(at)}v1.2`, "cross"));
      if (place < wide - 6)
        drawing.append(words(place, at + 4, zone.time(second * 1e6), { class: "middle" }));
    }
    rows.push(drawing);
  }
  return rows;
}

interface LanePlace {
  first: number;
  end: number;
  wide: number;
  laneMm: number;
  gain: number;
  filtered: boolean;
  offset: number;
  x(sample: number): number;
  top: number;
}

function lane(content: Content, channel: number, at: LanePlace): SVGElement {
  const { picture, stretch } = content;
  const { wide, laneMm, gain, offset, x } = at;
  const middle = laneMm / 2;
  const box = svg("svg", {
    x: 0,
    y: f(at.top),
    width: f(wide),
    height: f(laneMm),
    viewBox: `0 0 ${f(wide)} ${f(laneMm)}`,
  });
  const grid = (every: number) => {
    let d = "";
    for (let mm = LEFT_MM - Math.floor(LEFT_MM / every) * every; mm <= wide + 1e-6; mm += every)
      d += `M${f(mm)} 0V${f(laneMm)}`;
    for (let mm = middle % every; mm <= laneMm + 1e-6; mm += every) d += `M0 ${f(mm)}H${f(wide)}`;
    return path(d, `grid-${every}`);
  };
  box.append(grid(1), grid(5));
  const half = gain / 2;
  box.append(path(`M0.5 ${f(middle + half)}h1.5v${f(-gain)}h4v${f(gain)}h1.5`, "pulse"));
  const ring = picture.ring;
  if (ring === null) return box;
  const from = Math.max(0, Math.floor(at.first));
  const end = Math.min(ring.end, Math.ceil(at.end) + 1);
  for (const run of missingRuns(ring, picture.gaps, at.first, at.end)) {
    const left = Math.max(LEFT_MM, x(run.first - 0.5));
    const right = Math.min(wide, x(run.end - 0.5));
    let d = "";
    for (let mm = left - laneMm; mm < right; mm += 2) {
      // Diagonals, cut at the edges of the gap.
      const a = Math.max(left, mm);
      const b = Math.min(right, mm + laneMm);
      if (b > a) d += `M${f(a)} ${f(laneMm - (a - mm))}L${f(b)} ${f(laneMm - (b - mm))}`;
    }
    const text = `gap ${durationText(((run.end - run.first) / stretch.rateHz) * 1000)}: ${gapCause(run.cause)}`;
    box.append(
      svg("rect", {
        x: f(left),
        y: 0,
        width: f(Math.max(0.2, right - left)),
        height: f(laneMm),
        class: "gap",
      }),
      path(d, "hatch"),
      words(left + 1, 4, text),
    );
  }
  let d = "";
  let pen = "M";
  let beyond = false;
  const uvPerCode = stretch.channels[channel]!.uvPerCode;
  for (let i = from; i < end; i++) {
    const code = ring.min[channel]![i]!;
    if (!isSample(code)) {
      pen = "M";
      continue;
    }
    const uv = at.filtered ? ring.filtered[channel]![i]! : code * uvPerCode - offset;
    const y = middle - (uv / 1000) * gain;
    beyond ||= y < 0 || y > laneMm;
    const place = x(i);
    if (place < LEFT_MM || place > wide) continue;
    d += `${pen}${f(place)} ${f(y)}`;
    pen = "L";
  }
  box.append(path(d, "trace"));
  if (beyond) box.append(words(LEFT_MM + 1, laneMm - 1.5, "the trace leaves its lane here"));
  if (clippedRuns(picture, [channel], at.first, at.end).length > 0)
    box.append(words(LEFT_MM + 60, laneMm - 1.5, "clipped at the converter"));
  for (const note of content.corrections) {
    if (note.kind !== "note" || note.fromSample === null) continue;
    const place = x(note.fromSample - stretch.firstSample);
    if (place >= LEFT_MM && place <= wide) box.append(path(`M${f(place)} 0V${f(laneMm)}`, "flag"));
  }
  return box;
}

const TREND = { left: 19, wide: 184, rate: 24, bar: 6, gaps: 3 };

/** Heart rate (range and mean), V and S per minute, gaps: as many columns as paper can show. */
export function trendDrawing(minutes: readonly Minute[], zone: Zone, range: [number, number]): SVGSVGElement {
  const { left, wide, rate, bar, gaps } = TREND;
  const high = rate + 2 * (bar + 2) + gaps + 8;
  const drawing = svg("svg", {
    class: "ecg",
    viewBox: `0 0 ${wide} ${high}`,
    width: `${wide}mm`,
    height: `${high}mm`,
    role: "img",
    "aria-label": "Trend",
  });
  const per = Math.max(1, Math.ceil(minutes.length / 340));
  const step = ((wide - left) / Math.max(1, minutes.length)) * per;
  const [low, top] = range;
  const y = (value: number) => rate * (1 - (Math.min(top, value) - low) / (top - low));
  let lines = "";
  for (let value = low; value <= top; value += 20) {
    lines += `M${left} ${f(y(value))}H${wide}`;
    if ((value - low) % 40 === 0)
      drawing.append(words(left - 1, Math.max(2.4, y(value) + 0.8), String(value), { class: "end" }));
  }
  let band = "";
  let mean = "";
  let pen = "M";
  const bars = { v: "", s: "", gaps: "" };
  const most = { v: 1, s: 1 };
  for (const minute of minutes) {
    most.v = Math.max(most.v, minute.v);
    most.s = Math.max(most.s, minute.s);
  }
  const tops = { v: rate + 2, s: rate + bar + 4, gaps: rate + 2 * bar + 6 };
  const labels = Math.max(1, Math.ceil(minutes.length / per / 8));
  for (let i = 0; i < minutes.length; i += per) {
    const within = minutes.slice(i, i + per);
    const x = left + (i / per) * step;
    const lows = within.map((one) => one.hrMin).filter((one) => one !== null);
    const highs = within.map((one) => one.hrMax).filter((one) => one !== null);
    const means = within.map((one) => one.hrMean).filter((one) => one !== null);
    if (lows.length > 0)
      band += `M${f(x)} ${f(y(Math.max(...highs)))}h${f(step)}V${f(y(Math.min(...lows)))}h${f(-step)}Z`;
    if (means.length === 0) pen = "M";
    else {
      mean += `${pen}${f(x + step / 2)} ${f(y(means.reduce((a, b) => a + b, 0) / means.length))}`;
      pen = "L";
    }
    for (const name of ["v", "s"] as const) {
      const share = Math.max(...within.map((one) => one[name])) / most[name];
      if (share > 0)
        bars[name] += `M${f(x)} ${f(tops[name] + bar)}v${f(-share * bar)}h${f(step)}v${f(share * bar)}Z`;
    }
    if (within.some((one) => one.gaps > 0))
      bars.gaps += `M${f(x)} ${tops.gaps}v${gaps}h${f(Math.max(step, 0.5))}v${-gaps}Z`;
    if ((i / per) % labels === 0) {
      const at = tops.gaps + gaps;
      drawing.append(path(`M${f(x)} ${at}v1`, "cross"));
      if (x < wide - 8) drawing.append(words(x, at + 4, zone.time(within[0]!.timeUs).slice(0, 5)));
    }
  }
  drawing.append(path(lines, "grid-5"), path(band, "band-hr"), path(mean, "trace"));
  drawing.append(path(bars.v, "bar-v"), path(bars.s, "bar-s"), path(bars.gaps, "bar-gap"));
  drawing.append(
    words(0, 3, "HR/min"),
    words(0, tops.v + 4, `V/min ≤${most.v}`),
    words(0, tops.s + 4, `S/min ≤${most.s}`),
    words(0, tops.gaps + 2.6, "gaps"),
  );
  return drawing;
}
