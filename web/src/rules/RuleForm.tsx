import { type FormEvent, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import { type AlarmRule, type Json, type Long, type Named, PRIORITIES, type Priority, type Series } from "../api/types";
import { useQuery } from "../api/useQuery";
import { Conflict } from "../fleet/Conflict";
import { useSubmit } from "../fleet/submit";
import { writeUnit } from "../lib/format";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { ComboField } from "../parts/ComboField";
import { EntityPicker } from "../parts/EntityPicker";
import { CheckField, TextArea, TextField } from "../parts/Field";
import { NumberField } from "../parts/NumberField";
import { Failed, Section } from "../parts/Panel";
import { Select } from "../parts/Select";
import { toast } from "../parts/toasts";
import { type Draft, definitionOf, draftOf, emptyDraft, LEVELS, problemOf, rebase } from "./draft";
import { RuleTrend } from "./RuleTrend";

interface RulePayload { alarmRule: { id: string }; revision: Long }
interface Props {
  rule: AlarmRule | null;
  thing: string;
  onSaved: (id: string) => void;
  onDiscard: () => void;
  /** Somebody else saved first: the rule is to be read anew. */
  onOvertaken: () => void;
}

/** A rule as sentences: when, why it is an alarm, what the operator does. */
export function RuleForm({ rule, thing, onSaved, onDiscard, onOvertaken }: Props) {
  const { t } = useTranslation();
  const who = useSignal(session);
  // What the draft was begun on: a newer revision of somebody else must meet it as a conflict, never be taken for its ground.
  const [base, setBase] = useState(rule);
  const [written, setWritten] = useState<Long | null>(null);
  const before = useMemo(() => (base ? draftOf(base) : emptyDraft(thing)), [base, thing]);
  const [draft, setDraft] = useState<Draft>(before);
  const [note, setNote] = useState("");
  const submit = useSubmit();
  const { named, learn } = useNames(rule, draft.thing);
  const series = useQuery<{ series: { nodes: Series[] } }>(draft.thing ? documents.seriesOf : null, { thing: draft.thing });
  const set = (patch: Partial<Draft>) => setDraft((now) => ({ ...now, ...patch }));
  const chosen = series.data?.series.nodes.find((one) => one.name === draft.seriesName);
  const unit = writeUnit(chosen?.tag?.unit ?? chosen?.unit ?? "");
  const problem = problemOf(draft);
  const changed = JSON.stringify(draft) !== JSON.stringify(before);
  if (rule && base && rule.revision !== base.revision && (!changed || rule.revision === written)) {
    setBase(rule);
    setDraft(draftOf(rule));
    setNote("");
  }
  // Also learnt without a try to write, when the rule is read anew: after a cut of the link, or by a roll-back beside the form.
  const newer = rule && base && rule.revision !== base.revision && changed ? rule : null;
  const overtaken = submit.conflict || newer !== null;
  const unread = submit.conflict && newer === null;
  useEffect(() => {
    if (unread) onOvertaken();
    // Once for each refusal.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [unread]);
  const putOnTop = (theirs: AlarmRule) => {
    setDraft(rebase(before, draft, draftOf(theirs)));
    setBase(theirs);
    submit.clear();
  };
  const takeTheirs = (theirs: AlarmRule) => {
    setDraft(draftOf(theirs));
    setBase(theirs);
    setNote("");
    submit.clear();
  };
  const off = !may("configure", who?.role) ? t("right.configure") : submit.busy ? t("form.busy") : overtaken ? t("conflict.title") : problem ? t(`rules.problem.${problem}`) : !changed ? t("form.nothing") : null;
  const names = [...new Map((series.data?.series.nodes ?? []).map((one) => [one.name, { id: one.name, ...(one.tag?.title ? { note: one.tag.title } : {}) }])).values()];
  const send = (event: FormEvent) => {
    event.preventDefault();
    void submit.run(async () => {
      const definition = definitionOf(draft);
      const answer = base
        ? (await mutate<{ updateAlarmRule: RulePayload }>(documents.updateRule, { id: base.id, expectedRevision: base.revision, definition, ...(note ? { note } : {}) })).updateAlarmRule
        : (await mutate<{ createAlarmRule: RulePayload }>(documents.createRule, { definition })).createAlarmRule;
      setWritten(answer.revision);
      toast(t("rules.published", { name: draft.name || draft.message }));
      onSaved(answer.alarmRule.id);
    });
  };
  return (
    <form className="rule-form" onSubmit={send}>
      <Section title={t("rules.when")}>
        {series.error && <Failed what={t("rules.series")} error={series.error} retry={series.reload} />}
        <div className="form-pair form-pair-wide">
          <EntityPicker label={t("rules.thing")} of="things" value={named(draft.thing)} onChange={(next) => { learn(next); set({ thing: next?.id ?? "", ...(next ? { deviceType: "" } : {}) }); }} />
          {draft.thing === "" && <EntityPicker label={t("rules.orType")} of="deviceTypes" value={named(draft.deviceType)} onChange={(next) => { learn(next); set({ deviceType: next?.id ?? "" }); }} />}
          <EntityPicker label={t("rules.channel")} of="channels" value={named(draft.channel)} placeholder={t("picker.anyChannel")} onChange={(next) => { learn(next); set({ channel: next?.id ?? "" }); }} />
          <ComboField label={t("rules.series")} required open={t("rules.showSeries")} value={draft.seriesName} onChange={(seriesName) => set({ seriesName })} options={names} />
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
                  <td className="number"><NumberField label={t("rules.limitOf", { name })} labelHidden disabled={!one.on} value={one.limit} onChange={(limit) => change({ limit })} /></td>
                  <td>{one.on && <PrioritySelect label={t("rules.priorityOf", { name })} value={one.priority} onChange={(priority) => change({ priority })} />}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
        <div className="form-pair">
          <NumberField label={t("rules.deadband")} unit={unit} min={0} value={draft.deadband} onChange={(deadband) => set({ deadband })} />
          <NumberField label={t("rules.onDelay")} unit={t("unit.seconds")} min={0} value={draft.onDelaySeconds} onChange={(onDelaySeconds) => set({ onDelaySeconds })} />
          <NumberField label={t("rules.offDelay")} unit={t("unit.seconds")} min={0} value={draft.offDelaySeconds} onChange={(offDelaySeconds) => set({ offDelaySeconds })} />
          <NumberField label={t("rules.deadman")} unit={t("unit.seconds")} min={0} value={draft.deadmanSeconds} note={t("rules.deadmanNote")} onChange={(deadmanSeconds) => set({ deadmanSeconds })} />
          {draft.deadmanSeconds !== "" && <PrioritySelect label={t("rules.deadmanPriority")} labelled value={draft.deadmanPriority} onChange={(deadmanPriority) => set({ deadmanPriority })} />}
        </div>
        {chosen && <RuleTrend series={chosen} draft={draft} />}
      </Section>
      <Section title={t("rules.why")} note={t("rules.needed")}>
        <TextField label={t("rules.message")} required value={draft.message} onChange={(event) => set({ message: event.target.value })} />
        <TextField label={t("alarm.consequence")} value={draft.consequence} onChange={(event) => set({ consequence: event.target.value })} />
        <TextArea label={t("rules.operatorDoes")} required value={draft.action} onChange={(event) => set({ action: event.target.value })} note={t("rules.actionNote")} />
        <div className="form-pair">
          <NumberField label={t("alarm.timeToRespond")} unit={t("unit.minutes")} min={0} value={draft.respondMinutes} onChange={(respondMinutes) => set({ respondMinutes })} />
          <Select label={t("rules.class")} value={draft.alarmClass} onChange={(alarmClass) => set({ alarmClass })} options={(["PROCESS", "INSTRUMENT", "PREDICTIVE"] as const).map((id) => ({ id, label: t(`class.${id}`) }))} />
        </div>
        <CheckField label={t("rules.latching")} checked={draft.latching} onChange={(event) => set({ latching: event.target.checked })} />
        <CheckField label={t("rules.acknowledgeRequired")} checked={draft.acknowledgeRequired} onChange={(event) => set({ acknowledgeRequired: event.target.checked })} />
        <CheckField label={t("rules.enabled")} checked={draft.enabled} onChange={(event) => set({ enabled: event.target.checked })} />
        <TextField label={t("rules.name")} value={draft.name} onChange={(event) => set({ name: event.target.value })} />
        {rule && <TextField label={t("form.note")} value={note} onChange={(event) => setNote(event.target.value)} />}
      </Section>
      {overtaken && base ? (
        <Conflict entity="ALARM_RULE" id={base.id} since={base.revision} mine={definitionOf(draft) as Record<string, Json>} onTop={newer ? () => putOnTop(newer) : null} onTheirs={newer ? () => takeTheirs(newer) : null} />
      ) : submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
      <div className="form-actions">
        <Button kind="primary" type="submit" unavailable={off}>{base ? t("rules.publishAs", { next: String(BigInt(base.revision) + 1n) }) : t("rules.publish")}</Button>
        <Button onClick={() => { if (newer) takeTheirs(newer); else setDraft(before); onDiscard(); }}>{t("rules.discard")}</Button>
        {off && changed && <span className="quiet">{off}</span>}
      </div>
    </form>
  );
}

/** The draft holds ids; their names come with the rule, with each choice, or, for the thing of the address, from the server. */
function useNames(rule: AlarmRule | null, thing: string) {
  const [learnt, setLearnt] = useState<Record<string, string>>({});
  const known = [rule?.thing, rule?.deviceType, rule?.channel].reduce((names, one) => (one ? { ...names, [one.id]: one.name } : names), learnt);
  const asked = useQuery<{ thing: Named | null }>(thing !== "" && known[thing] === undefined ? documents.thingRow : null, { id: thing });
  const named = (id: string): Named | null => (id === "" ? null : { id, name: known[id] ?? (asked.data?.thing?.id === id ? asked.data.thing.name : id) });
  const learn = (one: Named | null) => { if (one) setLearnt((before) => ({ ...before, [one.id]: one.name })); };
  return { named, learn };
}

function PrioritySelect({ label, labelled = false, value, onChange }: { label: string; labelled?: boolean; value: Priority; onChange: (next: Priority) => void }) {
  return <Select label={label} labelHidden={!labelled} value={value} onChange={onChange} options={PRIORITIES.map((id) => ({ id, label: id, mark: <AlarmGlyph priority={id} state="ACKNOWLEDGED" size={20} /> }))} />;
}
