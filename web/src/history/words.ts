import type { TFunction } from "i18next";
import type { Change, HistoryEntry, Json } from "../api/types";

/** `AlarmRuleChanged` or `alarm_rule_changed` in words, where a language has none for it. */
export function typeWords(type: string): string {
  const words = type.replace(/[_.]/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What an entry did, short: its note, or its one small change, or its kind. */
export function historySentence(entry: HistoryEntry, t: TFunction): string {
  if (entry.note) return entry.note;
  const [only] = entry.changes;
  const name = nameOf(entry);
  const lead = name ? `${name}: ` : "";
  if (entry.changes.length === 1 && only && isSmall(only)) return `${lead}${lastPart(only.path)} ${show(only.before)} → ${show(only.after)}`;
  return `${lead}${t(`entity.${entry.entity}`)}, ${typeWords(entry.type).toLowerCase()}`;
}

function nameOf(entry: HistoryEntry): string | null {
  const change = entry.changes.find((one) => one.path === "/name");
  return typeof change?.after === "string" ? change.after : null;
}

function isSmall(change: Change): boolean {
  return change.before !== null && change.after !== null && show(change.before).length < 20 && show(change.after).length < 20;
}

const lastPart = (path: string) => path.split("/").filter(Boolean).pop() ?? path;

function show(value: Json | null): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
