// Beats grouped by shape, as `GET /v1/clusters` answers. The stand-in knows the shapes it made, so it need not look.

const RATE_HZ = 125;
const BEFORE = 38;
const AFTER = 63;
const EXAMPLES = 30;
const MOST_IDS = 5000;

/** Which made-up group a beat lies in: its kind, and for the normal ones a few that are noisy. */
function groupOf(beat) {
  if (beat.kind === "V") return beat.id % 9 === 0 ? "V2" : "V";
  return beat.kind === "N" && beat.id % 97 === 0 ? "N2" : beat.kind;
}

export function clusters(session, beats, uvPerCode) {
  const groups = {};
  for (const beat of beats) {
    if (beat.poor) continue;
    groups[groupOf(beat)] ??= [];
    groups[groupOf(beat)].push(beat);
  }
  const sorted = Object.entries(groups).sort((a, b) => b[1].length - a[1].length);
  const left = beats.filter((beat) => beat.poor).length;
  const window = (beat) => {
    const by = session.rate / RATE_HZ;
    const first = Math.round(beat.sample - BEFORE * by);
    const codes = session.codes(first, Math.round(beat.sample + AFTER * by), 0);
    const uv = Array.from({ length: BEFORE + AFTER }, (_, i) => codes[Math.round(i * by)] * uvPerCode);
    const level = uv.toSorted((a, b) => a - b)[Math.floor(uv.length / 2)];
    return uv.map((value) => Math.round((value - level) * 10) / 10);
  };
  return {
    session: session.id,
    method: "running template correlation",
    clusters: sorted.map(([name, own], at) => {
      const examples = own
        .filter((_, i) => i % Math.max(1, Math.floor(own.length / EXAMPLES)) === 0)
        .slice(0, EXAMPLES)
        .map(window);
      const by = { N: 0, L: 0, R: 0, A: 0, V: 0 };
      for (const beat of own) by[beat.kind]++;
      return {
        cluster: name === "A" ? 0 : at + 1,
        beats: own.length,
        beats_by_class: by,
        beats_unclassifiable: own.filter((beat) => beat.unclassifiable).length,
        first_beat: own[0].id,
        mean_correlation: name === "A" ? null : Math.round(990 - 13 * at) / 1000,
        channel_number: name === "A" ? null : 1,
        sample_rate_hz: RATE_HZ,
        before_samples: BEFORE,
        mean_uv:
          name === "A"
            ? null
            : examples[0].map((_, i) => examples.reduce((sum, one) => sum + one[i], 0) / examples.length),
        examples_uv: examples,
        beat_ids: own.slice(0, MOST_IDS).map((beat) => beat.id),
        more_beats: Math.max(0, own.length - MOST_IDS),
      };
    }),
    beats_left_out: left,
    left_out_reason: left === 0 ? null : "poor_signal",
  };
}
