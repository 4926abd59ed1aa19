// The live view in a real browser. See ../page.mjs for how to run it against the real program.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { Browser, REAL, sleep, startMock, until } from "../page.mjs";

const onlyMock = { skip: REAL === null ? false : "needs the stand-in" };

/** Pixels of the trace's canvas that are (nearly) of the trace's colour, as [x, y] of its device pixels. */
function countTrace(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector("canvas.trace");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let dark = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] + data[i + 1] + data[i + 2] < 200) dark++;
    return dark;
  });
}

describe("live view", () => {
  let mock;
  let browser;
  let page;
  before(async () => {
    mock = await startMock();
    browser = await Browser.start({ settings: { theme: "light" } });
    page = browser.page;
    await browser.signIn(mock);
    // Received by this page, however long the session has run.
    await until("samples", async () => {
      const figures = await browser.figures();
      return figures?.ring_points > 0 && figures.end_sample - figures.begin_sample > 1000;
    });
  });
  after(async () => {
    await browser.close();
    await mock?.close();
  });

  test("the token leaves the address bar and the page is signed in", async () => {
    assert.ok(!page.url().includes("token"));
    await until("name", async () => /\w/.test(await browser.text(".who")));
  });

  test("the sweep draws and moves", async () => {
    const dark = await countTrace(page);
    const { head_sample: head } = await browser.figures();
    await sleep(1000);
    const later = (await browser.figures()).head_sample;
    assert.ok(dark > 500, `${dark} pixels`);
    assert.ok(later - head > 400 && later - head < 700, `${later - head} samples in a second`);
  });

  test("two leads sweep at 30 frames per second at least, and the newest drawn sample is young", async () => {
    await browser.figures(true);
    await sleep(6000);
    const figures = await browser.figures();
    console.log(
      `frames/s ${(1000 / figures.frame_ms_median).toFixed(1)} (median), ` +
        `${(figures.frames / 6).toFixed(1)} (mean); drawing ${figures.draw_ms_median.toFixed(2)} ms median, ` +
        `${figures.draw_ms_p99.toFixed(2)} ms p99; age of the newest drawn sample ` +
        `${figures.drawn_age_ms_median.toFixed(0)} ms median, ${figures.drawn_age_ms_p99.toFixed(0)} ms p99`,
    );
    assert.ok(figures.frames / 6 >= 30);
    assert.ok(figures.drawn_age_ms_p99 <= 400);
  });

  test("numbers, ages and the standing warning are there", async () => {
    await until("heart rate", async () => /^\d+$/.test(await browser.text(".heart-rate")), 12_000);
    assert.match(await browser.text(".disclaimer"), /Not a medical device, no alarms/);
    assert.match(await browser.text(".ages"), /ECG \d\.\d s old.*labels \d\.\d s old/);
    if (REAL === null) assert.match(await browser.text(".band"), /Simulated signal/);
  });

  test("a gap is a hatched stripe without a trace, with cause and length", onlyMock, async () => {
    const { end_sample: end } = await browser.figures();
    mock.set({ gap: 100 });
    await until("gap drawn", async () => (await browser.figures()).head_sample > end + 350);
    const found = await page.evaluate(
      ([from, to]) => {
        const figures = globalThis.ecgFigures();
        const perSample = (25 * figures.device_px_per_mm) / figures.rate_hz;
        const canvas = document.querySelector("canvas.trace");
        const lane = figures.lanes[0];
        // Somewhere in the 100 missing samples; they begin at the next piece.
        const columns = [];
        for (let sample = from; sample < to; sample += 4) {
          const x = Math.round(figures.left_px + ((sample * perSample) % figures.width_px));
          const { data } = canvas.getContext("2d").getImageData(x, lane.topPx, 1, lane.heightPx);
          let trace = 0;
          for (let i = 0; i < data.length; i += 4) if (data[i] < 70 && data[i + 2] < 90) trace++;
          columns.push(trace);
        }
        return columns;
      },
      [end, end + 300],
    );
    const empty = found.filter((trace) => trace === 0).length * 4;
    assert.ok(empty >= 88 && empty <= 112, `${empty} samples without a trace: ${found}`);
    const { missing, words } = await browser.figures();
    assert.deepEqual(
      missing.map((run) => [run.end - run.first, run.cause]),
      [[100, "missed_drdy"]],
    );
    assert.ok(words.includes("gap 200 ms: samples missed"), `${words}`);
  });

  test("keyboard: gain, speed, leads, filter, dark, freeze, help", async () => {
    await page.locator("body").press("+");
    await until("gain", async () => (await browser.text("output[aria-label=Gain]")) === "20 mm/mV");
    await page.keyboard.press("-");
    await page.keyboard.press(".");
    await until("speed", async () => (await browser.text("output[aria-label=Speed]")) === "50 mm/s");
    await page.keyboard.press(",");
    await page.keyboard.press("1");
    assert.equal((await browser.figures()).lanes.length, 1);
    await page.keyboard.press("1");
    assert.equal((await browser.figures()).lanes.length, 2);
    await page.keyboard.press("w");
    assert.equal(await page.getByRole("button", { name: "Filtered" }).getAttribute("aria-pressed"), "true");
    await page.keyboard.press("w");
    await page.keyboard.press("d");
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.keyboard.press("d");
    await page.keyboard.press(" ");
    await until("frozen", async () => /FROZEN/.test(await browser.text(".sign.frozen")));
    const { head_sample: head } = await browser.figures();
    await sleep(500);
    const still = await browser.figures();
    assert.equal(still.head_sample, head);
    assert.ok(still.end_sample > head + 150, "data go on");
    await page.keyboard.press(" ");
    await until("moving", async () => (await browser.figures()).head_sample > head + 100);
    await page.keyboard.press("?");
    const box = page.getByLabel("Single-key shortcuts");
    await box.press(" ");
    assert.equal(await box.isChecked(), false);
    await page.keyboard.press("Escape");
    await page.keyboard.press("+");
    assert.equal(await browser.text("output[aria-label=Gain]"), "10 mm/mV", "switched off");
    await page.getByRole("button", { name: "Help" }).click();
    await page.getByLabel("Single-key shortcuts").press(" ");
    await page.keyboard.press("+");
    assert.equal(await browser.text("output[aria-label=Gain]"), "10 mm/mV", "not in a dialog");
    await page.keyboard.press("Escape");
  });

  test("a pulled electrode is shown in words and on the body", onlyMock, async () => {
    mock.set({ off: "in1n" });
    await until("condition", async () => /Electrode off: R \(red\)/.test(await browser.text(".conditions")));
    assert.match(await browser.text(".electrodes"), /R \(red\): off/);
    await page.getByRole("button", { name: "IEC" }).click();
    await until("AHA", async () => /RA \(white\): off/.test(await browser.text(".electrodes")));
    mock.set({ off: "" });
    await until("over", async () => /none/.test(await browser.text(".conditions")));
  });

  test("messages that cannot be read are shown and change nothing else", onlyMock, async () => {
    const { end_sample: end } = await browser.figures();
    mock.set({ bad: 1 });
    await until("error", async () => /could not be read/.test(await browser.text(".conditions")));
    await until("goes on", async () => (await browser.figures()).end_sample > end + 200);
  });

  test("a clock step is told and changes no age", onlyMock, async () => {
    mock.set({ clock: 3_600_000 });
    await until("told", async () => /clock was set 1 h 0 min forward/.test(await browser.text(".panel")));
    assert.equal((await browser.figures()).stale.stale, false);
    mock.set({ clock: -3_600_000 });
  });

  test("without samples: stale within two seconds, and live again after it", onlyMock, async () => {
    mock.set({ stall: true });
    const begin = performance.now();
    await until("stale", async () => (await browser.figures()).stale.stale, 3000);
    await until("---", async () => (await browser.text(".heart-rate")) === "---", 500);
    const took = performance.now() - begin;
    console.log(`stale ${took.toFixed(0)} ms after the last sample was asked for`);
    assert.ok(took < 2500, `${took} ms`);
    // The page looks at its clock five times per second.
    await until("greyed", async () => (await page.locator(".stage.is-stale").count()) > 0, 500);
    assert.match(await browser.text(".sign.stale"), /Not live: no samples/);
    mock.set({ stall: false });
    await until("live", async () => !(await browser.figures()).stale.stale, 3000);
  });

  test("a lost connection is said, and made again", onlyMock, async () => {
    mock.set({ refuse: true, drop: 1 });
    await until("said", async () => /connection lost/.test(await browser.text(".link")));
    await until("---", async () => (await browser.text(".heart-rate-reason")) === "connection lost", 4000);
    mock.set({ refuse: false });
    await page
      .getByRole("button", { name: "Try now" })
      .click({ timeout: 5000 })
      .catch(() => {});
    await until("live", async () => (await browser.text(".link")) === "live", 12_000);
  });

  test("axe finds nothing serious, light and dark, with dialogs", async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    // By the debugger and not as a script element: the page's own rules forbid that.
    await page.evaluate(`${axe};0`);
    for (const state of ["light", "dark", "help", "calibrate"]) {
      if (state === "dark") await page.getByRole("button", { name: "Dark" }).click();
      if (state === "help") await page.getByRole("button", { name: "Help" }).click();
      if (state === "calibrate") {
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Calibrate" }).click();
      }
      const found = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document);
        return violations.map(
          (one) => `${one.impact}: ${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`,
        );
      });
      assert.deepEqual(
        found.filter((one) => /^(serious|critical)/.test(one)),
        [],
        state,
      );
      if (found.length > 0) console.log(state, found.join("\n").slice(0, 500));
    }
    await page.keyboard.press("Escape");
  });

  test("at 200 % and at 360 px nothing runs over the edge", async () => {
    for (const size of [
      { width: 640, height: 400 },
      { width: 360, height: 740 },
      { width: 1280, height: 800 },
    ]) {
      await page.setViewportSize(size);
      await sleep(200);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${size.width} px: ${over} px too wide`);
    }
  });

  test("touch targets are 44 px", async () => {
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, nav a, summary")]
        .filter((one) => one.checkVisibility())
        .map((one) => ({ name: one.textContent, box: one.getBoundingClientRect() }))
        .filter(({ box }) => box.width < 43.9 || box.height < 43.9)
        .map(({ name, box }) => `${name} ${box.width}x${box.height}`),
    );
    assert.deepEqual(small, []);
  });

  test("no rule of the content security policy was broken, and nothing threw", async () => {
    const complaints = browser.complaints.filter((one) => !/WebSocket connection|503/.test(one));
    assert.deepEqual(complaints, []);
  });
});

describe("what must not outlast its time", onlyMock, () => {
  let mock;
  let browser;
  let page;
  before(async () => {
    mock = await startMock({ control: true, patient: "first" });
    browser = await Browser.start({ settings: { theme: "light" } });
    page = browser.page;
    await browser.signIn(mock);
    await until("live", async () => (await browser.text(".link")) === "live");
    await until("heart rate", async () => /^\d+$/.test(await browser.text(".heart-rate")), 12_000);
  });
  after(async () => {
    await browser.close();
    await mock.close();
  });

  const marksAsked = () => {
    const asked = [];
    const note = (request) => {
      if (request.method() === "POST" && request.url().endsWith("/v1/corrections")) asked.push(request);
    };
    page.on("request", note);
    return { asked, end: () => page.off("request", note) };
  };

  test("a held key, and a second press before the answer, mark once", async () => {
    const { asked, end } = marksAsked();
    await page.locator("body").press("Shift");
    // The second and third are repetitions, as of a key that is held.
    for (let i = 0; i < 3; i++) {
      await page.keyboard.down("m");
      await until("answered", async () => /Marked/.test(await browser.text(".mark-bar")));
    }
    await page.keyboard.up("m");
    await sleep(300);
    assert.equal(asked.length, 1, "held");
    await page.getByRole("button", { name: "Mark now" }).evaluate((one) => {
      for (let i = 0; i < 5; i++) one.click();
    });
    await until("two marks", async () => asked.length >= 2);
    await sleep(300);
    assert.equal(asked.length, 2, "pressed fast");
    await page.getByRole("button", { name: "Undo" }).evaluate((one) => {
      for (let i = 0; i < 5; i++) one.click();
    });
    await until("undone", async () => /undone/.test(await browser.text(".mark-bar")));
    await sleep(300);
    assert.equal(asked.length, 3, "undo");
    end();
  });

  test("without a status nothing of it is shown as true: electrodes, quality, conditions, disk", async () => {
    mock.set({ off: "in1n" });
    await until("off", async () => /R \(red\): off/.test(await browser.text(".electrodes")));
    assert.match(await browser.text(".quality"), /good/);
    mock.set({ silent: true });
    await until("old", async () => /Conditions not known/.test(await browser.text(".conditions")), 6000);
    assert.equal((await browser.figures()).stale.stale, false, "the ECG goes on");
    assert.equal(await browser.text(".heart-rate"), "---");
    assert.match(await browser.text(".conditions"), /Electrode off.*was|was true.*Electrode off/s);
    assert.match(await browser.text(".electrodes"), /R \(red\): not known/);
    assert.doesNotMatch(await browser.text(".electrodes"), /: (on|off)/);
    assert.doesNotMatch(await browser.text(".quality"), /good/);
    assert.equal(await page.locator(".quality .good").count(), 0);
    const system = await page.locator("dl.pairs").last().textContent();
    assert.match(system, /State---Database---Disk left---/);
    mock.set({ silent: false, off: "" });
    await until("known again", async () => (await browser.text(".conditions")) === "none");
  });

  test("after sleep nothing is live until the gateway says so, and a set clock does not stick", async () => {
    const gain = () =>
      page.evaluate(() => {
        const now = Date.now.bind(Date);
        Date.now = () => now() + 60_000;
      });
    mock.set({ stall: true });
    await sleep(300);
    assert.equal((await browser.figures()).stale.stale, false, "not yet two seconds");
    await gain();
    await until("grey at once", async () => (await page.locator(".stage.is-stale").count()) > 0, 700);
    assert.equal(await browser.text(".heart-rate"), "---");
    mock.set({ stall: false });
    await until("live", async () => (await browser.text(".link")) === "live", 3000);
    await until("heart rate", async () => /^\d+$/.test(await browser.text(".heart-rate")), 3000);
    await gain();
    await sleep(1500);
    assert.equal(await browser.text(".link"), "live", "the clock was set");
    assert.match(await browser.text(".heart-rate"), /^\d+$/);
  });

  test("why the last connection ended is not said of the next one's end", async () => {
    mock.set({ close: "slow_reader" });
    await until("said", async () => /connection lost \(/.test(await browser.text(".link")));
    await until("live", async () => (await browser.text(".link")) === "live", 12_000);
    mock.set({ refuse: true, drop: 1 });
    await until("lost", async () => /connection lost/.test(await browser.text(".link")));
    assert.doesNotMatch(await browser.text(".link"), /\(/);
    mock.set({ refuse: false });
    await until("live", async () => (await browser.text(".link")) === "live", 12_000);
  });

  test("another patient: no frozen picture and no heart rate of the last one", async () => {
    await page.keyboard.press(" ");
    await page.waitForSelector(".sign.frozen:not([hidden])");
    // No frame between the last sample of one and the first of the other, as in a tab that was hidden.
    await page.evaluate(() => {
      const real = globalThis.requestAnimationFrame;
      const held = [];
      globalThis.requestAnimationFrame = (act) => held.push(act);
      globalThis.release = () => {
        globalThis.requestAnimationFrame = real;
        for (const act of held) real(act);
      };
      globalThis.rates = [];
      const rate = document.querySelector(".heart-rate");
      new MutationObserver(() => globalThis.rates.push(rate.textContent)).observe(rate, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
    await sleep(100);
    mock.set({ patient: "second" });
    await until("patient", async () => (await browser.text(".patient")) === "second");
    assert.equal(await browser.text(".heart-rate"), "---");
    await until("samples of the next", async () => (await browser.figures()).end_sample > 200);
    await page.evaluate(() => globalThis.release());
    await until("not frozen", () => page.locator(".sign.frozen").isHidden(), 2000);
    const { head_sample: head, end_sample: end } = await browser.figures();
    assert.ok(head <= end && end - head < 200, `drawn up to ${head}, received up to ${end}`);
    const rates = await page.evaluate(() => globalThis.rates);
    assert.equal(rates[0], "---", `${rates}`);
    // What was stored of the last patient comes now, and is left out.
    const { beats } = await browser.figures();
    await sleep(4500);
    const later = (await browser.figures()).beats;
    assert.ok(later - beats <= 8, `${beats} beats, then ${later}`);
  });

  test("a calibration does not hold on another screen of the same number of pixels", async () => {
    await page.getByRole("button", { name: "Calibrate" }).click();
    await page.getByRole("button", { name: "Save" }).click();
    await until("calibrated", async () => (await browser.figures()).calibrated);
    const move = (left) =>
      page.evaluate((value) => {
        Object.defineProperty(screen, "availLeft", { value, configurable: true });
      }, left);
    await move(1280);
    await until("not calibrated", async () => !(await browser.figures()).calibrated, 1500);
    await move(0);
    await until("calibrated", async () => (await browser.figures()).calibrated, 1500);
  });

  test("a gateway that is busy is asked again who is signed in, and a failed sign-out is told", async () => {
    mock.set({ busy: true });
    await page.reload();
    await until("hint", async () => /not known, asking again/.test(await browser.text(".who")));
    assert.equal(await page.getByRole("button", { name: "Mark now" }).count(), 0);
    mock.set({ busy: false });
    await until("known", async () => (await browser.text(".who")) === "ward-3 (control)", 12_000);
    await page.getByRole("button", { name: "Mark now" }).waitFor();
    mock.set({ busy: true });
    await page.getByRole("button", { name: "Sign out" }).click();
    await until("told", async () => /did not end the session \(503\)/.test(await browser.text("dialog")));
    await page.getByRole("button", { name: "Close" }).last().click();
    mock.set({ busy: false });
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForSelector("#token");
  });
});

test("back-fill finds what is stored after the gateway's clock was set", onlyMock, async (context) => {
  const mock = await startMock();
  context.after(() => mock.close());
  await sleep(8000);
  mock.set({ clock: -3_600_000 });
  const browser = await Browser.start({ settings: { theme: "light" } });
  context.after(() => browser.close());
  await browser.signIn(mock);
  await until("ECG from before the page", async () => {
    const figures = await browser.figures();
    return figures?.end_sample > 0 && figures.begin_sample < 1000;
  });
  await until("no stripe", async () => (await browser.figures()).missing_runs === 0, 20_000);
});

test("with several samples in a point, a short gap is a blank line", onlyMock, async (context) => {
  const mock = await startMock({ rate: 2000 });
  context.after(() => mock.close());
  const browser = await Browser.start({ settings: { theme: "light" } });
  context.after(() => browser.close());
  await browser.signIn(mock);
  await until("samples", async () => (await browser.figures())?.end_sample > 2000);
  mock.set({ gap: 3 });
  const { missing } = await until("drawn", async () => {
    const figures = await browser.figures();
    return figures.missing.length > 0 && figures.head_sample > figures.missing[0].end + 400 && figures;
  });
  assert.equal(missing[0].end - missing[0].first, 3);
  assert.equal(missing[0].cause, "missed_drdy");
  const ink = await browser.page.evaluate(() => {
    const figures = globalThis.ecgFigures();
    const perSample = (25 * figures.device_px_per_mm) / figures.rate_hz;
    const { first, end } = figures.missing[0];
    const middle = (((first + end - 1) / 2) * perSample) % figures.width_px;
    const canvas = document.querySelector("canvas.trace");
    return figures.lanes.map((lane) => {
      const x = Math.round(figures.left_px + middle - 0.5);
      const { data } = canvas.getContext("2d").getImageData(x, lane.topPx, 1, lane.heightPx);
      let other = 0;
      for (let i = 4; i < data.length; i += 4) {
        if (data[i] !== data[0] || data[i + 1] !== data[1] || data[i + 2] !== data[2]) other++;
      }
      return other;
    });
  });
  assert.deepEqual(ink, [0, 0], "pixels that are not blank");
});

describe("sign-in", onlyMock, () => {
  test("a used token is refused in words; nothing else is served without a session", async () => {
    const mock = await startMock();
    const browser = await Browser.start();
    const token = mock.token();
    await browser.page.goto(`http://127.0.0.1:${mock.port}/#token=${token}`);
    await sleep(300);
    assert.ok(mock.tokens.has(token), "loading the page does not use the token up");
    mock.tokens.delete(token);
    await browser.page.getByRole("button", { name: "Sign in" }).click();
    await until("refused", async () => /not valid/.test(await browser.text("#message")));
    assert.equal(await browser.page.locator("canvas").count(), 0);
    await browser.close();
    await mock.close();
  });

  test("a revoked session leads back to the sign-in page", async () => {
    const mock = await startMock();
    const browser = await Browser.start();
    await browser.signIn(mock);
    await sleep(500);
    mock.sessions.clear();
    mock.set({ close: "session_revoked" });
    await browser.page.waitForSelector("#token");
    await browser.close();
    await mock.close();
  });
});

