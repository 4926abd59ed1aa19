// The real program on a simulated chip, in a folder and on ports of its own, for tests that stop it, pull electrodes or
// open its page from where they should not. `ECG_GATEWAY` names the program; without it such tests are skipped.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { sleep, until } from "./page.mjs";

export const PROGRAM = process.env.ECG_GATEWAY ?? null;
export const withProgram = { skip: PROGRAM === null && "needs ECG_GATEWAY, the program" };

/** A port of this machine that nobody listens on. */
export function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Stores the demo's recordings. */
export function prepareDemo(home) {
  const database = join(home, "beats.db");
  execFileSync(PROGRAM, ["demo", "--json", "--db", database], { stdio: ["ignore", "ignore", "pipe"] });
}

export class Program {
  /**
   * Starts it and waits until its page is there. `config` and `acquisition` are text that is added to the configuration
   * and to its section of that name, `faults` the simulated chip's script, `steps` whether `stepClock` will be used,
   * `rate` the chip's samples per second, `prepare` what is done in the program's folder before.
   */
  static async start({
    config = "",
    faults = "",
    speed = 1,
    rate = 500,
    steps = false,
    signal = "synthetic",
    acquisition = "",
    prepare = () => {},
  } = {}) {
    const self = new Program();
    self.folder = mkdtempSync(join(tmpdir(), "ecg-program-"));
    self.port = await freePort();
    self.file = join(self.folder, "gateway.toml");
    writeFileSync(
      self.file,
      `[store]
path = "${self.folder}/beats.db"
min_free_percent = 0 # a full disk of the machine is not what is tried here
min_free_mib = 0
[api]
socket_path = "${self.folder}/api.sock"
[acquisition]
sample_rate_hz = ${rate}
${acquisition}
[device]
spi_speed_hz = 2000000
[web]
listen = "127.0.0.1:${self.port}"
${config}`,
    );
    await prepare(self.folder);
    writeFileSync(join(self.folder, "faults"), faults);
    const env = { ...process.env };
    if (steps) {
      const library = join(self.folder, "clock.so");
      const source = resolve(import.meta.dirname, "../../tests/attack/clock.c");
      execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
      self.stepClock(0);
      Object.assign(env, { LD_PRELOAD: library, ECG_CLOCK: join(self.folder, "clock") });
    }
    self.args = ["run", "--config", self.file, "--simulated", signal, "--speed", String(speed)];
    self.args.push("--faults", join(self.folder, "faults"));
    self.env = env;
    await self.run();
    self.cli("web", "token", "new", "page", "--control");
    return self;
  }

  async run() {
    this.log = "";
    this.process = spawn(PROGRAM, this.args, {
      cwd: this.folder,
      env: this.env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.ended = new Promise((done) => this.process.on("exit", done));
    this.process.stderr.on("data", (data) => {
      this.log = (this.log + data).slice(-100_000);
    });
    await until(
      "the program's page",
      () => {
        if (this.process.exitCode !== null) throw new Error(`the program ended:\n${this.log}`);
        return this.log.includes("web token address");
      },
      15_000,
    );
  }

  get pid() {
    return this.process.pid;
  }

  cli(...args) {
    return execFileSync(PROGRAM, [...args, "--config", this.file], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();
  }

  /** An address that lets one browser in, once. */
  address(name = "page") {
    return this.cli("web", "token", "address", name);
  }

  /** Its token alone, as the stand-in gives it. */
  token(name = "page") {
    return this.address(name).split("#token=")[1];
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Signs in without a browser. */
  signIn(token) {
    return fetch(`${this.origin}/session`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: this.origin, "sec-fetch-site": "same-origin" },
      body: JSON.stringify({ token }),
    });
  }

  /** The cookie of a session. */
  async cookie() {
    const answer = await this.signIn(this.token());
    if (answer.status !== 204) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
    return answer.headers.get("set-cookie").split(";")[0];
  }

  /** An answer of the API. */
  async ask(path) {
    this.cookieKept ??= await this.cookie();
    const answer = await fetch(this.origin + path, { headers: { cookie: this.cookieKept } });
    return answer.json();
  }

  /** Changes something as the page does: status and answer. */
  async tell(method, path, body) {
    this.cookieKept ??= await this.cookie();
    const headers = { cookie: this.cookieKept, origin: this.origin, "sec-fetch-site": "same-origin" };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await fetch(this.origin + path, { method, headers, ...content });
    return { status: answer.status, body: await answer.json() };
  }

  /** The program's wall clock goes wrong by so many milliseconds from now on. */
  stepClock(ms) {
    const file = join(this.folder, "clock");
    writeFileSync(`${file}.next`, String(ms * 1_000_000));
    renameSync(`${file}.next`, file);
  }

  /** Seconds of processor time it has used. */
  processorSeconds() {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** A field of /proc/PID/status in KiB, such as VmHWM. */
  memoryKib(field) {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(status)?.[1]);
  }

  async stop(signal = "SIGTERM") {
    this.process.kill("SIGCONT");
    this.process.kill(signal);
    await Promise.race([this.ended, sleep(10_000)]);
  }

  async close() {
    await this.stop();
    if (this.process.exitCode === null) this.process.kill("SIGKILL");
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true });
  }
}
