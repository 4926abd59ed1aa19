// What a person with control changes: labels, artefacts, notes, marks, patients, sessions. And that a reader cannot.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, beforeEach, describe, test } from "node:test";
import { Browser, REAL, sleep, startMock, until } from "../page.mjs";

const onlyMock = { skip: REAL === null ? false : "needs the stand-in" };
const HOSTILE = '<img src=x onerror="window.hacked=1"><b>x</b>';
const us = (text) => Date.parse(text) * 1000;
const T = us("2026-01-30T15:34:05.500Z");
const STRIP = `#/review/2?t=${T}&w=10&show=strip`;

const strip = (page) => page.evaluate(() => globalThis.ecgStrip?.());

async function open(page, address) {
  await page.evaluate((value) => {
    location.hash = value;
  }, address);
}

async function openStrip(page, address = STRIP) {
  await open(page, "#/review");
  await page.waitForSelector("table.sessions");
  await open(page, address);
  return until("strip", async () => {
    const now = await strip(page);
    return now?.from_us > 0 && now;
  });
}

/** Presses Tab until something has the focus: a person without a mouse has no other way. */
async function tabTo(page, what, test, key = "Tab") {
  for (let i = 0; i < 250; i++) {
    if (await page.evaluate(test)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`the keyboard does not reach: ${what}`);
}

async function axe(page, where) {
  const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(`${source};0`);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document);
    return violations.map(
      (one) => `${one.impact}: ${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`,
    );
  });
  assert.deepEqual(
    found.filter((one) => /^(serious|critical)/.test(one)),
    [],
    where,
  );
}

