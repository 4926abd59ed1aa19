// Stored sessions for the stand-in: a made-up day of ECG, worked out when it is asked for. The same every time.

import { clusters } from "./clusters.mjs";
import { random, SECOND_LEAD, SHAPES } from "./ecg.mjs";

const MISSING = -2147483648;
const UV_PER_CODE = 0.0481;
const BEFORE_MS = 500;
const AFTER_MS = 700;

/** Each kind of beat, at every millisecond about its R peak, per lead. */
const TEMPLATES = Object.fromEntries(
  Object.entries(SHAPES).map(([kind, bells]) => [
    kind,
    [1, SECOND_LEAD[kind]].map((factor) =>
      Float64Array.from({ length: BEFORE_MS + AFTER_MS + 1 }, (_, i) => {
        const ms = i - BEFORE_MS;
        return bells.reduce(
          (sum, [height, centre, width]) =>
            sum + factor * height * Math.exp(-0.5 * ((ms - centre) / width) ** 2),
          0,
        );
      }),
    ),
  ]),
);

/** Noise that depends on the place alone, so that a stretch looks the same from wherever it is asked for. */
function noise(sample, channel) {
  let x = Math.imul(sample ^ 0x9e3779b9, 0x85ebca6b) ^ (channel * 0x27d4eb2f);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32 - 0.5;
}

export class StoredSession {
  constructor(options) {
    Object.assign(
      this,
      { rate: 500, source: "live", origin: "/dev/spidev0.0", chip: "ADS1292R", steps: [], label: null },
      options,
    );
    this.samples = Math.round(this.seconds * this.rate);
    this.endUs = this.timeUs(this.samples);
    this.deletedUs = null;
    this.make();
  }

  make() {
    const next = random(this.seed);
    this.beats = [];
    this.gaps = [];
    this.events = [];
    const { rate } = this;
    for (let t = this.seconds / 9; t < this.seconds - 60; t += this.seconds / 9) {
      const missing = Math.round((0.2 + 9 * next() ** 3) * rate);
      this.gaps.push({
        id: this.firstId + this.gaps.length,
        first: Math.round((t + 40 * next()) * rate),
        missing,
        cause: ["missed_drdy", "chip_restart", "bad_frame"][this.gaps.length % 3],
      });
    }
    const event = (second, kind, detail, more = {}) => {
      this.events.push({
        sample: Math.round(second * rate),
        kind,
        detail,
        phase: null,
        subject: null,
        ...more,
      });
    };
    event(0, "engine_chosen", "Single beats: cpu-neon, 61 us a beat.");
    for (const gap of this.gaps.filter((one) => one.cause === "chip_restart")) {
      event(gap.first / rate, "chip_restarted", "The chip was set up again.", { subject: "chip" });
    }
    const off = [0.31 * this.seconds, 0.31 * this.seconds + 48];
    const electrode = { subject: "in1n", channel_number: 1, lead: "II" };
    if (this.seconds > 3600) {
      event(off[0], "lead_off", "The comparator of in1n sees no electrode.", {
        ...electrode,
        phase: "begin",
      });
      event(off[1], "lead_off", "The electrode is back.", {
        ...electrode,
        phase: "end",
        began_sample: Math.round(off[0] * rate),
      });
    }
    this.off = this.seconds > 3600 ? off.map((second) => Math.round(second * rate)) : [0, 0];
    this.events.sort((a, b) => a.sample - b.sample);
    this.events.forEach((one, i) => {
      one.id = this.firstId + i;
    });

    let t = 0.4;
    let count = 0;
    let before = null;
    let gap = 0;
    while (t < this.seconds - 1 && this.signal !== "square" && !this.empty) {
      const hour = t / 3600;
      const busy = Math.max(0, Math.sin((hour - 8.2) * 1.3)) * 22 + (next() < 0.002 ? 12 : 0);
      const rateNow = 62 + 9 * Math.sin(((hour - 9) * Math.PI) / 12) + busy + 3 * Math.sin(t / 11);
      const rr = (60 / rateNow) * (1 + 0.045 * Math.sin(t / 2.1) + 0.03 * (next() - 0.5));
      const vShare = 0.004 + (hour % 6 < 0.5 ? 0.09 : 0) + (this.seconds < 3600 ? 0.2 : 0);
      const draw = next();
      const kind = before?.kind === "V" ? "N" : draw < vShare ? "V" : draw < vShare + 0.008 ? "A" : "N";
      const early = kind === "N" ? 1 : 0.66;
      t += before?.kind === "V" ? rr * 1.32 : rr * early;
      const sample = Math.round(t * rate);
      while (gap < this.gaps.length && this.gaps[gap].first + this.gaps[gap].missing < sample) {
        before = null;
        gap++;
      }
      const inGap = gap < this.gaps.length && sample > this.gaps[gap].first - 0.2 * rate;
      if (inGap) continue;
      if (sample > this.samples - rate) break;
      const poor = sample > this.off[0] && sample < this.off[1];
      const beat = {
        id: this.firstId + count++,
        sample,
        kind,
        rr: before === null ? null : Math.round(((sample - before.sample) / rate) * 1000),
        poor,
        unclassifiable: poor || next() < 0.004,
      };
      this.beats.push(beat);
      before = beat;
    }
  }

