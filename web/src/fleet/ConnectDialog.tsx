import { useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Named } from "../api/types";
import { Button } from "../parts/Button";
import { EntitySetPicker } from "../parts/EntitySetPicker";
import { ModalDialog } from "../parts/ModalDialog";
import { toast } from "../parts/toasts";
import { useSubmit } from "./submit";

interface Props {
  /** Of the one whose connections are changed. */
  name: string;
  /** What it is connected to. */
  of: "things" | "channels";
  before: readonly Named[];
  /** The input of `connect` and `disconnect` for some of the others. */
  write: (ids: string[]) => Record<string, unknown>;
  onClose: () => void;
  onSaved: () => void;
}

/** Connects and disconnects what differs, and leaves alone what is not shown; both are events of the channels. */
export function ConnectDialog({ name, of, before, write, onClose, onSaved }: Props) {
  const { t } = useTranslation();
  const [value, setValue] = useState<readonly Named[]>(before);
  const submit = useSubmit();
  const held = new Set(before.map((one) => one.id));
  const wanted = new Set(value.map((one) => one.id));
  const add = [...wanted].filter((id) => !held.has(id));
  const drop = [...held].filter((id) => !wanted.has(id));
  const save = () => void submit.run(async () => {
    if (add.length > 0) await mutate(documents.connect, write(add));
    if (drop.length > 0) await mutate(documents.disconnect, write(drop));
    toast(t("fleet.saved", { name }));
    onSaved();
    onClose();
  });
  return (
    <ModalDialog title={t(`fleet.connect.${of}`, { name })} onClose={onClose}>
      <EntitySetPicker label={t(`fleet.tab.${of}`)} of={of} add={t(`picker.add.${of}`)} none={t(`picker.none.${of}`)} value={value} onChange={setValue} />
      {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
      <div className="dialog-actions">
        <Button onClick={onClose}>{t("dialog.cancel")}</Button>
        <Button kind="primary" unavailable={submit.busy ? t("form.busy") : add.length + drop.length === 0 ? t("form.nothing") : null} onClick={save}>{t("fleet.connectSave", { add: add.length, drop: drop.length })}</Button>
      </div>
    </ModalDialog>
  );
}