async function targets(page, where) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${where}: ${over} px too wide`);
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button, a, summary, select, textarea, input[type=text], label.check")]
      .filter((one) => one.checkVisibility() && !one.classList.contains("skip"))
      .map((one) => ({ name: one.textContent, box: one.getBoundingClientRect() }))
      .filter(({ box }) => box.height < 43.9)
      .map(({ name, box }) => `${name} ${box.width}x${box.height}`),
  );
  assert.deepEqual(small, [], where);
}

describe("corrections", onlyMock, () => {
  let mock;
  let browser;
  let page;
  let store;
  before(async () => {
    mock = await startMock({ control: true });
    browser = await Browser.start({ settings: { theme: "light" } });
    page = browser.page;
    await browser.signIn(mock);
    store = mock.theStore();
  });
  beforeEach(() => {
    store.corrections.length = 0;
  });
  after(async () => {
    await browser.close();
    await mock.close();
  });

  test("keyboard alone: rename the beat in the middle, see both labels, undo", async () => {
    await openStrip(page);
    await page.keyboard.press("r");
    await page.waitForSelector("dialog[open]");
    assert.match(await browser.text("dialog fieldset"), /The beat N at 15:34:05\.554/);
    // Without a label nothing is stored.
    await page.keyboard.press("Enter");
    await until("said", async () => /Choose a label/.test(await browser.text("dialog [role=status]")));
    await tabTo(page, "the labels", () => document.activeElement.name === "correct-class");
    await page.keyboard.press("Space");
    for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Tab");
    await page.keyboard.type("wide, early");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await until("stored", async () => (await strip(page)).corrected === 1);
    assert.equal(await page.locator("dialog").count(), 0);
    const [row] = store.corrections;
    const { kind, target, beats, class: letter, note, author, origin } = row;
    assert.deepEqual(
      { kind, target, letter, note, author, origin },
      { kind: "label", target: "beat", letter: "V", note: "wide, early", author: "ward-3", origin: "person" },
    );
    const beat = store.session(2).beats.find((one) => one.id === beats[0]);
    assert.equal(beat.kind, "N", "the machine's label is untouched");
    // Machine's letter and the person's in one row of the table, and in two rows of the picture.
    assert.match(
      await page.locator(".strip-side tbody tr", { hasText: "15:34:05.554" }).textContent(),
      /Nnormalventricular premature/,
    );
    const ink = await page.evaluate(() => {
      const canvas = document.querySelector(".strip-rows");
      const context = canvas.getContext("2d");
      const x = Math.round(globalThis.ecgStrip().middle_x);
      const orange = (top, high) => {
        const { data } = context.getImageData(x - 20, top, 40, high);
        let count = 0;
        for (let i = 0; i < data.length; i += 4)
          if (data[i] > 190 && data[i + 1] > 70 && data[i + 1] < 120 && data[i + 2] < 40) count++;
        return count;
      };
      return { machine: orange(0, 28), person: orange(28, 32) };
    });
    assert.ok(ink.machine === 0 && ink.person > 150, JSON.stringify(ink));

    assert.match(await browser.text(".said"), /V ventricular premature.*wide, early.*ward-3, 20\d\d-/);
    await tabTo(page, "Undo", () => document.activeElement.getAttribute("aria-label") === "Undo number 1");
    await page.keyboard.press("Enter");
    await until("undone", async () => (await strip(page)).corrected === 0);
    await sleep(200);
    assert.notEqual(
      await page.evaluate(() => document.activeElement.tagName),
      "BODY",
      "the focus is not lost",
    );
    assert.equal(store.corrections.length, 2);
    assert.equal(store.corrections[1].kind, "undo");
    assert.equal(store.corrections[1].supersedes, 1);
    assert.equal(store.corrections[0].superseded_by, 2);
  });

  test("a stretch between the calipers is renamed; counts and lists go by either label", async () => {
    // In the middle of a minute of the trend.
    await openStrip(page, `#/review/2?t=${T + 30e6}&w=10&show=strip`);
    await page.keyboard.press("c");
    const { calipers, rate_hz: rate } = await strip(page);
    await page.keyboard.press("r");
    const which = await browser.text("dialog fieldset");
    // The stretch first, with its beats; a beat below it would be another choice.
    assert.match(which, /^WhichBetween the calipers, [^,]+ to [^,]+?\d+ beats?/);
    await page.getByLabel("V ventricular premature").check();
    await page.getByRole("button", { name: "Rename", exact: true }).click();
    await until("stored", async () => (await strip(page)).corrected > 0);
    const [row] = store.corrections;
    const session = store.session(2);
    assert.equal(row.target, "stretch");
    assert.ok(Math.abs(row.from_time_us - session.timeUs(calipers[0].sample)) <= 1e6 / rate);
    assert.ok(Math.abs(row.to_time_us - session.timeUs(calipers[1].sample)) <= 1e6 / rate);
    const inside = session.beats.filter(
      (beat) => beat.sample >= row.from_sample && beat.sample < row.to_sample && beat.kind !== "V",
    ).length;
    assert.ok(inside > 0);
    const counts = async () => Number(/V (\d+), S/.exec(await browser.text(".trend-now"))[1]);
    const machine = await counts();
    await page.getByRole("button", { name: "corrected", exact: true }).click();
    await until("counted", async () => (await counts().catch(() => -1)) === machine + inside);
    assert.match(await page.evaluate(() => location.hash), /labels=corrected/);

    // The list by corrected labels holds them, and says what the machine had said.
    await open(page, "#/review/2?show=list&labels=corrected");
    for (const name of ["S beats", "Events"]) await page.getByRole("button", { name, exact: true }).click();
    await until("V alone", async () => (await page.locator(".moment").count()) === 24);
    let found = null;
    for (let i = 0; i < 60 && found === null; i++) {
      const item = page.locator(".moment", { hasText: "corrected: ventricular premature" }).first();
      if ((await item.count()) > 0) found = await item.textContent();
      else await page.getByRole("button", { name: "Load more" }).click();
      await sleep(60);
    }
    assert.match(found ?? "none", /^NVnormal.*corrected: ventricular premature/);
    await page.getByRole("button", { name: "machine", exact: true }).click();
    await until("machine's", async () => !/labels=/.test(await page.evaluate(() => location.hash)));
  });

  test("an artefact leaves the corrected counts; a note is text, whatever it holds", async () => {
    await openStrip(page);
    await page.keyboard.press("a");
    await page.getByRole("button", { name: "Mark", exact: true }).click();
    await until("artefact", async () => (await strip(page)).corrected === 1);
    assert.match(await browser.text(".strip-side"), /artefact/);
    await page.keyboard.press("n");
    await page.locator("#correct-note").fill(HOSTILE);
    await page.getByRole("button", { name: "Store note" }).click();
    await until("note", async () => (await strip(page)).notes === 2);
    assert.ok((await browser.text(".said")).includes(HOSTILE));
    assert.equal(await page.locator("main img").count(), 0);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    const { from_time_us: from } = store.corrections[1];
    assert.ok(Math.abs(from - T) < 5000, "the note stands in the middle of the strip");

    const beats = async () => Number(/(\d+) beats/.exec(await browser.text(".trend-now"))[1]);
    const all = await beats();
    await page.getByRole("button", { name: "corrected", exact: true }).click();
    await until("one less", async () => (await beats().catch(() => -1)) === all - 1);
    await page.getByRole("button", { name: "machine", exact: true }).click();
  });

  test("on the page of a beat; the row that holds is told", async () => {
    await open(page, "#/review/2?show=beat&beat=50001&t=2026-01-30T18:00:00Z");
    await until("beat", async () => /normal/.test((await browser.text(".beat-title").catch(() => "")) ?? ""));
    for (const [i, letter] of ["A atrial premature", "F fusion beat"].entries()) {
      await page.locator("body").press("r");
      await page.getByLabel(letter).check();
      await page.getByRole("button", { name: "Rename", exact: true }).click();
      await until("told", async () => (await page.locator(".both-labels .by-person").count()) === 1);
      await until("row", async () => (await page.locator(".said li").count()) === i + 1);
    }
    assert.match(await browser.text(".both-labels"), /machine N.*person F/);
    assert.match(await page.locator(".said").last().textContent(), /F fusion beat \(holds\)/);
    assert.doesNotMatch(await page.locator(".said").last().textContent(), /A atrial premature \(holds\)/);
    await page.getByRole("button", { name: "Undo number 2" }).click();
    await until("the one before holds", async () => /person A/.test(await browser.text(".both-labels")));
  });

  test("clusters: by keys, their beats, and a whole cluster renamed", async () => {
    await open(page, `#/review/2?t=${T}&show=clusters&span=3600`);
    await page.waitForSelector(".cluster");
    const answer = await page.evaluate(async () => {
      const [, from, to] = /(\S+ \S+) to (\S+ \S+) /.exec(
        document.querySelector(".strip .message").textContent,
      );
      const at = (text) => Date.parse(`${text.replace(" ", "T")}`) * 1000;
      return (await fetch(`/v1/clusters?session=2&from=${at(from)}&to=${at(to)}`)).json();
    });
    const cards = await page.locator(".cluster").allTextContents();
    assert.equal(cards.length, answer.clusters.length);
    assert.match(cards[0], /^Cluster 1: 4,\d{3} beatsN 4,\d{3}/);
    assert.ok(cards.some((text) => /^The others/.test(text)));
    // Examples and mean are drawn: ink in the picture of each.
    const ink = await page.evaluate(() =>
      [...document.querySelectorAll(".cluster canvas")].map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        // The grid is red; examples are grey, and the mean is nearly black.
        const found = { grey: 0, black: 0 };
        for (let i = 0; i < data.length; i += 4) {
          const sum = data[i] + data[i + 1] + data[i + 2];
          if (sum < 150) found.black++;
          else if (sum < 640 && Math.abs(data[i] - data[i + 2]) < 30) found.grey++;
        }
        return found;
      }),
    );
    // The others are of several shapes and have no mean.
    ink.forEach(({ grey, black }, i) => {
      const others = /^The others/.test(cards[i]);
      assert.ok(grey > 100 && (others ? black < 50 : black > 200), JSON.stringify(ink));
    });
    await tabTo(page, "the first cluster", () => document.activeElement.classList.contains("cluster"));
    for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    const chosen = answer.clusters[3];
    await until("beats", async () => (await page.locator(".moment").count()) === Math.min(24, chosen.beats));
    assert.equal(
      await page.evaluate(() => document.activeElement.dataset.cluster),
      String(chosen.cluster),
      "the focus stays",
    );
    await page.keyboard.press("r");
    await page.waitForSelector("dialog[open]");
    await tabTo(page, "the labels", () => document.activeElement.name === "correct-class");
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Rename", exact: true }).focus();
    await page.keyboard.press("Enter");
    await until("stored", () => store.corrections.length === 1);
    assert.deepEqual(store.corrections[0].beats, chosen.beat_ids);
    assert.equal(store.corrections[0].target, "beats");
    await sleep(300);
    await page
      .locator(".moment")
      .first()
      .evaluate((one) => one.scrollIntoView());
    await until("told at its beats", async () =>
      /corrected: normal/.test(await page.locator(".moment").first().textContent()),
    );
    assert.match(await page.evaluate(() => location.hash), new RegExp(`cluster=${chosen.cluster}`));
  });

  test("another span has other clusters: the chosen one is not kept", async () => {
    await open(page, `#/review/2?t=${T}&show=clusters&span=3600&cluster=1`);
    await until("chosen", async () => (await page.locator(".moment").count()) > 0);
    await page.getByRole("button", { name: "6 h" }).click();
    await until("grouped", async () => /clusters by/.test(await browser.text(".strip .message")));
    assert.doesNotMatch(await page.evaluate(() => location.hash), /cluster=/);
    assert.equal(await page.locator(".cluster[aria-pressed=true]").count(), 0);
    // The same where the span moves with the time, and while it is being loaded.
    await page.locator(".cluster").first().click();
    await until("chosen", async () => (await page.locator(".moment").count()) > 0);
    await page.route("**/v1/clusters?**", async (route) => {
      await sleep(800);
      await route.continue();
    });
    await page.getByRole("slider", { name: /^Trend/ }).focus();
    await page.keyboard.press("PageDown");
    await until("grouping", async () => /grouping/.test(await browser.text(".strip .message")));
    await page.locator("body").press("r");
    await until("none", async () => /Choose a cluster first/.test(await browser.text(".strip .message")));
    assert.equal(await page.locator("dialog").count(), 0);
    await until("grouped", async () => /clusters by/.test(await browser.text(".strip .message")));
    assert.doesNotMatch(await page.evaluate(() => location.hash), /cluster=/);
    await page.unroute("**/v1/clusters?**");
  });

  test("a correction while the map is being fetched does not end the map", async () => {
    await page.route("**/saliency?**", async (route) => {
      await sleep(1200);
      await route.continue();
    });
    await open(page, "#/review/2?show=beat&beat=50007&t=2026-01-30T18:00:00Z");
    await until("beat", async () => /normal/.test((await browser.text(".beat-title").catch(() => "")) ?? ""));
    const said = { session: 2, kind: "label", target: "beat", beats: [50_007], class: "V" };
    mock.toAll({ type: "correction", ...store.correct(said, "night-shift", null).json });
    await until("told", async () => /person V/.test(await browser.text(".both-labels")));
    await until("map", async () =>
      /Grad-CAM map for class/.test((await page.locator(".beat-main").textContent()) ?? ""),
    );
    assert.doesNotMatch(await page.locator(".beat-main").textContent(), /being fetched/);
    await page.unroute("**/saliency?**");
  });

  test("what was stored for another place than was meant is told, with an undo", async () => {
    await openStrip(page);
    const honest = store.correct;
    store.correct = (...asked) => {
      const answer = honest.apply(store, asked);
      if (answer.json?.target === "stretch") answer.json.to_sample += 3600 * 500;
      return answer;
    };
    await page.keyboard.press("a");
    await page.getByLabel(/^All of this strip/).check();
    await page.getByRole("button", { name: "Mark", exact: true }).click();
    await until("told", async () =>
      /another place than was meant.* 3610 s of recording/.test(await browser.text(".strip > .warn")),
    );
    store.correct = honest;
    await page.locator(".strip > .warn button").click();
    await until("undone", () => store.corrections[0]?.superseded_by === 2);
    await until("said", async () => /is undone/.test(await browser.text(".strip > .warn")));
    await until("closed", async () => (await page.locator("dialog").count()) === 0);
    // What is right is not told, and takes the old warning away.
    await page.keyboard.press("a");
    await page.getByLabel(/^All of this strip/).check();
    await page.getByRole("button", { name: "Mark", exact: true }).click();
    await until("stored", () => store.corrections.length === 3);
    await until("nothing", async () => (await browser.text(".strip > .warn")) === "");
  });

  test("the stand-in refuses as the gateway does", async () => {
    const answer = (path, method = "GET", body) =>
      page.evaluate(
        async ([to, how, text]) => {
          const headers = text === undefined ? {} : { "content-type": "application/json" };
          const answered = await fetch(to, { method: how, body: text, headers });
          const json = await answered.json();
          return [answered.status, json.type?.split(":").at(-1) ?? null];
        },
        [path, method, body === undefined ? undefined : JSON.stringify(body)],
      );
    assert.deepEqual(await answer("/v1/rr?session=2&labels=corrected"), [400, "unknown-parameter"]);
    assert.deepEqual(await answer("/v1/beats?limit=0"), [400, "invalid-parameter"]);
    assert.deepEqual(await answer("/v1/corrections", "POST", { session: 2, kind: "undo", supersedes: 999 }), [
      404,
      "no-such-correction",
    ]);
    assert.deepEqual(await answer("/v1/corrections", "POST", { session: 2, kind: "note", text: "x" }), [
      400,
      "unknown-parameter",
    ]);
  });

  test("the list of corrections: author, time, undo; what others do comes by itself", async () => {
    await open(page, "#/review/2?show=corrections");
    await until("none", async () =>
      /Nobody has corrected/.test((await page.locator(".strip").textContent()) ?? ""),
    );
    const said = { session: 2, kind: "note", target: "moment", from_us: T, note: HOSTILE };
    const { json } = store.correct(said, "night-shift", null);
    mock.toAll({ type: "correction", ...json });
    await until("there", async () => (await page.locator(".corrections tbody tr").count()) === 1);
    const text = await browser.text(".corrections tbody tr");
    assert.ok(text.includes(HOSTILE) && text.includes("night-shift"));
    assert.match(text, /20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [+−]\d\d:\d\d/);
    assert.equal(await page.locator("main img").count(), 0);
    await tabTo(page, "Undo", () => document.activeElement.getAttribute("aria-label") === "Undo number 1");
    await page.keyboard.press("Enter");
    await until("two rows", async () => (await page.locator(".corrections tbody tr").count()) === 2);
    assert.match(await page.locator(".corrections tr.undone").textContent(), /undone by number 2/);
    assert.equal(await page.getByRole("button", { name: /^Undo/ }).count(), 0, "an undo is not undone");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Corrections");
  });

  test("a refusal stands in the form in the gateway's words, and nothing is lost", async () => {
    await openStrip(page);
    await page.keyboard.press("n");
    await page.locator("#correct-note").fill("kept");
    mock.set({ control: false });
    await page.getByRole("button", { name: "Store note" }).click();
    await until("refused", async () =>
      /may read, not control/.test(await browser.text("dialog [role=status]")),
    );
    assert.equal(await page.locator("#correct-note").inputValue(), "kept");
    mock.set({ control: true });
    await page.keyboard.press("Escape");
    assert.equal(store.corrections.length, 0);
  });

  test("a session is deleted after its name was written, and what is left of it says so", async () => {
    store.session(1).label = HOSTILE;
    await open(page, "#/review/2?show=list");
    await open(page, "#/review");
    await until("label", async () => (await page.locator("table.sessions").textContent()).includes(HOSTILE));
    assert.equal(await page.locator("main img").count(), 0);
    // One that records cannot be deleted; one that was interrupted can, though it has no end either.
    assert.equal(store.session(3).json().end_time_us, null);
    assert.equal(await page.getByRole("button", { name: "Delete session 3 …" }).count(), 1);
    store.session(2).endReason = "recording";
    await open(page, "#/review/2?show=list");
    await open(page, "#/review");
    await until("listed", async () => /recording/.test(await browser.text("table.sessions")));
    assert.equal(await page.getByRole("button", { name: "Delete session 2 …" }).count(), 0);
    store.session(2).endReason = undefined;
    await page.getByRole("button", { name: "Delete session 1 …" }).click();
    await page.getByRole("textbox").fill("delete 2");
    await page.keyboard.press("Enter");
    await until("refused", async () => /Write “delete 1”/.test(await browser.text("dialog [role=status]")));
    await page.getByRole("textbox").fill("delete 1");
    await axe(page, "delete");
    await page.keyboard.press("Enter");
    await until("told", async () =>
      /Session 1 is deleted: [\d,]+ beats/.test(await page.locator(".review").textContent()),
    );
    const row = page.locator("tr.gone");
    assert.match(await row.textContent(), /deleted 20\d\d-/);
    assert.equal(await row.locator("a, button").count(), 0);
    assert.ok(!(await row.textContent()).includes(HOSTILE));
    const again = await page.evaluate(async () =>
      (await fetch("/v1/sessions/1", { method: "DELETE" })).json(),
    );
    assert.equal(again.deleted_by, "ward-3");
    assert.ok(again.deleted.beats > 1000 && again.deleted_time_us > 0, "a second time it tells the same");
    await open(page, "#/review/1?show=strip");
    await until("gone", async () =>
      /Session 1 was deleted/.test((await page.locator("main").textContent()) ?? ""),
    );
  });

  test("axe, targets and edges in every new part and form, light and dark, phone to desk", async () => {
    store.correct({ session: 2, kind: "label", target: "beat", beats: [50_001], class: "V" }, "x", null);
    store.correct(
      { session: 2, kind: "note", target: "moment", from_us: T, note: "y".repeat(300) },
      "x",
      null,
    );
    store.session(2).label = "W".repeat(64);
    await page.evaluate((t) => {
      sessionStorage.setItem(
        "ecg-gateway.report.2",
        JSON.stringify([{ timeUs: t, sample: null, seconds: 7 }]),
      );
    }, T);
    for (const size of [
      { width: 1280, height: 800 },
      { width: 640, height: 400 },
      { width: 360, height: 740 },
    ]) {
      await page.setViewportSize(size);
      await open(page, "#/review");
      await page.waitForSelector("table.sessions");
      await targets(page, `sessions at ${size.width}`);
      for (const part of ["strip", "clusters", "corrections", "report", "beat"]) {
        await open(page, `#/review/2?t=${T}&span=3600&cluster=1&show=${part}&beat=50001`);
        await sleep(1200);
        await targets(page, `${part} at ${size.width}`);
        if (size.width !== 640) await axe(page, `${part} at ${size.width}`);
        if (part === "strip" || part === "clusters") {
          await page.keyboard.press("r");
          await page.waitForSelector("dialog[open]");
          await targets(page, `rename at ${size.width}`);
          if (size.width === 360) await axe(page, "rename");
          await page.keyboard.press("Escape");
        }
      }
      await page.keyboard.press("d");
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    store.session(2).label = null;
  });

  test("lists are asked for by kind, and RR intervals in their short form", async () => {
    const asked = [];
    const listen = (request) => asked.push(new URL(request.url()));
    page.on("request", listen);
    await open(page, "#/review/2?show=list");
    await until("items", async () => (await page.locator(".moment").count()) === 24);
    await page.getByLabel("Events of").evaluate((one) => {
      one.append(new Option("lead_off", "lead_off"));
    });
    await page.getByLabel("Events of").selectOption("lead_off");
    await until("asked", () => asked.some((url) => url.searchParams.get("kind") === "lead_off"));
    asked.length = 0;
    await open(page, `#/review/2?t=${T}&show=rr&span=86400`);
    await until("rr", async () =>
      /Beats in the span99,/.test((await browser.text(".facts").catch(() => "")) ?? ""),
    );
    page.off("request", listen);
    const beats = asked.filter((url) => url.pathname === "/v1/beats");
    assert.deepEqual(
      beats.map((url) => url.searchParams.get("outcome")),
      ["unclassifiable"],
    );
    assert.equal(asked.filter((url) => url.pathname === "/v1/rr").length, 2, "99,000 beats in two pages");
  });

  test("nothing complained", () => {
    assert.deepEqual(
      browser.complaints.filter((one) => !/40[0-9]|WebSocket/.test(one)),
      [],
    );
  });
});