  /** What the wall clock showed; `steps` are its steps: from which second on, and by how many seconds. */
  timeUs(sample) {
    let us = this.startUs + (sample / this.rate) * 1e6;
    for (const step of this.steps) if (sample >= step.at * this.rate) us += step.by * 1e6;
    return Math.round(us);
  }

  /** The first sample at or after a time, and the end of those before one: from the first to the last that shows it. */
  range(fromUs, toUs) {
    const edges = [0, ...this.steps.map((step) => step.at * this.rate), this.samples];
    let first = this.samples;
    let end = 0;
    for (let i = 0; i + 1 < edges.length; i++) {
      const at = this.timeUs(edges[i]);
      const of = (us) =>
        Math.min(edges[i + 1], Math.max(edges[i], Math.ceil(edges[i] + ((us - at) / 1e6) * this.rate)));
      const [a, z] = [of(fromUs), of(toUs)];
      if (z <= a) continue;
      first = Math.min(first, a);
      end = Math.max(end, z);
    }
    return [first, Math.max(first, end)];
  }

  codes(first, end, channel) {
    const { rate } = this;
    const uv = new Float64Array(end - first);
    for (let i = 0; i < uv.length; i++) {
      const sample = first + i;
      const t = sample / rate;
      if (this.signal === "square") {
        uv[i] = t % 1 < 0.5 ? 0 : 1000;
        continue;
      }
      uv[i] =
        (channel === 0 ? -3200 : 1100) +
        45 * Math.sin(2 * Math.PI * 0.24 * t + channel) +
        24 * noise(sample, channel);
      if (channel === 0 && sample > this.off[0] && sample < this.off[1])
        uv[i] += 30_000 * Math.sin(t * 1.1) + 900 * noise(sample, 5);
    }
    const from = this.firstBeat(first - (AFTER_MS / 1000) * rate);
    for (let b = from; b < this.beats.length; b++) {
      const beat = this.beats[b];
      if (beat.sample - (BEFORE_MS / 1000) * rate > end) break;
      const template = TEMPLATES[beat.kind][channel];
      const a = Math.max(first, Math.ceil(beat.sample - (BEFORE_MS / 1000) * rate));
      const z = Math.min(end, Math.floor(beat.sample + (AFTER_MS / 1000) * rate));
      for (let sample = a; sample < z; sample++) {
        uv[sample - first] += template[Math.round(((sample - beat.sample) / rate) * 1000) + BEFORE_MS];
      }
    }
    const codes = Int32Array.from(uv, (value) => Math.round(value / UV_PER_CODE));
    for (const gap of this.gaps) {
      const a = Math.max(first, gap.first);
      const z = Math.min(end, gap.first + gap.missing);
      if (z > a) codes.fill(MISSING, a - first, z - first);
    }
    return codes;
  }

