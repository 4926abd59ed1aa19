// Pixel truth: a square of 1 mV, and the calibration pulse, lie where they belong within one device pixel, at each
// speed and gain and at device pixel ratios 1 and 2. Places are computed here anew, not by the page's own module.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, REAL, startMock, until } from "../page.mjs";

const PERIOD_S = 1;

test("a square of 1 mV is drawn where it belongs", {
  skip: REAL !== null && "needs the stand-in",
}, async (context) => {
  const mock = await startMock({ signal: "square" });
  context.after(() => mock.close());
  let worstX = 0;
  let worstY = 0;
  let edges = 0;
  const picture = async (speed, gain, ratio, browser) => {
    await browser.page.keyboard.press(" ");
    await browser.page.waitForSelector(".sign.frozen:not([hidden])");
    await browser.drawn();
    const seen = await browser.page.evaluate(readPicture);
    await browser.page.keyboard.press(" ");
    const name = `ratio ${ratio}, ${speed} mm/s, ${gain} mm/mV`;
    const perMm = (96 / 25.4) * ratio;
    assert.ok(Math.abs(seen.perMm - perMm) < 1e-9, name);
    const middle = seen.lane.topPx + seen.lane.heightPx / 2;
    const y = (uv) => middle - ((uv - seen.shift) / 1000) * gain * perMm;
    const low = y(-3200);
    const high = y(-2200);
    // Levels: the middle of the stroke in columns that lie within a level.
    for (const [where, expected] of [
      [seen.lows, low],
      [seen.highs, high],
    ]) {
      assert.ok(where.length > 0, `${name}: no level seen`);
      for (const found of where) {
        assert.ok(Math.abs(found - expected) <= 1, `${name}: level at ${found}, belongs at ${expected}`);
        worstY = Math.max(worstY, Math.abs(found - expected));
      }
    }
    // Edges: between the last sample of a level and the first of the next.
    const perSample = (speed * perMm) / seen.rate;
    for (const found of seen.edges) {
      const half = (PERIOD_S / 2) * seen.rate;
      const unrolled = found - seen.left + seen.sweep * seen.width;
      const sample = unrolled / perSample;
      const edge = Math.round(sample / half) * half - 0.5;
      const off = Math.abs(unrolled - edge * perSample);
      assert.ok(off <= 1, `${name}: edge ${off} px from its place`);
      worstX = Math.max(worstX, off);
      edges++;
    }
    // How many are to be seen depends on where the sweep is.
    assert.ok(seen.edges.length >= 2, `${name}: ${seen.edges.length} edges seen`);
    assert.ok(Math.abs(seen.pulse - gain * perMm) <= 1, `${name}: pulse ${seen.pulse}, ${gain * perMm}`);
  };
  // One lead, high enough for 40 mm.
  const browsers = [];
  for (const ratio of [1, 2]) {
    const browser = await Browser.start({
      ratio,
      width: 1100,
      height: 700,
      settings: { theme: "light", leads: "1", speed: 12.5 },
    });
    context.after(() => browser.close());
    await browser.signIn(mock);
    browsers.push([ratio, browser]);
  }
  for (const [ratio, browser] of browsers) {
    // What lay between the newest stored block and the first piece is fetched after some seconds: until then there is a
    // stripe. The offset is chosen within the first second.
    await until(
      "a whole sweep of signal",
      async () => {
        const figures = await browser.figures();
        return (
          figures.head_sample - figures.begin_sample > 20 * figures.rate_hz && figures.missing_runs === 0
        );
      },
      40_000,
    );
    for (const speed of [12.5, 25, 50]) {
      for (const gain of [2.5, 5, 10, 20, 40]) {
        for (let i = 0; i < 4; i++) await browser.page.keyboard.press("-");
        for (let i = 0; i < [2.5, 5, 10, 20, 40].indexOf(gain); i++) await browser.page.keyboard.press("+");
        for (let i = 0; i < 2; i++) await browser.page.keyboard.press(",");
        for (let i = 0; i < [12.5, 25, 50].indexOf(speed); i++) await browser.page.keyboard.press(".");
        await picture(speed, gain, ratio, browser);
      }
    }
  }
  assert.ok(edges > 60, `${edges} edges in all`);
  console.log(`worst: x ${worstX.toFixed(2)} px over ${edges} edges, y ${worstY.toFixed(2)} px`);
});

