import type { Json, Named } from "../api/types";

/** What a thing's free metadata say of it, under the few keys that Flash reads. */
export interface Described { title: string; area: string }

export function describe(metadata: Json): Described {
  const field = (...keys: string[]) => {
    if (metadata === null || typeof metadata !== "object" || Array.isArray(metadata)) return "";
    for (const key of keys) {
      const value = metadata[key];
      if (typeof value === "string" && value !== "") return value;
    }
    return "";
  };
  return { title: field("title", "description"), area: field("area", "unit", "location") };
}

/** The names of `rows` as one text, in their order: numbers in them count as numbers. */
export function namesOf(rows: readonly Named[]): string {
  return rows.map((row) => row.name).sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).join(", ");
}