  /** Index of the first beat at or after a sample. */
  firstBeat(sample) {
    let low = 0;
    let high = this.beats.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.beats[middle].sample < sample) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  json() {
    const by = { N: 0, L: 0, R: 0, A: 0, V: 0 };
    for (const beat of this.beats) by[beat.kind]++;
    return {
      id: this.id,
      source: this.source,
      origin: this.origin,
      chip: this.chip,
      sample_rate_hz: this.rate,
      uv_per_code: [UV_PER_CODE, UV_PER_CODE],
      channels: [
        { channel_number: 1, lead: "II" },
        { channel_number: 2, lead: "I" },
      ],
      model: "v1-context",
      engine: "cpu-neon",
      ...times("start", this.startUs),
      ...times("end", ["recording", "interrupted"].includes(this.endReason) ? null : this.endUs),
      end_reason: this.endReason ?? "stopped",
      patient_label: this.label,
      mains_hz: this.source === "replay" ? 60 : 50,
      code_min: -8388608,
      code_max: 8388607,
      ...times("deleted", this.deletedUs),
      beats: this.beats.length,
      beats_by_class: by,
      beats_unclassifiable: this.beats.filter((beat) => beat.unclassifiable).length,
      gaps: this.gaps.length,
      missing_samples: this.gaps.reduce((sum, gap) => sum + gap.missing, 0),
      events: this.events.length,
      samples: this.samples,
    };
  }

  /** A session that is recording goes on by some seconds. */
  grow(seconds) {
    this.seconds += seconds;
    this.samples = Math.round(this.seconds * this.rate);
    this.endUs = this.timeUs(this.samples);
    this.make();
  }

  /** Everything but what says that there was something; gives how many rows there were. */
  remove() {
    const deleted = {
      beats: this.beats.length,
      maps: 0,
      gaps: this.gaps.length,
      events: this.events.length,
      ecg_blocks: Math.ceil(this.samples / 2500),
      corrections: 0,
    };
    Object.assign(this, {
      beats: [],
      gaps: [],
      events: [],
      label: null,
      samples: 0,
      deletedUs: Date.now() * 1000,
    });
    return deleted;
  }

  beatJson(beat, decided = null) {
    const sure = beat.unclassifiable ? 0.41 : 0.93 + 0.06 * (noise(beat.sample, 1) + 0.5);
    const names = ["N", "L", "R", "A", "V"];
    const rest = (1 - sure) / 4;
    return {
      id: beat.id,
      session: this.id,
      r_sample: beat.sample,
      ...times("r", this.timeUs(beat.sample)),
      r_monotonic_us: 1_000_000 + Math.round((beat.sample / this.rate) * 1e6),
      rr_ms: beat.rr,
      rr_reason: beat.rr === null ? "first_beat_after_start_or_gap" : null,
      class: beat.kind,
      aami_class: beat.kind === "A" ? "S" : beat.kind,
      outcome: beat.unclassifiable ? "unclassifiable" : "classified",
      unclassifiable_reason: beat.unclassifiable ? (beat.poor ? "poor_signal" : "low_confidence") : null,
      probabilities: Object.fromEntries(names.map((name) => [name, name === beat.kind ? sure : rest])),
      channel: 0,
      channel_number: 1,
      lead: "II",
      signal_quality: beat.poor ? "lead_off" : noise(beat.sample, 3) > 0.47 ? "noisy" : "good",
      window_complete: true,
      label_delay_ms: 852,
      model: "v1-context",
      engine: "cpu-neon",
      corrected_class: decided?.kind === "label" ? decided.class : null,
      artefact: decided?.kind === "artefact",
      correction: decided?.id ?? null,
    };
  }

  eventJson(event) {
    return {
      id: event.id,
      session: this.id,
      sample: event.sample,
      ...times("", this.timeUs(event.sample)),
      monotonic_us: 1,
      kind: event.kind,
      detail: event.detail,
      after_beat: 0,
      phase: event.phase,
      subject: event.subject,
      channel_number: event.channel_number ?? null,
      lead: event.lead ?? null,
      began_sample: event.began_sample ?? null,
      began_monotonic_us: null,
    };
  }

  gapJson(gap) {
    return {
      id: gap.id,
      session: this.id,
      first_missing_sample: gap.first,
      missing_samples: gap.missing,
      ...times("", this.timeUs(gap.first)),
      monotonic_us: 1,
      cause: gap.cause,
      after_beat: 0,
    };
  }

