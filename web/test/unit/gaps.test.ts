// What is drawn beside a gap where a point stands for several samples.

import assert from "node:assert/strict";
import { test } from "node:test";
import { drawNarrowGaps, drawTrace, type Ground, type Look } from "../../src/drawing.js";
import type { Gap } from "../../src/protocol.js";
import { Model } from "../../src/session.js";
import { info, piece } from "./help.js";

const PER = 4;
const PX_PER_SAMPLE = 0.05;
const LANE = { topPx: 0, heightPx: 100 };

/** A canvas that keeps what is drawn: lines as pairs of ends, and rectangles. */
function ground() {
  const lines: [number, number][] = [];
  const boxes: { x: number; wide: number; style: unknown }[] = [];
  let at = 0;
  const context = {
    fillStyle: "" as unknown,
    beginPath() {},
    stroke() {},
    moveTo(x: number) {
      at = x;
    },
    lineTo(x: number) {
      lines.push([at, x]);
      at = x;
    },
    fillRect(x: number, _y: number, wide: number) {
      boxes.push({ x, wide, style: context.fillStyle });
    },
  };
  const look = { devicePixelRatio: 1, devicePxPerMm: 4, gain: 10, textScale: 1, colors: { blank: "blank" } };
  const made: Ground = {
    context: context as unknown as CanvasRenderingContext2D,
    look: look as unknown as Look,
    lanes: [LANE],
    time: { pxPerSample: PX_PER_SAMPLE, widthPx: 1000 },
    leftPx: 0,
    hatch: null,
  };
  return { made, lines, boxes };
}

/** Every point one code higher than the one before, so that each is joined to the next by a line. */
function model(gaps: Gap[]): Model {
  const made = new Model();
  made.take({ type: "session", session: info({ samplesPerPoint: PER }) }, 0);
  const codes = Array.from({ length: 20 }, (_, i) => [i * 10, i * 10 + 1, i * 10, i * 10 + 1]).flat();
  made.takePiece({ ...piece(0, []), samplesPerPoint: PER, points: 20, codes: Int32Array.from(codes) }, 0, []);
  made.gaps = gaps;
  return made;
}

const joins = (lines: readonly [number, number][]) =>
  lines.filter(([a, b]) => Math.abs(b - a) > PER * PX_PER_SAMPLE * 0.9);

test("no line leads over a gap within a point, and it is a pixel wide", () => {
  const whole = ground();
  drawTrace(whole.made, model([]), 0, LANE, 0, 80, 0);
  assert.equal(joins(whole.lines).length, 19);
  drawNarrowGaps(whole.made, model([]), 0, 80, 0);
  assert.deepEqual(whole.boxes, []);

  const gap = {
    committed: false,
    session: null,
    firstMissingSample: 41,
    missingSamples: 2,
    cause: "overrun",
  };
  const torn = ground();
  drawTrace(torn.made, model([gap]), 0, LANE, 0, 80, 0);
  const x = 41.5 * PX_PER_SAMPLE;
  assert.equal(joins(torn.lines).length, 17, "both joins of the point that the gap lies in");
  assert.ok(torn.lines.every(([a, b]) => !(Math.min(a, b) < x && Math.max(a, b) > x)));
  drawNarrowGaps(torn.made, model([gap]), 0, 80, 0);
  assert.equal(torn.boxes.length, 1);
  const box = torn.boxes[0]!;
  assert.deepEqual([box.wide, box.style], [1, "blank"]);
  assert.ok(Math.abs(box.x + 0.5 - x) <= 0.5, `${box.x}`);
});
