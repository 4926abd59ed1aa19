// Reads the fields of JSON that came from the server: each is checked, none is trusted.

export type Decoded<T> = { ok: true; value: T } | { ok: false; error: string };

/** A field that is not what it should be. Caught where a whole message or answer is read, and shown in words. */
export class BadField extends Error {}

export type Fields = Record<string, unknown>;

function show(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 40);
}

export function fields(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BadField(`${name} is not an object: ${show(value)}`);
  }
  return value as Fields;
}

export function list(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw new BadField(`${name} is not a list: ${show(value)}`);
  return value;
}

export function num(from: Fields, name: string): number {
  const value = from[name];
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new BadField(`${name} is not a number: ${show(value)}`);
  }
  return value;
}

export function numOrNull(from: Fields, name: string): number | null {
  return from[name] === null || from[name] === undefined ? null : num(from, name);
}

export function count(from: Fields, name: string): number {
  const value = num(from, name);
  if (!Number.isSafeInteger(value) || value < 0) throw new BadField(`${name} is not a count: ${show(value)}`);
  return value;
}

export function text(from: Fields, name: string): string {
  const value = from[name];
  if (typeof value !== "string") throw new BadField(`${name} is not a text: ${show(value)}`);
  return value;
}

export function textOrNull(from: Fields, name: string): string | null {
  return from[name] === null || from[name] === undefined ? null : text(from, name);
}

export function flag(from: Fields, name: string): boolean {
  const value = from[name];
  if (typeof value !== "boolean") throw new BadField(`${name} is neither true nor false: ${show(value)}`);
  return value;
}
