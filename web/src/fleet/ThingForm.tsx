import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Channel, DeviceType, Tag, ThingRow } from "../api/types";
import { CHOICE_PAGES, usePages } from "../api/usePages";
import { useQuery } from "../api/useQuery";
import { Button } from "../parts/Button";
import { TextArea, TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { Failed } from "../parts/Panel";
import { Select, withNothing } from "../parts/Select";
import { toast } from "../parts/toasts";
import { ChannelPicker } from "./ChannelPicker";
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
  const [deviceType, setDeviceType] = useState(thing?.deviceType?.id ?? "");
  const [tags, setTags] = useState<Tag[]>(thing?.tags ?? []);
  const [channels, setChannels] = useState<string[]>([]);
  const [note, setNote] = useState("");
  const [key, setKey] = useState<{ id: string; key: string } | null>(null);
  const known = usePages<Channel>(thing ? null : documents.channels, {}, (data) => data.channels, CHOICE_PAGES);
  const types = useQuery<{ deviceTypes: { nodes: DeviceType[] } }>(documents.deviceTypes, {});
  const submit = useSubmit();
  const parsed = parseJson(metadata);
  const common = { name, ...(parsed.ok && parsed.value !== undefined ? { metadata: parsed.value } : {}), ...(deviceType ? { deviceType } : {}), tags: tags.filter((tag) => tag.series !== "") };
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
      const answer = await mutate<{ createThing: { thing: { id: string }; key: string | null } }>(documents.createThing, { ...common, channels });
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
        {types.error && <Failed what={t("fleet.deviceType")} error={types.error} retry={types.reload} />}
        {known.error && <Failed what={t("fleet.channels")} error={known.error} retry={known.reload} />}
        <Select label={t("fleet.deviceType")} value={deviceType} onChange={setDeviceType} options={withNothing(types.data?.deviceTypes.nodes)} />
        <TextArea label={t("form.metadata")} className="mono" rows={4} value={metadata} onChange={(event) => setMetadata(event.target.value)} note={t("form.metadataNote")} error={parsed.ok ? null : parsed.reason} />
        <TagEditor tags={tags} onChange={setTags} />
        {thing ? <TextField label={t("form.note")} value={note} onChange={(event) => setNote(event.target.value)} /> : <ChannelPicker label={t("fleet.channels")} channels={known.data?.nodes ?? []} value={channels} onChange={setChannels} />}
        {submit.conflict && thing ? <Conflict entity="THING" id={thing.id} since={thing.revision} mine={JSON.parse(JSON.stringify(common))} /> : submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={submit.busy ? t("form.busy") : submit.conflict ? t("conflict.title") : parsed.ok ? null : parsed.reason}>{thing ? t("form.saveAs", { next: String(BigInt(thing.revision) + 1n) }) : t("form.create")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}
