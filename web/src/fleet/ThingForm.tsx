import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Named, Tag, ThingRow } from "../api/types";
import { Button } from "../parts/Button";
import { EntityPicker } from "../parts/EntityPicker";
import { EntitySetPicker } from "../parts/EntitySetPicker";
import { TextArea, TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { toast } from "../parts/toasts";
import { Conflict } from "./Conflict";
import { parseJson, showJson } from "./json";
import { SecretDialog } from "./Secret";
import { useSubmit } from "./submit";
import { TagEditor } from "./TagEditor";

interface Props { thing?: ThingRow; onClose: () => void; onSaved: () => void }

export function ThingForm({ thing: given, onClose, onSaved }: Props) {
  const { t } = useTranslation();
  // What the form was opened on: a newer revision behind it must be met as a conflict.
  const [thing] = useState(given);
  const [name, setName] = useState(thing?.name ?? "");
  const [metadata, setMetadata] = useState(thing ? showJson(thing.metadata) : "");
  const [deviceType, setDeviceType] = useState<Named | null>(thing?.deviceType ?? null);
  const [tags, setTags] = useState<Tag[]>(thing?.tags ?? []);
  const [channels, setChannels] = useState<readonly Named[]>([]);
  const [note, setNote] = useState("");
  const [key, setKey] = useState<{ id: string; key: string } | null>(null);
  const submit = useSubmit();
  const parsed = parseJson(metadata);
  const common = { name, ...(parsed.ok && parsed.value !== undefined ? { metadata: parsed.value } : {}), ...typeOf(thing, deviceType), tags: tags.filter((tag) => tag.series !== "") };
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!parsed.ok) return;
    void submit.run(async () => {
      if (thing) {
        await mutate(documents.updateThing, { id: thing.id, expectedRevision: thing.revision, ...common, ...(note ? { note } : {}) });
        toast(t("fleet.saved", { name }));
        onSaved();
        onClose();
        return;
      }
      const answer = await mutate<{ createThing: { thing: { id: string }; key: string | null } }>(documents.createThing, { ...common, channels: channels.map((channel) => channel.id) });
      onSaved();
      if (answer.createThing.key) setKey({ id: answer.createThing.thing.id, key: answer.createThing.key });
      else onClose();
    });
  };
  if (key) return <SecretDialog title={t("fleet.thingMade", { name })} facts={[{ label: t("fleet.thingId"), value: key.id }, { label: t("fleet.thingKey"), value: key.key }]} onClose={onClose} />;
  return (
    <ModalDialog title={thing ? t("fleet.editThing", { name: thing.name }) : t("fleet.newThing")} onClose={onClose} wide>
      <form onSubmit={send}>
        <TextField label={t("form.name")} required autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        <EntityPicker label={t("fleet.deviceType")} of="deviceTypes" value={deviceType} onChange={setDeviceType} placeholder={t("picker.noType")} />
        <TextArea label={t("form.metadata")} className="mono" rows={4} value={metadata} onChange={(event) => setMetadata(event.target.value)} note={t("form.metadataNote")} error={parsed.ok ? null : parsed.reason} />
        <TagEditor tags={tags} onChange={setTags} />
        {thing ? <TextField label={t("form.note")} value={note} onChange={(event) => setNote(event.target.value)} /> : <EntitySetPicker label={t("fleet.channels")} of="channels" add={t("picker.add.channels")} none={t("picker.none.channels")} value={channels} onChange={setChannels} />}
        {submit.conflict && thing ? <Conflict entity="THING" id={thing.id} since={thing.revision} mine={JSON.parse(JSON.stringify(common))} /> : submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={submit.busy ? t("form.busy") : submit.conflict ? t("conflict.title") : parsed.ok ? null : parsed.reason}>{thing ? t("form.saveAs", { next: String(BigInt(thing.revision) + 1n) }) : t("form.create")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}

/** Left out the type stays as it is; null takes it away. */
function typeOf(thing: ThingRow | undefined, chosen: Named | null): { deviceType?: string | null } {
  if (chosen) return { deviceType: chosen.id };
  return thing?.deviceType ? { deviceType: null } : {};
}
