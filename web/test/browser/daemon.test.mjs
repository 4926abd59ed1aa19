// The page on the real program: electrodes that come off, a gap, a daemon that hangs, ends and comes back, clocks that are
// wrong or step, many tabs, the keyboard alone, accessibility.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { Browser, sleep, until } from "../page.mjs";
import { Program, withProgram } from "../program.mjs";

const HOUR_MS = 3_600_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const live = (browser) => until("live", async () => (await browser.text(".link")) === "live", 12_000);

async function serious(page) {
  // By the debugger and not as a script element: the page's own rules forbid that.
  await page.evaluate(`${AXE};0`);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document);
    return violations.map(
      (one) => `${one.impact}: ${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`,
    );
  });
  return found.filter((one) => /^(serious|critical)/.test(one));
}

describe("a chip in trouble", withProgram, () => {
  let program;
  let browser;
  before(async () => {
    program = await Program.start({
      faults: "at 14s lead-off in1n for 6s\nat 30s missed-drdy for 100ms\n",
    });
    browser = await Browser.start({ settings: { theme: "light" } });
    await browser.signIn(program);
    await live(browser);
  });
  after(async () => {
    await browser?.close();
    await program?.close();
  });

  test("a pulled electrode is shown in words, on the body and at its trace, and its return, too", async () => {
    await until(
      "condition",
      async () => /Electrode off: R \(red\)/.test(await browser.text(".conditions")),
      30_000,
    );
    assert.match(await browser.text(".electrodes"), /R \(red\): off/);
    await until("over", async () => !/Electrode off/.test(await browser.text(".conditions")), 15_000);
    await until("on again", async () => /R \(red\): on/.test(await browser.text(".electrodes")), 10_000);
  });

  test("a gap is a blank stripe of its length, with its cause", async () => {
    await until("gap", async () => (await browser.figures()).missing_runs > 0, 30_000);
    await sleep(1500);
    const { missing, words } = await browser.figures();
    assert.ok(
      missing.some((run) => run.cause === "missed_drdy"),
      JSON.stringify(missing),
    );
    assert.ok(
      words.some((text) => /^gap (9|10)\d ms: samples missed$/.test(text)),
      `${words}`,
    );
    const seen = await browser.page.evaluate(() => {
      const figures = globalThis.ecgFigures();
      const canvas = document.querySelector("canvas.trace");
      const lane = figures.lanes[0];
      const { data } = canvas.getContext("2d").getImageData(0, lane.topPx, canvas.width, lane.heightPx);
      const blank = [];
      for (let x = figures.left_px; x < canvas.width; x++) {
        let trace = 0;
        for (let y = 0; y < lane.heightPx; y++) {
          const at = (y * canvas.width + x) * 4;
          if (data[at] < 70 && data[at + 2] < 90) trace++;
        }
        blank.push(trace === 0);
      }
      const perSample = (25 * figures.device_px_per_mm) / figures.rate_hz;
      const runs = [];
      let length = 0;
      for (const one of [...blank, false]) {
        if (one) length++;
        else if (length > 0) {
          runs.push(length / perSample);
          length = 0;
        }
      }
      return runs;
    });
    // 50 conversions without DRDY; the blank bar before the head is another one, of 5 mm: 100 samples.
    assert.ok(
      seen.some((samples) => Math.abs(samples - 50) < 6),
      `blank stripes of ${seen.map((samples) => samples.toFixed(0))} samples`,
    );
    const { gaps } = await until(
      "stored",
      async () => {
        const answer = await program.ask("/v1/gaps");
        return answer.gaps.length > 0 && answer;
      },
      10_000,
    );
    assert.ok(Math.abs(gaps[0].missing_samples - 50) <= 1, `${gaps[0].missing_samples}`);
  });
});

