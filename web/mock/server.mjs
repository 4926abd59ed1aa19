// A stand-in for the gateway: serves dist/ and speaks the page's side of docs/web.md with a made-up ECG.
// For development, tests and screenshots. Loopback only, and nothing here is safe or meant to be.
//
//   node mock/server.mjs [--port 8080] [--set source=live&rate=500]
//
// While it runs, `GET /mock?name=value&...` changes what it does (the names are those of `state` below), and keys do:
// s stall, g gap, l lead off, c clock step, d drop the connection, q quit.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { ecgAnswer, Store } from "./day.mjs";
import { Ecg } from "./ecg.mjs";
import { refusedQuery } from "./query.mjs";

const dist = join(dirname(fileURLToPath(import.meta.url)), "../dist");
const UV_PER_CODE = 0.0481;
const MISSING = -2147483648;
const PIECE_MS = 100;
const LABEL_DELAY_S = 0.9;
const STORE_DELAY_S = 4;
/** The running session keeps this much ECG. */
const KEPT_S = 120;

/** Name of the one token: the author of what is changed. */
const AUTHOR = "ward-3";

export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws:; img-src 'self' data:; " +
  "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

export class Mock {
  constructor() {
    this.state = {
      /** No sample and no label come, but the connection stays. */
      stall: false,
      /** Not even the status comes. */
      silent: false,
      /** New connections are refused. */
      refuse: false,
      /** `/session` answers that it is busy. */
      busy: false,
      signal: "ecg",
      source: "simulation",
      rate: 500,
      channels: 2,
      leads: "II,I",
      speed: 1,
      /** Electrodes that are off, e.g. `in1n`. */
      off: "",
      conditions: true,
      store: "ok",
      /** What the stored day holds: `ecg` or `square`. */
      day: "ecg",
      offset1: -3200,
      offset2: 1100,
      /** What the token may: read, or control besides. */
      control: false,
      timezone: "",
      /** Label of the patient or bed of the running session. */
      patient: "",
    };
    this.sockets = new Set();
    this.tokens = new Map();
    this.sessions = new Map();
    this.begin();
  }

  begin() {
    const { rate } = this.state;
    this.ecg = new Ecg(rate);
    this.sample = 0;
    this.startedMs = performance.now();
    this.startUs = Date.now() * 1000;
    this.clockUs = 0;
    this.pendingBeats = [];
    this.counts = { N: 0, L: 0, R: 0, A: 0, V: 0 };
    this.unclassifiable = 0;
    this.gaps = 0;
    this.missing = 0;
    this.lastV = null;
    this.lastS = null;
    this.lastLabel = null;
    this.lastRr = null;
    this.gapLeft = 0;
    this.gapFirst = null;
    this.told = [];
    this.session = (this.session ?? 3) + 1;
    this.kept = [];
    this.newestAtMs = null;
  }

  /** Changes what the stand-in does. */
  set(changes) {
    const before = { ...this.state };
    for (const [name, value] of Object.entries(changes)) {
      if (name === "gap") this.makeGap(Number(value));
      else if (name === "clock") this.stepClock(Number(value));
      else if (name === "drop") for (const socket of this.sockets) socket.terminate();
      else if (name === "bad") this.sendBad();
      else if (name === "close") this.closeAll(String(value));
      else if (name === "end") this.end();
      else if (name in this.state) {
        const is = typeof this.state[name];
        this.state[name] =
          is === "number" ? Number(value) : is === "boolean" ? value === "1" || value === true : value;
      }
    }
    const fresh = ["signal", "source", "rate", "channels", "leads", "patient"].some(
      (key) => before[key] !== this.state[key],
    );
    if (fresh) {
      this.begin();
      for (const socket of this.sockets) this.send(socket, this.sessionMessage(socket));
    }
    if (before.off !== this.state.off) {
      this.event(
        this.state.off === "" ? "lead_on" : "lead_off",
        "electrode",
        this.state.off === "" ? "end" : "begin",
      );
    }
  }

  /** As the gateway: no samples are sent for a gap, and it is told once it is over. */
  makeGap(samples) {
    this.gapLeft = samples;
    this.gapFirst = null;
  }

  tellGap(first, samples) {
    this.gaps++;
    this.missing += samples;
    const gap = {
      type: "gap",
      first_missing_sample: first,
      missing_samples: samples,
      cause: "missed_drdy",
    };
    this.told.push(gap);
    const { session } = this;
    const id = this.gaps;
    this.toAll({ ...gap, committed: false });
    setTimeout(() => this.toAll({ ...gap, committed: true, id, session }), 1000 * STORE_DELAY_S).unref();
  }

