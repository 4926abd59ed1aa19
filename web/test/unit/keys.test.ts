import assert from "node:assert/strict";
import { test } from "node:test";
import { actionOf, type Press, REVIEW_SHORTCUTS } from "../../src/keys.js";

const press = (key: string, repeat: boolean): Press => ({
  key,
  ctrl: false,
  alt: false,
  meta: false,
  focus: "BODY",
  editable: false,
  dialog: false,
  repeat,
});

test("a key that is held acts once, unless it moves", () => {
  for (const key of [" ", "m", "+", "w", "d", "?"]) {
    assert.notEqual(actionOf(press(key, false), true), null, key);
    assert.equal(actionOf(press(key, true), true), null, key);
  }
  for (const key of ["r", "a", "n", "p"])
    assert.equal(actionOf(press(key, true), true, REVIEW_SHORTCUTS), null, key);
  for (const key of ["ArrowLeft", "PageDown", "[", "]"])
    assert.notEqual(actionOf(press(key, true), true, REVIEW_SHORTCUTS), null, key);
});