describe("a daemon that hangs, ends and comes back", withProgram, () => {
  let program;
  let browser;
  before(async () => {
    program = await Program.start();
    browser = await Browser.start({ settings: { theme: "light" } });
    await browser.signIn(program);
    await live(browser);
    await until("heart rate", async () => /^\d+$/.test(await browser.text(".heart-rate")), 20_000);
  });
  after(async () => {
    await browser?.close();
    await program?.close();
  });

  /** Sends a signal, and waits until the page says that it is not live. */
  async function stale(signal, what) {
    // The page notes when it changes; asking it from here takes a while on a busy machine.
    await browser.page.evaluate(() => {
      const stage = document.querySelector(".stage");
      new MutationObserver((_, observer) => {
        if (!stage.classList.contains("is-stale")) return;
        globalThis.staleAtMs = Date.now();
        observer.disconnect();
      }).observe(stage, { attributes: true });
    });
    const begin = Date.now();
    program.process.kill(signal);
    await until("stale", async () => (await browser.page.locator(".stage.is-stale").count()) > 0, 4000);
    const took = (await browser.page.evaluate(() => globalThis.staleAtMs)) - begin;
    assert.equal(await browser.text(".heart-rate"), "---");
    assert.match(await browser.text(".sign.stale"), /Not live/);
    console.log(`stale ${took} ms after the daemon ${what}`);
    // A tenth of a second for a frame that comes late.
    assert.ok(took < 2100, `${took} ms`);
  }

  test("one that hangs: stale within two seconds, live again when it goes on", async () => {
    await stale("SIGSTOP", "hung");
    program.process.kill("SIGCONT");
    await live(browser);
  });

  test("one that is killed: stale within two seconds; the page finds the next one by itself", async () => {
    await stale("SIGKILL", "was killed");
    assert.match(await browser.text(".link"), /connection lost/);
    await program.ended;
    await program.run();
    await live(browser);
    await until("trace", async () => !(await browser.figures()).stale.stale);
  });

  test("one that is stopped says so", async () => {
    await program.stop();
    await until("said", async () => /connection lost/.test(await browser.text(".link")));
    await until("---", async () => (await browser.text(".heart-rate")) === "---", 4000);
  });
});

