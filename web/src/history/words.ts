import type { TFunction } from "i18next";
import type { Change, HistoryEntry, Json } from "../api/types";

/** `AlarmRuleChanged` or `alarm_rule_changed` in words, where a language has none for it. */
export function typeWords(type: string): string {
  const words = type.replace(/[_.]/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What an entry did, short: the one small value it changed, or its kind with its note. */
export function historySentence(entry: HistoryEntry, t: TFunction): string {
  const [only] = entry.changes;
  if (entry.type.endsWith(".updated") && !entry.note && entry.changes.length === 1 && only && isSmall(only)) {
    return `${lastPart(only.path)} ${show(only.before)} → ${show(only.after)}`;
  }
  const words = t(`event.${entry.type}`, { defaultValue: typeWords(entry.type) });
  return entry.note ? `${words}: ${entry.note}` : words;
}

/** Who did it, short: a person by what stands before the @, a part of the server in words. */
export function whoWords(who: string, t: TFunction): string {
  const at = who.indexOf("@");
  return at > 0 ? who.slice(0, at) : t(`who.${who}`, { defaultValue: who });
}

function isSmall(change: Change): boolean {
  return change.before !== null && change.after !== null && show(change.before).length < 20 && show(change.after).length < 20;
}

const lastPart = (path: string) => (path.split("/").filter(Boolean).pop() ?? path).replace(/_/g, " ");

function show(value: Json | null): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
