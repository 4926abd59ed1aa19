// The review view in a real browser, over the stand-in's made-up day.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { Browser, REAL, sleep, startMock, until } from "../page.mjs";

const onlyMock = { skip: REAL === null ? false : "needs the stand-in" };
const NOON = "2026-01-30T12:00:00.000Z";

const strip = (page) => page.evaluate(() => globalThis.ecgStrip?.());
const place = (page) => page.evaluate(() => globalThis.ecgReview?.().place);
const hash = (page) => page.evaluate(() => location.hash);
const us = (text) => Date.parse(text) * 1000;

async function open(browser, address) {
  await browser.page.evaluate((value) => {
    location.hash = value;
  }, address);
}

async function shown(page, fromUs) {
  return until("strip", async () => {
    const now = await strip(page);
    return now?.from_us === fromUs && now;
  });
}

describe("review view", onlyMock, () => {
  let mock;
  let browser;
  let page;
  before(async () => {
    mock = await startMock();
    browser = await Browser.start({ settings: { theme: "light" } });
    page = browser.page;
    await browser.signIn(mock);
  });
  after(async () => {
    await browser.close();
    await mock.close();
  });

  test("sessions are listed; one opens with its trend and its first strip", async () => {
    await page.getByRole("link", { name: "Review" }).click();
    await page.waitForSelector("table.sessions");
    const rows = await page.locator("table.sessions tbody tr").allTextContents();
    assert.equal(rows.length, 3);
    assert.match(rows[0], /12 s stored \(interrupted/);
    assert.match(rows[1], /24 h 0 min.*live.*99,/);
    assert.match(rows[2], /replayed recording.*mitdb\/119/);
    await page.locator("table.sessions tbody tr:nth-child(2) a").click();
    await shown(page, us("2026-01-30T06:12:05Z"));
    assert.equal(await page.locator(".band:visible").count(), 0, "a live session has no band");
  });

  test("a trend of 24 h is drawn under 1 s, a minute of it under 300 ms", async () => {
    // All tries are printed. The best one is held: on a busy machine the others measure its other work.
    const trendMs = [];
    for (let i = 0; i < 3; i++) {
      await open(browser, "#/review");
      await page.waitForSelector("table.sessions");
      const begin = await page.evaluate(() => performance.now());
      await open(browser, `#/review/2?t=${NOON}&w=60&show=strip`);
      await page.waitForFunction(() => globalThis.ecgReview?.().trend_draw_ms > 0, null, { polling: "raf" });
      trendMs.push((await page.evaluate(() => performance.now())) - begin);
    }
    const figures = await page.evaluate(() => globalThis.ecgReview());
    await shown(page, us(NOON) - 30e6);
    const minutes = [];
    const pageMs = [];
    for (let i = 0; i < 8; i++) {
      const before = await page.evaluate(() => performance.now());
      await page.keyboard.press("PageDown");
      await page.waitForFunction(
        (from) => globalThis.ecgStrip?.().from_us === from,
        us(NOON) + (i + 0.5) * 60e6,
        { polling: "raf" },
      );
      minutes.push((await page.evaluate(() => performance.now())) - before);
      pageMs.push((await strip(page)).load_ms);
    }
    await page.getByRole("link", { name: "Full disclosure" }).click();
    const first = await until("rows", () => page.evaluate(() => globalThis.ecgDisclosure?.().first_drawn_ms));
    console.log(
      `24 h trend: sessions, minutes and drawing ${trendMs.map((ms) => ms.toFixed(0)).join(", ")} ms, drawing alone ${figures.trend_draw_ms.toFixed(0)} ms; ` +
        `a minute as a strip: ${minutes.map((ms) => ms.toFixed(0)).join(", ")} ms from the key to the page's answer, of these ` +
        `${pageMs.map((ms) => ms.toFixed(0)).join(", ")} ms fetch and drawing; ` +
        `full disclosure: first screen of minutes after ${first.toFixed(0)} ms`,
    );
    assert.ok(Math.min(...trendMs) < 1000, `${trendMs} ms`);
    assert.ok(Math.min(...pageMs) < 300, `a minute: ${pageMs} ms`);
  });

  test("with nothing in the cache the page is painted within 1 s, and the trend of 24 h is there soon", async () => {
    const tries = [];
    for (let i = 0; i < 3; i++) {
      const fresh = await Browser.start({ settings: { theme: "light" } });
      try {
        const origin = `http://127.0.0.1:${mock.port}`;
        // Signed in without having loaded a page.
        await fresh.context.request.post(`${origin}/session`, { data: { token: mock.token() } });
        await fresh.page.goto(`${origin}/#/review/2?t=${NOON}&w=60&show=strip`);
        await fresh.page.waitForFunction(() => globalThis.ecgReview?.().trend_draw_ms > 0, null, {
          polling: "raf",
        });
        tries.push(
          await fresh.page.evaluate(() => ({
            paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
            trend: performance.now(),
            fetched: performance
              .getEntriesByType("resource")
              .filter((one) => one.name.includes("/assets/") && one.transferSize > 0).length,
          })),
        );
      } finally {
        await fresh.close();
      }
    }
    console.log(
      `cold: ${tries.map(({ paint, trend }) => `painted ${paint?.toFixed(0)}, trend ${trend.toFixed(0)} ms`).join("; ")}`,
    );
    for (const { paint, trend, fetched } of tries) {
      assert.ok(fetched > 0, "its files came over the network");
      assert.ok(paint !== null && paint < 1000, `painted after ${paint} ms`);
      assert.ok(trend < 2000, `trend after ${trend} ms`);
    }
  });

  test("a deep link opens its place; back and forward work", async () => {
    await page.goto(`http://127.0.0.1:${mock.port}/#/review/2?t=${NOON}&w=20&show=strip`);
    await page.reload();
    await shown(page, us(NOON) - 10e6);
    assert.match(await browser.text(".when"), /^2026-01-30 /);
    await page.keyboard.press("]");
    await until("moved", async () => (await place(page)).timeUs > us(NOON));
    const there = (await place(page)).timeUs;
    assert.match(await hash(page), /^#\/review\/2\?t=2026-01-30T12:\d\d.*&w=20&show=strip$/);
    await page.keyboard.press("e");
    await page.waitForSelector(".beat-title");
    await until("title", async () => /^[AV] · /.test(await browser.text(".beat-title")));
    await page.goBack();
    await shown(page, Math.round(there - 10e6));
    await page.goBack();
    await shown(page, us(NOON) - 10e6);
    await page.goForward();
    await shown(page, Math.round(there - 10e6));
  });

  test("keyboard: paging, begin and end, events, length, go to a time", async () => {
    await open(browser, `#/review/2?t=${NOON}&w=10&show=strip`);
    await shown(page, us(NOON) - 5e6);
    await page.locator("body").press("PageDown");
    await shown(page, us(NOON) + 5e6);
    await page.keyboard.press("ArrowLeft");
    await shown(page, us(NOON) + 4e6);
    await page.keyboard.press("PageUp");
    await page.keyboard.press("ArrowRight");
    await shown(page, us(NOON) - 5e6);
    await page.keyboard.press("Home");
    await shown(page, us("2026-01-30T06:12:05Z"));
    await page.keyboard.press("End");
    await shown(page, us("2026-01-31T06:11:55Z"));
    await page.keyboard.press("[");
    await until("event before", async () => (await place(page)).timeUs < us("2026-01-31T06:12:00Z"));
    const last = (await place(page)).timeUs;
    await page.keyboard.press("[");
    await until("the one before it", async () => (await place(page)).timeUs < last);
    await page.keyboard.press("]");
    await until("and back", async () => (await place(page)).timeUs === last);
    await page.keyboard.press(",");
    await until("longer", async () => (await place(page)).seconds === 20);
    await page.keyboard.press(".");
    await page.keyboard.press("g");
    await page.getByRole("textbox", { name: "Time" }).fill("25:99");
    await page.keyboard.press("Enter");
    assert.match(await browser.text("dialog p.warn[role=status]"), /not a time/);
    await page.getByRole("textbox", { name: "Time" }).fill("2026-01-30 12:00:00");
    await page.keyboard.press("Enter");
    await until("gone there", async () => (await page.locator("dialog").count()) === 0);
    const local = await page.evaluate(() => new Date(2026, 0, 30, 12, 0, 0).getTime() * 1000);
    await shown(page, local - 5e6);
  });

  test("the trend by keys and by mouse", async () => {
    await open(browser, `#/review/2?t=${NOON}&w=10&show=strip`);
    await shown(page, us(NOON) - 5e6);
    const trend = page.getByRole("slider", { name: /Trend/ });
    await trend.focus();
    await page.keyboard.press("ArrowRight");
    await shown(page, us(NOON) + 55e6);
    assert.match(await trend.getAttribute("aria-valuetext"), /heart rate \d+ \(\d+ to \d+\), \d+ beats/);
    await page.keyboard.press("PageUp");
    await shown(page, us(NOON) - 3545e6);
    const box = await trend.boundingBox();
    await page.mouse.click(box.x + box.width * 0.75, box.y + 40);
    await until("clicked", async () => (await place(page)).timeUs > us("2026-01-30T20:00:00Z"));
  });

  test("a gap is hatched, with cause and length; nothing is drawn over it", async () => {
    const gap = await page.evaluate(
      async () => (await (await fetch("/v1/gaps?session=2&limit=10")).json()).gaps[2],
    );
    await open(browser, `#/review/2?t=${gap.time_us + 500_000}&w=5&show=strip`);
    const seen = await shown(page, gap.time_us + 500_000 - 2_500_000);
    const found = await page.evaluate(
      ([first, missing]) => {
        const figures = globalThis.ecgStrip();
        const canvas = document.querySelector(".strip-canvas");
        const perSample = (figures.speed * figures.device_px_per_mm) / figures.rate_hz;
        const x = (sample) => figures.left_px + (sample - figures.start_sample) * perSample;
        const trace = (column) => {
          const lane = figures.lanes[0];
          const { data } = canvas.getContext("2d").getImageData(column, lane.topPx, 1, lane.heightPx);
          let dark = 0;
          for (let i = 0; i < data.length; i += 4) if (data[i] + data[i + 1] + data[i + 2] < 200) dark++;
          return dark;
        };
        const inside = [];
        const end = Math.min(x(first + missing), canvas.width);
        for (let at = Math.ceil(x(first)) + 2; at < end - 2; at += 3) inside.push(trace(at));
        return {
          inside: Math.max(...inside),
          columns: inside.length,
          before: trace(Math.floor(x(first)) - 4),
        };
      },
      [gap.first_missing_sample, gap.missing_samples],
    );
    assert.ok(found.columns > 3 && found.inside === 0, JSON.stringify(found));
    assert.ok(found.before > 0, "the trace before the gap");
    await page.locator(".strip-side summary").evaluate((one) => {
      one.parentElement.open = true;
    });
    assert.match(await browser.text(".strip-side"), /gap(samples missed|bad frame|front-end set up again)/);
    // The stripe is where and as long as the gap is said to be, and the words name its cause and no other.
    const causes = {
      missed_drdy: "samples missed",
      bad_frame: "bad frame",
      chip_restart: "chip set up again",
    };
    const said = await browser.text(".strip-side");
    assert.ok(
      causes[gap.cause] !== undefined && said.includes(`gap${causes[gap.cause]}`),
      `${gap.cause}: ${said}`,
    );
    const longest = Math.max(0, ...(said.match(/\d+(?= ms)/g) ?? []).map(Number));
    assert.ok(seen.from_us < gap.time_us && longest > 0, said);
  });

  test("full disclosure: keys choose a minute, Enter opens it", async () => {
    await open(browser, `#/review/2?t=${NOON}&w=10&show=disclosure`);
    const rows = page.getByRole("slider", { name: /Full disclosure/ });
    await rows.focus();
    await until("chosen", async () => /2026-01-30/.test((await rows.getAttribute("aria-valuetext")) ?? ""));
    const { chosen } = await page.evaluate(() => globalThis.ecgDisclosure());
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await until(
      "moved",
      async () => (await page.evaluate(() => globalThis.ecgDisclosure().chosen)) === chosen + 2,
    );
    await page.keyboard.press("Enter");
    const minuteUs = us("2026-01-30T06:12:05Z") + (chosen + 2) * 60e6;
    await shown(page, minuteUs + 25e6);
  });

  test("a block the gateway was too busy for is asked for again", async () => {
    let refused = 0;
    // Of full disclosure alone: small strips of the list may still be on their way.
    await page.route(/\/v1\/ecg\?.*max_points=/, (route) => {
      if (refused > 0) return route.continue();
      refused++;
      const body = JSON.stringify({ type: "urn:problem-type:ecg-gateway:busy", title: "Busy", status: 503 });
      return route.fulfill({ status: 503, contentType: "application/problem+json", body });
    });
    await open(browser, "#/review/2?show=list");
    await open(browser, "#/review/2?t=2026-01-31T02:00:00Z&w=10&show=disclosure");
    await until("refused", async () =>
      /could not be fetched. Busy/.test((await page.locator(".strip .message").textContent()) ?? ""),
    );
    await until(
      "all rows",
      () => page.evaluate(() => globalThis.ecgDisclosure?.().first_drawn_ms > 0),
      10_000,
    );
    assert.equal(await page.locator(".strip .message").textContent(), "");
    assert.equal(refused, 1);
    await page.unroute(/\/v1\/ecg\?.*max_points=/);
  });

  test("machine's labels: jumps pass by what is unclassifiable, and counts say that it is among them", async () => {
    const session = mock.theStore().session(2);
    const at = session.beats.findIndex((beat) => beat.kind === "V" && beat.unclassifiable && !beat.poor);
    const own = session.timeUs(session.beats[at].sample);
    const next = session.beats.slice(at + 1).find((beat) => beat.kind !== "N" && !beat.unclassifiable);
    const event = session.events.find((one) => session.timeUs(one.sample) > own);
    const expected = Math.min(session.timeUs(next.sample), session.timeUs(event.sample));
    await open(browser, `#/review/2?t=${own - 1000}&w=10&show=strip`);
    await shown(page, own - 1000 - 5e6);
    await page.keyboard.press("]");
    await until("moved", async () => (await place(page)).timeUs !== own - 1000);
    assert.equal((await place(page)).timeUs, expected);
    await open(browser, `#/review/2?t=${own}&w=10&show=strip`);
    await shown(page, own - 5e6);
    assert.match(await browser.text(".trend-now"), /V \d+, S \d+ \(with unclassifiable ones\), \? \d+/);
    assert.match(await browser.text(".trend-card > .note"), /with the unclassifiable beats among them/);
  });

  test("a letter is hit within 44 px", async () => {
    const session = mock.theStore().session(2);
    // One with room to its right.
    const at = session.beats.findIndex((_, i) => i > 20_000 && session.beats[i + 1].rr > 900);
    const beat = session.beats[at];
    const own = session.timeUs(beat.sample);
    await open(browser, `#/review/2?t=${own}&w=5&show=strip`);
    await shown(page, own - 2.5e6);
    const { middle_x: x } = await strip(page);
    await page.locator(".strip-rows").click({ position: { x: x + 20, y: 14 } });
    await until("opened", async () => (await place(page)).beat === beat.id);
  });

  test("in the list of sessions ? and d work, and nothing else does", async () => {
    await open(browser, "#/review");
    await page.waitForSelector("table.sessions");
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open] table.keys");
    await page.keyboard.press("Escape");
    await until("closed", async () => (await page.locator("dialog").count()) === 0);
    await page.keyboard.press("d");
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.keyboard.press("d");
    await page.keyboard.press("g");
    await page.keyboard.press("]");
    assert.equal(await hash(page), "#/review");
    assert.match(await browser.text(".review .note"), /V and S count unclassifiable beats, too/);
  });

  test("the list loads more on demand and filters by kind", async () => {
    await open(browser, "#/review/2?show=list");
    const items = page.locator(".moment");
    assert.match(await browser.text(".strip > .note"), /12\.5 mm \(not calibrated\)\/s/);
    await until("items", async () => (await items.count()) === 24);
    const times = await page.locator(".moment-text > span:nth-child(2)").allTextContents();
    assert.deepEqual(times, times.toSorted().reverse(), "newest first");
    await page.getByRole("button", { name: "Load more" }).click();
    await until("more", async () => (await items.count()) === 48);
    for (const name of ["V beats", "S beats"]) await page.getByRole("button", { name }).click();
    await until("events alone", async () => /these are all/.test(await browser.text(".strip .message")));
    await page.getByLabel("Events of").selectOption("lead_off");
    await until("of one kind", async () => (await items.count()) === 2);
    assert.match((await items.allTextContents()).join(), /Electrode off \(II\) begins/);
    await page.getByRole("button", { name: "Events", exact: true }).click();
    await until("none", async () => /Choose a kind/.test(await browser.text(".strip .message")));
  });

  test("beat page: probabilities, neighbours, map; refusals in the gateway's words", async () => {
    await open(browser, "#/review/2?show=beat&beat=50001&t=2026-01-30T18:00:00Z");
    await until("map", async () =>
      /Grad-CAM map for class/.test(await page.locator(".beat-main").textContent()),
    );
    assert.equal(await page.locator(".chances tr").count(), 5);
    assert.match(await browser.text(".beat-main"), /cannot tell why the heart did it.*not a diagnosis/);
    assert.match(await browser.text(".facts"), /RR before\d+ ms.*RR after\d+ ms/);
    const sign = await page.evaluate(() => {
      const canvas = document.querySelector(".map-canvas");
      const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let above = 0;
      let below = 0;
      for (let y = 0; y < height; y++) {
        for (let x = 40; x < width; x++) {
          const at = (y * width + x) * 4;
          const blue = data[at + 2] > 130 && data[at] < 60;
          if (!blue) continue;
          if (y < height / 2) above++;
          else below++;
        }
      }
      return { above, below };
    });
    assert.ok(sign.above > 200 && sign.below < sign.above / 50, JSON.stringify(sign));
    await page.keyboard.press("ArrowRight");
    await until("next beat", async () => (await place(page)).beat === 50002);
    await page.getByRole("button", { name: "SHAP" }).click();
    await until("shap", async () =>
      /SHAP map for class/.test(await page.locator(".beat-main").textContent()),
    );
    await open(browser, "#/review/1?show=beat&beat=100&t=2026-01-29T09:31:00Z");
    await until("refused", async () =>
      /There is no Grad-CAM map of this beat\..*pruned or never kept/.test(
        (await page
          .locator(".beat-main")
          .textContent({ timeout: 1000 })
          .catch(() => "")) ?? "",
      ),
    );
    assert.match(await browser.text(".band:visible"), /Replayed recording \(mitdb\/119\)/);
    // A beat of another session stands below the heading of its own.
    await open(browser, "#/review/2?show=beat&beat=5&t=2026-01-30T18:00:00Z");
    await until("another session", async () => (await place(page)).session === 1);
    await until("its heading", async () =>
      /session 1 ·.*mitdb\/119/.test((await browser.text(".review-head").catch(() => "")) ?? ""),
    );
    await until("its beat", async () =>
      /2026-01-29/.test((await browser.text(".beat-title").catch(() => "")) ?? ""),
    );
    await open(browser, "#/review/2?show=beat&beat=8888888&t=2026-01-30T18:00:00Z");
    await until("unknown", async () => /no beat has the id/.test(await browser.text(".strip .message")));
  });

  test("RR pictures say how many are counted and what was left out", async () => {
    await open(browser, `#/review/2?t=${NOON}&show=rr&span=3600`);
    await until("facts", async () =>
      /Left out: beside a V or S beat\d+/.test((await page.locator(".facts").textContent()) ?? ""),
    );
    const text = await browser.text(".facts");
    const of = (name) => Number(new RegExp(`${name}([\\d,]+)`).exec(text)[1].replaceAll(",", ""));
    assert.equal(
      of("RR intervals counted") + of("no RR interval") + of("V or S beat") + of("beside a \\? beat"),
      of("Beats in the span"),
    );
    assert.ok(of("beside a \\? beat") > 0, "unclassifiable beats are known");
    // No number is cut off at the edge of a plot: on a phone the Poincaré plot is as wide as there is room, and its
    // last number the widest.
    await page.route("**/v1/rr?**", (route) => {
      const count = 100;
      const row = (of) => Array.from({ length: count }, (_, i) => of(i));
      const json = {
        session: 2,
        rr_ms: row((i) => (i % 2 === 0 ? 1100 : 1950)),
        r_time_us: row((i) => us(NOON) + i * 1e6),
        class: "N".repeat(count),
        beat_ids: row((i) => i + 1),
        next_cursor: null,
      };
      return route.fulfill({ json });
    });
    await open(browser, `#/review/2?t=${NOON}&show=rr&span=300`);
    await until("made up", async () => /span100/.test((await browser.text(".facts").catch(() => "")) ?? ""));
    await page.unroute("**/v1/rr?**");
    await page.setViewportSize({ width: 360, height: 740 });
    await browser.drawn();
    await sleep(200);
    const colours = await page.evaluate(() =>
      [...document.querySelectorAll(".plot")].map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(canvas.width - 1, 0, 1, canvas.height);
        return new Set(Array.from({ length: canvas.height }, (_, y) => data.slice(4 * y, 4 * y + 3).join()))
          .size;
      }),
    );
    assert.deepEqual(colours, [1, 1], "the last column is blank");
    await page.setViewportSize({ width: 1280, height: 800 });
    await open(browser, `#/review/2?t=${NOON}&show=rr&span=3600&labels=corrected`);
    await until("said", () => page.getByText("RR intervals go by the machine's labels").isVisible());
    await open(browser, `#/review/2?t=${NOON}&show=rr&span=3600`);
    await until("facts", async () => /Beats in/.test((await browser.text(".facts").catch(() => "")) ?? ""));
    await until(
      "not said",
      async () => !(await page.getByText("RR intervals go by the machine").isVisible()),
    );
    await page.route("**/v1/rr?**", async (route) => {
      await sleep(1500);
      await route.continue().catch(() => {});
    });
    await open(browser, `#/review/2?t=${NOON}&show=rr&span=300`);
    const halt = page.getByRole("button", { name: "Stop" });
    await halt.click();
    await until("stopped", async () => /^Stopped/.test(await browser.text(".strip .message")));
    assert.equal(await halt.isVisible(), false);
    await page.unroute("**/v1/rr?**");
    await page.getByRole("button", { name: "24 h" }).click();
    await until(
      "all day",
      async () => /Beats in the span99,/.test((await page.locator(".facts").textContent()) ?? ""),
      20_000,
    );
  });

  test("empty and wrong places are said in words", async () => {
    await open(browser, "#/review/3?show=rr");
    await until("no intervals", async () => /no RR interval/.test(await browser.text(".strip .message")));
    await open(browser, "#/review/3?show=strip&w=10");
    await until("table", async () => /0 beats/.test((await page.locator(".strip-side").textContent()) ?? ""));
    await open(browser, "#/review/77?show=strip");
    await until("no session", async () => /There is no session 77/.test(await browser.text(".message")));
  });

  test("axe finds nothing serious in any part, light and dark", async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(`${axe};0`);
    for (const part of ["", "strip", "disclosure", "list", "rr", "beat", "dark"]) {
      if (part === "dark")
        await page.evaluate(() => document.dispatchEvent(new KeyboardEvent("keydown", { key: "d" })));
      else if (part === "") await open(browser, "#/review");
      else await open(browser, `#/review/2?t=${NOON}&show=${part}&beat=50001`);
      await sleep(900);
      if (part === "strip") await page.keyboard.press("c");
      const found = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document);
        return violations.map(
          (one) => `${one.impact}: ${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`,
        );
      });
      assert.deepEqual(
        found.filter((one) => /^(serious|critical)/.test(one)),
        [],
        part,
      );
      if (found.length > 0) console.log(part, found.join("\n").slice(0, 400));
    }
  });

  test("nothing runs over the edge, and touch targets are 44 px", async () => {
    for (const size of [
      { width: 640, height: 400 },
      { width: 360, height: 740 },
      { width: 1280, height: 800 },
    ]) {
      await page.setViewportSize(size);
      for (const part of ["strip", "disclosure", "list", "rr", "beat"]) {
        await open(browser, `#/review/2?t=${NOON}&show=${part}&beat=50001`);
        await sleep(500);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${part} at ${size.width} px: ${over} px too wide`);
        const small = await page.evaluate(() =>
          [...document.querySelectorAll("button, a, summary, select, .caliper")]
            .filter((one) => one.checkVisibility() && !one.classList.contains("skip"))
            .map((one) => ({ name: one.textContent, box: one.getBoundingClientRect() }))
            .filter(({ box }) => box.height < 43.9)
            .map(({ name, box }) => `${name} ${box.width}x${box.height}`),
        );
        assert.deepEqual(small, [], `${part} at ${size.width} px`);
      }
    }
  });

  test("without a session (401) the sign-in page comes", async () => {
    mock.sessions.clear();
    await open(browser, "#/review");
    await page.waitForSelector("#token");
    const complaints = browser.complaints.filter((one) => !/WebSocket connection|40[149]|410|503/.test(one));
    assert.deepEqual(complaints, []);
  });
});

test(
  "a session that goes on is read anew: at the end, for a time, and once a minute",
  onlyMock,
  async (context) => {
    const mock = await startMock();
    context.after(() => mock.close());
    const session = mock.theStore().session(1);
    session.endReason = "recording";
    const browser = await Browser.start({ settings: { theme: "light" } });
    context.after(() => browser.close());
    const { page } = browser;
    await page.clock.install();
    await browser.signIn(mock);
    await open(browser, "#/review/1?w=10&show=strip");
    await until("strip", async () => (await strip(page))?.from_us > 0);
    const atEnd = async (what) =>
      until(what, async () => Math.abs((await place(page)).timeUs - (session.endUs - 5e6)) < 2e6);
    await page.locator("body").press("End");
    await atEnd("end");
    session.grow(600);
    await page.keyboard.press("End");
    await atEnd("the new end");
    assert.match(await browser.text(".review-head .note"), /40 min 0 s stored|40 min/);
    assert.equal(await page.getByRole("slider", { name: /^Trend/ }).getAttribute("aria-valuemax"), "39");

    session.grow(600);
    await page.keyboard.press("g");
    await page.getByRole("textbox", { name: "Time" }).fill(
      await page.evaluate((us) => {
        const at = new Date(us / 1000);
        return [at.getHours(), at.getMinutes(), at.getSeconds()]
          .map((one) => String(one).padStart(2, "0"))
          .join(":");
      }, session.endUs - 60e6),
    );
    await page.keyboard.press("Enter");
    await until(
      "gone there",
      async () => Math.abs((await place(page)).timeUs - (session.endUs - 60e6)) < 2e6,
    );

    await open(browser, "#/review/1?show=disclosure");
    await until("drawn", () => page.evaluate(() => globalThis.ecgDisclosure?.().first_drawn_ms > 0), 10_000);
    session.grow(600);
    await page.clock.fastForward(61_000);
    await until("a minute later", async () =>
      /1 h 0 min/.test(await page.evaluate(() => globalThis.ecgDisclosure().length)),
    );
    assert.equal(
      await page.getByRole("slider", { name: /^Full disclosure/ }).getAttribute("aria-valuemax"),
      "59",
    );
  },
);

test("calipers read a known square wave within a pixel", onlyMock, async (context) => {
  const mock = await startMock({ day: "square" });
  context.after(() => mock.close());
  let worstMs = 0;
  let worstPx = 0;
  let worstMv = 0;
  for (const ratio of [1, 2]) {
    const browser = await Browser.start({ ratio, settings: { theme: "light", leads: "1" } });
    context.after(() => browser.close());
    const { page } = browser;
    await browser.signIn(mock);
    await open(browser, "#/review/2?t=2026-01-30T06:20:00Z&w=5&show=strip");
    const seen = await shown(page, us("2026-01-30T06:19:57.5Z"));
    await page.keyboard.press("c");
    await page.waitForSelector(".caliper:visible");
    // Rising and falling edge of one pulse, at the heights of its foot and its top, as a person would set them.
    const perSample = (seen.speed * seen.device_px_per_mm) / seen.rate_hz;
    const box = await page.locator(".strip-canvas").boundingBox();
    const lane = seen.lanes[0];
    const middle = lane.topPx + lane.heightPx / 2;
    const x = (sample) => box.x + (seen.left_px + (sample - seen.start_sample) * perSample) / ratio;
    const y = (uv) =>
      box.y + (middle - ((uv - seen.offsets_uv[0]) / 1000) * seen.gain * seen.device_px_per_mm) / ratio;
    const rise = Math.ceil(seen.start_sample / 500) * 500 + 500 + 249.5;
    const fall = rise + 250;
    const drag = async (name, sample, uv) => {
      const handle = await page.getByRole("slider", { name }).boundingBox();
      const from = { x: handle.x + handle.width / 2, y: handle.y + handle.height / 2 };
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      await page.mouse.move(x(sample), y(uv), { steps: 4 });
      await page.mouse.up();
    };
    await drag("Caliper 1", rise, 0);
    await drag("Caliper 2", fall, 1000);
    const [a, b] = (await strip(page)).calipers;
    const pixelMs = (1000 / seen.rate_hz / perSample) * 1;
    const pixelMv = 1 / (seen.gain * seen.device_px_per_mm);
    const ms = (Math.abs(b.sample - a.sample) / seen.rate_hz) * 1000;
    const mv = (b.uv - a.uv) / 1000;
    worstMs = Math.max(worstMs, Math.abs(ms - 500));
    worstPx = Math.max(worstPx, Math.abs(ms - 500) / pixelMs);
    worstMv = Math.max(worstMv, Math.abs(mv - 1));
    assert.ok(Math.abs(ms - 500) <= pixelMs, `${ms} ms, a pixel is ${pixelMs} ms`);
    assert.ok(Math.abs(mv - 1) <= pixelMv, `${mv} mV, a pixel is ${pixelMv} mV`);
    assert.match(
      await browser.text(".caliper-reading"),
      /^(49\d|50\d) ms · \+(0\.9\d|1\.0\d) mV · 1(19|20|21)\.\d per minute$/,
    );

    // By keys: on the trace, one sample at a time; the level jumps by 1 mV at the edge.
    const handle = page.getByRole("slider", { name: "Caliper 1" });
    await handle.press("Enter");
    const levels = new Set();
    for (let i = 0; i < 16; i++) {
      await handle.press(i < 8 ? "ArrowLeft" : "ArrowRight");
      levels.add(Math.round((await strip(page)).calipers[0].uv / 100) * 100);
    }
    assert.deepEqual(
      [...levels].sort((p, q) => p - q),
      [0, 1000],
    );

    // The drawn edge itself lies where the caliper's sample says, within a device pixel.
    const column = await page.evaluate(
      ([from, to, row]) => {
        const canvas = document.querySelector(".strip-canvas");
        const { data } = canvas.getContext("2d").getImageData(from, row, to - from, 1);
        let sum = 0;
        let moment = 0;
        for (let i = 0; i < to - from; i++) {
          const weight = Math.max(0, 330 - data[4 * i] - data[4 * i + 1] - data[4 * i + 2]);
          sum += weight;
          moment += weight * (from + i + 0.5);
        }
        return moment / sum;
      },
      [
        Math.round((x(rise) - box.x) * ratio) - 8,
        Math.round((x(rise) - box.x) * ratio) + 8,
        Math.round((y(500) - box.y) * ratio),
      ],
    );
    const off = Math.abs(column - (x(rise) - box.x) * ratio);
    assert.ok(off <= 1, `edge ${off} px from its place`);
    console.log(
      `ratio ${ratio}: ${ms} ms for 500, ${mv.toFixed(3)} mV for 1; drawn edge ${off.toFixed(2)} px off`,
    );
  }
  console.log(
    `worst: ${worstMs.toFixed(1)} ms (${worstPx.toFixed(2)} device px), ${(worstMv * 1000).toFixed(0)} uV`,
  );
});

test("the sweep is back-filled from what is stored", onlyMock, async (context) => {
  const mock = await startMock();
  context.after(() => mock.close());
  await sleep(8000);
  const browser = await Browser.start({ settings: { theme: "light" } });
  context.after(() => browser.close());
  await browser.signIn(mock);
  const figures = await until("filled", async () => {
    const now = await browser.figures();
    return now?.ring_points > 0 && now.end_sample - now.begin_sample > 3000 && now;
  });
  console.log(
    `back-filled: ${((figures.end_sample - figures.begin_sample) / figures.rate_hz).toFixed(1)} s of ECG at once`,
  );
});

describe("review of what the program has stored", { skip: REAL === null && "needs the program" }, () => {
  let browser;
  let page;
  before(async () => {
    browser = await Browser.start({ settings: { theme: "light" } });
    page = browser.page;
    await browser.signIn(null);
  });
  after(() => browser.close());

  test("session, trend, strip, full disclosure, list, RR and a beat with its maps", async () => {
    await page.getByRole("link", { name: "Review" }).click();
    await page.waitForSelector("table.sessions tbody tr a");
    await page.locator("table.sessions tbody tr a").first().click();
    // It is recording: what is stored grows.
    await until(
      "beats in the strip",
      async () => {
        await page.keyboard.press("Home");
        await sleep(500);
        const now = await strip(page);
        return now?.beats > 5;
      },
      60_000,
    );
    assert.ok((await page.evaluate(() => globalThis.ecgReview().trend_draw_ms)) > 0);
    for (const name of ["Full disclosure", "Events and beats", "RR intervals", "Strip"]) {
      await page
        .getByRole("link", { name, exact: true })
        .or(page.getByRole("tab", { name, exact: true }))
        .click();
      await sleep(700);
      assert.doesNotMatch(await browser.text("main"), /cannot be shown/, name);
    }
    const beat = await page.evaluate(async () => (await (await fetch("/v1/beats?limit=20")).json()).beats[5]);
    await open(browser, `#/review/${beat.session}?show=beat&beat=${beat.id}&t=${beat.r_time}`);
    await page.waitForSelector(".beat-main");
    for (const method of ["Grad-CAM", "SHAP"]) {
      await page.getByRole("button", { name: method }).click();
      await until(
        method,
        async () => (await page.locator(".beat-main").textContent()).includes(`${method} map for class`),
        30_000,
      );
    }
    assert.equal(await page.locator(".chances tr").count(), 5);
    assert.deepEqual(browser.complaints, []);
  });
});
