import assert from "node:assert/strict";
import { test } from "node:test";
import { leadSites, siteOfInput, siteStates } from "../../src/electrodes.js";
import {
  ageText,
  bytesText,
  clockDifferenceText,
  countText,
  durationText,
  mvText,
  offsetText,
} from "../../src/format.js";
import { actionOf, type Press } from "../../src/keys.js";
import { DEFAULTS, readSettings } from "../../src/settings.js";
import { beatMark, gapCause, heartRateReason, sourceBand } from "../../src/words.js";

test("numbers read as people write them, and unknown is ---", () => {
  const rows: [string, string][] = [
    [ageText(null), "---"],
    [ageText(43), "0.0 s"],
    [ageText(2345), "2.3 s"],
    [ageText(61_000), "61 s"],
    [ageText(3_600_000), "1 h 0 min"],
    [durationText(80), "80 ms"],
    [durationText(1234), "1.2 s"],
    [durationText(59_999), "1 min 0 s"],
    [durationText(90_061_000), "25 h 1 min"],
    [durationText(50 * 3_600_000), "2 d 2 h"],
    [mvText(-3200), "−3.2 mV"],
    [mvText(0), "0.0 mV"],
    [mvText(1100), "+1.1 mV"],
    [bytesText(null), "---"],
    [bytesText(2_140_000_000), "2.1 GB"],
    [bytesText(21_400_000_000), "21 GB"],
    [countText(null), "---"],
    [countText(0), "0"],
    [countText(12_345), "12,345"],
    [offsetText(-60), "+01:00"],
    [offsetText(210), "−03:30"],
  ];
  for (const [got, expected] of rows) assert.equal(got, expected);
});

test("a wrong clock of the browser is told, not used", () => {
  const now = 1_700_000_000_000;
  assert.equal(clockDifferenceText(now + 1999, now * 1000), null);
  assert.match(clockDifferenceText(now + 3_600_000, now * 1000)!, /1 h 0 min ahead/);
  assert.match(clockDifferenceText(now - 5000, now * 1000)!, /5.0 s behind/);
});

test("names this page does not know are shown, not hidden", () => {
  assert.equal(heartRateReason("something_new"), "something new");
  assert.equal(gapCause("overrun"), "computer too slow");
  assert.equal(gapCause("constructor"), "constructor");
  assert.equal(sourceBand("live"), null);
  assert.equal(sourceBand("simulation"), "Simulated signal");
  assert.equal(sourceBand("replay"), "Replayed recording");
});

test("an unclassifiable beat is ?, whatever the network said", () => {
  assert.deepEqual(beatMark({ class: "V", aamiClass: "V", unclassifiable: true }), {
    letter: "?",
    mark: "unknown",
  });
  assert.deepEqual(beatMark({ class: "A", aamiClass: "S", unclassifiable: false }), {
    letter: "A",
    mark: "s",
  });
  assert.deepEqual(beatMark({ class: "L", aamiClass: "N", unclassifiable: false }), {
    letter: "L",
    mark: "bundle",
  });
});

const PRESS: Press = {
  key: "w",
  ctrl: false,
  alt: false,
  meta: false,
  focus: "BODY",
  editable: false,
  dialog: false,
};

test("shortcuts never fire in a field, with a modifier, in a dialog or when switched off", () => {
  assert.equal(actionOf(PRESS, true), "filter");
  assert.equal(actionOf(PRESS, false), null);
  for (const change of [
    { ctrl: true },
    { alt: true },
    { meta: true },
    { focus: "INPUT" },
    { focus: "TEXTAREA" },
    { focus: "SELECT" },
    { editable: true },
    { dialog: true },
    { key: "q" },
  ]) {
    assert.equal(actionOf({ ...PRESS, ...change }, true), null, JSON.stringify(change));
  }
  assert.equal(actionOf({ ...PRESS, key: " " }, true), "freeze");
  assert.equal(actionOf({ ...PRESS, key: " ", focus: "BUTTON" }, true), null);
});

test("stored settings are checked", () => {
  assert.deepEqual(readSettings(null), DEFAULTS);
  assert.deepEqual(readSettings("{"), DEFAULTS);
  assert.deepEqual(readSettings("7"), DEFAULTS);
  assert.deepEqual(
    readSettings('{"speed":7,"gain":"10","theme":1,"calibration":{"devicePxPerMm":-1}}'),
    DEFAULTS,
  );
  const own = {
    ...DEFAULTS,
    speed: 50,
    gain: 20,
    leads: "1",
    calibration: { devicePxPerMm: 5, screen: "a" },
  };
  assert.deepEqual(readSettings(JSON.stringify(own)), own);
});

test("leads tell where their electrodes are, or that they do not", () => {
  assert.deepEqual(leadSites("II"), { plus: "LL", minus: "RA" });
  assert.deepEqual(leadSites("MLII"), { plus: "LL", minus: "RA" });
  assert.deepEqual(leadSites("V1"), { plus: "chest", minus: null });
  assert.equal(leadSites(null), null);
  const wires = [
    { channelNumber: 1, lead: "II" },
    { channelNumber: 2, lead: "I" },
  ];
  assert.equal(siteOfInput("in1n", wires), "RA");
  assert.equal(siteOfInput("in2p", wires), "LA");
  assert.equal(siteOfInput("rld", wires), "RL");
  assert.equal(siteOfInput("in1n", [{ channelNumber: 1, lead: null }]), null);
  const known = siteStates(wires, [true, false], ["in1n"]).sites;
  assert.deepEqual([known.RA, known.LL, known.LA, known.RL], ["off", "on", "on", "unwatched"]);
  const open = siteStates(wires, [true, false], []).sites;
  assert.deepEqual([open.RA, open.LL, open.LA], ["perhaps", "perhaps", "on"]);
  assert.equal(siteStates(wires, null, []).sites.RA, "unknown");
  assert.equal(siteStates([{ channelNumber: 1, lead: "x" }], [false], []).placed, false);
});