describe("at the bedside", onlyMock, () => {
  let mock;
  let browser;
  let page;
  before(async () => {
    mock = await startMock({ control: true, patient: HOSTILE });
    browser = await Browser.start({ settings: { theme: "light" } });
    page = browser.page;
    await browser.signIn(mock);
    await until("samples", async () => (await browser.figures())?.end_sample > 1500);
  });
  after(async () => {
    await browser.close();
    await mock.close();
  });

  test("the label stands in the header as text", async () => {
    await until("label", async () => (await browser.text(".patient")) === HOSTILE);
    assert.equal(await page.locator("body img").count(), 0);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  });

  test("m marks the newest sample at once; the mark is drawn, gets words, and is undone", async () => {
    const { end_sample: end } = await browser.figures();
    await page.keyboard.press("m");
    const rows = mock.theStore().corrections;
    await until("stored", () => rows.length === 1);
    assert.equal(rows[0].origin, "mark");
    const at = rows[0].from_sample;
    assert.ok(at >= end - 250 && at < end + 1000, `${at} for ${end}`);
    await until("swept", async () => (await browser.figures()).head_sample > at + 100);
    await sleep(200);
    const column = () =>
      page.evaluate((sample) => {
        const figures = globalThis.ecgFigures();
        const canvas = document.querySelector("canvas.trace");
        const lane = figures.lanes[0];
        const x = Math.floor(
          figures.left_px +
            ((((25 * figures.device_px_per_mm) / figures.rate_hz) * sample) % figures.width_px),
        );
        const { data } = canvas.getContext("2d").getImageData(x - 1, lane.topPx, 3, lane.heightPx);
        let dark = 0;
        for (let row = 0; row < lane.heightPx; row++) {
          const sum = (k) =>
            data[(row * 3 + k) * 4] + data[(row * 3 + k) * 4 + 1] + data[(row * 3 + k) * 4 + 2];
          if (Math.min(sum(0), sum(1), sum(2)) < 300) dark++;
        }
        return dark / lane.heightPx;
      }, at);
    const marked = await column();
    assert.ok(marked > 0.35 && marked < 0.85, `${marked} of the column is inked: a dashed line`);
    assert.match(await browser.text(".mark-bar"), /Marked \d\d:\d\d:\d\d/);

    await page.getByRole("button", { name: "Add words …" }).click();
    await page.locator("#mark-words").fill(HOSTILE);
    await page.getByRole("button", { name: "Store note" }).click();
    await until("words", () => rows.length === 2);
    assert.equal(rows[1].from_time_us, rows[0].from_time_us);
    assert.equal(rows[1].note, HOSTILE);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);

    await page.getByRole("button", { name: "Mark now" }).click();
    await until("second", () => rows.length === 3);
    await page.getByRole("button", { name: "Undo" }).click();
    await until("undone", () => rows.length === 4 && rows[3].kind === "undo");
    await until("told", async () => /undone/.test(await browser.text(".mark-bar")));
  });

  test("a mark that another page makes is drawn here, too; a refusal is said", async () => {
    const running = {
      id: mock.session,
      newestUs: () => mock.sampleTimeUs(mock.sample),
      range: () => [mock.sample],
    };
    const { json } = mock
      .theStore()
      .correct({ kind: "note", target: "moment", note: null }, "other", running);
    mock.toAll({ type: "correction", ...json });
    await sleep(400);
    assert.equal(await page.locator(".conditions", { hasText: "does not know" }).count(), 0);
    mock.set({ control: false });
    await page.keyboard.press("m");
    await until("said", async () => /Not marked.*may read/.test(await browser.text(".mark-bar")));
    mock.set({ control: true });
  });

  test("new patient: asked for, then another session with its label begins", async () => {
    const before = mock.session;
    await page.getByRole("button", { name: "New patient …" }).click();
    assert.ok((await browser.text("dialog")).includes(HOSTILE), "whose session ends");
    await axe(page, "new patient");
    await page.keyboard.press("Escape");
    assert.equal(mock.session, before, "nothing happens without an answer");
    await page.getByRole("button", { name: "New patient …" }).click();
    await page.getByRole("textbox", { name: "Patient or bed" }).fill("Bed 5");
    await page.keyboard.press("Enter");
    await until("header", async () => (await browser.text(".patient")) === "Bed 5");
    assert.equal(mock.session, before + 1);
    const figures = await browser.figures();
    assert.ok(figures.end_sample < 3000, "the picture begins anew");
    mock.set({ source: "replay" });
    await sleep(300);
    await page.getByRole("button", { name: "New patient …" }).click();
    await page.getByRole("button", { name: "New patient", exact: true }).click();
    await until("refused", async () => /has ended/.test(await browser.text("dialog [role=status]")));
    await page.keyboard.press("Escape");
  });

  test("axe, targets and edges of the live view with all its buttons", async () => {
    await page.keyboard.press("m");
    await axe(page, "live");
    for (const width of [360, 640, 1280]) {
      await page.setViewportSize({ width, height: 760 });
      await sleep(400);
      await targets(page, `live at ${width}`);
    }
  });
});

