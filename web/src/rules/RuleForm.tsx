import { type FormEvent, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import { type AlarmRule, type DeviceType, type Json, PRIORITIES, type Priority, type Series, type ThingRow } from "../api/types";
import { useQuery } from "../api/useQuery";
import { Conflict } from "../fleet/Conflict";
import { useSubmit } from "../fleet/submit";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { CheckField, SelectField, TextArea, TextField } from "../parts/Field";
import { Section } from "../parts/Panel";
import { toast } from "../parts/toasts";
import { type Draft, definitionOf, draftOf, emptyDraft, LEVELS, problemOf } from "./draft";
import { RuleTrend } from "./RuleTrend";

interface Props { rule: AlarmRule | null; thing: string; onSaved: (id: string) => void; onDiscard: () => void }

/** A rule as sentences: when, why it is an alarm, what the operator does. */
export function RuleForm({ rule, thing, onSaved, onDiscard }: Props) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const before = useMemo(() => (rule ? draftOf(rule) : emptyDraft(thing)), [rule, thing]);
  const [draft, setDraft] = useState<Draft>(before);
  const [note, setNote] = useState("");
  const submit = useSubmit();
  const things = useQuery<{ things: { nodes: ThingRow[] } }>(documents.things, {});
  const types = useQuery<{ deviceTypes: { nodes: DeviceType[] } }>(documents.deviceTypes, {});
  const series = useQuery<{ series: { nodes: Series[] } }>(draft.thing ? documents.seriesOf : null, { thing: draft.thing });
  const set = (patch: Partial<Draft>) => setDraft((now) => ({ ...now, ...patch }));
  const chosen = series.data?.series.nodes.find((one) => one.name === draft.seriesName);
  const unit = chosen?.tag?.unit ?? chosen?.unit ?? "";
  const problem = problemOf(draft);
  const changed = JSON.stringify(draft) !== JSON.stringify(before);
  const off = !may("configure", who?.role) ? t("right.configure") : submit.busy ? t("form.busy") : submit.conflict ? t("conflict.title") : problem ? t(`rules.problem.${problem}`) : !changed ? t("form.nothing") : null;
  const names = [...new Set((series.data?.series.nodes ?? []).map((one) => one.name))];
  const send = (event: FormEvent) => {
    event.preventDefault();
    void submit.run(async () => {
      const definition = definitionOf(draft);
      const answer = rule
        ? (await mutate<{ updateAlarmRule: { alarmRule: { id: string } } }>(documents.updateRule, { id: rule.id, expectedRevision: rule.revision, definition, ...(note ? { note } : {}) })).updateAlarmRule
        : (await mutate<{ createAlarmRule: { alarmRule: { id: string } } }>(documents.createRule, { definition })).createAlarmRule;
      toast(t("rules.published", { name: draft.name || draft.message }));
      onSaved(answer.alarmRule.id);
    });
  };
  return (
    <form className="rule-form" onSubmit={send}>
      <Section title={t("rules.when")}>
        <div className="form-pair">
          <SelectField label={t("rules.thing")} value={draft.thing} onChange={(event) => set({ thing: event.target.value, ...(event.target.value ? { deviceType: "" } : {}) })}>
            <option value="">–</option>
            {(things.data?.things.nodes ?? []).map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
          </SelectField>
          {draft.thing === "" && (
            <SelectField label={t("rules.orType")} value={draft.deviceType} onChange={(event) => set({ deviceType: event.target.value })}>
              <option value="">–</option>
              {(types.data?.deviceTypes.nodes ?? []).map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
            </SelectField>
          )}
          <TextField label={t("rules.series")} required className="mono" list="rule-series" value={draft.seriesName} onChange={(event) => set({ seriesName: event.target.value })} />
          <datalist id="rule-series">{names.map((name) => <option key={name} value={name} />)}</datalist>
        </div>
        <table className="table form-table">
          <caption className="hidden-text">{t("rules.levels")}</caption>
          <thead><tr><th scope="col">{t("rules.level")}</th><th scope="col" className="number">{t("rules.limit")}{unit && `, ${unit}`}</th><th scope="col">{t("alarms.priority")}</th></tr></thead>
          <tbody>
            {LEVELS.map((kind) => {
              const one = draft.levels[kind];
              const change = (patch: Partial<typeof one>) => set({ levels: { ...draft.levels, [kind]: { ...one, ...patch } } });
              const name = kind.replace("_", "");
              return (
                <tr key={kind} className={one.on ? "" : "row-off"}>
                  <th scope="row"><label className="check"><input type="checkbox" checked={one.on} onChange={(event) => change({ on: event.target.checked })} /> {name}</label></th>
                  <td className="number"><input aria-label={t("rules.limitOf", { name })} inputMode="decimal" className="number-input" disabled={!one.on} value={one.limit} onChange={(event) => change({ limit: event.target.value })} /></td>
                  <td>{one.on && <PrioritySelect label={t("rules.priorityOf", { name })} value={one.priority} onChange={(priority) => change({ priority })} />}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
        <div className="form-pair">
          <TextField label={t("rules.deadband")} unit={unit} inputMode="decimal" value={draft.deadband} onChange={(event) => set({ deadband: event.target.value })} />
          <TextField label={t("rules.onDelay")} unit="s" inputMode="decimal" value={draft.onDelaySeconds} onChange={(event) => set({ onDelaySeconds: event.target.value })} />
          <TextField label={t("rules.offDelay")} unit="s" inputMode="decimal" value={draft.offDelaySeconds} onChange={(event) => set({ offDelaySeconds: event.target.value })} />
          <TextField label={t("rules.deadman")} unit="s" inputMode="decimal" value={draft.deadmanSeconds} note={t("rules.deadmanNote")} onChange={(event) => set({ deadmanSeconds: event.target.value })} />
        </div>
        {draft.deadmanSeconds !== "" && <PrioritySelect label={t("rules.deadmanPriority")} value={draft.deadmanPriority} onChange={(deadmanPriority) => set({ deadmanPriority })} />}
        {chosen && <RuleTrend series={chosen} draft={draft} />}
      </Section>
      <Section title={t("rules.why")} note={t("rules.needed")}>
        <TextField label={t("rules.message")} required value={draft.message} onChange={(event) => set({ message: event.target.value })} />
        <TextField label={t("alarm.consequence")} value={draft.consequence} onChange={(event) => set({ consequence: event.target.value })} />
        <TextArea label={t("rules.operatorDoes")} required value={draft.action} onChange={(event) => set({ action: event.target.value })} note={t("rules.actionNote")} />
        <div className="form-pair">
          <TextField label={t("alarm.timeToRespond")} unit="min" inputMode="decimal" value={draft.respondMinutes} onChange={(event) => set({ respondMinutes: event.target.value })} />
          <SelectField label={t("rules.class")} value={draft.alarmClass} onChange={(event) => set({ alarmClass: event.target.value as Draft["alarmClass"] })}>
            {(["PROCESS", "INSTRUMENT", "PREDICTIVE"] as const).map((one) => <option key={one} value={one}>{t(`class.${one}`)}</option>)}
          </SelectField>
        </div>
        <CheckField label={t("rules.latching")} checked={draft.latching} onChange={(event) => set({ latching: event.target.checked })} />
        <CheckField label={t("rules.acknowledgeRequired")} checked={draft.acknowledgeRequired} onChange={(event) => set({ acknowledgeRequired: event.target.checked })} />
        <CheckField label={t("rules.enabled")} checked={draft.enabled} onChange={(event) => set({ enabled: event.target.checked })} />
        <TextField label={t("rules.name")} value={draft.name} onChange={(event) => set({ name: event.target.value })} />
        {rule && <TextField label={t("form.note")} value={note} onChange={(event) => setNote(event.target.value)} />}
      </Section>
      {submit.conflict && rule ? <Conflict entity="ALARM_RULE" id={rule.id} since={rule.revision} mine={definitionOf(draft) as Record<string, Json>} /> : submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
      <div className="form-actions">
        <Button kind="primary" type="submit" unavailable={off}>{rule ? t("rules.publishAs", { next: String(BigInt(rule.revision) + 1n) }) : t("rules.publish")}</Button>
        <Button onClick={() => { setDraft(before); onDiscard(); }}>{t("rules.discard")}</Button>
        {off && changed && <span className="quiet">{off}</span>}
      </div>
    </form>
  );
}

function PrioritySelect({ label, value, onChange }: { label: string; value: Priority; onChange: (next: Priority) => void }) {
  return (
    <span className="priority-select">
      <AlarmGlyph priority={value} state="ACKNOWLEDGED" size={20} />
      <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value as Priority)}>{PRIORITIES.map((one) => <option key={one}>{one}</option>)}</select>
    </span>
  );
}
