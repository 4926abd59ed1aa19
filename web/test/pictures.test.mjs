// A picture of each view for the documents, on the real program: the demo's recordings are stored, and one of them runs
// through the simulated chip. `npm run pictures` writes them to ../docs/page.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { Browser, sleep, until } from "./page.mjs";
import { Program, prepareDemo, withProgram } from "./program.mjs";

const folder = resolve(import.meta.dirname, "../../docs/page");
const SIZE = { width: 1200, height: 800 };

/** The ECG of a stored session as a WFDB record of 16-bit microvolts. */
async function writeRecord(program, session, name) {
  const { start_time_us: from, end_time_us: to } = (await program.ask("/v1/sessions")).sessions.find(
    (one) => one.id === session,
  );
  const ecg = await program.ask(`/v1/ecg?session=${session}&from=${from}&to=${to}`);
  const [one, two] = ecg.channels.map((channel) => channel.uv);
  const bytes = Buffer.alloc(4 * one.length);
  one.forEach((uv, i) => {
    bytes.writeInt16LE(Math.round(uv), 4 * i);
    bytes.writeInt16LE(Math.round(two[i]), 4 * i + 2);
  });
  mkdirSync(join(program.folder, "mitdb"), { recursive: true });
  const file = join(program.folder, "mitdb", name);
  writeFileSync(`${file}.dat`, bytes);
  const signal = (lead) => `${name}.dat 16 1000/mV 16 0 0 0 0 ${lead}\n`;
  writeFileSync(
    `${file}.hea`,
    `${name} 2 ${ecg.sample_rate_hz} ${one.length}\n${signal("MLII")}${signal("V1")}`,
  );
}

describe("pictures for the documents", withProgram, () => {
  let program;
  let session;
  before(async () => {
    // One that only hands out the ECG of a recording, then the one that is looked at.
    const source = await Program.start({ prepare: prepareDemo });
    session = (await source.ask("/v1/sessions")).sessions[0].id;
    await writeRecord(source, session, "200");
    const record = join(source.folder, "mitdb");
    program = await Program.start({
      prepare: (home) => {
        prepareDemo(home);
        cpSync(record, join(home, "mitdb"), { recursive: true });
      },
      acquisition: 'channel_names = ["II", "V1"]',
      signal: "mitdb/200",
    });
    await source.close();
    mkdirSync(folder, { recursive: true });
  });
  after(() => program?.close());

  async function start(options = {}) {
    return Browser.start({ ...SIZE, settings: { theme: "light" }, ...options });
  }

  async function take(browser, name) {
    await browser.drawn();
    await browser.page.screenshot({ path: join(folder, `${name}.png`) });
    const complaints = browser.complaints.filter((one) => !/WebSocket connection/.test(one));
    assert.deepEqual(complaints, []);
  }

  test("sign-in", async () => {
    const browser = await start();
    await browser.page.goto(program.address());
    await browser.page.getByRole("button", { name: "Sign in" }).waitFor();
    await browser.page.screenshot({ path: join(folder, "sign-in.png") });
    await browser.close();
  });

  const sweep = (browser) =>
    until(
      "a whole sweep with beats",
      async () => {
        const figures = await browser.figures();
        const seen = figures?.end_sample - figures?.begin_sample;
        return seen > 13 * figures.rate_hz && figures.missing_runs === 0 && figures.beats > 5;
      },
      60_000,
    );

  for (const [name, options] of [
    ["live", {}],
    ["live-dark", { settings: { theme: "dark", filtered: true } }],
    ["live-phone", { width: 360, height: 780, ratio: 2 }],
  ]) {
    test(name, async () => {
      const browser = await start(options);
      await browser.signIn(program);
      await sweep(browser);
      assert.equal(await browser.text(".link"), "live");
      assert.match(await browser.text(".band"), /Simulated signal \(mitdb\/200\)/);
      await until("heart rate", async () => /^\d+$/.test(await browser.text(".heart-rate")), 20_000);
      await take(browser, name);
      await browser.close();
    });
  }

  test("stale", async () => {
    const browser = await start();
    await browser.signIn(program);
    await sweep(browser);
    program.process.kill("SIGSTOP");
    await until("stale", async () => (await browser.page.locator(".stage.is-stale").count()) > 0);
    await sleep(1500);
    await take(browser, "stale");
    program.process.kill("SIGCONT");
    await browser.close();
  });

  test("review: sessions, strip, full disclosure, events and beats, RR intervals, a beat", async () => {
    const browser = await start({ height: 1000 });
    const { page } = browser;
    await browser.signIn(program);
    const open = async (hash, there) => {
      await page.evaluate((value) => {
        location.hash = value;
      }, hash);
      await page.waitForSelector(there);
      await sleep(2000);
    };
    await open("#/review", "table.sessions");
    await take(browser, "sessions");
    const { beats } = await program.ask(`/v1/beats?session=${session}&class=V&limit=12`);
    assert.equal(beats.length, 12);
    const { id, r_time: time } = beats[8];
    const at = `#/review/${session}?t=${time}&w=10`;
    for (const [show, name] of [
      ["strip", "review"],
      ["disclosure", "disclosure"],
      ["list", "list"],
      ["rr", "rr"],
    ]) {
      await open(`${at}&show=${show}`, "main canvas");
      assert.doesNotMatch(await browser.text("main"), /cannot be shown/, name);
      if (show === "strip") {
        const seen = await until("strip", () => page.evaluate(() => globalThis.ecgStrip?.()));
        assert.ok(seen.beats > 5, `${seen.beats} beats`);
      }
      await take(browser, name);
    }
    const author = { session, kind: "note", target: "moment" };
    for (const change of [
      { ...author, from_us: beats[8].r_time_us + 1_000_000, note: "patient turned" },
      { session, kind: "label", target: "beat", beats: [beats[7].id], class: "F", note: "fusion, I think" },
      { session, kind: "artefact", target: "beat", beats: [beats[3].id] },
    ]) {
      const { status, body } = await program.tell("POST", "/v1/corrections", change);
      assert.equal(status, 201, JSON.stringify(body));
    }
    await open(`${at}&show=strip`, "main canvas");
    await until(
      "corrections",
      async () => (await page.evaluate(() => globalThis.ecgStrip?.()))?.corrected > 0,
    );
    await take(browser, "corrected");
    await open(`${at}&show=corrections`, ".corrections tbody tr");
    await take(browser, "corrections");
    await open(`${at}&show=clusters`, ".cluster");
    await take(browser, "clusters");
    await page.evaluate(
      ([key, strips]) => sessionStorage.setItem(key, JSON.stringify(strips)),
      [`ecg-gateway.report.${session}`, [{ timeUs: beats[8].r_time_us, sample: null, seconds: 7 }]],
    );
    await open(`${at}&show=report`, ".sheet");
    await until("strip", async () => /Strips \(/.test((await page.locator(".sheet").textContent()) ?? ""));
    await sleep(2000);
    await take(browser, "report");
    await open(`${at}&show=beat&beat=${id}`, ".beat-main");
    await page.getByRole("button", { name: "Grad-CAM" }).click();
    await until(
      "map",
      async () => (await page.locator(".beat-main").textContent()).includes("Grad-CAM map for class"),
      30_000,
    );
    await page.evaluate(() => document.querySelector(".beat-main").scrollIntoView());
    await sleep(500);
    await take(browser, "beat");
    await browser.close();
  });
});
