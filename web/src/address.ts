// The part of the address behind `#`: it names view, session, time and scale, so that a place can be kept and sent.
//   #/review/3?t=2026-01-31T07:12:05.250Z&w=10&show=strip

export const LENGTHS_S = [5, 10, 20, 30, 60] as const;
export const SHOWS = [
  "strip",
  "disclosure",
  "list",
  "rr",
  "clusters",
  "corrections",
  "report",
  "beat",
] as const;
export type Show = (typeof SHOWS)[number];
export const SPANS_S = [300, 3600, 21_600, 86_400] as const;
export const LABELS = ["machine", "corrected"] as const;
const SPANNED = new Set<Show>(["rr", "clusters", "report"]);
export const METHODS = ["gradcam", "shap"] as const;
export type Method = (typeof METHODS)[number];

export interface Place {
  session: number | null;
  show: Show;
  /** Middle of the strip, microseconds since 1970. Null: the begin of the session. */
  timeUs: number | null;
  /** Length of the strip. */
  seconds: number;
  /** The beat of the beat page. */
  beat: number | null;
  method: Method;
  /** How much RR pictures, clusters and report take, about the time. */
  spanS: number;
  /** Whose labels counts and lists go by. */
  labels: "machine" | "corrected";
  /** The sample in the middle of the strip, where the wall clock was set and its time does not tell. */
  sample: number | null;
  /** The chosen cluster. */
  cluster: number | null;
}

export const NOWHERE: Place = {
  session: null,
  show: "strip",
  timeUs: null,
  seconds: 10,
  beat: null,
  method: "gradcam",
  spanS: 3600,
  labels: "machine",
  sample: null,
  cluster: null,
};

function whole(text: string | null | undefined): number | null {
  if (text === null || text === undefined || !/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** RFC 3339 with any offset, or whole microseconds since 1970. */
export function readTime(text: string | null): number | null {
  if (text === null) return null;
  const us = whole(text);
  if (us !== null) return us;
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (found === null) return null;
  const ms = Date.parse(found[1]! + found[3]!);
  if (Number.isNaN(ms)) return null;
  return ms * 1000 + Math.round(Number(found[2] ?? 0) * 1e6);
}

export function writeTime(us: number): string {
  const second = Math.floor(us / 1e6);
  const part = String(Math.round(us - second * 1e6)).padStart(6, "0");
  const text = new Date(second * 1000).toISOString().slice(0, 19);
  return `${text}.${part.endsWith("000") ? part.slice(0, 3) : part}Z`;
}

/** First word of an address: which view. `#review/3` and `#/review/3` are the same. */
export function viewOf(hash: string): string {
  return hash.replace(/^#?\/?/, "").split(/[/?]/)[0] ?? "";
}

export function readPlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?");
  const words = new URLSearchParams(query);
  const one = <T extends string | number>(values: readonly T[], value: unknown, otherwise: T): T =>
    values.includes(value as T) ? (value as T) : otherwise;
  return {
    session: whole(path.split("/")[1]),
    show: one(SHOWS, words.get("show"), NOWHERE.show),
    timeUs: readTime(words.get("t")),
    seconds: one<number>(LENGTHS_S, Number(words.get("w")), NOWHERE.seconds),
    beat: whole(words.get("beat")),
    method: one(METHODS, words.get("method"), NOWHERE.method),
    spanS: one<number>(SPANS_S, Number(words.get("span")), NOWHERE.spanS),
    labels: one(LABELS, words.get("labels"), NOWHERE.labels),
    sample: whole(words.get("n")),
    cluster: whole(words.get("cluster")),
  };
}

export function writePlace(place: Place): string {
  if (place.session === null) return "#/review";
  const words: string[] = [];
  if (place.timeUs !== null) words.push(`t=${writeTime(place.timeUs)}`);
  if (place.sample !== null) words.push(`n=${place.sample}`);
  words.push(`w=${place.seconds}`, `show=${place.show}`);
  if (place.show === "beat") {
    if (place.beat !== null) words.push(`beat=${place.beat}`);
    words.push(`method=${place.method}`);
  }
  if (SPANNED.has(place.show)) words.push(`span=${place.spanS}`);
  if (place.show === "clusters" && place.cluster !== null) words.push(`cluster=${place.cluster}`);
  if (place.labels !== "machine") words.push(`labels=${place.labels}`);
  return `#/review/${place.session}?${words.join("&")}`;
}
