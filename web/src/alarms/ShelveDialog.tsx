import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Alarm } from "../api/types";
import { serverNow, zone } from "../lib/clock";
import { formatClock } from "../lib/format";
import { Button } from "../parts/Button";
import { CheckField, SelectField, TextArea } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
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
        <SelectField label={t("shelve.reason")} value={reason} autoFocus onChange={(event) => setReason(event.target.value as typeof reason)}>
          {REASONS.map((id) => <option key={id} value={id}>{t(`shelve.${id}`)}</option>)}
        </SelectField>
        <TextArea label={t("shelve.text")} required={reason === "other"} value={text} onChange={(event) => setText(event.target.value)} />
        <SelectField label={t("shelve.for")} value={hours} note={t("shelve.until", { time: formatClock(until, zone, false) })} onChange={(event) => setHours(Number(event.target.value))}>
          {HOURS.map((h) => <option key={h} value={h}>{h < 1 ? t("shelve.halfHour") : t("shelve.hours", { count: h })}</option>)}
        </SelectField>
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
