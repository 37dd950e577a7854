import type { AlarmClass, AlarmRule, LimitKind, Priority } from "../api/types";

export const LEVELS: LimitKind[] = ["HI_HI", "HI", "LO", "LO_LO"];

/** A rule as the form holds it: texts, so that a half-typed number is not an error yet. */
export interface Draft {
  name: string; enabled: boolean; thing: string; deviceType: string; channel: string; subtopic: string; seriesName: string;
  levels: Record<LimitKind, { on: boolean; limit: string; priority: Priority }>;
  deadmanSeconds: string; deadmanPriority: Priority; deadband: string; onDelaySeconds: string; offDelaySeconds: string;
  alarmClass: AlarmClass; latching: boolean; acknowledgeRequired: boolean; message: string; consequence: string; action: string; respondMinutes: string;
}

const level = (priority: Priority) => ({ on: false, limit: "", priority });

export function emptyDraft(thing: string): Draft {
  return {
    name: "", enabled: true, thing, deviceType: "", channel: "", subtopic: "", seriesName: "",
    levels: { HI_HI: level("P1"), HI: level("P2"), LO: level("P2"), LO_LO: level("P1") },
    deadmanSeconds: "", deadmanPriority: "P3", deadband: "0", onDelaySeconds: "0", offDelaySeconds: "0", alarmClass: "PROCESS", latching: false,
    acknowledgeRequired: true, message: "", consequence: "", action: "", respondMinutes: "",
  };
}

export function draftOf(rule: AlarmRule): Draft {
  const draft = emptyDraft(rule.thing?.id ?? "");
  for (const { kind, limit, priority } of rule.levels) draft.levels[kind] = { on: true, limit: String(limit), priority };
  return {
    ...draft, name: rule.name, enabled: rule.enabled, deviceType: rule.deviceType?.id ?? "", channel: rule.channel?.id ?? "", subtopic: rule.subtopic ?? "", seriesName: rule.seriesName,
    deadmanSeconds: rule.deadman ? String(Number(rule.deadman.periodMs) / 1000) : "", deadmanPriority: rule.deadman?.priority ?? "P3", deadband: String(rule.deadband),
    onDelaySeconds: String(Number(rule.onDelayMs) / 1000), offDelaySeconds: String(Number(rule.offDelayMs) / 1000), alarmClass: rule.class, latching: rule.latching,
    acknowledgeRequired: rule.acknowledgeRequired, message: rule.message, consequence: rule.consequence, action: rule.action,
    respondMinutes: rule.timeToRespondMs === null ? "" : String(Number(rule.timeToRespondMs) / 60_000),
  };
}

export type Problem = "noLevel" | "badLimit" | "order" | "badNumber" | "noAction" | "noTarget" | "noSeries" | "noMessage";

/** What keeps the draft from being published, first thing first; null where nothing does. */
export function problemOf(draft: Draft): Problem | null {
  if (draft.seriesName.trim() === "") return "noSeries";
  if (draft.thing === "" && draft.deviceType === "") return "noTarget";
  const on = LEVELS.filter((kind) => draft.levels[kind].on);
  if (on.length === 0 && draft.deadmanSeconds === "") return "noLevel";
  if (on.some((kind) => !isNumber(draft.levels[kind].limit))) return "badLimit";
  // From high to low, each limit must lie below the one before.
  const limits = on.map((kind) => Number(draft.levels[kind].limit));
  if (limits.some((limit, index) => index > 0 && limit >= (limits[index - 1] ?? Infinity))) return "order";
  for (const text of [draft.deadband, draft.onDelaySeconds, draft.offDelaySeconds]) if (!isNumber(text) || Number(text) < 0) return "badNumber";
  for (const text of [draft.deadmanSeconds, draft.respondMinutes]) if (text !== "" && (!isNumber(text) || Number(text) <= 0)) return "badNumber";
  if (draft.message.trim() === "") return "noMessage";
  if (draft.action.trim() === "") return "noAction";
  return null;
}

const isNumber = (text: string) => text.trim() !== "" && Number.isFinite(Number(text));
const ms = (text: string, unit: number) => Math.round(Number(text) * unit);

/** `AlarmRuleDefinitionInput` of a draft without a problem. */
export function definitionOf(draft: Draft): Record<string, unknown> {
  return {
    name: draft.name.trim() || draft.message.trim(), enabled: draft.enabled, thing: draft.thing || null, deviceType: draft.thing ? null : draft.deviceType || null,
    channel: draft.channel || null, subtopic: draft.subtopic || null, seriesName: draft.seriesName.trim(),
    levels: LEVELS.filter((kind) => draft.levels[kind].on).map((kind) => ({ kind, limit: Number(draft.levels[kind].limit), priority: draft.levels[kind].priority })),
    deadman: draft.deadmanSeconds === "" ? null : { periodMs: ms(draft.deadmanSeconds, 1000), priority: draft.deadmanPriority },
    deadband: Number(draft.deadband), onDelayMs: ms(draft.onDelaySeconds, 1000), offDelayMs: ms(draft.offDelaySeconds, 1000), class: draft.alarmClass,
    latching: draft.latching, acknowledgeRequired: draft.acknowledgeRequired, message: draft.message.trim(), consequence: draft.consequence.trim(), action: draft.action.trim(),
    timeToRespondMs: draft.respondMinutes === "" ? null : ms(draft.respondMinutes, 60_000),
  };
}

/** What `mine` changed against `before`, on top of `theirs`: a field that was not touched takes what the others wrote. */
export function rebase(before: Draft, mine: Draft, theirs: Draft): Draft {
  const levels = { ...theirs.levels };
  for (const kind of LEVELS) if (!same(mine.levels[kind], before.levels[kind])) levels[kind] = mine.levels[kind];
  const touched = Object.entries(mine).filter(([key, value]) => key !== "levels" && !same(value, before[key as keyof Draft]));
  return { ...theirs, ...Object.fromEntries(touched), levels };
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
