// What open pages cost, measured on the real program: `scripts/page-load` says how to run it. Prints its figures, and ends
// with an error where one of them is beyond its limit.

import WebSocket from "ws";
import { Browser, sleep, until } from "./page.mjs";
import { Program } from "./program.mjs";

/** Of the daemon with 20 pages. Alone it has 20 MiB (.ci/footprint), as a service 256 (systemd/ecg-gateway.service). */
const MOST_KIB = 32 * 1024;
/** Per open page at 500 samples per second, percent of one core. */
const MOST_CPU_PERCENT = 5;
const CPU_GOAL_PERCENT = 1;
/** Clients that tell what one costs. */
const MANY = 16;
/** Growth of a page's memory that counts as flat. */
const MOST_GROWTH_MIB = 3;

const wrong = [];
function check(good, text) {
  if (!good) wrong.push(text);
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const percentile = (values, p) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))];

/** Percent of one core that the program takes over some seconds. */
async function processor(program, seconds) {
  const [begin, before] = [performance.now(), program.processorSeconds()];
  await sleep(1000 * seconds);
  return (100 * (program.processorSeconds() - before)) / ((performance.now() - begin) / 1000);
}

/** Without and with an open page in turn, so that what else the machine does goes into both. */
async function cpu(rounds, seconds) {
  const program = await Program.start();
  const browser = await Browser.start({ settings: { theme: "light" } });
  const per = [];
  const alone = [];
  const clients = [];
  try {
    await browser.signIn(program);
    await sleep(15_000);
    for (let round = 0; round < rounds; round++) {
      await browser.page.goto("about:blank");
      await sleep(2000);
      const without = await processor(program, seconds);
      await browser.page.goto(`${program.origin}/`);
      // The page fetches what is stored in its first 12 s; what goes on is measured.
      await sleep(14_000);
      const withPage = await processor(program, seconds);
      console.log(`  ${without.toFixed(2)} % without, ${withPage.toFixed(2)} % with a page`);
      alone.push(without);
      per.push(withPage - without);
    }
    // One page may be less than what else the machine does makes of a difference: many tell what each costs.
    await browser.page.goto("about:blank");
    await sleep(2000);
    const without = await processor(program, seconds);
    for (let i = 0; i < MANY; i++) {
      const client = new Client(program, await program.cookie());
      clients.push(client);
      await client.start();
    }
    await sleep(14_000);
    const many = await processor(program, seconds);
    console.log(
      `  ${without.toFixed(2)} % without, ${many.toFixed(2)} % with ${MANY} clients: ` +
        `${((many - without) / MANY).toFixed(2)} % each`,
    );
    check(
      (many - without) / MANY <= MOST_CPU_PERCENT,
      `CPU per client of ${MANY}: ${many - without} % in all`,
    );
  } finally {
    for (const client of clients) client.close();
    await browser.close();
    await program.close();
  }
  const found = median(per);
  console.log(
    `CPU of the daemon at 500 samples per second: ${median(alone).toFixed(2)} % of one core; per open page ` +
      `${found.toFixed(2)} % more (goal ${CPU_GOAL_PERCENT}, limit ${MOST_CPU_PERCENT})`,
  );
  check(found <= MOST_CPU_PERCENT, `CPU per open page: ${found.toFixed(2)} %`);
}

/** A client that asks for what a page asks for, and takes what a page takes. */
class Client {
  constructor(program, cookie) {
    this.program = program;
    this.headers = { cookie, origin: program.origin, "sec-fetch-site": "same-origin" };
    this.texts = 0;
    this.pieces = 0;
    this.bytes = 0;
    this.ages = [];
    this.faults = [];
    this.next = null;
  }

  async ask(path, accept) {
    const answer = await fetch(this.program.origin + path, { headers: { ...this.headers, accept } });
    const bytes = await answer.arrayBuffer();
    if (!answer.ok) this.faults.push(`${path}: ${answer.status}`);
    return bytes;
  }

