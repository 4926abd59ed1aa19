// The lock file must name no registry: whoever installs takes the one that is configured there.
import { readFileSync } from "node:fs";

const lock = JSON.parse(readFileSync(new URL("package-lock.json", import.meta.url), "utf8"));
const bad = Object.entries(lock.packages).filter(([name, entry]) => {
  return name !== "" && (entry.resolved !== undefined || entry.integrity === undefined);
});
for (const [name] of bad) console.error(`package-lock.json: ${name} names an address or has no integrity`);
process.exitCode = bad.length === 0 ? 0 : 1;