test("the mark of a live beat stands at its R peak", {
  skip: REAL !== null && "needs the stand-in",
}, async (context) => {
  const mock = await startMock();
  context.after(() => mock.close());
  for (const ratio of [1, 2]) {
    const browser = await Browser.start({ ratio, settings: { theme: "light", leads: "1" } });
    context.after(() => browser.close());
    await browser.signIn(mock);
    await until("beats", async () => (await browser.figures())?.letters.length >= 5, 20_000);
    await browser.page.keyboard.press(" ");
    await browser.page.waitForSelector(".sign.frozen:not([hidden])");
    await browser.drawn();
    const seen = await browser.page.evaluate(readLetters);
    const perSample = (25 * (96 / 25.4) * ratio) / seen.rate;
    let looked = 0;
    for (const { sample, x, drawn, tick } of seen.letters) {
      const name = `ratio ${ratio}, beat at ${sample}`;
      const peak = peakNear(mock, sample);
      if (peak === null) continue;
      const off = (1000 * (sample - peak)) / seen.rate;
      assert.ok(Math.abs(off) <= 4, `${name}: ${off} ms from the R peak at ${peak}`);
      // Where the peak belongs, computed here anew.
      const place = seen.left + ((peak * perSample) % seen.width);
      const most = (4 / 1000) * seen.rate * perSample;
      assert.ok(Math.abs(x - place) <= most + 1e-6, `${name}: computed at ${x}, belongs at ${place}`);
      if (drawn === null) continue;
      assert.ok(Math.abs(drawn - x) <= 1, `${name}: letter drawn at ${drawn}, belongs at ${x}`);
      assert.ok(tick !== null && Math.abs(tick - x) <= 1, `${name}: tick drawn at ${tick}, belongs at ${x}`);
      looked++;
    }
    assert.ok(looked >= 3, `${looked} marks looked at, of ${seen.letters.length}`);
    console.log(`ratio ${ratio}: ${looked} marks of beats within 4 ms and one device pixel`);
  }
});

/** The highest (or lowest) sample of lead II about a place, from what the stand-in sent; null where it does not have it. */
function peakNear(mock, sample) {
  const { channels } = mock.state;
  const around = [];
  for (const { first, codes } of mock.kept) {
    for (let i = 0; i < codes.length / channels; i++) {
      if (Math.abs(first + i - sample) <= 40) around.push([first + i, codes[i * channels]]);
    }
  }
  if (around.length < 81) return null;
  // The noise of the mains lies on broad beats: the middle of what is within 3 % of the top.
  const codes = around.map(([, code]) => code);
  const [low, high] = [Math.min(...codes), Math.max(...codes)];
  const top = around.filter(([, code]) => code >= high - 0.03 * (high - low)).map(([at]) => at);
  return (top[0] + top.at(-1)) / 2;
}

/** Runs in the page: where the letters stand, and where their round frames and the ticks above them are drawn. */
function readLetters() {
  const figures = globalThis.ecgFigures();
  const marks = document.querySelector("canvas.marks");
  const ratio = globalThis.devicePixelRatio;
  const row = Math.round(14 * ratio);
  const { data } = marks.getContext("2d").getImageData(0, row, marks.width, 1);
  const paper = data.slice(0, 3);
  const ink = (at) => Math.abs(data[4 * at] - paper[0]) + Math.abs(data[4 * at + 1] - paper[1]) > 60;
  const trace = document.querySelector("canvas.trace");
  const lane = figures.lanes[0];
  // The lowest rows of the lane: the trace is seldom there.
  const y = lane.topPx + lane.heightPx - Math.round(3 * ratio);
  const below = trace.getContext("2d").getImageData(0, y, trace.width, 1).data;
  const letters = figures.letters.map(({ sample, x }) => {
    // Short of the frame of "labels pending", which begins 12 to the right of the newest.
    const reach = Math.round(11 * ratio);
    const [from, to] = [Math.round(x) - reach, Math.round(x) + reach];
    const alone = figures.letters.every((one) => one.sample === sample || Math.abs(one.x - x) > 3 * reach);
    if (!alone || from < 0 || to >= marks.width) return { sample, x, drawn: null, tick: null };
    const inked = [];
    for (let at = from; at <= to; at++) if (ink(at)) inked.push(at);
    const dark = [];
    for (let at = Math.round(x - 8 * ratio); at <= x + 8 * ratio; at++) {
      const [r, g, b] = below.slice(4 * at, 4 * at + 3);
      if (r + g + b < 420) dark.push(at);
    }
    const middle = (list) => (list.length === 0 ? null : (list[0] + list.at(-1) + 1) / 2);
    return { sample, x, drawn: middle(inked), tick: middle(dark) };
  });
  return { letters, rate: figures.rate_hz, left: figures.left_px, width: figures.width_px };
}

