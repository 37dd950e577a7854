import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Channel, Retention, RollupRetention } from "../api/types";
import { Button } from "../parts/Button";
import { TextArea, TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { Select } from "../parts/Select";
import { toast } from "../parts/toasts";
import { Conflict } from "./Conflict";
import { parseJson, showJson } from "./json";
import { useSubmit } from "./submit";

const RETENTIONS: Retention[] = ["DAYS_7", "DAYS_30", "YEAR_1", "YEARS_5", "FOREVER"];
const ROLLUP_RETENTIONS: RollupRetention[] = ["AS_CONFIGURED", "AS_SAMPLES", "DAYS_30", "YEAR_1", "YEARS_5", "FOREVER"];

export function ChannelForm({ channel: given, onClose, onSaved }: { channel?: Channel; onClose: () => void; onSaved: () => void }) {
  const { t } = useTranslation();
  // What the form was opened on: a newer revision behind it must be met as a conflict.
  const [channel] = useState(given);
  const [name, setName] = useState(channel?.name ?? "");
  const [retention, setRetention] = useState<Retention>(channel?.retention ?? "YEAR_1");
  const [rollupRetention, setRollupRetention] = useState<RollupRetention>(channel?.rollupRetention ?? "AS_CONFIGURED");
  const [metadata, setMetadata] = useState(channel ? showJson(channel.metadata) : "");
  const [note, setNote] = useState("");
  const submit = useSubmit();
  const parsed = parseJson(metadata);
  const common = { name, retention, rollupRetention, ...(parsed.ok && parsed.value !== undefined ? { metadata: parsed.value } : {}) };
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!parsed.ok) return;
    void submit.run(async () => {
      if (channel) await mutate(documents.updateChannel, { id: channel.id, expectedRevision: channel.revision, ...common, ...(note ? { note } : {}) });
      else await mutate(documents.createChannel, common);
      toast(t("fleet.saved", { name }));
      onSaved();
      onClose();
    });
  };
  return (
    <ModalDialog title={channel ? t("fleet.editChannel", { name: channel.name }) : t("fleet.newChannel")} onClose={onClose}>
      <form onSubmit={send}>
        <TextField label={t("form.name")} required autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        <Select label={t("fleet.retention")} value={retention} onChange={setRetention} options={RETENTIONS.map((id) => ({ id, label: t(`retention.${id}`) }))} />
        <Select label={t("fleet.rollupRetention")} note={t("fleet.rollupRetentionNote")} value={rollupRetention} onChange={setRollupRetention} options={ROLLUP_RETENTIONS.map((id) => ({ id, label: t(`rollupRetention.${id}`) }))} />
        <TextArea label={t("form.metadata")} className="mono" rows={4} value={metadata} onChange={(event) => setMetadata(event.target.value)} error={parsed.ok ? null : parsed.reason} />
        {channel && <TextField label={t("form.note")} value={note} onChange={(event) => setNote(event.target.value)} />}
        {submit.conflict && channel ? <Conflict entity="CHANNEL" id={channel.id} since={channel.revision} mine={JSON.parse(JSON.stringify(common))} /> : submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={submit.busy ? t("form.busy") : submit.conflict ? t("conflict.title") : parsed.ok ? null : parsed.reason}>{channel ? t("form.saveAs", { next: String(BigInt(channel.revision) + 1n) }) : t("form.create")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}