  /** `decided` gives the correction that decides over a beat, or null; counts then follow it. */
  minutes(decided = () => null) {
    const per = 60 * this.rate;
    const rows = Array.from({ length: Math.ceil(this.samples / per) }, (_, minute) => ({
      minute,
      ...times("", this.timeUs(minute * per)),
      first_sample: minute * per,
      beats: 0,
      beats_by_class: { N: 0, L: 0, R: 0, A: 0, V: 0, F: 0, Q: 0 },
      beats_unclassifiable: 0,
      heart_rate_min_bpm: null,
      heart_rate_mean_bpm: null,
      heart_rate_max_bpm: null,
      good_quality_share: null,
      gaps: 0,
      missing_samples: 0,
      events: 0,
    }));
    const sums = rows.map(() => ({ sum: 0, count: 0, good: 0 }));
    for (const beat of this.beats) {
      const at = Math.floor(beat.sample / per);
      const row = rows[at];
      const by = decided(beat);
      if (by?.kind === "artefact") continue;
      row.beats++;
      row.beats_by_class[by?.class ?? beat.kind]++;
      if (by === null && beat.unclassifiable) row.beats_unclassifiable++;
      if (!beat.poor && !(noise(beat.sample, 3) > 0.47)) sums[at].good++;
      if (beat.rr === null) continue;
      const bpm = Math.round(600_000 / beat.rr) / 10;
      row.heart_rate_min_bpm = Math.min(row.heart_rate_min_bpm ?? bpm, bpm);
      row.heart_rate_max_bpm = Math.max(row.heart_rate_max_bpm ?? bpm, bpm);
      sums[at].sum += bpm;
      sums[at].count++;
    }
    rows.forEach((row, i) => {
      if (sums[i].count > 0) row.heart_rate_mean_bpm = Math.round((sums[i].sum / sums[i].count) * 10) / 10;
      if (row.beats > 0) row.good_quality_share = sums[i].good / row.beats;
    });
    for (const gap of this.gaps) {
      const at = Math.floor(gap.first / per);
      rows[at].gaps++;
      rows[at].missing_samples += gap.missing;
    }
    for (const event of this.events) rows[Math.floor(event.sample / per)].events++;
    return { session: this.id, first_minute_time_us: this.startUs, minutes: rows };
  }

  saliency(beat, method, asked) {
    const rate = 250;
    const rIndex = 110;
    const shap = method === "shap";
    const map = Array.from({ length: 254 }, (_, i) => {
      const ms = ((i - rIndex) / rate) * 1000;
      const bell = (centre, width) => Math.exp(-0.5 * ((ms - centre) / width) ** 2);
      if (beat.kind === "V")
        return (
          0.09 * bell(10, 60) -
          0.03 * bell(-160, 30) +
          (shap ? 0.012 * Math.sin(ms / 9) * bell(80, 90) : 0.02 * bell(240, 50))
        );
      return (
        0.07 * bell(0, 20) +
        0.03 * bell(-150, 28) -
        0.025 * bell(270, 45) +
        (shap ? 0.014 * Math.sin(ms / 7) * bell(0, 120) : 0)
      );
    });
    const wide = beat.kind === "V";
    return {
      beat: beat.id,
      session: this.id,
      model: "v1-context",
      method,
      class: asked ?? beat.kind,
      called: beat.kind,
      source: beat.id % 2 === 0 ? "stored" : "computed",
      probability_difference: beat.id % 2 === 0 ? null : 0.0003,
      logit: 6.31,
      base: shap ? -0.8 : 0.12,
      sample_rate_hz: rate,
      r_index: rIndex,
      map,
      context: [0.4, -0.1],
      shares: { p: 0.11, qrs: 0.61, st_t: 0.22, outside: 0.06 },
      waves: {
        p: wide ? null : { onset_ms: -205, end_ms: -110 },
        qrs: wide ? { onset_ms: -62, end_ms: 118 } : { onset_ms: -48, end_ms: 46 },
        t: { onset_ms: wide ? 210 : 180, end_ms: wide ? null : 355 },
      },
    };
  }
}

const rfc3339 = (us) => `${new Date(us / 1000).toISOString().slice(0, -1)}000Z`;

function times(name, us) {
  const key = name === "" ? "time" : `${name}_time`;
  return {
    [key]: us === null ? null : rfc3339(us),
    [`${key}_us`]: us,
  };
}