  async start() {
    for (const path of ["/", "/session"]) await this.ask(path, "*/*");
    this.socket = new WebSocket(`ws://127.0.0.1:${this.program.port}/v1/live?rate=500`, {
      headers: this.headers,
    });
    this.socket.on("message", (data, binary) => this.take(data, binary));
    this.socket.on("error", (error) => this.faults.push(String(error)));
    this.socket.on("close", (code) => {
      if (!this.ending) this.faults.push(`closed with ${code}`);
    });
    await new Promise((done) => this.socket.once("open", done));
  }

  take(data, binary) {
    this.bytes += data.length;
    if (!binary) {
      this.texts++;
      const message = JSON.parse(data);
      if (message.type === "session") this.session = message;
      // One that is too slow is closed.
      if (message.type === "gap" || message.type === "closed") this.faults.push(String(data));
      return;
    }
    this.pieces++;
    const per = data.readUInt16LE(2);
    const points = data.readUInt32LE(4);
    const first = Number(data.readBigUInt64LE(8));
    this.ages.push(Number(data.readBigUInt64LE(16)) / 1000);
    if (this.next !== null && first !== this.next)
      this.faults.push(`${first - this.next} samples missing at ${first}`);
    this.next = first + per * points;
    if (this.pieces === 1) void this.fill(first);
  }

  /** As a page does: the seconds before its first piece, at once and once more when they are stored. */
  async fill(first) {
    const { id, sample_rate_hz: rate, start_time_us: start } = this.session;
    const us = (sample) => Math.round(start + (sample / rate) * 1e6);
    const query = `session=${id}&from=${us(Math.max(0, first - 10 * rate))}&to=${us(first)}`;
    for (const wait of [0, 12_000]) {
      await sleep(wait);
      if (this.ending) return;
      await this.ask(`/v1/ecg?${query}`, "application/vnd.ecg-gateway.ecg");
      await this.ask(`/v1/beats?${query}&limit=200`, "application/json");
    }
  }

  close() {
    this.ending = true;
    this.socket.close();
  }
}

/** Two pages and 18 clients while the chip runs at its fastest. */
async function crowd(minutes) {
  const rate = 8000;
  const program = await Program.start({ rate });
  const browsers = [];
  const clients = [];
  try {
    const idle = program.memoryKib("VmRSS");
    for (const name of ["ward", "desk", "wall", "phone"]) program.cli("web", "token", "new", name, "--read");
    for (const name of ["ward", "desk"]) {
      const browser = await Browser.start({ settings: { theme: "light" } });
      browsers.push(browser);
      const token = program.token(name);
      await browser.signIn({ port: program.port, token: () => token });
    }
    for (let i = 0; i < 18; i++) {
      const answer = await program.signIn(program.token(["wall", "phone"][i % 2]));
      const client = new Client(program, answer.headers.get("set-cookie").split(";")[0]);
      clients.push(client);
      await client.start();
    }
    await until(
      "the pages are live",
      async () => {
        const links = await Promise.all(browsers.map((browser) => browser.text(".link")));
        return links.every((link) => link === "live");
      },
      20_000,
    );
    for (const browser of browsers) await browser.figures(true);
    const [begin, cpuBefore] = [performance.now(), program.processorSeconds()];
    const before = await program.ask("/v1/status");
    const end = begin + 60_000 * minutes;
    for (let minute = 1; performance.now() < end; minute++) {
      await sleep(Math.min(60_000, end - performance.now()));
      console.log(
        `  after ${minute} min: ${program.memoryKib("VmRSS")} KiB, ` +
          `${clients.reduce((sum, client) => sum + client.faults.length, 0)} faults seen by the clients`,
      );
    }
    const seconds = (performance.now() - begin) / 1000;
    const after = await program.ask("/v1/status");
    const used = (100 * (program.processorSeconds() - cpuBefore)) / seconds;
    const peak = program.memoryKib("VmHWM");
    const samples = after.samples_received - before.samples_received;
    const ages = clients.flatMap((client) => client.ages);
    const figures = await Promise.all(browsers.map((browser) => browser.figures()));
    console.log(
      `2 pages and 18 clients for ${minutes} min at ${rate} samples per second: ${samples} samples in ` +
        `${seconds.toFixed(1)} s, ${after.live.gaps} gaps, ${after.live.missing_samples} missing; ` +
        `daemon ${used.toFixed(1)} % of one core, peak ${peak} KiB (${idle} KiB before anybody came; limit ${MOST_KIB})`,
    );
    console.log(
      `  each client: ${median(clients.map((client) => client.pieces))} pieces, ` +
        `${(median(clients.map((client) => client.bytes)) / seconds / 1000).toFixed(1)} kB/s; age when sent ` +
        `${median(ages).toFixed(0)} ms median, ${percentile(ages, 0.99).toFixed(0)} ms p99`,
    );
    for (const [i, seen] of figures.entries()) {
      console.log(
        `  page ${i + 1}: ${(seen.frames / seconds).toFixed(1)} frames/s, age of the newest drawn sample ` +
          `${seen.drawn_age_ms_median.toFixed(0)} ms median, ${seen.drawn_age_ms_p99.toFixed(0)} ms p99`,
      );
      check(!seen.stale.stale, `page ${i + 1} is not live`);
    }
    const faults = clients.flatMap((client) => client.faults);
    check(faults.length === 0, `the clients saw: ${[...new Set(faults)].slice(0, 5).join("; ")}`);
    check(
      after.live.gaps === 0 && after.live.missing_samples === 0,
      `${after.live.missing_samples} samples lost`,
    );
    check(Math.abs(samples - rate * seconds) < rate, `${samples} samples in ${seconds} s`);
    check(after.totals.gaps === 0, `${after.totals.gaps} gaps stored`);
    check(peak <= MOST_KIB, `the daemon took ${peak} KiB`);
  } finally {
    for (const client of clients) client.close();
    for (const browser of browsers) await browser.close();
    await program.close();
  }
}