describe("clocks", withProgram, () => {
  let program;
  before(async () => {
    program = await Program.start({ steps: true });
  });
  after(() => program?.close());

  /** Seconds between the gateway's clock as the page shows it and the right time. */
  async function clockOff(browser) {
    const shown = (await browser.text(".clock")).match(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/)?.[0];
    assert.ok(shown, `no time in ${await browser.text(".clock")}`);
    return (Date.parse(shown.replace(" ", "T")) - Date.now()) / 1000;
  }

  for (const [name, offMs] of [
    ["behind", -HOUR_MS],
    ["ahead", HOUR_MS],
  ]) {
    test(`a browser whose clock is an hour ${name} shows right ages and times`, async () => {
      const browser = await Browser.start({ settings: { theme: "light" } });
      // All of Date, before the page's own script: its monotonic clock is right, as it is in a real browser.
      await browser.context.addInitScript((off) => {
        const Right = Date;
        globalThis.Date = class extends Right {
          constructor(...args) {
            if (args.length === 0) super(Right.now() + off);
            else super(...args);
          }
          static now() {
            return Right.now() + off;
          }
        };
      }, offMs);
      await browser.signIn(program);
      await live(browser);
      await until("note", async () =>
        new RegExp(`clock is (1 h 0 min|59 min \\d+ s) ${name}`).test(await browser.text(".panel")),
      );
      const { stale } = await browser.figures();
      assert.equal(stale.stale, false);
      assert.ok(stale.ageMs >= 0 && stale.ageMs < 1000, `${stale.ageMs} ms`);
      await until("labels", async () => /labels [0-3]\.\d s old/.test(await browser.text(".ages")), 20_000);
      assert.match(await browser.text(".ages"), /ECG 0\.\d s old/);
      const off = await clockOff(browser);
      assert.ok(Math.abs(off) < 3, `the gateway's clock is shown ${off} s off`);
      // The table of beats: the newest is seconds old, not an hour.
      const { beats } = await until(
        "stored beats",
        async () => {
          const answer = await program.ask("/v1/beats?order=desc&limit=1");
          return answer.beats.length > 0 && answer;
        },
        20_000,
      );
      const { session, r_time: time } = beats[0];
      await browser.page.evaluate((hash) => {
        location.hash = hash;
      }, `#/review/${session}?t=${time}&w=10&show=strip`);
      const strip = await until(
        "strip",
        async () => {
          const now = await browser.page.evaluate(() => globalThis.ecgStrip?.());
          return now?.beats > 0 && now;
        },
        10_000,
      );
      const after = Date.parse(time) / 1000 - strip.from_us / 1e6;
      assert.ok(after >= 0 && after <= 10, `the strip begins ${after} s before the time that was asked for`);
      await browser.close();
    });
  }

  test("a step of the gateway's clock is told and changes no age", async () => {
    const browser = await Browser.start({ settings: { theme: "light" } });
    await browser.signIn(program);
    await live(browser);
    for (const [step, word] of [
      [HOUR_MS, "1 h 0 min forward"],
      [0, "1 h 0 min back"],
    ]) {
      program.stepClock(step);
      await until(
        "told",
        async () => (await browser.text(".panel")).includes(`clock was set ${word}`),
        10_000,
      );
      for (let i = 0; i < 10; i++) {
        const { stale } = await browser.figures();
        assert.equal(stale.stale, false);
        assert.ok(stale.ageMs >= 0 && stale.ageMs < 1000, `${stale.ageMs} ms`);
        assert.match(await browser.text(".ages"), /ECG 0\.\d s old.*labels [0-3]\.\d s old/);
        await sleep(200);
      }
    }
    await browser.close();
  });
});

