import type { LimitKind, Priority, SeriesLimit, Tag } from "../api/types";

/** Where a value stands between its limits; the scale is fixed per tag, so that rows compare by eye. */
export interface Scale { low: number; high: number; bandLow: number; bandHigh: number; limits: SeriesLimit[] }

export const LIMIT_LETTERS: Record<LimitKind, string> = { HI_HI: "HH", HI: "H", LO: "L", LO_LO: "LL" };
export const isHigh = (kind: LimitKind) => kind === "HI" || kind === "HI_HI";

/** The range of the tag, or one around its limits where the tag gives none; null without either. */
export function scaleOf(tag: Pick<Tag, "low" | "high"> | null, limits: readonly SeriesLimit[]): Scale | null {
  const values = limits.map((limit) => limit.limit);
  const least = Math.min(...values);
  const most = Math.max(...values);
  const room = most === least ? Math.abs(most) || 1 : (most - least) * 0.6;
  const low = tag?.low ?? (values.length > 0 ? Math.min(least - room, least >= 0 ? 0 : least - room) : null);
  const high = tag?.high ?? (values.length > 0 ? most + room : null);
  if (low === null || high === null || !(high > low)) return null;
  const below = limits.filter((limit) => !isHigh(limit.kind)).map((limit) => limit.limit);
  const above = limits.filter((limit) => isHigh(limit.kind)).map((limit) => limit.limit);
  const bandLow = below.length > 0 ? Math.max(...below) : low;
  const bandHigh = above.length > 0 ? Math.min(...above) : high;
  return { low: Math.min(low, ...values), high: Math.max(high, ...values), bandLow, bandHigh, limits: [...limits] };
}

export interface Excursion { limit: SeriesLimit; priority: Priority }

/** The worst limit that the value has crossed, and the mildest one, from which the excursion is filled. */
export function excursionOf(value: number, limits: readonly SeriesLimit[]): { worst: SeriesLimit; from: number } | null {
  const crossed = limits.filter((limit) => (isHigh(limit.kind) ? value > limit.limit : value < limit.limit));
  const first = crossed[0];
  if (!first) return null;
  const worst = crossed.reduce((a, b) => (b.priority < a.priority ? b : a), first);
  const edges = crossed.map((limit) => limit.limit);
  return { worst, from: isHigh(worst.kind) ? Math.min(...edges) : Math.max(...edges) };
}

/** Distance to the nearest limit as a share of the span: negative is beyond it. Null without limits. */
export function margin(value: number, scale: Scale): number | null {
  const span = scale.high - scale.low;
  const distances = scale.limits.map((limit) => (isHigh(limit.kind) ? limit.limit - value : value - limit.limit));
  return distances.length === 0 ? null : Math.min(...distances) / span;
}

export const position = (scale: Scale, value: number) => Math.min(1, Math.max(0, (value - scale.low) / (scale.high - scale.low)));
