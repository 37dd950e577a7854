import type { Json } from "../api/types";

/** Text of a form to JSON; the empty text is nothing. The reason of a refusal comes from the parser. */
export function parseJson(text: string): { ok: true; value: Json | undefined } | { ok: false; reason: string } {
  if (text.trim() === "") return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(text) as Json };
  } catch (cause) {
    return { ok: false, reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

export function showJson(value: Json): string {
  if (value === null || (typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0)) return "";
  return JSON.stringify(value, null, 2);
}