/** Runs in the page. Darkness of a pixel tells how much of it the stroke covers. */
function readPicture() {
  const figures = globalThis.ecgFigures();
  const canvas = document.querySelector("canvas.trace");
  const context = canvas.getContext("2d");
  const lane = figures.lanes[0];
  const image = context.getImageData(0, lane.topPx, canvas.width, lane.heightPx);
  const rgb = (x, y) => {
    const at = (y * canvas.width + x) * 4;
    return image.data[at] + image.data[at + 1] + image.data[at + 2];
  };
  // The grid's lines are reddish and light; the trace is near black.
  const dark = (x, y) => Math.max(0, 330 - rgb(x, y));
  const columns = [];
  for (let x = 0; x < canvas.width; x++) {
    let sum = 0;
    let moment = 0;
    let top = -1;
    let bottom = -1;
    for (let y = 0; y < lane.heightPx; y++) {
      const weight = dark(x, y);
      if (weight === 0) continue;
      sum += weight;
      moment += weight * (y + 0.5);
      if (top < 0) top = y;
      bottom = y;
    }
    columns.push({ sum, middle: sum === 0 ? null : moment / sum + lane.topPx, top, bottom });
  }
  const head = figures.head_sample;
  const speed = Number.parseFloat(document.querySelector("output[aria-label=Speed]").textContent);
  const perSample = (speed * figures.device_px_per_mm) / figures.rate_hz;
  const unrolled = head * perSample;
  const sweep = Math.floor(unrolled / figures.width_px);
  const headX = figures.left_px + unrolled - sweep * figures.width_px;
  // The current sweep if it is long enough, else the one before, right of the blank bar.
  const long = sweep === 0 || headX - figures.left_px > 2.5 * figures.rate_hz * perSample;
  const begin = long ? figures.left_px + 4 : Math.ceil(headX + 8 * figures.device_px_per_mm);
  const end = long ? Math.floor(headX - 4) : canvas.width - 4;
  const tall = (x) => columns[x].bottom - columns[x].top > 0.5 * figures.device_px_per_mm + 4;
  const lows = [];
  const highs = [];
  const edges = [];
  const flat = [];
  for (let x = begin; x < end; x++) {
    if (columns[x].sum === 0) continue;
    if (!tall(x)) {
      if (!tall(x - 1) && !tall(x + 1) && !tall(x - 2) && !tall(x + 2)) flat.push(columns[x].middle);
      continue;
    }
    if (tall(x - 1)) continue;
    // An edge: its middle is that of the darkness in the rows between the levels.
    let sum = 0;
    let moment = 0;
    const row = Math.round((columns[x].top + columns[x].bottom) / 2);
    for (let at = x - 3; at < x + 7; at++) {
      const weight = dark(at, row);
      sum += weight;
      moment += weight * (at + 0.5);
    }
    if (sum > 0) edges.push(moment / sum);
  }
  const split = (Math.min(...flat) + Math.max(...flat)) / 2;
  for (const level of flat) (level > split ? lows : highs).push(level);
  let pulseTop = Number.POSITIVE_INFINITY;
  let pulseBottom = 0;
  const centre = (x, from, to) => {
    let sum = 0;
    let moment = 0;
    for (let y = from; y < to; y++) {
      sum += dark(x, y);
      moment += dark(x, y) * (y + 0.5);
    }
    return moment / sum;
  };
  const half = Math.floor(lane.heightPx / 2);
  for (let x = 0; x < figures.left_px - 2; x++) {
    const above = centre(x, 0, half);
    const below = centre(x, half, lane.heightPx);
    // Columns with the flat top only.
    if (columns[x].sum > 0 && Number.isFinite(above) && !Number.isFinite(below))
      pulseTop = Math.min(pulseTop, above);
    if (columns[x].sum > 0 && Number.isFinite(below) && !Number.isFinite(above)) {
      pulseBottom = Math.max(pulseBottom, below);
    }
  }
  return {
    lane,
    perMm: figures.device_px_per_mm,
    shift: figures.shifts_uv[0],
    rate: figures.rate_hz,
    left: figures.left_px,
    width: figures.width_px,
    sweep: long ? sweep : sweep - 1,
    lows: [...new Set(lows)],
    highs: [...new Set(highs)],
    edges,
    pulse: pulseBottom - pulseTop,
  };
}