/** The stand-in's part of /v1 that reads what is stored. */
export class Store {
  constructor(day = "ecg") {
    const at = (text) => Date.parse(text) * 1000;
    this.sessions = [
      new StoredSession({
        id: 1,
        seed: 3,
        firstId: 1,
        seconds: 1800,
        rate: 360,
        source: "replay",
        origin: "mitdb/119",
        chip: "WFDB",
        startUs: at("2026-01-29T09:30:00Z"),
        endReason: "completed",
      }),
      new StoredSession({
        id: 2,
        seed: 5,
        firstId: 10_001,
        seconds: day === "square" ? 1800 : 86_400,
        startUs: at("2026-01-30T06:12:05Z"),
        signal: day,
      }),
      new StoredSession({
        id: 3,
        seed: 9,
        firstId: 900_001,
        seconds: 12,
        startUs: at("2026-01-31T08:00:00Z"),
        endReason: "interrupted",
        empty: true,
      }),
    ];
    // Asked for: the wall clock was an hour ahead and is set back in the middle; later it is set on by ten minutes.
    if (day === "steps") {
      this.sessions.push(
        new StoredSession({
          id: 90,
          seed: 4,
          firstId: 1_900_001,
          seconds: 7200,
          startUs: at("2026-02-01T10:00:00Z"),
          steps: [
            { at: 2430, by: -3600 },
            { at: 5430, by: 600 },
          ],
        }),
      );
    }
    this.corrections = [];
  }

  /** The row that decides over a beat: the last one that is not undone, over the beat or the stretch it lies in. */
  decided(session, beat) {
    return (
      this.corrections.findLast(
        (row) =>
          row.session === session.id &&
          row.superseded_by === null &&
          (row.kind === "label" || row.kind === "artefact") &&
          (row.beats?.includes(beat.id) === true ||
            (row.target === "stretch" && beat.sample >= row.from_sample && beat.sample < row.to_sample)),
      ) ?? null
    );
  }

  /** Stores a correction as the contract has it; `live` is the running session. Gives the row, or a refusal. */
  correct(body, author, live) {
    const refuse = (field, found, expected) => ({
      refusal: [400, "invalid-parameter", `${field}: found ${JSON.stringify(found)}, expected ${expected}`],
    });
    const known = ["session", "kind", "target", "beats", "from_us", "to_us", "class", "note", "supersedes"];
    for (const name of Object.keys(body)) {
      if (!known.includes(name))
        return { refusal: [400, "unknown-parameter", `"${name}": this path takes ${known.join(", ")}`] };
    }
    if (!["label", "artefact", "note", "undo"].includes(body.kind))
      return refuse("kind", body.kind, "label, artefact, note or undo");
    const mark = body.session === undefined;
    const session = mark
      ? live
      : (this.session(body.session) ?? (body.session === live?.id ? live : undefined));
    if (session === undefined || session === null)
      return mark
        ? { refusal: [409, "no-open-session", "no session runs"] }
        : { refusal: [404, "no-such-session", "no session has this id"] };
    if (body.kind === "label" && !/^[NLRAVFQ]$/.test(body.class ?? ""))
      return refuse("class", body.class, "N, L, R, A, V, F or Q");
    if ((body.note ?? "").length > 2000) return refuse("note", "a long text", "at most 2,000 characters");
    const id = (this.corrections.at(-1)?.id ?? 0) + 1;
    let undone = null;
    if (body.kind === "undo") {
      undone = this.corrections.find((row) => row.id === body.supersedes);
      if (undone === undefined)
        return { refusal: [404, "no-such-correction", `no correction has the id ${body.supersedes}`] };
      if (undone.kind === "undo" || undone.superseded_by !== null)
        return { refusal: [409, "not-in-force", `correction ${body.supersedes} cannot be undone`] };
      undone.superseded_by = id;
    } else if (!["beat", "beats", "stretch", "moment"].includes(body.target))
      return refuse("target", body.target, "beat, beats, stretch or moment");
    // As the gateway: a time that was shown twice means everything from the first passing to the last.
    const fromUs = body.from_us ?? (mark ? live.newestUs() : null);
    const [first, end] =
      fromUs === null ? [null, null] : session.range(fromUs, body.to_us ?? Number.POSITIVE_INFINITY);
    const wall = (sample) => session.timeUs?.(sample) ?? fromUs;
    const outside = first !== null && (first >= (session.samples ?? Number.POSITIVE_INFINITY) || first < 0);
    const far = body.target === "moment" && !mark && Math.abs(wall(first) - fromUs) > 1e6;
    if (outside || far) return refuse("from_us", fromUs, `a time within session ${session.id}`);
    const place = (name, sample) => ({
      [`${name}_sample`]: sample,
      ...times(name, sample === null ? null : wall(sample)),
    });
    const row = {
      id,
      session: session.id,
      kind: body.kind,
      target: body.target ?? null,
      beats: body.beats ?? null,
      ...place("from", first),
      ...place("to", body.target === "stretch" ? end : null),
      class: body.class ?? null,
      note: body.note ?? null,
      author,
      origin: mark ? "mark" : "person",
      supersedes: body.supersedes ?? null,
      superseded_by: null,
      ...times("", Date.now() * 1000),
    };
    this.corrections.push(row);
    return { json: row };
  }