test("a reader has none of these buttons, and the keys do nothing", onlyMock, async (context) => {
  const mock = await startMock();
  context.after(() => mock.close());
  const browser = await Browser.start({ settings: { theme: "light" } });
  context.after(() => browser.close());
  const { page } = browser;
  const posts = [];
  page.on("request", (request) => {
    if (request.method() !== "GET" && !request.url().endsWith("/session")) posts.push(request.url());
  });
  await browser.signIn(mock);
  const store = mock.theStore();
  store.correct({ session: 2, kind: "label", target: "beat", beats: [50_001], class: "V" }, "x", null);
  const none = async (where) => {
    const names = await page.getByRole("button").allTextContents();
    assert.deepEqual(
      names.filter((name) => /Rename|Artefact|Note|Undo|Mark|patient|Delete/.test(name)),
      [],
      where,
    );
  };
  await until("who", async () => /ward-3 \(read\)/.test(await browser.text(".who")));
  await none("live");
  await page.keyboard.press("m");
  await page.keyboard.press("?");
  assert.doesNotMatch(await browser.text("dialog"), /Mark now/);
  await page.keyboard.press("Escape");
  await open(page, "#/review");
  await page.waitForSelector("table.sessions");
  await none("sessions");
  for (const part of ["strip", "clusters", "corrections", "report", "beat"]) {
    await open(page, `#/review/2?t=${T}&span=3600&cluster=1&show=${part}&beat=50001`);
    await sleep(900);
    await none(part);
    for (const key of ["r", "a", "n"]) await page.keyboard.press(key);
    assert.equal(await page.locator("dialog").count(), 0, part);
  }
  await until("the correction is seen", async () => /person V/.test(await browser.text(".both-labels")));
  assert.deepEqual(posts, []);
});

