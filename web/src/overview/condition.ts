import type { TFunction } from "i18next";
import type { Alarm } from "../api/types";
import { isActive, rank } from "../alarms/order";
import type { Condition, ConditionPart } from "../parts/ConditionStrip";
import type { Shown } from "../parts/quality";

/** Acquisition, state detection and prognosis: the steps of ISO 13374 that something stands behind. */
export function conditionOf(alarms: readonly Alarm[], shown: Shown, hasModel: boolean, t: TFunction): ConditionPart[] {
  const active = alarms.filter(isActive);
  const fault = active.some((alarm) => alarm.class === "INSTRUMENT");
  const acquisition: Condition = fault ? { kind: "fault" } : shown === "good" ? { kind: "normal" } : { kind: "untrusted" };
  const detection = worst(active.filter((alarm) => alarm.class === "PROCESS"));
  const prognosis = worst(active.filter((alarm) => alarm.class === "PREDICTIVE"));
  return [
    { name: "DA", condition: acquisition, label: `DA ${t(`condition.${acquisition.kind}`)}` },
    { name: "SD", condition: detection, label: `SD ${t(`condition.${detection.kind}`)}` },
    part("PA", hasModel || prognosis.kind === "abnormal" ? prognosis : { kind: "none" }, t),
  ];
}

function part(name: string, condition: Condition, t: TFunction): ConditionPart {
  return { name, condition, label: `${name} ${t(`condition.${condition.kind}`)}` };
}

function worst(alarms: readonly Alarm[]): Condition {
  const [first] = [...alarms].sort((a, b) => rank(a.priority) - rank(b.priority));
  return first ? { kind: "abnormal", priority: first.priority } : { kind: "normal" };
}