  /** Deletes a session with what was corrected in it; asked for again it answers the same. */
  remove(session, by) {
    if (session.tombstone === undefined) {
      const deleted = session.remove();
      deleted.corrections = this.corrections.filter((row) => row.session === session.id).length;
      this.corrections = this.corrections.filter((row) => row.session !== session.id);
      session.tombstone = {
        session: session.id,
        deleted,
        ...times("deleted", session.deletedUs),
        deleted_by: by,
      };
    }
    return session.tombstone;
  }

  session(id) {
    return this.sessions.find((one) => one.id === Number(id));
  }

  /** A page of rows; a cursor is a row's index. */
  page(query, rows) {
    const desc = query.get("order") === "desc";
    const limit = Math.min(5000, Number(query.get("limit") ?? 100));
    const begin = Number(query.get("cursor") ?? 0);
    const sorted = desc ? rows.toReversed() : rows;
    const part = sorted.slice(begin, begin + limit);
    return { part, next: begin + limit < sorted.length ? String(begin + limit) : null };
  }

  rows(query, of, sampleOf) {
    const sessions = query.has("session") ? [this.session(query.get("session"))] : this.sessions;
    const time = (name, otherwise) => {
      const value = query.get(name);
      if (value === null) return otherwise;
      return /^-?\d+$/.test(value) ? Number(value) : Date.parse(value) * 1000;
    };
    const from = time("from", Number.NEGATIVE_INFINITY);
    const to = time("to", Number.POSITIVE_INFINITY);
    return sessions.flatMap((session) => {
      if (session === undefined) return [];
      const rows = of(session);
      if (session.steps.length > 0) {
        const inside = (row) => session.timeUs(sampleOf(row)) >= from && session.timeUs(sampleOf(row)) < to;
        return rows.filter(inside).map((row) => ({ session, row }));
      }
      // Rows are in the order of their samples: where a stretch begins and ends is searched, not counted out.
      const index = (us) => {
        let low = 0;
        let high = rows.length;
        while (low < high) {
          const middle = (low + high) >> 1;
          if (session.timeUs(sampleOf(rows[middle])) < us) low = middle + 1;
          else high = middle;
        }
        return low;
      };
      return rows.slice(index(from), index(to)).map((row) => ({ session, row }));
    });
  }

