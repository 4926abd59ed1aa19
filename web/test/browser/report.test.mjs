// The report, printed to PDF by the browser and measured in the PDF's own vectors: 25 mm are a second, 10 mm a
// millivolt, on A4 and on Letter.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, REAL, sleep, startMock, until } from "../page.mjs";
import { pulses, readPdf } from "../pdf.mjs";

const onlyMock = { skip: REAL === null ? false : "needs the stand-in" };
const us = (text) => Date.parse(text) * 1000;

async function openReport(browser, strips, hash) {
  await browser.page.evaluate(
    ([list, at]) => {
      sessionStorage.setItem("ecg-gateway.report.2", JSON.stringify(list));
      location.hash = at;
    },
    [strips, hash],
  );
  await until("report", async () =>
    /Strips \(/.test((await browser.page.locator(".sheet").textContent()) ?? ""),
  );
}

const traces = (page) =>
  page.drawn
    .filter(({ op }) => op === "S")
    .flatMap(({ paths }) => paths)
    .filter((points) => points.length > 3000);

test("in print 25 mm are 1 s and 10 mm are 1 mV, on A4 and Letter", onlyMock, async (context) => {
  const mock = await startMock({ day: "square" });
  context.after(() => mock.close());
  const browser = await Browser.start({ settings: { theme: "dark" } });
  context.after(() => browser.close());
  await browser.signIn(mock);
  const at = us("2026-01-30T06:20:00Z");
  await openReport(
    browser,
    [
      { timeUs: at, sample: null, seconds: 7 },
      { timeUs: at + 60e6, sample: null, seconds: 10 },
    ],
    "#/review/2?t=2026-01-30T06:20:00Z&span=3600&show=report",
  );
  for (const [format, width, height] of [
    ["A4", 210, 297],
    ["Letter", 215.9, 279.4],
  ]) {
    const pages = readPdf(await browser.page.pdf({ format }));
    let seconds = 0;
    let levels = 0;
    let worstMs = 0;
    let worstMv = 0;
    for (const page of pages) {
      assert.ok(Math.abs(page.widthMm - width) < 0.5 && Math.abs(page.heightMm - height) < 0.5, format);
      for (const pulse of pulses(page)) {
        worstMv = Math.max(worstMv, Math.abs(pulse[1][1] - pulse[2][1] - 10));
        levels++;
      }
      for (const trace of traces(page)) {
        assert.ok(
          trace.every(([x, y]) => x > 11 && x < page.widthMm - 11 && y > 11 && y < page.heightMm - 11),
          "within the margins",
        );
        const rises = [];
        for (let i = 1; i < trace.length; i++) {
          const up = trace[i - 1][1] - trace[i][1];
          if (up < 5) continue;
          rises.push(trace[i][0]);
          worstMv = Math.max(worstMv, Math.abs(up - 10));
        }
        for (let i = 1; i < rises.length; i++) {
          worstMs = Math.max(worstMs, Math.abs(rises[i] - rises[i - 1] - 25));
          seconds++;
        }
      }
    }
    // Two strips of two leads; the longer one has two rows, the second of them under 3000 points.
    assert.ok(seconds >= 20 && levels === 6, `${format}: ${seconds} seconds and ${levels} pulses found`);
    console.log(
      `${format}: ${seconds} s measured, worst ${worstMs.toFixed(3)} mm off 25; ` +
        `1 mV worst ${worstMv.toFixed(3)} mm off 10; ${pages.length} pages`,
    );
    assert.ok(worstMs < 0.5 && worstMv < 0.5, `${worstMs} mm, ${worstMv} mm`);
  }
});

test(
  "the report says whose it is, in the site's zone, what was not assessable and what it is not",
  onlyMock,
  async (context) => {
    const mock = await startMock({ control: true, timezone: "Asia/Kathmandu" });
    context.after(() => mock.close());
    const hostile = '<img src=x onerror="window.hacked=1">';
    const session = mock.theStore().session(2);
    session.label = hostile;
    const noted = session.beats[40_000];
    mock
      .theStore()
      .correct(
        { session: 2, kind: "note", target: "moment", from_us: session.timeUs(noted.sample), note: hostile },
        "ward-3",
        null,
      );
    mock
      .theStore()
      .correct({ session: 2, kind: "label", target: "beat", beats: [noted.id], class: "V" }, "ward-3", null);
    const browser = await Browser.start({ settings: { theme: "light" } });
    context.after(() => browser.close());
    const { page } = browser;
    await browser.signIn(mock);

    // Chosen by key in the strip view.
    const t = session.timeUs(noted.sample);
    await page.evaluate((at) => {
      location.hash = `#/review/2?t=${at}&w=5&show=strip`;
    }, t);
    await until("strip", () => page.evaluate(() => globalThis.ecgStrip?.().from_us > 0));
    await page.keyboard.press("p");
    await until("told", async () => /In the report: 1 strip/.test(await browser.text(".strip .message")));
    await page.keyboard.press("p");
    await until("once", async () => /in the report already/.test(await browser.text(".strip .message")));
    await page.evaluate(() => {
      location.hash = "#/review/2?span=86400&show=report";
    });
    await until("report", async () =>
      /Strips \(1\)/.test((await page.locator(".sheet").textContent()) ?? ""),
    );
    const text = await page.locator(".sheet").textContent();
    assert.ok(text.includes(hostile), "the label is text");
    assert.equal(await page.locator(".sheet img").count(), 0);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    assert.match(text, /From2026-01-30 11:57:05 \+05:45/);
    assert.match(text, /Time zoneAsia\/Kathmandu, UTC\+05:45/);
    assert.match(text, /Not assessable.*Signal missing\d.*8 gaps.*Unclassifiable beats\d+ \(0\.\d %\)/);
    assert.match(text, /What this is notNot a certified medical device/);
    assert.match(text, /not a diagnosis/);
    assert.match(text, /All99,\d{3}/);
    assert.match(text, /Electrode off \(II\) begins/);
    const strip = await page.locator("svg.ecg").nth(1).textContent();
    assert.match(strip, /^II25 mm\/s · 10 mm\/mV · raw, offset −3\.2 mV/);
    assert.match(strip, /person/);
    assert.equal(
      await page.locator("svg.ecg .letter.v path.cross").count(),
      1,
      "two lines below the corrected letter",
    );
    const before = Number(/V ventricular premature([\d,]+)/.exec(text)[1].replace(",", ""));

    await page.getByRole("button", { name: "corrected", exact: true }).click();
    await until("counted anew", async () => {
      const now =
        (await page
          .locator(".sheet")
          .textContent()
          .catch(() => "")) ?? "";
      return (
        now.includes(`V ventricular premature${(before + 1).toLocaleString("en-GB")}`) &&
        /as persons corrected/.test(now)
      );
    });

    // Nothing but the sheet is printed.
    await page.emulateMedia({ media: "print" });
    for (const hidden of ["body > header", ".trend-card", ".parts", ".report .tools", ".sheet button"])
      assert.equal(await page.locator(hidden).first().isVisible(), false, hidden);
    assert.equal(await page.locator(".sheet h1").isVisible(), true);
    await page.emulateMedia({ media: "screen" });
    await page.getByRole("button", { name: "Remove" }).click();
    await until("none", async () => /Strips \(0\)/.test((await page.locator(".sheet").textContent()) ?? ""));
    assert.deepEqual(browser.complaints, []);
  },
);

test(
  "a strip of a minute is drawn whole, a strip too many is said, and the clock is the gateway's",
  onlyMock,
  async (context) => {
    const mock = await startMock();
    context.after(() => mock.close());
    const browser = await Browser.start({ settings: { theme: "light" } });
    context.after(() => browser.close());
    const { page } = browser;
    await browser.signIn(mock);
    // The browser's clock is far off.
    await page.evaluate(() => {
      Date.now = () => 0;
    });
    const at = us("2026-01-30T12:00:00Z");
    const one = { timeUs: at, sample: null, seconds: 60 };
    await openReport(browser, [one], "#/review/2?t=2026-01-30T12:00:00Z&span=3600&show=report");
    assert.equal(
      await page.locator("svg.ecg").count(),
      1 + Math.ceil(60 / 7),
      "the trend, and 60 s in rows of 7 s",
    );
    const sheet = async () => (await page.locator(".sheet").textContent()) ?? "";
    assert.match(await sheet(), /Made20(2[6-9]|[3-9]\d)-/);
    assert.match(await sheet(), /V ventricular premature[\d,]+ \(with unclassifiable ones\)/);

    const many = Array.from({ length: 20 }, (_, i) => ({ timeUs: at + i * 30e6, sample: null, seconds: 5 }));
    await page.evaluate((list) => {
      sessionStorage.setItem("ecg-gateway.report.2", JSON.stringify(list));
      location.hash = "#/review/2?t=2026-01-30T18:00:00Z&span=3600&show=report";
    }, many);
    await until("twenty", async () => /Strips \(20\)/.test(await sheet()));
    await page.getByRole("button", { name: "Add the place of the trend" }).click();
    await until("said", async () => /20 strips at most/.test(await browser.text(".report .message")));
    assert.match(await sheet(), /Strips \(20\)/);
  },
);

test("a gap in a printed strip is blank: no line crosses it", onlyMock, async (context) => {
  const mock = await startMock();
  context.after(() => mock.close());
  const browser = await Browser.start({ settings: { theme: "light" } });
  context.after(() => browser.close());
  await browser.signIn(mock);
  const session = mock.theStore().session(2);
  const gap = session.gaps[3];
  const timeUs = session.timeUs(gap.first);
  await openReport(browser, [{ timeUs, sample: null, seconds: 7 }], "#/review/2?span=300&show=report");
  await sleep(300);
  const pages = readPdf(await browser.page.pdf({ format: "A4" }));
  const first = 12 + 9 + 3.5 * 25;
  const end = first + (gap.missing / session.rate) * 25;
  let beside = 0;
  for (const page of pages) {
    for (const { op, stroke, paths } of page.drawn) {
      if (op !== "S" || stroke !== "0,0,0") continue;
      for (const points of paths) {
        if (points.length < 100) continue;
        beside++;
        for (let i = 1; i < points.length; i++) {
          const crosses = points[i - 1][0] < first + 0.2 && points[i][0] > end - 0.2;
          assert.ok(!crosses, "a line over the gap");
          assert.ok(points[i][0] < first + 0.1 || points[i][0] > end - 0.1, "a point in the gap");
        }
      }
    }
  }
  assert.ok(beside >= 4, `${beside} pieces of trace beside the gap`);
});