  stepClock(ms) {
    this.clockUs += ms * 1000;
    this.toAll({ type: "clock", step_ms: ms, time_us: this.timeUs() });
  }

  event(kind, subject, phase) {
    this.toAll({
      type: "event",
      committed: false,
      kind,
      detail: kind.replaceAll("_", " "),
      sample: this.sample,
      time_us: this.timeUs(),
      phase,
      subject,
      channel_number: 1,
    });
  }

  sendBad() {
    for (const socket of this.sockets) {
      socket.send("{not json");
      socket.send(Buffer.from([1, 2, 3]));
      socket.send(JSON.stringify({ type: "beat", committed: "yes" }));
      socket.send(JSON.stringify({ type: "later" }));
    }
  }

  closeAll(reason) {
    this.toAll({ type: "closed", reason, detail: "asked for by the test" });
    for (const socket of this.sockets) socket.close();
  }

  end() {
    this.state.stall = true;
    for (const socket of this.sockets) this.send(socket, { ...this.sessionMessage(socket), open: false });
  }

  timeUs() {
    return Math.round(Date.now() * 1000 + this.clockUs);
  }

  sampleTimeUs(sample) {
    return Math.round(this.startUs + this.clockUs + (sample / this.state.rate) * 1e6);
  }

  perPoint(socket) {
    return Math.max(1, Math.ceil(this.state.rate / socket.wanted));
  }

  sessionMessage(socket) {
    const { source, rate, channels, leads } = this.state;
    const names = leads.split(",");
    return {
      type: "session",
      open: true,
      id: this.session,
      source,
      origin:
        source === "replay" ? "mitdb/119" : source === "live" ? "/dev/spidev0.0" : "made up by the stand-in",
      chip: "ADS1292R",
      sample_rate_hz: rate,
      samples_per_point: this.perPoint(socket),
      channels: Array.from({ length: channels }, (_, i) => ({
        channel_number: i + 1,
        lead: names[i] || null,
        uv_per_code: UV_PER_CODE,
      })),
      start_time_us: this.startUs,
      mains_hz: 50,
      code_min: -8388608,
      code_max: 8388607,
      patient_label: this.state.patient || null,
      version: "0.0.0",
    };
  }

  /** Channels that are off, because one of their electrodes is. */
  offChannels() {
    const off = this.state.off.split(",");
    return [1, 2]
      .slice(0, this.state.channels)
      .map((n) => off.includes(`in${n}p`) || off.includes(`in${n}n`));
  }

  status() {
    const off = this.offChannels();
    const all = off.every(Boolean);
    const stalled = this.state.stall;
    const conditions = [];
    for (const name of this.state.off.split(",").filter(Boolean)) {
      conditions.push({
        kind: "lead_off",
        subject: name,
        channel_number: Number(name[2]) || null,
        detail: `The comparator of ${name} sees no electrode.`,
        since_time_us: this.timeUs() - 3e6,
      });
    }
    if (stalled) {
      conditions.push({
        kind: "drdy_silent",
        subject: "chip",
        channel_number: null,
        detail: "No DRDY edge for 250 ms.",
        since_time_us: this.timeUs() - 1e6,
      });
    }
    const reason = stalled
      ? "front_end_recovering"
      : all
        ? "lead_off"
        : this.lastRr === null
          ? "too_few_beats"
          : null;
    return {
      type: "status",
      time_us: this.timeUs(),
      state: stalled ? "recovering" : "recording",
      state_detail: null,
      heart_rate_bpm: reason === null ? Math.round(600000 / this.lastRr) / 10 : null,
      heart_rate_reason: reason,
      newest_rr_ms: this.lastRr,
      lead_off: off,
      signal_quality: off.map((one) => (one ? "lead_off" : "good")),
      conditions: this.state.conditions ? conditions : [],
      beats: Object.values(this.counts).reduce((a, b) => a + b, 0),
      beats_by_class: this.counts,
      beats_unclassifiable: this.unclassifiable,
      last_v_time_us: this.lastV === null ? null : this.sampleTimeUs(this.lastV),
      last_s_time_us: this.lastS === null ? null : this.sampleTimeUs(this.lastS),
      gaps: this.gaps,
      missing_samples: this.missing,
      newest_sample_age_ms: this.newestAtMs === null ? null : performance.now() - this.newestAtMs + 12,
      newest_label_age_ms:
        this.lastLabel === null
          ? null
          : ((this.sample - this.lastLabel) / this.state.rate) * 1000 +
            (stalled ? performance.now() - this.newestAtMs : 0),
      store: {
        state: this.state.store,
        detail: null,
        free_bytes: 21_400_000_000,
        free_bytes_wanted: 2_000_000_000,
        rows_waiting: this.state.store === "ok" ? 0 : 431,
      },
      model: "v1-context",
      engine: "cpu-neon",
    };
  }

