import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { EdgeDevice, Named } from "../api/types";
import { newId } from "../lib/id";
import { Button } from "../parts/Button";
import { EntityPicker } from "../parts/EntityPicker";
import { EntitySetPicker } from "../parts/EntitySetPicker";
import { CheckField, TextArea, TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { toast } from "../parts/toasts";
import { Conflict } from "./Conflict";
import { SecretDialog } from "./Secret";
import { useSubmit } from "./submit";

interface Props { device?: EdgeDevice; claim?: string; onClose: () => void; onSaved: () => void }

/** A new device (or an unknown one that is claimed), or the bootstrap config of one that is known. */
export function EdgeDeviceForm({ device: given, claim, onClose, onSaved }: Props) {
  const { t } = useTranslation();
  // What the form was opened on: a newer revision behind it must be met as a conflict.
  const [device] = useState(given);
  const [name, setName] = useState(device?.name ?? "");
  const [externalId, setExternalId] = useState(device?.externalId ?? claim ?? "");
  const [externalKey, setExternalKey] = useState(() => (device ? "" : newId()));
  const [content, setContent] = useState(device?.content ?? "");
  const [chosen, setChosen] = useState<readonly Named[]>(device?.channels ?? []);
  const [thing, setThing] = useState<Named | null>(null);
  const channels = chosen.map((channel) => channel.id);
  const [activate, setActivate] = useState(true);
  const [note, setNote] = useState("");
  const [shown, setShown] = useState(false);
  const submit = useSubmit();
  const send = (event: FormEvent) => {
    event.preventDefault();
    void submit.run(async () => {
      if (device) {
        await mutate(documents.updateEdgeDevice, { id: device.id, expectedRevision: device.revision, name, content, channels, ...(note ? { note } : {}) });
        toast(t("fleet.saved", { name }));
        onSaved();
        onClose();
      } else {
        await mutate(documents.registerEdgeDevice, { externalId, externalKey, name, content, channels, activate, ...(thing ? { thing: thing.id } : {}) });
        onSaved();
        setShown(true);
      }
    });
  };
  if (shown) return <SecretDialog title={t("fleet.registered", { name })} facts={[{ label: t("fleet.externalId"), value: externalId }, { label: t("fleet.externalKey"), value: externalKey }]} onClose={onClose} />;
  return (
    <ModalDialog title={device ? t("fleet.editDevice", { name: device.name }) : claim ? t("fleet.claim", { id: claim }) : t("fleet.newDevice")} onClose={onClose} wide>
      <form onSubmit={send}>
        <TextField label={t("form.name")} required autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        {!device && <TextField label={t("fleet.externalId")} required className="mono" readOnly={claim !== undefined} value={externalId} onChange={(event) => setExternalId(event.target.value)} note={t("fleet.externalIdNote")} />}
        {!device && <TextField label={t("fleet.externalKey")} required className="mono" minLength={8} value={externalKey} onChange={(event) => setExternalKey(event.target.value)} note={claim ? t("fleet.claimKeyNote") : t("fleet.externalKeyNote")} />}
        {!device && <EntityPicker label={t("fleet.asThing")} of="things" value={thing} onChange={setThing} placeholder={t("picker.newThing")} note={t("fleet.asThingNote")} />}
        <EntitySetPicker label={t("fleet.channels")} of="channels" add={t("picker.add.channels")} none={t("picker.none.channels")} value={chosen} onChange={setChosen} />
        <TextArea label={t("fleet.content")} className="mono" rows={10} value={content} onChange={(event) => setContent(event.target.value)} note={t("fleet.contentNote")} />
        {device ? <TextField label={t("form.note")} value={note} onChange={(event) => setNote(event.target.value)} /> : <CheckField label={t("fleet.activate")} checked={activate} onChange={(event) => setActivate(event.target.checked)} />}
        {submit.conflict && device ? <Conflict entity="EDGE_DEVICE" id={device.id} since={device.revision} mine={{ name, content, channels }} /> : submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={submit.busy ? t("form.busy") : submit.conflict ? t("conflict.title") : null}>{device ? t("form.saveAs", { next: String(BigInt(device.revision) + 1n) }) : t("fleet.register")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}
