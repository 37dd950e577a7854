import type { SeriesLimit } from "../api/types";

/** What a lane draws, worked out from its samples: pure, so that it can be tested without a canvas. */

export interface Range { low: number; high: number }

/** The value axis: the samples in view, and the limits that do not press the line flat. */
export function valueRange(values: Float64Array, limits: readonly SeriesLimit[]): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === Infinity) {
    const edges = limits.map((limit) => limit.limit);
    low = edges.length > 0 ? Math.min(...edges) : 0;
    high = edges.length > 0 ? Math.max(...edges) : 1;
  }
  const span = high - low || Math.abs(high) * 0.1 || 1;
  const sorted = limits.map((limit) => limit.limit).sort((a, b) => distance(a, low, high) - distance(b, low, high));
  sorted.forEach((limit, index) => {
    if (distance(limit, low, high) > (index === 0 ? 12 : 3) * span) return;
    low = Math.min(low, limit);
    high = Math.max(high, limit);
  });
  const room = (high - low || span) * 0.12;
  return { low: low - room, high: high + room };
}

const distance = (value: number, low: number, high: number) => Math.max(0, low - value, value - high);

const SHORT_WINDOW_MS = 300_000;

/** Samples a second that a lane can show: all that the server gives within five minutes, beyond them two for each pixel. */
export function laneHz(rangeMs: number, width: number): number {
  if (rangeMs <= SHORT_WINDOW_MS) return 10;
  return Math.min(4, Math.max(0.5, (2000 * Math.max(200, width)) / rangeMs));
}

/** Time between two draws, ms: a line moves by whole pixels, at most ten times a second. */
export function lanePace(rangeMs: number, width: number): number {
  return Math.max(100, rangeMs / Math.max(200, width));
}

export interface Gap { from: number; to: number; reason: "missing" | "bad" }

/** Times without a trusted sample: silence of several intervals, or bad quality. */
export function gaps(t: Float64Array, v: Float64Array, q: Uint8Array, expectedMs: number | null, from: number, to: number): Gap[] {
  const longest = silence(t, expectedMs);
  const found: Gap[] = [];
  let badFrom: number | null = null;
  for (let i = 0; i < t.length; i++) {
    const at = t[i] ?? 0;
    const bad = (q[i] ?? 192) < 64 || Number.isNaN(v[i] ?? Number.NaN);
    const before = t[i - 1];
    if (before !== undefined && badFrom === null && at - before > longest) found.push({ from: before, to: at, reason: "missing" });
    if (bad && badFrom === null) badFrom = at;
    if (!bad && badFrom !== null) {
      found.push({ from: badFrom, to: at, reason: "bad" });
      badFrom = null;
    }
  }
  if (badFrom !== null) found.push({ from: badFrom, to, reason: "bad" });
  const last = t[t.length - 1];
  if (last !== undefined && badFrom === null && to - last > Math.max(longest, (to - from) * 0.02)) found.push({ from: last, to, reason: "missing" });
  return found.filter((gap) => gap.to > from && gap.from < to);
}

/** How long a pause may be before it is a gap: three expected intervals, and never less than five usual steps of a thinned line. */
export function silence(t: Float64Array, expectedMs: number | null): number {
  const steps: number[] = [];
  const every = Math.max(1, Math.floor(t.length / 64));
  for (let i = every; i < t.length; i += every) steps.push((t[i] ?? 0) - (t[i - 1] ?? 0));
  steps.sort((a, b) => a - b);
  const median = steps[Math.floor(steps.length / 2)] ?? 0;
  return Math.max(3 * (expectedMs ?? 0), 5 * median, 3000);
}

/** Index of the newest sample at or before a time; -1 where there is none. */
export function indexAt(t: Float64Array, at: number): number {
  let low = 0;
  let high = t.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((t[middle] ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