  uv(sample, channel) {
    const offset = channel === 0 ? this.state.offset1 : this.state.offset2;
    if (this.offChannels()[channel])
      return offset + 40_000 * Math.sin(sample / 7000) + 20 * Math.sin(sample * 0.63);
    const second = sample / this.state.rate;
    if (this.state.signal === "square") return offset + (second % 1 < 0.5 ? 0 : 1000);
    if (this.state.signal === "clip") return second % 4 < 0.3 ? 1e9 : offset + this.ecg.uv(sample, channel);
    // A step of the electrode's voltage every five seconds.
    const jump = this.state.signal === "jump" && second % 10 > 5 ? 6000 : 0;
    return offset + jump + this.ecg.uv(sample, channel);
  }

  /** Every 100 ms: the samples that have come since. */
  tick() {
    const now = performance.now();
    const { state } = this;
    if (state.stall) {
      this.startedMs += now - (this.tickedMs ?? now);
      this.tickedMs = now;
      return;
    }
    this.tickedMs = now;
    const due = Math.floor(((now - this.startedMs) / 1000) * state.rate * state.speed);
    // A whole number of points for every client: pieces end where 16 samples end.
    const end = Math.floor(due / 16) * 16;
    const first = this.sample;
    if (end <= first) return;
    this.pendingBeats.push(...this.ecg.beatsTo(end / state.rate + 1.2));
    const codes = new Int32Array((end - first) * state.channels);
    this.newestAtMs = now;
    const ageUs = Math.round((((due - end) / state.rate) * 1000 + 12) * 1000);
    let begin = first;
    const give = (upTo) => {
      if (upTo <= begin) return;
      const there = codes.subarray((begin - first) * state.channels, (upTo - first) * state.channels);
      for (const socket of this.sockets)
        socket.send(this.piece(there, begin, upTo, ageUs, this.perPoint(socket)));
    };
    for (let sample = first; sample < end; sample++) {
      const missing = this.gapLeft > 0;
      if (missing && this.gapFirst === null) {
        give(sample);
        this.gapFirst = sample;
      }
      for (let c = 0; c < state.channels; c++) {
        const code = Math.round(this.uv(sample, c) / UV_PER_CODE);
        codes[(sample - first) * state.channels + c] = missing
          ? MISSING
          : Math.max(-8388608, Math.min(8388607, code));
      }
      if (!missing) continue;
      begin = sample + 1;
      this.gapLeft--;
      if (this.gapLeft === 0) {
        this.tellGap(this.gapFirst, begin - this.gapFirst);
        this.gapFirst = null;
      }
    }
    give(end);
    this.kept.push({ first, codes });
    while (this.kept[0].first < end - KEPT_S * state.rate) this.kept.shift();
    this.sample = end;
    this.giveBeats();
  }

  /** A point begins at a multiple of its samples: beside a gap it stands for fewer of them. */
  piece(codes, first, end, ageUs, per) {
    const { channels } = this.state;
    const from = Math.floor(first / per);
    const points = Math.ceil(end / per) - from;
    const each = per > 1 ? 2 : 1;
    const bytes = Buffer.alloc(24 + 4 * points * channels * each);
    bytes.writeUInt8(1, 0);
    bytes.writeUInt8(channels, 1);
    bytes.writeUInt16LE(per, 2);
    bytes.writeUInt32LE(points, 4);
    bytes.writeBigUInt64LE(BigInt(from * per), 8);
    bytes.writeBigUInt64LE(BigInt(ageUs), 16);
    let at = 24;
    for (let p = from; p < from + points; p++) {
      for (let c = 0; c < channels; c++) {
        let low = Number.POSITIVE_INFINITY;
        let high = Number.NEGATIVE_INFINITY;
        for (let sample = Math.max(first, p * per); sample < Math.min(end, (p + 1) * per); sample++) {
          const code = codes[(sample - first) * channels + c];
          low = Math.min(low, code);
          high = Math.max(high, code);
        }
        at = bytes.writeInt32LE(low, at);
        if (each === 2) at = bytes.writeInt32LE(high, at);
      }
    }
    return bytes;
  }

