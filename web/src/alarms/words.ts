import type { TFunction } from "i18next";
import type { Alarm } from "../api/types";
import type { Language } from "../lib/format";
import { formatNumber, naturalDecimals, writeUnit } from "../lib/format";

export function alarmDecimals(alarm: Alarm): number {
  return alarm.series?.tag?.decimals ?? naturalDecimals(alarm.limit ?? alarm.value ?? 0);
}

/** “Priority 2, unacknowledged, P-101, drive-end vibration high”. */
export function alarmName(alarm: Alarm, t: TFunction): string {
  return [t("alarm.priority", { digit: alarm.priority.slice(1) }), stateWords(alarm, t).toLowerCase(), alarm.thing?.name ?? "", alarm.message].filter(Boolean).join(", ");
}

export function stateWords(alarm: Pick<Alarm, "state" | "class" | "quality">, t: TFunction): string {
  const words = t(`state.${alarm.state}`);
  return alarm.quality === "BAD" ? `${words}, ${t("quality.inputBad")}` : words;
}

/** `5.24 mm/s > 4.50`; a deadman or a switch has no number and gives an empty text. */
export function valueAgainstLimit(alarm: Alarm, language: Language): string {
  if (alarm.value === null) return "";
  const decimals = alarmDecimals(alarm);
  const value = `${formatNumber(alarm.value, decimals, language)} ${writeUnit(alarm.unit)}`.trim();
  if (alarm.limit === null) return value;
  const sign = alarm.cause === "LO" || alarm.cause === "LO_LO" ? "<" : ">";
  return `${value} ${sign} ${formatNumber(alarm.limit, decimals, language)}`;
}
