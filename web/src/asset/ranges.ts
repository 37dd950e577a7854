export type RangeId = "5m" | "15m" | "1h" | "8h" | "24h" | "7d";
export const RANGES: Record<RangeId, number> = { "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "8h": 28_800_000, "24h": 86_400_000, "7d": 604_800_000 };
export const RANGE_IDS = Object.keys(RANGES) as RangeId[];

export function rangeOf(text: string): RangeId {
  return (RANGE_IDS as string[]).includes(text) ? (text as RangeId) : "1h";
}
