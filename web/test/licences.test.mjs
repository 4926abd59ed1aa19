// Whether code of a package gets into the page unseen.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { allowed, isAllowed, packagesIn, thirdParty } from "../licences.mjs";

const web = join(import.meta.dirname, "..");
const modules = join(web, "node_modules");
const list = allowed(readFileSync(join(web, "../deny.toml"), "utf8"));

async function bundled(source) {
  const { metafile } = await build({
    absWorkingDir: web,
    stdin: { contents: source, resolveDir: web },
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    logLevel: "silent",
  });
  return packagesIn([metafile]);
}

test("what is bundled is listed with its licence and its text", async () => {
  const names = await bundled('import { toByteArray } from "base64-js"; console.log(toByteArray("AAAA"));');
  assert.deepEqual(names, ["base64-js", "esbuild"]);
  const text = thirdParty(names, modules, list);
  assert.match(text, /^base64-js \d+\.\d+\.\d+: MIT\nesbuild \d+\.\d+\.\d+: MIT\n/);
  assert.match(text, /Permission is hereby granted/);
});

test("what is imported and not used is not listed", () => {
  const inputs = {
    "node_modules/unused/index.js": { bytesInOutput: 0 },
    "node_modules/@scope/used/lib/index.js": { bytesInOutput: 3 },
    "src/app.ts": { bytesInOutput: 5 },
  };
  assert.deepEqual(packagesIn([{ outputs: { "app.js": { inputs } } }]), ["@scope/used", "esbuild"]);
});

test("a package whose licence is not allowed ends the build", async () => {
  const names = await bundled('import axe from "axe-core"; console.log(axe);');
  assert.ok(names.includes("axe-core"));
  assert.throws(() => thirdParty(["axe-core"], modules, list), /axe-core .*: MPL-2.0 is not allowed/);
});

test("expressions", () => {
  assert.ok(list.includes("MIT") && list.includes("Apache-2.0"), `${list}`);
  for (const good of ["MIT", "(MIT OR GPL-3.0)", "Apache-2.0 AND ISC"])
    assert.ok(isAllowed(good, list), good);
  for (const bad of ["GPL-3.0", "MIT AND GPL-3.0", "", undefined, "SEE LICENSE IN x"]) {
    assert.ok(!isAllowed(bad, list), `${bad}`);
  }
});
