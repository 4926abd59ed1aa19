// A headless Chromium on the page. `ECG_PAGE_ADDRESS_COMMAND`, a command that prints an address to open (each is for
// once), takes the place of the stand-in, so that the same tests run against the real program; what only the stand-in
// can do is then skipped.

import { execSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Mock } from "../mock/server.mjs";

export const REAL = process.env.ECG_PAGE_ADDRESS_COMMAND ?? null;
/** A folder (`dist`) whose scripts and style stand in place of those in the program, which then need not be built anew. */
const PAGE = process.env.ECG_PAGE_FILES ?? null;
const CHROMIUM = process.env.ECG_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until a check gives something true; says what it waited for when it does not. */
export async function until(what, check, withinMs = 5000) {
  const end = Date.now() + withinMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(50);
  }
}

/** The page itself stays the program's: a browser lets none that came from elsewhere connect to this machine. */
async function usePage(context) {
  const types = { js: "text/javascript", css: "text/css" };
  const kept = (name) => name.replace(/-[0-9a-f]+\./, ".");
  const files = readdirSync(join(PAGE, "assets"));
  await context.route(/^http:\/\/[^/]+\/assets\//, (route) => {
    const asked = new URL(route.request().url()).pathname.split("/").at(-1);
    const file = files.find((one) => kept(one) === kept(asked));
    if (file === undefined) return route.continue();
    const contentType = types[file.split(".").at(-1)] ?? "application/octet-stream";
    return route.fulfill({ body: readFileSync(join(PAGE, "assets", file)), contentType });
  });
}

export class Browser {
  static async start({
    width = 1280,
    height = 800,
    ratio = 1,
    settings = null,
    flags = [],
    ...context
  } = {}) {
    const self = new Browser();
    self.folder = mkdtempSync(join(tmpdir(), "ecg-page-"));
    self.context = await chromium.launchPersistentContext(self.folder, {
      executablePath: CHROMIUM,
      headless: true,
      args: [...FLAGS, ...flags],
      viewport: { width, height },
      deviceScaleFactor: ratio,
      ...context,
    });
    if (settings !== null) {
      await self.context.addInitScript((value) => {
        if (localStorage.getItem("ecg-gateway.settings") === null) {
          localStorage.setItem("ecg-gateway.settings", value);
        }
      }, JSON.stringify(settings));
    }
    if (PAGE !== null) await usePage(self.context);
    self.page = self.context.pages()[0] ?? (await self.context.newPage());
    self.complaints = [];
    self.page.on("pageerror", (error) => self.complaints.push(String(error)));
    self.page.on("console", (message) => {
      if (message.type() === "error") self.complaints.push(message.text());
    });
    return self;
  }

  /** Signs in as a person does. */
  async signIn(mock) {
    const printed = () => execSync(REAL, { encoding: "utf8" }).trim();
    const address = mock === null ? printed() : `http://127.0.0.1:${mock.port}/#token=${mock.token()}`;
    await this.page.goto(address);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.page.waitForSelector("canvas.trace");
  }

  figures(clear = false) {
    return this.page.evaluate((value) => globalThis.ecgFigures?.(value), clear);
  }

  /** Waits until what was done last is on the canvas: it is drawn in the next frame, not in the moment of the key. */
  drawn() {
    return this.page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
  }

  text(selector) {
    return this.page.locator(selector).first().textContent();
  }

  async close() {
    await this.context.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function startMock(state = {}) {
  if (REAL !== null) return null;
  const mock = new Mock();
  mock.set(state);
  await mock.listen(0);
  return mock;
}
