import type { Alarm, AlarmCounts, AlarmState, Priority } from "../api/types";

const UNACKNOWLEDGED = new Set<AlarmState>(["UNACKNOWLEDGED", "RETURNED_UNACKNOWLEDGED", "LATCHED_UNACKNOWLEDGED"]);
const SET_ASIDE = new Set<AlarmState>(["SHELVED", "SUPPRESSED", "OUT_OF_SERVICE"]);

export function isUnacknowledged(alarm: Pick<Alarm, "state">): boolean {
  return UNACKNOWLEDGED.has(alarm.state);
}

/** On the active list: abnormal or waiting for a hand, and not set aside. */
export function isActive(alarm: Pick<Alarm, "state">): boolean {
  return alarm.state !== "NORMAL" && !SET_ASIDE.has(alarm.state);
}

export function rank(priority: Priority): number {
  return Number(priority.slice(1));
}

const raised = new WeakMap<object, number>();

/** When the alarm was raised, ms. Parsed once for each alarm: lists of thousands are sorted by it. */
export function raisedMs(alarm: Pick<Alarm, "raisedAt">): number {
  let at = raised.get(alarm);
  if (at === undefined) raised.set(alarm, (at = Date.parse(alarm.raisedAt)));
  return at;
}

/** Unacknowledged first, then by priority, then newest. */
export function byUrgency(a: Alarm, b: Alarm): number {
  return Number(isUnacknowledged(b)) - Number(isUnacknowledged(a)) || rank(a.priority) - rank(b.priority) || raisedMs(b) - raisedMs(a) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/**
 * `now` by urgency, out of `before`, which was so sorted: of ten thousand alarms one has changed, and only that one looks for
 * its place. An alarm that changes is another object.
 */
export function sortAgain(before: readonly Alarm[], now: readonly Alarm[]): Alarm[] {
  const wanted = new Set(now);
  const kept = before.filter((alarm) => wanted.delete(alarm));
  const fresh = [...wanted].sort(byUrgency);
  const merged: Alarm[] = [];
  let at = 0;
  for (const alarm of fresh) {
    for (let next = kept[at]; next && byUrgency(next, alarm) <= 0; next = kept[at]) {
      merged.push(next);
      at += 1;
    }
    merged.push(alarm);
  }
  return merged.concat(kept.slice(at));
}

const indices = new WeakMap<ReadonlyMap<string, Alarm>, Map<string, Alarm[]>>();

/** The alarms of one thing, out of an index that is made once for each state of the book. */
export function alarmsOf(alarms: ReadonlyMap<string, Alarm>, thing: string): readonly Alarm[] {
  let index = indices.get(alarms);
  if (!index) {
    indices.set(alarms, (index = new Map()));
    for (const alarm of alarms.values()) {
      if (!alarm.thing) continue;
      const held = index.get(alarm.thing.id);
      if (held) held.push(alarm);
      else index.set(alarm.thing.id, [alarm]);
    }
  }
  return index.get(thing) ?? [];
}

/** The rows from one to another, both with them: what Shift and an arrow select. */
export function between(rows: readonly { id: string }[], from: string | null, to: string): string[] {
  const last = rows.findIndex((row) => row.id === to);
  const first = from === null ? last : rows.findIndex((row) => row.id === from);
  if (last < 0) return [];
  if (first < 0) return [to];
  return rows.slice(Math.min(first, last), Math.max(first, last) + 1).map((row) => row.id);
}

export type Tab = "active" | "predicted" | "faults" | "shelved" | "suppressed" | "outOfService";
export const TABS: Tab[] = ["active", "predicted", "faults", "shelved", "suppressed", "outOfService"];

/** Predicted alarms and device faults have lists of their own: they never sound and stay out of the rates. */
export function tabOf(alarm: Pick<Alarm, "state" | "class">): Tab | null {
  if (alarm.state === "NORMAL") return null;
  if (alarm.state === "SHELVED") return "shelved";
  if (alarm.state === "SUPPRESSED") return "suppressed";
  if (alarm.state === "OUT_OF_SERVICE") return "outOfService";
  if (alarm.class === "PREDICTIVE") return "predicted";
  return alarm.class === "INSTRUMENT" ? "faults" : "active";
}

export interface Tally {
  priorities: Record<Priority, { active: number; unacknowledged: number }>;
  tabs: Record<Tab, number>;
  unacknowledged: number;
}

export function tally(alarms: Iterable<Alarm>): Tally {
  const empty = () => ({ active: 0, unacknowledged: 0 });
  const result: Tally = {
    priorities: { P1: empty(), P2: empty(), P3: empty(), P4: empty() },
    tabs: { active: 0, predicted: 0, faults: 0, shelved: 0, suppressed: 0, outOfService: 0 },
    unacknowledged: 0,
  };
  for (const alarm of alarms) {
    const tab = tabOf(alarm);
    if (!tab) continue;
    result.tabs[tab] += 1;
    if (tab !== "active") continue;
    const count = result.priorities[alarm.priority];
    count.active += 1;
    if (!isUnacknowledged(alarm)) continue;
    count.unacknowledged += 1;
    result.unacknowledged += 1;
  }
  return result;
}

const tallies = new WeakMap<ReadonlyMap<string, Alarm>, Tally>();

/** The tally of one state of the book, counted once for all parts of the page that show it. */
export function tallyOf(alarms: ReadonlyMap<string, Alarm>): Tally {
  let known = tallies.get(alarms);
  if (!known) {
    known = tally(alarms.values());
    tallies.set(alarms, known);
  }
  return known;
}

/** Counts that the server gave, for a state of the book that holds the first alarms only. */
export function knowTally(alarms: ReadonlyMap<string, Alarm>, counts: Tally): void {
  tallies.set(alarms, counts);
}

/** What the server counted, as a tally. Faults of instruments stand among the priorities there. */
export function tallyFrom(counts: AlarmCounts): Tally {
  const result = tally([]);
  for (const { priority, active, unacknowledged } of counts.priorities) {
    result.priorities[priority] = { active: Math.max(Number(active), Number(unacknowledged)), unacknowledged: Number(unacknowledged) };
    result.tabs.active += result.priorities[priority].active;
    result.unacknowledged += Number(unacknowledged);
  }
  Object.assign(result.tabs, { shelved: Number(counts.shelved), suppressed: Number(counts.suppressed), outOfService: Number(counts.outOfService), predicted: Number(counts.predictive) });
  return result;
}

/** The alarm of the bar: the highest, then newest unacknowledged one; process alarms come before predicted ones. */
export function worstUnacknowledged(alarms: Iterable<Alarm>): Alarm | null {
  let worst: Alarm | null = null;
  for (const alarm of alarms) {
    if (!isUnacknowledged(alarm)) continue;
    if (!worst || compareForBar(alarm, worst) < 0) worst = alarm;
  }
  return worst;
}

function compareForBar(a: Alarm, b: Alarm): number {
  return Number(a.class !== "PROCESS") - Number(b.class !== "PROCESS") || byUrgency(a, b);
}

/** The worst active alarm of one thing, for its gutter. */
export function worstOf(alarms: Iterable<Alarm>, thing: string): Alarm | null {
  let worst: Alarm | null = null;
  for (const alarm of alarms) {
    if (alarm.thing?.id !== thing || alarm.state === "NORMAL") continue;
    if (!worst || compareForGutter(alarm, worst) < 0) worst = alarm;
  }
  return worst;
}

function compareForGutter(a: Alarm, b: Alarm): number {
  return Number(isActive(b)) - Number(isActive(a)) || byUrgency(a, b);
}
