import type { Alarm, OverviewThing, Series, SeriesLimit } from "../api/types";
import { isActive, worstOf } from "../alarms/order";
import { describe } from "../lib/things";
import { margin, type Scale, scaleOf } from "../parts/scale";

export interface AssetRow {
  thing: OverviewThing;
  title: string;
  area: string;
  alarm: Alarm | null;
  /** The measurement closest to its limit, or the first one where none has a limit. */
  series: Series | null;
  scale: Scale | null;
  limits: SeriesLimit[];
}

/** An asset is a thing that measures something: it has series, or tags that say what it will measure. */
export function isAsset(thing: OverviewThing): boolean {
  return thing.series.nodes.length > 0 || thing.tags.length > 0;
}

/** Least margin as a share of the span comes first; series of scores are the model's and not a measurement. */
export function closestToLimit(series: readonly Series[]): { series: Series; scale: Scale | null } | null {
  const numeric = series.filter((one) => one.latest?.number !== null && one.latest?.number !== undefined && !one.name.endsWith(".score"));
  let best: { series: Series; scale: Scale | null; margin: number } | null = null;
  for (const one of numeric) {
    const scale = scaleOf(one.tag, one.limits);
    const left = scale === null ? null : margin(one.latest?.number ?? 0, scale);
    const candidate = { series: one, scale, margin: left ?? Infinity };
    if (!best || candidate.margin < best.margin) best = candidate;
  }
  return best ?? (series[0] ? { series: series[0], scale: scaleOf(series[0].tag, series[0].limits) } : null);
}

/** Rows by area and name; they never change places by state, so that an eye finds them again. */
export function assetRows(things: readonly OverviewThing[], alarms: Iterable<Alarm>): AssetRow[] {
  const ofThing = new Map<string | undefined, Alarm[]>();
  for (const alarm of alarms) {
    const held = ofThing.get(alarm.thing?.id);
    if (held) held.push(alarm);
    else ofThing.set(alarm.thing?.id, [alarm]);
  }
  return things.filter(isAsset).map((thing) => {
    const closest = closestToLimit(thing.series.nodes);
    return { thing, ...describe(thing.metadata), alarm: worstOf(ofThing.get(thing.id) ?? [], thing.id), series: closest?.series ?? null, scale: closest?.scale ?? null, limits: closest?.series.limits ?? [] };
  }).sort((a, b) => a.area.localeCompare(b.area) || a.thing.name.localeCompare(b.thing.name, undefined, { numeric: true }));
}

export function isAbnormal(row: AssetRow): boolean {
  return row.alarm !== null && isActive(row.alarm);
}
