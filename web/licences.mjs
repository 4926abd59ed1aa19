// The packages whose code is in the page, by what the bundler says it put there, with their licences. One that the
// project does not allow (deny.toml) ends the build.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const TEXT = /^(licen[cs]e|copying|notice|copyright)/i;

/** Licences that deny.toml allows: one list for libraries of the program and packages of the page. */
export function allowed(deny) {
  const list = /^allow = \[([^\]]*)\]/m.exec(deny);
  if (list === null) throw new Error("deny.toml has no list of allowed licences");
  return [...list[1].matchAll(/"([^"]+)"/g)].map((match) => match[1]);
}

/** Whether an SPDX expression without exceptions is met by the list. */
export function isAllowed(expression, list) {
  if (typeof expression !== "string") return false;
  const plain = expression.replaceAll(/[()]/g, " ").trim();
  return plain
    .split(/\s+OR\s+/)
    .some((choice) => choice.split(/\s+AND\s+/).every((licence) => list.includes(licence.trim())));
}

/** Names of the packages that these bundles hold code of; the bundler is one, because it does not say where it put helpers. */
export function packagesIn(metafiles) {
  const names = new Set(["esbuild"]);
  for (const { outputs } of metafiles) {
    for (const { inputs } of Object.values(outputs)) {
      for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
        if (bytesInOutput === 0) continue;
        const below = path.split("node_modules/").at(-1);
        if (below !== path)
          names.add(
            below
              .split("/")
              .slice(0, below.startsWith("@") ? 2 : 1)
              .join("/"),
          );
      }
    }
  }
  return [...names].sort();
}

/** The list as scripts/third-party-licences hands it on; throws where a licence is not allowed or has no text. */
export function thirdParty(names, modules, list) {
  const heads = [];
  const texts = [];
  for (const name of names) {
    const folder = join(modules, name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    if (!isAllowed(license, list))
      throw new Error(`${name} ${version}: ${license} is not allowed by deny.toml`);
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => TEXT.test(file)) : [];
    if (files.length === 0) throw new Error(`${name} ${version}: no licence text in the package`);
    heads.push(`${name} ${version}: ${license}\n`);
    for (const file of files.sort()) {
      texts.push(
        `\n${"-".repeat(78)}\n${name} ${version}:\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`,
      );
    }
  }
  return [...heads, ...texts].join("");
}
