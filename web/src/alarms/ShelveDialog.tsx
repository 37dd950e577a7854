import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Alarm } from "../api/types";
import { serverNow, zone } from "../lib/clock";
import { formatClock } from "../lib/format";
import { Button } from "../parts/Button";
import { CheckField, TextArea } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { Select } from "../parts/Select";
import { shelve } from "./actions";

const HOURS = [0.5, 1, 2, 4, 8];
const REASONS = ["maintenance", "nuisance", "instrument", "known", "other"] as const;

/** Reason and end are asked; an hour is proposed. */
export function ShelveDialog({ alarm, onClose }: { alarm: Alarm; onClose: () => void }) {
  const { t } = useTranslation();
  const [reason, setReason] = useState<(typeof REASONS)[number]>("maintenance");
  const [text, setText] = useState("");
  const [hours, setHours] = useState(1);
  const [oneShot, setOneShot] = useState(false);
  const until = serverNow() + hours * 3_600_000;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const full = [t(`shelve.${reason}`), text.trim()].filter(Boolean).join(": ");
    if (await shelve(alarm, full, new Date(until).toISOString(), oneShot)) onClose();
  };
  return (
    <ModalDialog title={t("shelve.title", { name: alarm.message })} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <Select label={t("shelve.reason")} value={reason} autoFocus onChange={setReason} options={REASONS.map((id) => ({ id, label: t(`shelve.${id}`) }))} />
        <TextArea label={t("shelve.text")} required={reason === "other"} value={text} onChange={(event) => setText(event.target.value)} />
        <Select label={t("shelve.for")} value={String(hours)} note={t("shelve.until", { time: formatClock(until, zone, false) })} onChange={(next) => setHours(Number(next))}
          options={HOURS.map((h) => ({ id: String(h), label: h < 1 ? t("shelve.halfHour") : t("shelve.hours", { count: h }) }))} />
        <CheckField label={t("shelve.oneShot")} checked={oneShot} onChange={(event) => setOneShot(event.target.checked)} />
        <p className="quiet">{t("shelve.note")}</p>
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit">{t("alarm.shelve")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}