  /** Gives what to answer: JSON, bytes, or a refusal; undefined where the path is not of the store. */
  answer(path, query, accept) {
    if (path === "/v1/sessions") {
      const { part, next } = this.page(query, this.sessions);
      return { json: { epoch: "0", sessions: part.map((one) => one.json()), next_cursor: next } };
    }
    const corrected = query.get("labels") === "corrected";
    const decided = (session, beat) => (this.corrections.length === 0 ? null : this.decided(session, beat));
    if (path === "/v1/minutes") {
      const session = this.session(query.get("session"));
      return { json: session.minutes(corrected ? (beat) => decided(session, beat) : undefined) };
    }
    if (path === "/v1/corrections") {
      const us = (name, otherwise) => (query.has(name) ? Number(query.get(name)) : otherwise);
      const [from, to] = [us("from", Number.NEGATIVE_INFINITY), us("to", Number.POSITIVE_INFINITY)];
      const over = (row) => {
        const of = row.beats ?? [];
        const session = this.session(row.session);
        const within = (at) => at >= from && at < to;
        // The running session is not of the stored day: an undo in it counts with what it undoes.
        if (row.from_time_us === null)
          return (
            session === undefined ||
            session.beats.some((beat) => of.includes(beat.id) && within(session.timeUs(beat.sample)))
          );
        return row.to_time_us === null
          ? within(row.from_time_us)
          : row.from_time_us < to && row.to_time_us > from;
      };
      const rows = this.corrections.filter(
        (row) =>
          (!query.has("session") || row.session === Number(query.get("session"))) &&
          ((from === Number.NEGATIVE_INFINITY && to === Number.POSITIVE_INFINITY) || over(row)),
      );
      const { part, next } = this.page(query, rows);
      return { json: { corrections: part, next_cursor: next } };
    }
    if (path === "/v1/rr") {
      const rows = this.rows(
        query,
        (session) => session.beats,
        (beat) => beat.sample,
      );
      const begin = Number(query.get("cursor") ?? 0);
      const limit = Math.min(50_000, Number(query.get("limit") ?? 50_000));
      const part = rows.slice(begin, begin + limit);
      return {
        json: {
          session: Number(query.get("session")),
          rr_ms: part.map(({ row }) => row.rr),
          r_time_us: part.map(({ session, row }) => session.timeUs(row.sample)),
          class: part.map(({ row }) => row.kind).join(""),
          beat_ids: part.map(({ row }) => row.id),
          next_cursor: begin + limit < rows.length ? String(begin + limit) : null,
        },
      };
    }
    if (path === "/v1/clusters") {
      const rows = this.rows(
        query,
        (session) => session.beats,
        (beat) => beat.sample,
      );
      return {
        json: clusters(
          this.session(query.get("session")),
          rows.map(({ row }) => row),
          UV_PER_CODE,
        ),
      };
    }
    if (path === "/v1/beats") {
      const classes = query.get("class")?.toUpperCase().replace("S", "A").split(",");
      const outcome = query.get("outcome");
      const rows = this.rows(
        query,
        (session) => session.beats,
        (beat) => beat.sample,
      ).filter(({ row }) => outcome === null || (outcome === "unclassifiable") === row.unclassifiable);
      const chosen =
        classes === undefined
          ? rows
          : rows.filter(({ session, row }) => {
              const by = corrected ? decided(session, row) : null;
              return by?.kind !== "artefact" && classes.includes(by?.class ?? row.kind);
            });
      const { part, next } = this.page(query, chosen);
      return {
        json: {
          beats: part.map(({ session, row }) => session.beatJson(row, decided(session, row))),
          next_cursor: next,
        },
      };
    }
    if (path === "/v1/events") {
      const { part, next } = this.page(
        query,
        this.rows(
          query,
          (one) => one.events,
          (event) => event.sample,
        ).filter(({ row }) => !query.has("kind") || query.get("kind").split(",").includes(row.kind)),
      );
      return { json: { events: part.map(({ session, row }) => session.eventJson(row)), next_cursor: next } };
    }
    if (path === "/v1/gaps") {
      const { part, next } = this.page(
        query,
        this.rows(
          query,
          (one) => one.gaps,
          (gap) => gap.first,
        ),
      );
      return { json: { gaps: part.map(({ session, row }) => session.gapJson(row)), next_cursor: next } };
    }
    const one = /^\/v1\/beats\/(\d+)(\/saliency)?$/.exec(path);
    if (one !== null) return this.beat(Number(one[1]), one[2] !== undefined, query);
    if (path === "/v1/ecg") return this.ecg(query, accept);
    return undefined;
  }

