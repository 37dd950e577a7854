import type { Alarm, AlarmState, Priority } from "../api/types";

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

const raisedTimes = new WeakMap<Alarm, number>();

/** An alarm is compared many times, and its time is read once. */
function raisedMs(alarm: Alarm): number {
  let at = raisedTimes.get(alarm);
  if (at === undefined) {
    at = Date.parse(alarm.raisedAt);
    raisedTimes.set(alarm, at);
  }
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