describe("many tabs, keyboard, accessibility", withProgram, () => {
  let program;
  before(async () => {
    program = await Program.start();
  });
  after(() => program?.close());

  test("eight tabs of one browser are live, and a ninth loads", async () => {
    const browser = await Browser.start({ settings: { theme: "light" } });
    await browser.signIn(program);
    const pages = [browser.page];
    for (let i = 2; i <= 9; i++) {
      const begin = performance.now();
      const page = await browser.context.newPage();
      await page.goto(`${program.origin}/`);
      await page.waitForSelector("canvas.trace", { timeout: 5000 });
      if (i === 9) console.log(`the ninth tab is there after ${(performance.now() - begin).toFixed(0)} ms`);
      pages.push(page);
    }
    for (const [i, page] of pages.entries()) {
      const seen = () => page.evaluate(() => globalThis.ecgFigures());
      await until(`tab ${i + 1} live`, async () => (await page.locator(".link").textContent()) === "live");
      const before = (await seen()).end_sample;
      await sleep(500);
      const { end_sample: end, stale } = await seen();
      assert.ok(end - before > 150, `tab ${i + 1}: ${end - before} samples in half a second`);
      assert.equal(stale.stale, false, `tab ${i + 1}`);
    }
    // The API still answers beside nine open views.
    const status = await pages[8].evaluate(async () => (await fetch("/v1/status")).status);
    assert.equal(status, 200);
    await browser.close();
  });

  test("with the keyboard alone: sign in, every control of the live view, and on to the review", async () => {
    const browser = await Browser.start({ settings: { theme: "light" } });
    const { page } = browser;
    await page.goto(program.address());
    const focused = () =>
      page.evaluate(() => {
        const one = document.activeElement;
        if (one === null || one === document.body) return null;
        const style = getComputedStyle(one);
        const outlined = style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) > 0;
        return {
          name: one.getAttribute("aria-label") ?? one.textContent.trim(),
          visible: outlined || style.boxShadow !== "none",
        };
      });
    const tabTo = async (wanted) => {
      for (let i = 0; i < 60; i++) {
        const now = await focused();
        if (now?.name === wanted) return now;
        await page.keyboard.press("Tab");
      }
      throw new Error(`Tab does not lead to ${wanted}`);
    };
    await tabTo("Sign in");
    await page.keyboard.press("Enter");
    await page.waitForSelector("canvas.trace");
    await live(browser);
    const expected = await page.evaluate(() =>
      [...document.querySelectorAll("a[href], button, summary, input, select")]
        .filter((one) => one.checkVisibility() && !one.disabled)
        .map((one) => one.getAttribute("aria-label") ?? one.textContent.trim()),
    );
    assert.ok(expected.length > 10, `${expected}`);
    const seen = new Map();
    for (let i = 0; i < expected.length + 10; i++) {
      await page.keyboard.press("Tab");
      const now = await focused();
      if (now !== null) seen.set(now.name, now.visible);
    }
    const missed = expected.filter((name) => !seen.has(name));
    assert.deepEqual(missed, [], "not reached by Tab");
    assert.deepEqual(
      [...seen].filter(([, visible]) => !visible),
      [],
      "focus that cannot be seen",
    );

    await tabTo("Higher gain");
    await page.keyboard.press("Enter");
    await until("gain", async () => (await browser.text("output[aria-label=Gain]")) === "20 mm/mV");
    await tabTo("Freeze");
    await page.keyboard.press("Space");
    await until("frozen", async () => /FROZEN/.test(await browser.text(".sign.frozen")));
    await page.keyboard.press("Space");
    await until("goes on", async () => page.locator(".sign.frozen").isHidden());
    await tabTo("Help");
    await page.keyboard.press("Enter");
    await until("help", () => page.locator("dialog[open]").isVisible());
    await page.keyboard.press("Escape");
    await until("closed", async () => (await page.locator("dialog[open]").count()) === 0);
    assert.equal((await focused()).name, "Help", "focus goes back to where it was");
    await tabTo("Review");
    await page.keyboard.press("Enter");
    await page.waitForSelector("table.sessions");
    await browser.close();
  });

  test("axe finds nothing serious in any view, light and dark", async () => {
    const browser = await Browser.start({ settings: { theme: "light" } });
    const { page } = browser;
    await page.goto(program.address());
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.deepEqual(await serious(page), [], "sign-in");
    await page.getByRole("button", { name: "Sign in" }).click();
    await live(browser);
    const { beats } = await until(
      "stored beats",
      async () => {
        const answer = await program.ask("/v1/beats?limit=20");
        return answer.beats.length > 5 && answer;
      },
      40_000,
    );
    const { id, session, r_time: time } = beats[4];
    const views = [
      ["live", "#/live", ".panel"],
      ["sessions", "#/review", "table.sessions"],
      ...["strip", "disclosure", "list", "rr"].map((part) => [
        part,
        `#/review/${session}?t=${time}&w=10&show=${part}`,
        "main canvas, main table",
      ]),
      ["beat", `#/review/${session}?t=${time}&show=beat&beat=${id}`, ".beat-main"],
    ];
    for (const theme of ["light", "dark"]) {
      await page.evaluate((value) => {
        document.documentElement.dataset.theme = value;
        const kept = JSON.parse(localStorage.getItem("ecg-gateway.settings"));
        localStorage.setItem("ecg-gateway.settings", JSON.stringify({ ...kept, theme: value }));
      }, theme);
      await page.reload();
      for (const [name, hash, there] of views) {
        await page.evaluate((value) => {
          location.hash = value;
        }, hash);
        await page.waitForSelector(there);
        await sleep(800);
        assert.deepEqual(await serious(page), [], `${name}, ${theme}`);
      }
    }
    assert.deepEqual(browser.complaints, []);
    await browser.close();
  });
});
