// Builds dist/ from src/: bundles, hashed names, a gzip copy of each file, manifest.json, and files.rs, the list that
// ../src/api/web/pages.rs embeds. The same sources give the same bytes on every machine. `--check` builds beside dist/ and says whether dist/ is what the sources give.
//
// gzip and not brotli: browsers ask for brotli over HTTPS only, and the page is often served over plain HTTP on
// loopback. Zopfli and not node:zlib: zlib's output differs between builds and processors, that of this one (as
// WebAssembly) does not, and it is a good deal smaller.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipAsync } from "@gfx/zopfli";
import { build } from "esbuild";
import { allowed, packagesIn, thirdParty } from "./licences.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
/** Compressed, all files together: about a tenth more than the page takes today. */
const LIMIT_BYTES = 82_000;
/** What the bundler says it put into each file. */
const bundles = [];

const TYPES = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
};

async function bundle(entry, format) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format,
    target: ["chrome110", "firefox110", "safari16"],
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  bundles.push(result.metafile);
  return Buffer.from(result.outputFiles[0].contents);
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function make() {
  /** Path below dist/ to bytes. `assets/` is for signed-in pages only and may be kept for ever. */
  const files = new Map();
  const names = {};
  for (const [name, entry, format] of [
    ["theme.js", "src/theme.ts", "iife"],
    ["app.css", "src/app.css", undefined],
    ["app.js", "src/app.ts", "esm"],
  ]) {
    const bytes = await bundle(entry, format);
    const [stem, ext] = name.split(".");
    const path = `assets/${stem}-${sha256(bytes).slice(0, 12)}.${ext}`;
    names[name] = path;
    files.set(path, bytes);
  }
  let index = readFileSync(join(here, "src/index.html"), "utf8");
  for (const [name, path] of Object.entries(names)) index = index.replace(`{${name}}`, `/${path}`);
  if (/\{[a-z]+\.(js|css)\}/.test(index)) throw new Error("index.html names a file that is not built");
  files.set("index.html", Buffer.from(index));
  files.set("sign-in.html", readFileSync(join(here, "src/sign-in.html")));
  files.set("sign-in.css", await bundle("src/sign-in.css", undefined));
  files.set("sign-in.js", await bundle("src/sign-in.ts", "esm"));

  const entries = [];
  const all = new Map();
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const compressed = Buffer.from(await gzipAsync(bytes, { numiterations: 15 }));
    all.set(path, bytes);
    all.set(`${path}.gz`, compressed);
    entries.push({
      name: path,
      content_type: TYPES[path.split(".").at(-1)],
      sha256: sha256(bytes),
      bytes: bytes.length,
      compressed_bytes: compressed.length,
      immutable: path.startsWith("assets/"),
      needs_session: !path.startsWith("sign-in."),
    });
  }
  const manifest = { compression: "gzip", files: entries };
  all.set("manifest.json", Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  const list = allowed(readFileSync(join(here, "../deny.toml"), "utf8"));
  all.set("third-party", Buffer.from(thirdParty(packagesIn(bundles), join(here, "node_modules"), list)));
  all.set("files.rs", Buffer.from(rust(entries)));
  return { all, entries };
}

/** The array of `File`s of src/api/web/pages.rs, as rustfmt has it. */
function rust(entries) {
  const lines = entries.flatMap((entry) => [
    "    File {",
    `        name: "${entry.name}",`,
    `        content_type: "${entry.content_type}",`,
    `        bytes: ${entry.bytes},`,
    `        gzip: include_bytes!("${entry.name}.gz"),`,
    "    },",
  ]);
  return `${["[", ...lines, "]"].join("\n")}\n`;
}

function listed(folder, below = "") {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory() ? listed(folder, path) : [path];
  });
}

const { all, entries } = await make();
let total = 0;
for (const entry of entries) {
  total += entry.compressed_bytes;
  console.log(
    `${String(entry.bytes).padStart(8)} ${String(entry.compressed_bytes).padStart(8)}  ${entry.name}`,
  );
}
console.log(`${total} bytes compressed in all (target ${LIMIT_BYTES})`);
let failed = total > LIMIT_BYTES;
if (failed) console.error("over the target");

if (process.argv.includes("--check")) {
  const there = new Set(listed(dist));
  for (const [path, bytes] of all) {
    if (!there.delete(path)) {
      console.error(`dist/${path} is missing`);
      failed = true;
    } else if (!readFileSync(join(dist, path)).equals(bytes)) {
      console.error(`dist/${path} is not what the sources give`);
      failed = true;
    }
  }
  for (const path of there) {
    console.error(`dist/${path} is not built from the sources`);
    failed = true;
  }
  if (failed) console.error("run `npm run build` and commit dist/");
} else {
  rmSync(dist, { recursive: true, force: true });
  for (const [path, bytes] of all) {
    mkdirSync(dirname(join(dist, path)), { recursive: true });
    writeFileSync(join(dist, path), bytes);
  }
}
process.exitCode = failed ? 1 : 0;
