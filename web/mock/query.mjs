// Which parameters each path takes, as docs/api.md has them: others are refused by name.

const ROWS = ["session", "order", "limit", "cursor"];
const TIMES = ["from", "to"];

const KNOWN = [
  [/^\/v1\/sessions$/, ["limit", "cursor"]],
  [/^\/v1\/beats$/, [...TIMES, "class", "labels", "outcome", ...ROWS]],
  [/^\/v1\/beats\/\d+$/, ["before_ms", "after_ms"]],
  [/^\/v1\/beats\/\d+\/saliency$/, ["method", "class"]],
  [/^\/v1\/ecg$/, ["session", ...TIMES, "channel_number", "max_points"]],
  [/^\/v1\/minutes$/, ["session", ...TIMES, "labels"]],
  [/^\/v1\/clusters$/, ["session", ...TIMES]],
  [/^\/v1\/rr$/, ["session", ...TIMES, "limit", "cursor"]],
  [/^\/v1\/events$/, [...TIMES, "kind", ...ROWS]],
  [/^\/v1\/gaps$/, [...TIMES, ...ROWS]],
  [/^\/v1\/corrections$/, [...TIMES, ...ROWS]],
];

/** Most rows of a page, or points of a stretch. */
const mostOf = (path, name) => (name === "max_points" ? 60_000 : path === "/v1/rr" ? 50_000 : 5000);

/** Status, name and detail of a refusal; null where the query can be answered. */
export function refusedQuery(path, query) {
  const known = KNOWN.find(([of]) => of.test(path))?.[1];
  if (known === undefined) return null;
  for (const [name, value] of query) {
    if (!known.includes(name))
      return [400, "unknown-parameter", `"${name}": this path takes ${known.join(", ")}`];
    if (query.getAll(name).length > 1 && !["class", "kind"].includes(name))
      return [400, "invalid-parameter", `${name}: found "${value}", expected the parameter only once`];
    if (name !== "limit" && name !== "max_points") continue;
    const most = mostOf(path, name);
    if (!/^\d+$/.test(value) || Number(value) < 1 || Number(value) > most)
      return [400, "invalid-parameter", `${name}: found "${value}", expected a whole number 1 to ${most}`];
  }
  return null;
}