/** An hour of ECG through one page. */
async function memory(speed) {
  const program = await Program.start({ speed });
  const browser = await Browser.start({ settings: { theme: "light" } });
  try {
    await browser.signIn(program);
    const debug = await browser.context.newCDPSession(browser.page);
    await debug.send("Performance.enable");
    const held = [];
    const step = 300;
    for (let second = step; second <= 3600; second += step) {
      const due = (1000 * step) / speed;
      const come = async () => ((await browser.figures())?.end_sample ?? 0) >= second * 500;
      await until(`${second / 60} min of ECG`, come, 2 * due + 20_000);
      await debug.send("HeapProfiler.collectGarbage");
      const { metrics } = await debug.send("Performance.getMetrics");
      const of = (name) => metrics.find((one) => one.name === name).value;
      const seen = await browser.figures();
      held.push({ heap: of("JSHeapUsedSize") / 2 ** 20, nodes: of("Nodes"), sample: seen.end_sample });
      const now = held.at(-1);
      console.log(`  ${second / 60} min: ${now.heap.toFixed(2)} MiB, ${now.nodes} nodes`);
    }
    const samples = held.at(-1).sample;
    const grown = held.at(-1).heap - held[1].heap;
    console.log(
      `memory of the page over 60 min of ECG at ${speed}x: ${held[1].heap.toFixed(2)} MiB after 10 min, ` +
        `${held.at(-1).heap.toFixed(2)} MiB after 60 (flat: at most ${MOST_GROWTH_MIB} MiB more); ` +
        `${(samples / 500 / 60).toFixed(1)} min of ECG came`,
    );
    check(grown <= MOST_GROWTH_MIB, `the page grew by ${grown.toFixed(2)} MiB`);
    check(
      held.at(-1).nodes - held[1].nodes < 500,
      `the page's elements grew by ${held.at(-1).nodes - held[1].nodes}`,
    );
  } finally {
    await browser.close();
    await program.close();
  }
}

const [what = "all", number] = process.argv.slice(2);
const parts = {
  cpu: () => cpu(3, 20),
  crowd: () => crowd(Number(number ?? 10)),
  memory: () => memory(60),
  hour: () => memory(1),
};
if (what !== "all" && !(what in parts)) {
  console.error(`found ${what}, expected one of all, ${Object.keys(parts).join(", ")}`);
  process.exit(2);
}
for (const part of what === "all" ? ["cpu", "memory", "crowd"] : [what]) await parts[part]();
for (const text of wrong) console.error(`WRONG: ${text}`);
process.exit(wrong.length === 0 ? 0 : 1);
