// Screenshots of the live view into a folder: `node test/shots.mjs FOLDER [name ...]`.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Browser, sleep, startMock } from "./page.mjs";

const [folder = "shots", ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

const SHOTS = {
  light: { size: { width: 1440, height: 900 }, settings: { theme: "light" } },
  dark: { size: { width: 1440, height: 900 }, settings: { theme: "dark" }, mock: { source: "live" } },
  phone: { size: { width: 360, height: 780, ratio: 2 }, settings: { theme: "light" }, full: true },
  wall: {
    size: { width: 3840, height: 2160 },
    settings: { theme: "dark" },
    mock: { source: "live" },
    wait: 18_000,
  },
  stale: {
    size: { width: 1440, height: 900 },
    settings: { theme: "light" },
    after: async (mock) => {
      mock.set({ stall: true });
      await sleep(3500);
    },
  },
  lost: {
    size: { width: 1440, height: 900 },
    settings: { theme: "dark" },
    after: async (mock) => {
      mock.set({ refuse: true, drop: 1 });
      await sleep(4000);
    },
  },
  "lead-off": {
    size: { width: 1440, height: 900 },
    settings: { theme: "light" },
    mock: { source: "live" },
    after: async (mock) => {
      mock.set({ off: "in1n" });
      await sleep(3000);
    },
  },
  frozen: {
    size: { width: 1280, height: 800 },
    settings: { theme: "light", filtered: true },
    after: async (_mock, browser) => {
      await browser.page.keyboard.press("Space");
      await sleep(1200);
    },
  },
  recentred: { size: { width: 1280, height: 800 }, settings: { theme: "light" }, mock: { signal: "jump" } },
  clipped: { size: { width: 1280, height: 800 }, settings: { theme: "light" }, mock: { signal: "clip" } },
  help: {
    size: { width: 1280, height: 900 },
    settings: { theme: "light" },
    after: async (_mock, browser) => {
      await browser.page.keyboard.press("?");
      await sleep(300);
    },
  },
  calibrate: {
    size: { width: 1280, height: 900 },
    settings: { theme: "dark" },
    after: async (_mock, browser) => {
      await browser.page.getByRole("button", { name: "Calibrate" }).click();
      await sleep(300);
    },
  },
};

const DAY = "t=2026-01-30T15:34:05.500Z";
const REVIEW = {
  sessions: { at: "#/review" },
  strip: { at: `#/review/2?${DAY}&w=10&show=strip` },
  "strip-dark-filtered": {
    at: `#/review/2?${DAY}&w=5&show=strip`,
    settings: { theme: "dark", filtered: true },
  },
  "strip-gap": {
    at: "#/review/2?t=2026-01-30T16:52:14.5Z&w=10&show=strip",
    settings: { theme: "light", filtered: true },
  },
  "strip-lead-off": { at: "#/review/2?t=2026-01-30T13:38:29.0Z&w=10&show=strip" },
  "disclosure-gap": { at: "#/review/2?t=2026-01-30T14:12:19.5Z&show=disclosure" },
  calipers: {
    at: `#/review/2?${DAY}&w=5&show=strip`,
    after: async (_mock, browser) => browser.page.keyboard.press("c"),
  },
  "strip-minute": { at: `#/review/2?${DAY}&w=60&show=strip` },
  "strip-edge": { at: "#/review/2?t=2026-01-30T06:12:06Z&w=10&show=strip" },
  disclosure: { at: `#/review/2?${DAY}&show=disclosure` },
  "disclosure-dark": { at: `#/review/2?${DAY}&show=disclosure`, settings: { theme: "dark" } },
  list: { at: "#/review/2?show=list" },
  rr: { at: `#/review/2?${DAY}&show=rr&span=3600` },
  beat: {
    at: `#/review/2?${DAY}&w=10&show=strip`,
    after: async (_mock, browser) => {
      await browser.page.keyboard.press("]");
      await sleep(1500);
      await browser.page.keyboard.press("e");
    },
  },
  "beat-refused": { at: "#/review/1?show=beat&beat=100&t=2026-01-29T09:31:00Z", settings: { theme: "dark" } },
  "review-phone": {
    at: `#/review/2?${DAY}&w=10&show=strip`,
    size: { width: 360, height: 780, ratio: 2 },
    full: true,
  },
  "beat-phone": {
    at: "#/review/2?show=beat&beat=50001&method=shap&t=2026-01-30T18:00:00Z",
    size: { width: 360, height: 780, ratio: 2 },
    full: true,
  },
  "review-wall": { at: `#/review/2?${DAY}&w=10&show=strip`, size: { width: 3840, height: 2160 } },
};
for (const [name, shot] of Object.entries(REVIEW)) {
  SHOTS[name] = {
    size: { width: 1440, height: 900 },
    settings: { theme: "light" },
    wait: 1500,
    full: true,
    ...shot,
    after: async (mock, browser) => {
      await browser.page.evaluate((hash) => {
        location.hash = hash;
      }, shot.at);
      await sleep(2500);
      await shot.after?.(mock, browser);
      await sleep(1500);
    },
  };
}

for (const [name, shot] of Object.entries(SHOTS)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const mock = await startMock(shot.mock ?? {});
  const browser = await Browser.start({ ...shot.size, settings: shot.settings });
  if (name === "light") {
    await browser.page.goto(`http://127.0.0.1:${mock.port}/#token=${mock.token()}`);
    await browser.page.screenshot({ path: join(folder, "sign-in.png") });
  }
  await browser.signIn(mock);
  await sleep(shot.wait ?? 9000);
  if (shot.wait === undefined || shot.wait > 5000) {
    if (mock.state.signal === "ecg") mock.set({ gap: 120 });
    await sleep(5000);
  }
  await shot.after?.(mock, browser);
  await browser.page.screenshot({ path: join(folder, `${name}.png`), fullPage: shot.full ?? false });
  console.log(
    name,
    JSON.stringify(
      (await browser.figures()) ?? (await browser.page.evaluate(() => globalThis.ecgReview?.())),
    ),
    browser.complaints.join(" | "),
  );
  await browser.close();
  await mock.close();
}
