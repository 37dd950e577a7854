import type { Alarm, JournalEntry, Priority } from "../api/types";

/** One active time of an alarm, for the alarm lane: lead time is then visible as a length. */
export interface Span { alarm: string; occurrence: string; from: number; to: number; priority: Priority; predicted: boolean; message: string }

/** Pairs the journal's activations with their returns; an occurrence that still stands ends now. */
export function spansOf(journal: readonly JournalEntry[], alarms: ReadonlyMap<string, Alarm>, predictive: ReadonlySet<string>, from: number, now: number): Span[] {
  const open = new Map<string, Span>();
  const spans: Span[] = [];
  const ordered = [...journal].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  for (const entry of ordered) {
    const key = `${entry.alarm}/${entry.occurrence}`;
    const at = Date.parse(entry.at);
    if (entry.kind === "activated" || (entry.kind === "returned" && !open.has(key))) {
      const span: Span = { alarm: entry.alarm, occurrence: String(entry.occurrence), from: entry.kind === "activated" ? at : from, to: now, priority: entry.priority, predicted: predictive.has(entry.alarm), message: entry.message };
      open.set(key, span);
      spans.push(span);
    }
    const span = open.get(key);
    if (span && entry.kind === "returned") span.to = at;
    if (span && entry.kind === "escalated" && entry.priority < span.priority) span.priority = entry.priority;
  }
  for (const alarm of alarms.values()) {
    if (alarm.returnedAt !== null || alarm.state === "NORMAL" || open.has(`${alarm.id}/${alarm.occurrence}`)) continue;
    spans.push({ alarm: alarm.id, occurrence: String(alarm.occurrence), from: Math.max(from, Date.parse(alarm.raisedAt)), to: now, priority: alarm.priority, predicted: alarm.class === "PREDICTIVE", message: alarm.message });
  }
  return spans.filter((span) => span.to > from);
}