describe("theme", onlyMock, () => {
  test("a dark page is dark from its first frame", async () => {
    const mock = await startMock();
    const browser = await Browser.start({ settings: { theme: "dark" }, colorScheme: "light" });
    await browser.signIn(mock);
    await browser.page.addInitScript(() => {
      globalThis.seen = [];
      const look = () => {
        const root = document.documentElement;
        if (document.body) seen.push(getComputedStyle(root).backgroundColor);
        if (seen.length < 30) requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    await browser.page.reload();
    await browser.page.waitForSelector("canvas.trace");
    await sleep(600);
    const seen = await browser.page.evaluate(() => [...new Set(globalThis.seen)]);
    assert.deepEqual(seen, ["rgb(7, 11, 15)"]);
    const paint = await browser.page.evaluate(
      () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
    );
    console.log(`first contentful paint after ${paint?.toFixed(0)} ms`);
    assert.ok(paint !== null && paint < 1000);
    await browser.close();
    await mock.close();
  });

  test("an hour of difference in the browser's clock changes nothing but a note", async () => {
    const mock = await startMock();
    const browser = await Browser.start();
    await browser.page.addInitScript(() => {
      const now = Date.now.bind(Date);
      Date.now = () => now() - 3_600_000;
    });
    await browser.signIn(mock);
    await until("note", async () =>
      /clock is (1 h 0 min|59 min \d+ s) behind/.test(await browser.text(".panel")),
    );
    const figures = await browser.figures();
    assert.equal(figures.stale.stale, false);
    assert.ok(figures.stale.ageMs < 1000);
    await browser.close();
    await mock.close();
  });
});
