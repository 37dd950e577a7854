import type { Json } from "../api/types";

/** What a search asks of the server: a part of the name, and what the metadata must contain. */
export interface Searched { name?: string; metadata?: Record<string, Json> }

/** `key=value` or `key="several words"`; the key may lead into objects with dots. */
const PAIR = /(?:^|\s)([\p{L}_][\p{L}\p{N}_.-]*)=("[^"]*"|[^\s"]+)(?=\s|$)/gu;

/**
 * Reads the text of a search field: pairs with an equals sign are metadata, the rest is a part of the name. Numbers, true,
 * false and null are themselves, in quotation marks they are texts.
 */
export function readSearch(text: string): Searched {
  const metadata: Record<string, Json> = {};
  const name = text.replace(PAIR, (_, path: string, value: string) => {
    put(metadata, path.split("."), valueOf(value));
    return " ";
  }).replace(/\s+/g, " ").trim();
  return { ...(name === "" ? {} : { name }), ...(Object.keys(metadata).length === 0 ? {} : { metadata }) };
}

function valueOf(text: string): Json {
  if (text.startsWith('"')) return text.slice(1, -1);
  if (/^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?)$/.test(text)) return JSON.parse(text) as Json;
  return text;
}

function put(into: Record<string, Json>, path: readonly string[], value: Json): void {
  const [key = "", ...rest] = path;
  if (rest.length === 0) {
    into[key] = value;
    return;
  }
  const held = Object.hasOwn(into, key) ? into[key] : undefined;
  const inner = held !== null && typeof held === "object" && !Array.isArray(held) ? held : {};
  into[key] = inner;
  put(inner, rest, value);
}