  beat(id, saliency, query) {
    const session = this.sessions.find((one) => one.beats.some((beat) => beat.id === id));
    const beat = session?.beats.find((one) => one.id === id);
    if (beat === undefined) return { refusal: [404, "no-such-beat", `no beat has the id ${id}`] };
    if (saliency) {
      const method = query.get("method") ?? "gradcam";
      if (session.id === 1) {
        return {
          refusal: [410, "ecg-not-stored", "the beat's ECG was pruned or never kept, so no map can be made"],
        };
      }
      if (method === "shap" && beat.kind === "A") {
        return {
          refusal: [409, "not-reproduced", "the stored ECG does not give the beat again as it was stored"],
        };
      }
      return { json: session.saliency(beat, method, query.get("class")) };
    }
    const before = Math.round((Number(query.get("before_ms") ?? 440) / 1000) * session.rate);
    const after = Math.round((Number(query.get("after_ms") ?? 576) / 1000) * session.rate);
    const first = beat.sample - before;
    const channels = [0, 1].map((channel) =>
      Array.from(session.codes(first, beat.sample + after, channel), (code, i) =>
        code === MISSING || first + i < 0 ? null : code * UV_PER_CODE,
      ),
    );
    return {
      json: {
        ...session.beatJson(beat, this.decided(session, beat)),
        waveform: {
          sample_rate_hz: session.rate,
          first_sample: first,
          r_offset_samples: before,
          missing_samples: channels[0].filter((uv) => uv === null).length,
          missing_reason: null,
          channels_uv: channels,
        },
      },
    };
  }

  ecg(query, accept) {
    const session = this.session(query.get("session"));
    if (session === undefined) return { refusal: [404, "no-such-session", "no session has this id"] };
    const time = (name, otherwise) => {
      const value = query.get(name);
      if (value === null) return otherwise;
      return /^-?\d+$/.test(value) ? Number(value) : Date.parse(value) * 1000;
    };
    const [first, end] = session.range(time("from", session.endUs - 1e7), time("to", session.endUs));
    return ecgAnswer({
      session: session.id,
      rate: session.rate,
      first,
      end,
      startUs: session.timeUs(first),
      leads: ["II", "I"],
      codes: [0, 1].map((channel) => session.codes(first, end, channel)),
      gaps: session.gaps
        .filter((gap) => gap.first < end && gap.first + gap.missing > first)
        .map((gap) => ({ first_missing_sample: gap.first, missing_samples: gap.missing, cause: gap.cause })),
      maxPoints: Number(query.get("max_points") ?? Number.POSITIVE_INFINITY),
      accept,
    });
  }
}

/** The two forms of `GET /v1/ecg`. */
export function ecgAnswer({ session, rate, first, end, startUs, leads, codes, gaps, maxPoints, accept }) {
  const per = Math.max(1, Math.ceil((end - first) / maxPoints));
  const points = Math.ceil((end - first) / per);
  const header = {
    session,
    sample_rate_hz: rate,
    samples_per_point: per,
    first_sample: first,
    points,
    start_time: `${new Date(startUs / 1000).toISOString().slice(0, -1)}000Z`,
    start_time_us: startUs,
    mains_hz: 50,
    code_min: -8388608,
    code_max: 8388607,
    channels: leads.map((lead, i) => ({ channel_number: i + 1, lead, uv_per_code: UV_PER_CODE })),
    gaps,
    next_time_us: null,
  };
  const pairs = codes.map((one) => {
    const low = new Int32Array(points).fill(MISSING);
    const high = new Int32Array(points).fill(MISSING);
    for (let i = 0; i < one.length; i++) {
      if (one[i] === MISSING) continue;
      const point = Math.floor(i / per);
      low[point] = low[point] === MISSING ? one[i] : Math.min(low[point], one[i]);
      high[point] = Math.max(high[point], one[i]);
    }
    return { low, high };
  });
  if (!/vnd\.ecg-gateway\.ecg/.test(accept)) {
    const uv = (list) => Array.from(list, (code) => (code === MISSING ? null : code * UV_PER_CODE));
    header.channels.forEach((channel, i) => {
      if (per === 1) channel.uv = uv(pairs[i].low);
      else Object.assign(channel, { min_uv: uv(pairs[i].low), max_uv: uv(pairs[i].high) });
    });
    return { json: header };
  }
  const text = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(8 + text.length + 4 * points * codes.length * (per > 1 ? 2 : 1));
  bytes.write("ECG1", 0, "latin1");
  bytes.writeUInt32LE(text.length, 4);
  text.copy(bytes, 8);
  let at = 8 + text.length;
  for (let point = 0; point < points; point++) {
    for (const { low, high } of pairs) {
      at = bytes.writeInt32LE(low[point], at);
      if (per > 1) at = bytes.writeInt32LE(high[point], at);
    }
  }
  return { bytes };
}