test(
  "where the wall clock was set, strip and full disclosure go by recorded time",
  onlyMock,
  async (context) => {
    const mock = await startMock({ day: "steps", control: true });
    context.after(() => mock.close());
    const browser = await Browser.start({ settings: { theme: "light" } });
    context.after(() => browser.close());
    const { page } = browser;
    await browser.signIn(mock);
    const session = mock.theStore().session(90);
    const { rate } = session;
    const step = 2430 * rate;
    const before = session.timeUs(step - 20 * rate);
    await openStrip(page, `#/review/90?t=${before}&n=${step - 20 * rate}&w=10&show=strip`);
    const near = async (sample, what) =>
      until(what, async () => {
        const now = await strip(page);
        return now?.start_sample !== null && Math.abs(now.start_sample - sample) < 2 && now;
      });
    // By recorded time the strip pages over the step, and shows it once.
    await near(step - 25 * rate, "20 s before");
    await page.keyboard.press("PageDown");
    await near(step - 15 * rate, "10 s before");
    await page.keyboard.press("PageDown");
    const over = await near(step - 5 * rate, "over the step");
    assert.equal(over.clock_pieces.length, 2, "two pieces of time");
    const [a, b] = over.clock_pieces;
    assert.ok(b.first >= step && b.first < step + 1.5 * rate, "set within a beat of where it was set");
    assert.ok(Math.abs(b.fromUs - a.toUs + 3600e6) < 1000, `${(b.fromUs - a.toUs) / 1e6} s`);
    assert.ok(over.beats > 6);
    assert.match(await browser.text(".when"), /10:40:25\.\d+ to 09:40:35/);
    // Every beat's letter stands at its sample, and its time is the stored one.
    const own = session.beats.filter((one) => one.sample >= step - 5 * rate && one.sample < step + 5 * rate);
    const times = await page.locator(".strip-side tbody tr td:first-child").allTextContents();
    assert.equal(times.length, own.length);
    own.forEach((one, i) => {
      const ms = Math.floor(session.timeUs(one.sample) / 1000);
      assert.equal(times[i], new Date(ms).toISOString().slice(11, 23));
    });
    await page.keyboard.press("PageDown");
    await near(step + 5 * rate, "after the step, at times that came before");
    await page.keyboard.press("ArrowRight");
    await near(step + 6 * rate, "a second on");
    // To the next event and back over the step, by recorded order.
    await open(page, `#/review/90?t=${session.timeUs(step - rate)}&n=${step - rate}&w=10&show=strip`);
    await near(step - 6 * rate, "a second before the step");
    const marks = [
      ...session.beats.filter((one) => one.kind !== "N" && !one.unclassifiable).map((one) => one.sample),
      ...session.events.map((one) => one.sample),
    ].sort((one, other) => one - other);
    const next = marks.find((sample) => sample > step - rate);
    assert.ok(next > step, "the next one lies behind the step");
    await page.keyboard.press("]");
    await near(next - 5 * rate, "the next event");
    await page.keyboard.press("[");
    await near(marks[marks.indexOf(next) - 1] - 5 * rate, "the one before it, over the step");
    // On by ten minutes: these are never shown.
    const on = 5430 * rate;
    await open(page, `#/review/90?t=${session.timeUs(on)}&n=${on}&w=10&show=strip`);
    const jumped = await near(on - 5 * rate, "the second step");
    assert.equal(jumped.clock_pieces.length, 2);
    assert.ok(Math.abs(jumped.clock_pieces[1].fromUs - jumped.clock_pieces[0].toUs - 600e6) < 1000);

    // Times that were shown twice: the beats are named, and a note about a time is refused.
    const twice = step + 600 * rate;
    await open(page, `#/review/90?t=${session.timeUs(twice)}&n=${twice}&w=10&show=strip`);
    await near(twice - 5 * rate, "ten minutes after the step");
    await page.keyboard.press("r");
    await page.getByLabel(/^All of this strip/).check();
    await page.getByLabel("V ventricular premature").check();
    await page.getByRole("button", { name: "Rename", exact: true }).click();
    const rows90 = mock.theStore().corrections;
    await until("stored", () => rows90.length === 1);
    assert.deepEqual(
      rows90[0].beats,
      session.beats
        .filter((one) => one.sample >= twice - 5 * rate && one.sample < twice + 5 * rate)
        .map((one) => one.id),
      "these beats, and not an hour of them",
    );
    const closed = () => until("closed", async () => (await page.locator("dialog").count()) === 0);
    await closed();
    await page.keyboard.press("n");
    await page.getByLabel(/^The middle of the strip/).check();
    await page.locator("#correct-note").fill("which?");
    await page.getByRole("button", { name: "Store note" }).click();
    await until("refused", async () =>
      /does not tell which of two moments/.test(await browser.text("dialog p.warn[role=status]")),
    );
    await page.keyboard.press("Escape");
    await closed();
    assert.equal(rows90.length, 1);
    // Before it was set back nothing is unclear.
    const once = step - 600 * rate;
    await open(page, `#/review/90?t=${session.timeUs(once)}&n=${once}&w=10&show=strip`);
    await near(once - 5 * rate, "ten minutes before the step");
    await page.keyboard.press("n");
    await page.locator("#correct-note").fill("here");
    await page.getByRole("button", { name: "Store note" }).click();
    await until("stored", () => rows90.length === 2);
    await closed();
    assert.ok(Math.abs(rows90[1].from_sample - once) <= 2, `${rows90[1].from_sample - once}`);

    // Full disclosure: the minutes about the step, each with its trace, and Enter opens where it stands.
    await open(page, `#/review/90?t=${session.timeUs(step)}&n=${step}&show=disclosure`);
    const rows = page.getByRole("slider", { name: /Full disclosure/ });
    await until("drawn", () => page.evaluate(() => globalThis.ecgDisclosure?.().first_drawn_ms > 0), 10_000);
    assert.equal((await page.evaluate(() => globalThis.ecgDisclosure())).chosen, 40);
    const lines = await page.evaluate(() => {
      const canvas = document.querySelector(".disclosure-canvas");
      const { row_px: high, left_px: left } = globalThis.ecgDisclosure();
      const top = document.querySelector(".disclosure").scrollTop;
      const whole = [];
      for (let row = Math.ceil(top / high); (row + 1) * high < top + canvas.height; row++) {
        const y = Math.round(row * high - top);
        const { data, width } = canvas
          .getContext("2d")
          .getImageData(left, y, canvas.width - left, Math.floor(high));
        const inked = new Set();
        for (let i = 0; i < data.length; i += 4)
          if (data[i] + data[i + 1] + data[i + 2] < 600) inked.add((i / 4) % width);
        whole.push(inked.size / width);
      }
      return whole;
    });
    assert.ok(
      lines.length > 5 && lines.every((share) => share > 0.4),
      lines.map((one) => one.toFixed(2)).join(),
    );
    await rows.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await near(41.5 * 60 * rate - 5 * rate, "the minute after the step");
    const trend = page.getByRole("slider", { name: /^Trend/ });
    await trend.focus();
    await page.keyboard.press("ArrowLeft");
    await near(40.5 * 60 * rate - 5 * rate, "a minute before, over the step");
    assert.deepEqual(browser.complaints, []);
  },
);
