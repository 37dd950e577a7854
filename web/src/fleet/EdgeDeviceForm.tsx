import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Channel, EdgeDevice } from "../api/types";
import { CHOICE_PAGES, usePages } from "../api/usePages";
import { newId } from "../lib/id";
import { Button } from "../parts/Button";
import { CheckField, TextArea, TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { Failed } from "../parts/Panel";
import { toast } from "../parts/toasts";
import { ChannelPicker } from "./ChannelPicker";
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
  const [channels, setChannels] = useState<string[]>(device?.channels.map((channel) => channel.id) ?? []);
  const [activate, setActivate] = useState(true);
  const [note, setNote] = useState("");
  const [shown, setShown] = useState(false);
  const known = usePages<Channel>(documents.channels, {}, (data) => data.channels, CHOICE_PAGES);
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
        await mutate(documents.registerEdgeDevice, { externalId, externalKey, name, content, channels, activate });
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
        {known.error && <Failed what={t("fleet.channels")} error={known.error} retry={known.reload} />}
        <ChannelPicker label={t("fleet.channels")} channels={known.data?.nodes ?? []} value={channels} onChange={setChannels} />
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
