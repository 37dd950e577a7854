import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Alarm } from "../api/types";
import { Button } from "../parts/Button";
import { TextArea, TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { takeOutOfService } from "./actions";

export function OutOfServiceDialog({ alarm, onClose }: { alarm: Alarm; onClose: () => void }) {
  const { t } = useTranslation();
  const [workOrder, setWorkOrder] = useState("");
  const [reason, setReason] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await takeOutOfService(alarm, workOrder.trim(), reason.trim())) onClose();
  };
  return (
    <ModalDialog title={t("outOfService.title", { name: alarm.message })} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <TextField label={t("outOfService.workOrder")} required autoFocus value={workOrder} onChange={(event) => setWorkOrder(event.target.value)} />
        <TextArea label={t("outOfService.reason")} required value={reason} onChange={(event) => setReason(event.target.value)} />
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit">{t("alarm.takeOutOfService")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}
