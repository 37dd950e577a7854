import { ApiError, documents, mutate } from "../api/request";
import { link } from "../api/socket";
import type { Alarm } from "../api/types";
import i18n from "../i18n/i18n";
import { toast } from "../parts/toasts";
import { isUnacknowledged } from "./order";
import { keep } from "./store";

/** Runs an action and says what came of it. While the link is lost nothing is sent and nothing is queued. */
async function act(run: () => Promise<string>): Promise<boolean> {
  if (link.get().state !== "live") {
    toast(i18n.t("toast.linkLost"));
    return false;
  }
  try {
    toast(await run());
    return true;
  } catch (cause) {
    const error = cause instanceof ApiError ? cause : new ApiError("internal", String(cause), false);
    toast(i18n.t("toast.refused", { message: error.message, code: error.code }));
    return false;
  }
}

/** Acknowledges the occurrences that were drawn; newer ones stay and are shown again. */
export function acknowledge(alarms: readonly Alarm[]): Promise<boolean> {
  const drawn = alarms.filter(isUnacknowledged);
  if (drawn.length === 0) return Promise.resolve(false);
  return act(async () => {
    const answer = await mutate<{ acknowledgeAlarms: { alarms: Alarm[]; refused: { id: string; code: string; message: string }[] } }>(documents.acknowledge, {
      alarms: drawn.map(({ id, occurrence }) => ({ id, occurrence })),
    });
    const { alarms: done, refused } = answer.acknowledgeAlarms;
    done.forEach(keep);
    const first = refused[0];
    if (first) return i18n.t("toast.acknowledgedSome", { count: done.length, refused: refused.length, message: first.message });
    return i18n.t("toast.acknowledged", { count: done.length });
  });
}

type OneAlarm = Record<string, { alarm: Alarm }>;

async function one(document: string, input: Record<string, unknown>): Promise<void> {
  const answer = await mutate<OneAlarm>(document, input);
  for (const payload of Object.values(answer)) keep(payload.alarm);
}

export function shelve(alarm: Alarm, reason: string, until: string, oneShot: boolean): Promise<boolean> {
  return act(async () => {
    await one(documents.shelve, { id: alarm.id, reason, until, oneShot });
    return i18n.t("toast.shelved", { name: alarm.message });
  });
}

export function unshelve(alarm: Alarm): Promise<boolean> {
  return act(async () => {
    await one(documents.unshelve, { id: alarm.id });
    return i18n.t("toast.unshelved", { name: alarm.message });
  });
}

export function comment(alarm: Alarm, text: string): Promise<boolean> {
  return act(async () => {
    await one(documents.comment, { id: alarm.id, text });
    return i18n.t("toast.commented");
  });
}

export function reset(alarm: Alarm): Promise<boolean> {
  return act(async () => {
    await one(documents.reset, { id: alarm.id });
    return i18n.t("toast.reset", { name: alarm.message });
  });
}

export function takeOutOfService(alarm: Alarm, workOrder: string, reason: string): Promise<boolean> {
  return act(async () => {
    await one(documents.takeOutOfService, { id: alarm.id, workOrder, reason });
    return i18n.t("toast.outOfService", { name: alarm.message });
  });
}

export function returnToService(alarm: Alarm): Promise<boolean> {
  return act(async () => {
    await one(documents.returnToService, { id: alarm.id });
    return i18n.t("toast.inService", { name: alarm.message });
  });
}
