import type { Reading } from "../live/telemetry";

export type Shown = "good" | "uncertain" | "stale" | "bad" | "none";

const DEFAULT_INTERVAL_MS = 5000;
/** Older than three expected intervals is stale; a device that reports fast still gets three seconds. */
export function staleAfter(expectedIntervalMs: number | string | null | undefined): number {
  return Math.max(3000, 3 * Number(expectedIntervalMs ?? DEFAULT_INTERVAL_MS));
}

/** How a reading is shown: bad beats stale, stale beats uncertain. A lost link makes every value stale. */
export function shownAs(reading: Reading | undefined, now: number, staleMs: number, linkLost: boolean): Shown {
  if (!reading) return "none";
  if (reading.v === null || reading.q < 64) return "bad";
  if (linkLost || now - reading.t > staleMs) return "stale";
  return reading.q < 192 ? "uncertain" : "good";
}
