// Corrections, clusters, patients, deletion and the report on the real program with the demo's recordings: what the
// stand-in's tests show of the page, the database has here.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Browser, sleep, until } from "../page.mjs";
import { pulses, readPdf } from "../pdf.mjs";
import { PROGRAM, Program, prepareDemo, withProgram } from "../program.mjs";

describe("what a person changes is in the database", withProgram, () => {
  let program;
  let browser;
  let page;
  let session;
  const strip = () => page.evaluate(() => globalThis.ecgStrip?.());
  const corrections = async (of) => (await program.ask(`/v1/corrections?session=${of}`)).corrections;

  async function open(hash, there) {
    await page.evaluate((value) => {
      location.hash = value;
    }, hash);
    await page.waitForSelector(there);
  }

  before(async () => {
    program = await Program.start({ prepare: prepareDemo });
    browser = await Browser.start({ settings: { theme: "light" } });
    page = browser.page;
    await browser.signIn(program);
    session = (await program.ask("/v1/sessions")).sessions[0].id;
  });
  after(async () => {
    await browser?.close();
    await program?.close();
  });

  test("a beat is renamed and the renaming undone; the model's label stays", async () => {
    const { beats } = await program.ask(`/v1/beats?session=${session}&class=V&limit=12`);
    const { id, r_time: time } = beats[8];
    await open(`#/review/${session}?t=${time}&w=10&show=strip`, "main canvas");
    await until("strip", async () => (await strip())?.beats > 5);
    await page.keyboard.press("r");
    await page.getByLabel("F fusion beat").check();
    await page.getByRole("button", { name: "Rename", exact: true }).click();
    await until("stored and shown", async () => (await strip()).corrected === 1);
    const renamed = await program.ask(`/v1/beats/${id}`);
    assert.deepEqual([renamed.class, renamed.corrected_class, renamed.artefact], ["V", "F", false]);
    const [row] = await corrections(session);
    assert.deepEqual([row.id, row.author, row.beats], [renamed.correction, "page", [id]]);
    await page.getByRole("button", { name: `Undo number ${row.id}` }).click();
    await until("undone", async () => (await strip()).corrected === 0);
    const undone = await program.ask(`/v1/beats/${id}`);
    assert.deepEqual([undone.class, undone.corrected_class, undone.correction], ["V", null, null]);
  });

  test("a cluster of the ventricular beats is renamed as a whole, and counts can use either label", async () => {
    await open(`#/review/${session}?show=clusters&span=3600`, ".cluster");
    const { clusters } = await program.ask(`/v1/clusters?session=${session}`);
    const place = clusters.findIndex((one) => one.beats_by_class.V > 10 && one.cluster > 0);
    const { beat_ids: ids, beats } = clusters[place];
    assert.ok(place >= 0 && ids.length === beats, JSON.stringify(clusters[place]?.beats_by_class));
    assert.equal(await page.locator(".cluster").count(), clusters.length);
    await page.locator(".cluster").nth(place).click();
    await page.waitForSelector(".moment");
    await page.keyboard.press("r");
    await page.getByLabel("F fusion beat").check();
    await page.getByRole("button", { name: "Rename", exact: true }).click();
    const row = await until("stored", async () =>
      (await corrections(session)).find((one) => one.target === "beats"),
    );
    assert.deepEqual(row.beats, ids);
    const of = async (labels) => {
      const { minutes } = await program.ask(`/v1/minutes?session=${session}&labels=${labels}`);
      return minutes.reduce((sum, minute) => sum + (minute.beats_by_class.F ?? 0), 0);
    };
    assert.deepEqual([await of("machine"), await of("corrected")], [0, beats]);
    await open(`#/review/${session}?show=corrections`, ".corrections tbody tr");
    await page.getByRole("button", { name: `Undo number ${row.id}` }).click();
    await until("undone", async () => (await of("corrected")) === 0);
  });

  test("mark now and another patient", async () => {
    await open("#/live", "canvas.trace");
    await until("samples", async () => (await browser.figures())?.end_sample > 1500);
    const running = (await program.ask("/v1/status")).session.id;
    await page.keyboard.press("m");
    const [mark] = await until("marked", async () => {
      const rows = await corrections(running);
      return rows.length > 0 && rows;
    });
    assert.deepEqual([mark.kind, mark.target, mark.origin, mark.author], ["note", "moment", "mark", "page"]);
    await page.getByRole("button", { name: "New patient …" }).click();
    await page.getByRole("textbox", { name: "Patient or bed" }).fill("Bed 5");
    await page.keyboard.press("Enter");
    await until("header", async () => (await browser.text(".patient")) === "Bed 5", 10_000);
    const { sessions } = await until("stored", async () => {
      const answer = await program.ask("/v1/sessions");
      return answer.sessions.at(-1).patient_label === "Bed 5" && answer;
    });
    const before = sessions.find((one) => one.id === running);
    assert.deepEqual([before.end_reason, before.patient_label], ["new_patient", null]);
    await until("live again", async () => (await browser.figures())?.end_sample > 500);
    assert.match(await browser.text(".link"), /live/);
    assert.equal(
      (await program.ask("/v1/status")).totals.missing_samples,
      sessions.reduce((sum, one) => sum + one.missing_samples, 0),
    );
  });

  test("the report of a recording prints at true scale", async () => {
    const { beats } = await program.ask(`/v1/beats?session=${session}&class=V&limit=3`);
    await page.evaluate(
      ([key, strips]) => sessionStorage.setItem(key, JSON.stringify(strips)),
      [`ecg-gateway.report.${session}`, [{ timeUs: beats[2].r_time_us, sample: null, seconds: 7 }]],
    );
    await open(`#/review/${session}?show=report&span=3600`, ".sheet");
    await until("strips", async () => /Strips \(1/.test((await page.locator(".sheet").textContent()) ?? ""));
    await sleep(1000);
    const found = readPdf(await page.pdf({ format: "A4" })).flatMap((one) => pulses(one));
    assert.ok(found.length >= 2, `${found.length} calibration pulses`);
    // High R waves are printed at half the gain, which stands beside the strip.
    const gain = Number(/(\d+) mm\/mV/.exec(await page.locator(".sheet").textContent())?.[1]);
    assert.ok([5, 10, 20].includes(gain), `${gain} mm/mV`);
    for (const pulse of found) {
      assert.ok(Math.abs(pulse[1][1] - pulse[2][1] - gain) < 0.5, `${pulse} at ${gain} mm/mV`);
    }
  });

  test("a deleted session is gone, and the database is sound", async () => {
    const second = (await program.ask("/v1/sessions")).sessions[1].id;
    await open("#/review", "table.sessions");
    await page.getByRole("button", { name: `Delete session ${second} …` }).click();
    await page.getByRole("textbox").fill(`delete ${second}`);
    await page.keyboard.press("Enter");
    await until(
      "told",
      async () =>
        new RegExp(`Session ${second} is deleted: [\\d,]+ beats`).test(
          await page.locator(".review").textContent(),
        ),
      20_000,
    );
    assert.deepEqual((await program.ask(`/v1/beats?session=${second}`)).beats, []);
    const { deleted_time: deleted } = (await program.ask("/v1/sessions")).sessions[1];
    assert.match(deleted, /^20\d\d-/);
    const text = execFileSync(PROGRAM, ["verify", join(program.folder, "beats.db")], { encoding: "utf8" });
    assert.match(text, new RegExp(`session ${second}`, "i"));
  });

  test("nothing complained", () => {
    const complaints = browser.complaints.filter((one) => !/WebSocket connection/.test(one));
    assert.deepEqual(complaints, []);
  });
});
