import { documents, subscribe } from "../api/request";
import type { Sample, TelemetryFrame } from "../api/types";

/** The newest sample of a series. `q`: 192 good, 64 uncertain, 0 bad. */
export interface Reading { t: number; v: number | null; q: number }
export type Watcher = (reading: Reading) => void;

const MAX_SERIES = 500;
/** What a figure that is read needs, and what the server gives at most. */
export const VALUE_HZ = 4;
export const MOST_HZ = 10;
const watchers = new Map<string, Map<Watcher, number>>();
const readings = new Map<string, Reading>();
let open: { key: string; stop: () => void } | null = null;
/** Parts that come and go, as rows do under a quick scroll, are waited for, but not for ever. */
const QUIET_MS = 60;
const LONGEST_WAIT_MS = 500;
let planned: ReturnType<typeof setTimeout> | undefined;
let plannedAt = 0;

/**
 * Hears each new sample of a series while it is watched, at most `hz` a second. All watched series of a page share one
 * subscription, as fast as the fastest of them asks.
 */
export function watch(series: string, watcher: Watcher, hz = VALUE_HZ): () => void {
  const set = watchers.get(series) ?? new Map<Watcher, number>();
  set.set(watcher, hz);
  watchers.set(series, set);
  const known = readings.get(series);
  if (known) watcher(known);
  plan();
  return () => {
    set.delete(watcher);
    if (set.size === 0 && watchers.get(series) === set) watchers.delete(series);
    plan();
  };
}

/** What a query said is a reading too, until a newer one comes. */
export function seed(series: string, sample: Sample | null): void {
  if (!sample) return;
  offer(series, { t: Date.parse(sample.time), v: sample.number, q: QUALITY[sample.quality] });
}

export function readingOf(series: string): Reading | undefined {
  return readings.get(series);
}

export function stopTelemetry(): void {
  open?.stop();
  open = null;
  readings.clear();
}

export const QUALITY = { GOOD: 192, UNCERTAIN: 64, BAD: 0 } as const;

function offer(series: string, reading: Reading): void {
  const known = readings.get(series);
  if (known && known.t >= reading.t) return;
  readings.set(series, reading);
  for (const watcher of watchers.get(series)?.keys() ?? []) watcher(reading);
}

// Parts mount one by one; the subscription is opened once for all that one turn of the page asked for.
function plan(): void {
  const now = Date.now();
  if (planned === undefined) plannedAt = now;
  clearTimeout(planned);
  planned = setTimeout(() => {
    planned = undefined;
    const hz = Math.max(...[...watchers.values()].flatMap((set) => [...set.values()]), 0.1);
    reopen([...watchers.keys()].sort().slice(0, MAX_SERIES), Math.min(MOST_HZ, hz));
  }, Math.min(QUIET_MS, Math.max(0, plannedAt + LONGEST_WAIT_MS - now)));
}

function reopen(series: string[], maxHz: number): void {
  const key = `${maxHz}:${series.join(",")}`;
  if (open?.key === key) return;
  open?.stop();
  open = null;
  if (series.length === 0) return;
  const stop = subscribe<{ telemetry: TelemetryFrame }>(documents.telemetry, { series, maxHz }, ({ telemetry }) => {
    telemetry.i.forEach((index, row) => {
      const id = series[index];
      if (id !== undefined) offer(id, { t: telemetry.t[row] ?? 0, v: telemetry.v[row] ?? null, q: telemetry.q[row] ?? 192 });
    });
  });
  open = { key, stop };
}
