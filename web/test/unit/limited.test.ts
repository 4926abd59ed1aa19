import assert from "node:assert/strict";
import { test } from "node:test";
import { limited } from "../../src/api.js";

const ended = (signal: AbortSignal) =>
  new Promise<string>((done) => {
    // A timeout alone does not keep Node running.
    const held = setTimeout(() => done("never"), 2000);
    const end = () => {
      clearTimeout(held);
      done((signal.reason as Error).name);
    };
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
  });

test("a question ends after its time, or when it is given up", async () => {
  assert.equal(await ended(limited(5)), "TimeoutError");
  assert.equal(await ended(limited(5, new AbortController().signal)), "TimeoutError");
  const asked = new AbortController();
  const both = limited(60_000, asked.signal);
  assert.equal(both.aborted, false);
  asked.abort();
  assert.equal(await ended(both), "AbortError");
  assert.equal(await ended(limited(60_000, asked.signal)), "AbortError", "given up before");
});