  giveBeats() {
    const { rate, signal } = this.state;
    while (this.pendingBeats.length > 0 && this.pendingBeats[0].sample + LABEL_DELAY_S * rate < this.sample) {
      const beat = this.pendingBeats.shift();
      const rr = this.lastLabel === null ? null : Math.round(((beat.sample - this.lastLabel) / rate) * 1000);
      this.lastLabel = beat.sample;
      if (signal === "square" || this.offChannels().every(Boolean)) continue;
      if (rr !== null) this.lastRr = rr;
      this.counts[beat.kind]++;
      if (beat.unclassifiable) this.unclassifiable++;
      if (beat.kind === "V") this.lastV = beat.sample;
      if (beat.kind === "A") this.lastS = beat.sample;
      const message = {
        type: "beat",
        committed: false,
        r_sample: beat.sample,
        r_time_us: this.sampleTimeUs(beat.sample),
        rr_ms: rr,
        class: beat.kind,
        aami_class: beat.kind === "A" ? "S" : beat.kind,
        outcome: beat.unclassifiable ? "unclassifiable" : "classified",
        unclassifiable_reason: beat.unclassifiable ? "low_confidence" : null,
        signal_quality: "good",
        channel_number: 1,
      };
      this.toAll(message);
      const { session } = this;
      setTimeout(
        () => this.toAll({ ...message, committed: true, id: beat.id, session }),
        1000 * STORE_DELAY_S,
      ).unref();
    }
  }

  /** ECG of the running session: what is older than the store's delay. */
  liveEcg(query, accept) {
    const { rate, channels, leads } = this.state;
    const stored = Math.max(0, this.sample - STORE_DELAY_S * rate);
    const sampleOf = (us) => ((Number(us) - this.startUs - this.clockUs) / 1e6) * rate;
    const from = query.has("from") ? sampleOf(query.get("from")) : stored - 10 * rate;
    const first = Math.max(this.kept[0]?.first ?? 0, Math.ceil(from));
    const end = Math.max(
      first,
      Math.min(stored, query.has("to") ? Math.ceil(sampleOf(query.get("to"))) : stored),
    );
    const codes = Array.from({ length: channels }, () => new Int32Array(end - first));
    for (const piece of this.kept) {
      for (let i = 0; i < piece.codes.length / channels; i++) {
        const sample = piece.first + i;
        if (sample < first || sample >= end) continue;
        for (let c = 0; c < channels; c++) codes[c][sample - first] = piece.codes[i * channels + c];
      }
    }
    return ecgAnswer({
      session: this.session,
      rate,
      first,
      end,
      startUs: this.sampleTimeUs(first),
      leads: leads.split(",").slice(0, channels),
      codes,
      gaps: this.told.filter(
        (gap) => gap.first_missing_sample < end && gap.first_missing_sample + gap.missing_samples > first,
      ),
      maxPoints: Number(query.get("max_points") ?? Number.POSITIVE_INFINITY),
      accept,
    });
  }

  /** Body of a POST; undefined where it was refused. */
  async body(request, response) {
    if (!/^application\/json/.test(request.headers["content-type"] ?? "")) {
      this.problem(response, 415, "not-json", "content-type: expected application/json");
      return undefined;
    }
    let text = "";
    for await (const part of request) text += part;
    try {
      return JSON.parse(text);
    } catch {
      this.problem(response, 400, "invalid-parameter", "not JSON");
      return undefined;
    }
  }

  theStore() {
    if (this.store?.day !== this.state.day)
      this.store = Object.assign(new Store(this.state.day), { day: this.state.day });
    return this.store;
  }

