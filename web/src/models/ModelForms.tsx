import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Model, Named, Series } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useSubmit } from "../fleet/submit";
import { serverNow } from "../lib/clock";
import { Button } from "../parts/Button";
import { EntityPicker } from "../parts/EntityPicker";
import { CheckField, TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { Failed } from "../parts/Panel";
import { NumberField } from "../parts/NumberField";
import { toast } from "../parts/toasts";

const HOUR_MS = 3_600_000;

/** `datetime-local` wants local time without a zone. */
function localInput(ms: number): string {
  const shifted = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/** Trains a version on a window in which the machine was healthy. */
export function TrainForm({ model, onClose, onSaved }: { model: Model; onClose: () => void; onSaved: () => void }) {
  const { t } = useTranslation();
  const [from, setFrom] = useState(() => localInput(serverNow() - HOUR_MS));
  const [to, setTo] = useState(() => localInput(serverNow()));
  const [promote, setPromote] = useState(true);
  const [seed, setSeed] = useState("1");
  const submit = useSubmit();
  const wrong = new Date(from) >= new Date(to);
  const send = (event: FormEvent) => {
    event.preventDefault();
    void submit.run(async () => {
      await mutate(documents.trainModel, { model: model.id, from: new Date(from).toISOString(), to: new Date(to).toISOString(), seed: Number(seed), promote });
      toast(t("models.training", { name: model.name }));
      onSaved();
      onClose();
    });
  };
  return (
    <ModalDialog title={t("models.train", { name: model.name })} onClose={onClose}>
      <form onSubmit={send}>
        <p>{t("models.trainText")}</p>
        <TextField label={t("models.from")} type="datetime-local" required value={from} onChange={(event) => setFrom(event.target.value)} />
        <TextField label={t("models.to")} type="datetime-local" required value={to} onChange={(event) => setTo(event.target.value)} error={wrong ? t("models.wrongWindow") : null} />
        <NumberField label={t("models.seed")} whole required min={0} value={seed} onChange={setSeed} />
        <CheckField label={t("models.promoteAfter")} checked={promote} onChange={(event) => setPromote(event.target.checked)} />
        {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={wrong ? t("models.wrongWindow") : submit.busy ? t("form.busy") : null}>{t("models.startTraining")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}

export function ModelForm({ onClose, onSaved }: { onClose: () => void; onSaved: (id: string) => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [thing, setThing] = useState<Named | null>(null);
  const [signals, setSignals] = useState<string[]>([]);
  const [period, setPeriod] = useState("1");
  const [window, setWindow] = useState("60");
  const submit = useSubmit();
  const series = useQuery<{ series: { nodes: Series[] } }>(thing ? documents.seriesOf : null, { thing: thing?.id });
  const numeric = (series.data?.series.nodes ?? []).filter((one) => one.channel && one.latest?.number !== null && !one.name.endsWith(".score"));
  const send = (event: FormEvent) => {
    event.preventDefault();
    void submit.run(async () => {
      const chosen = numeric.filter((one) => signals.includes(one.id)).map((one) => ({ channel: one.channel?.id ?? "", subtopic: one.subtopic, series: one.name }));
      const answer = await mutate<{ createModel: { model: { id: string } } }>(documents.createModel, { name, thing: thing?.id, signals: chosen, samplePeriodMs: Math.round(Number(period) * 1000), window: Number(window) });
      onSaved(answer.createModel.model.id);
      onClose();
    });
  };
  const toggle = (id: string) => setSignals(signals.includes(id) ? signals.filter((other) => other !== id) : [...signals, id]);
  return (
    <ModalDialog title={t("models.new")} onClose={onClose}>
      <form onSubmit={send}>
        <TextField label={t("form.name")} required autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        {series.error && <Failed what={t("models.signals")} error={series.error} retry={series.reload} />}
        <EntityPicker label={t("rules.thing")} of="things" required value={thing} onChange={(next) => { setThing(next); setSignals([]); }} />
        {thing && (
          <fieldset className="picker"><legend>{t("models.signals")}</legend>
            {numeric.map((one) => <label key={one.id} className="check"><input type="checkbox" checked={signals.includes(one.id)} onChange={() => toggle(one.id)} /> {one.tag?.title ?? one.name}</label>)}
          </fieldset>
        )}
        <div className="form-pair">
          <NumberField label={t("models.period")} unit={t("unit.seconds")} required min={0.001} value={period} onChange={setPeriod} />
          <NumberField label={t("models.window")} whole required min={2} value={window} onChange={setWindow} note={t("models.windowNote")} />
        </div>
        {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={signals.length === 0 ? t("models.pickSignals") : submit.busy ? t("form.busy") : null}>{t("form.create")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}
