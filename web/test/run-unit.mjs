// Bundles the unit tests and runs them with Node's own test runner.

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(web, ".unit");
rmSync(out, { recursive: true, force: true });
const tests = readdirSync(join(web, "test/unit")).filter((name) => name.endsWith(".test.ts"));
await build({
  absWorkingDir: web,
  entryPoints: tests.map((name) => `test/unit/${name}`),
  bundle: true,
  outdir: out,
  outExtension: { ".js": ".mjs" },
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning",
});
const run = spawnSync(
  process.execPath,
  ["--test", ...tests.map((name) => join(out, name.replace(/ts$/, "mjs")))],
  {
    stdio: "inherit",
  },
);
process.exitCode = run.status ?? 1;