  /** What changes something: for a token with control alone. */
  async change(request, response, path) {
    if (!this.state.control)
      return this.problem(response, 403, "not-permitted", "this token may read, not control");
    const one = /^\/v1\/sessions\/(\d+)$/.exec(path);
    if (request.method === "DELETE" && one !== null) {
      const id = Number(one[1]);
      if (id === this.session)
        return this.problem(response, 409, "session-open", `session ${id} is recording`);
      const session = this.theStore().session(id);
      if (session === undefined)
        return this.problem(response, 404, "no-such-session", `no session has the id ${id}`);
      if (session.endReason === "recording")
        return this.problem(response, 409, "session-open", `session ${id} is recording`);
      // One that is deleted already answers with what was deleted then.
      return this.json(response, this.theStore().remove(session, AUTHOR));
    }
    const body = await this.body(request, response);
    if (body === undefined) return;
    if (path === "/v1/patient") {
      if (body.label !== null && (typeof body.label !== "string" || !/^[^\p{Cc}]{1,64}$/u.test(body.label)))
        return this.problem(response, 400, "invalid-parameter", "label: expected null or 1 to 64 characters");
      if (this.state.source === "replay")
        return this.problem(response, 409, "no-open-session", "the recording has ended");
      this.state.patient = body.label ?? "";
      this.begin();
      for (const socket of this.sockets) this.send(socket, this.sessionMessage(socket));
      return this.json(response, { accepted: true }, 202);
    }
    if (path !== "/v1/corrections") return this.problem(response, 404, "unknown-path", "no such path");
    const running = {
      id: this.session,
      newestUs: () => this.sampleTimeUs(this.sample),
      timeUs: (sample) => this.sampleTimeUs(sample),
      range: (us) => [Math.round(((us - this.startUs - this.clockUs) / 1e6) * this.state.rate)],
    };
    const answer = this.theStore().correct(body, AUTHOR, running);
    if (answer.refusal !== undefined) return this.problem(response, ...answer.refusal);
    this.json(response, answer.json, 201);
    this.toAll({ type: "correction", ...answer.json });
  }

  stored(request, response, url) {
    const accept = request.headers.accept ?? "";
    const query = url.searchParams;
    const refused = refusedQuery(url.pathname, query);
    if (refused !== null) return this.problem(response, ...refused);
    const own = Number(query.get("session")) === this.session || !query.has("session");
    const answer =
      url.pathname === "/v1/ecg" && own
        ? this.liveEcg(query, accept)
        : this.theStore().answer(url.pathname, query, accept);
    if (answer === undefined) return this.problem(response, 404, "unknown-path", "no such path");
    if (answer.refusal !== undefined) return this.problem(response, ...answer.refusal);
    if (answer.json !== undefined) return this.json(response, answer.json);
    response.writeHead(200, {
      "content-type": "application/vnd.ecg-gateway.ecg",
      "cache-control": "no-store",
    });
    response.end(answer.bytes);
  }

  send(socket, message) {
    if (!this.state.silent) socket.send(JSON.stringify(message));
  }

  toAll(message) {
    for (const socket of this.sockets) this.send(socket, message);
  }

  token() {
    const token = `mock-${Math.random().toString(36).slice(2)}`;
    this.tokens.set(token, Date.now() + 300_000);
    return token;
  }

  /** Serves on a port (0: any free one); gives the address. */
  listen(port) {
    this.server = createServer((request, response) => this.answer(request, response));
    const sockets = new WebSocketServer({ noServer: true });
    this.server.on("upgrade", (request, raw, head) => {
      const url = new URL(request.url, "http://127.0.0.1");
      const refuse = (status) => {
        raw.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      };
      if (url.pathname !== "/v1/live") return refuse("404 Not Found");
      if (!this.signedIn(request)) return refuse("401 Unauthorized");
      if (this.state.refuse) return refuse("503 Service Unavailable");
      sockets.handleUpgrade(request, raw, head, (socket) => {
        socket.wanted = Math.min(1000, Math.max(50, Number(url.searchParams.get("rate") ?? 500)));
        this.send(socket, this.sessionMessage(socket));
        this.send(socket, this.status());
        this.sockets.add(socket);
        socket.on("message", () => socket.close(1008));
        socket.on("close", () => this.sockets.delete(socket));
      });
    });
    this.timers = [
      setInterval(() => this.tick(), PIECE_MS),
      setInterval(() => this.toAll(this.status()), 1000),
    ];
    return new Promise((resolve) => {
      this.server.listen(port, "127.0.0.1", () => {
        this.port = this.server.address().port;
        resolve(`http://127.0.0.1:${this.port}/`);
      });
    });
  }

  close() {
    for (const timer of this.timers ?? []) clearInterval(timer);
    for (const socket of this.sockets) socket.terminate();
    this.server?.closeAllConnections();
    return new Promise((resolve) => this.server?.close(resolve));
  }

  get cookieName() {
    return `ecg-session-${this.port}`;
  }

