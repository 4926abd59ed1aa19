// Who is signed in, what they may do, and what the gateway says about its place. Told once, before the first view.

export interface Access {
  name: string;
  /** May change what can be changed; without it the page has no such button. */
  control: boolean;
  /** The site's time zone for reports; null: the browser's. */
  timezone: string | null;
  disclaimer: string;
}

export const NOBODY: Access = { name: "", control: false, timezone: null, disclaimer: "" };

/** Reads the answer of `GET /session`. What is missing there is not allowed. */
export function readAccess(value: unknown): Access {
  const from = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const site = (typeof from.site === "object" && from.site !== null ? from.site : {}) as Record<
    string,
    unknown
  >;
  const text = (one: unknown) => (typeof one === "string" ? one : "");
  return {
    name: text(from.name),
    control: from.control === true,
    timezone: text(site.timezone) || null,
    disclaimer: text(from.disclaimer),
  };
}