  signedIn(request) {
    const cookies = (request.headers.cookie ?? "").split(/; */);
    const own = cookies.find((one) => one.startsWith(`${this.cookieName}=`));
    return own !== undefined && this.sessions.has(own.slice(this.cookieName.length + 1));
  }

  file(request, response, path, status = 200) {
    const gzip = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
    let bytes;
    try {
      bytes = readFileSync(join(dist, gzip ? `${path}.gz` : path));
    } catch {
      return this.problem(response, 404, "unknown-path", "no such file");
    }
    const types = { html: "text/html", js: "text/javascript", css: "text/css" };
    response.writeHead(status, {
      "content-type": `${types[path.split(".").at(-1)]}; charset=utf-8`,
      ...(gzip ? { "content-encoding": "gzip" } : {}),
      "cache-control": path.startsWith("assets/") ? "private, max-age=31536000, immutable" : "no-store",
    });
    response.end(bytes);
  }

  problem(response, status, name, detail) {
    response.writeHead(status, { "content-type": "application/problem+json" });
    response.end(
      JSON.stringify({ type: `urn:problem-type:ecg-gateway:${name}`, title: name, status, detail }),
    );
  }

  json(response, value, status = 200) {
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify(value));
  }

  answer(request, response) {
    response.setHeader("content-security-policy", CSP);
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader("x-content-type-options", "nosniff");
    const url = new URL(request.url, "http://127.0.0.1");
    const path = url.pathname;
    const signedIn = this.signedIn(request);
    if (path === "/mock") {
      this.set(Object.fromEntries(url.searchParams));
      return this.json(response, this.state);
    }
    if (path === "/") return this.file(request, response, signedIn ? "index.html" : "sign-in.html");
    if (path === "/sign-in.js" || path === "/sign-in.css") return this.file(request, response, path.slice(1));
    if (path === "/session" && request.method === "POST") return this.signIn(request, response);
    if (!signedIn) return this.problem(response, 401, "not-signed-in", "sign in first");
    if (path === "/session" && this.state.busy) return this.problem(response, 503, "busy", "try again");
    if (path === "/session" && request.method === "DELETE") {
      this.sessions.clear();
      response.writeHead(204).end();
      return;
    }
    if (path === "/session") {
      return this.json(response, {
        name: AUTHOR,
        control: this.state.control,
        disclaimer: "Not a certified medical device: not for diagnosis or patient monitoring.",
        site: { timezone: this.state.timezone || null },
      });
    }
    if (path.startsWith("/v1/") && request.method !== "GET") return void this.change(request, response, path);
    if (path.startsWith("/v1/")) return this.stored(request, response, url);
    if (/^\/assets\/[\w.-]+$/.test(path)) return this.file(request, response, path.slice(1));
    this.problem(response, 404, "unknown-path", "no such path");
  }

  signIn(request, response) {
    let body = "";
    request.on("data", (part) => {
      body += part;
    });
    request.on("end", () => {
      let token;
      try {
        token = JSON.parse(body).token;
      } catch {
        return this.problem(response, 400, "invalid-parameter", "not JSON");
      }
      const until = this.tokens.get(token);
      if (until === undefined || until < Date.now()) {
        return this.problem(response, 403, "token-not-valid", "unknown, expired, used or revoked");
      }
      this.tokens.delete(token);
      const session = Math.random().toString(36).slice(2);
      this.sessions.set(session, true);
      response.writeHead(204, {
        "set-cookie": `${this.cookieName}=${session}; HttpOnly; SameSite=Strict; Path=/`,
      });
      response.end();
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? undefined : process.argv[at + 1];
  };
  const mock = new Mock();
  mock.set(Object.fromEntries(new URLSearchParams(option("--set") ?? "")));
  const address = await mock.listen(Number(option("--port") ?? 8080));
  console.log(`${address}#token=${mock.token()}`);
  if (process.stdin.isTTY) {
    process.stdin.setRawMode(true);
    process.stdin.on("data", (data) => {
      const key = String(data);
      if (key === "s") mock.set({ stall: !mock.state.stall });
      if (key === "g") mock.set({ gap: 150 });
      if (key === "l") mock.set({ off: mock.state.off === "" ? "in1n" : "" });
      if (key === "c") mock.set({ clock: 3_600_000 });
      if (key === "d") mock.set({ drop: 1 });
      if (key === "q" || key === "\u0003") process.exit(0);
    });
  }
}
