import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, documents, mutate } from "../api/request";
import type { Change, EntityKind, HistoryEntry, Long } from "../api/types";
import { usePages } from "../api/usePages";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, zone } from "../lib/clock";
import { formatStamp } from "../lib/format";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { ChangeList } from "../parts/Diff";
import { ModalDialog } from "../parts/ModalDialog";
import { Asked, Section } from "../parts/Panel";
import { Select } from "../parts/Select";
import { toast } from "../parts/toasts";
import { historySentence, whoWords } from "./words";

interface Props { entity: EntityKind; id: string; revision: Long; onChanged: () => void }
/** Fifty revisions a page, oldest first. */
const MOST_PAGES = 40;
const CAN_ROLL_BACK: EntityKind[] = ["THING", "CHANNEL", "DEVICE_TYPE", "EDGE_DEVICE", "ALARM_RULE"];

/** Every revision of one entity: read, compared, and brought back as a new one. Nothing is erased. */
export function HistoryPanel({ entity, id, revision, onChanged }: Props) {
  const { t } = useTranslation();
  const query = usePages<HistoryEntry>(documents.history, { entity, id }, (data) => data.history, MOST_PAGES);
  const [picked, setPicked] = useState<{ from: string; to: string } | null>(null);
  const current = String(revision);
  return (
    <Asked query={query} what={t("history.title")}>
      {({ nodes }) => {
        const entries = [...nodes].sort((a, b) => Number(BigInt(b.revision) - BigInt(a.revision)));
        const revisions = entries.map((entry) => String(entry.revision));
        const to = picked?.to ?? current;
        const from = picked?.from ?? revisions[revisions.indexOf(to) + 1] ?? to;
        return (
          <div className="history">
            <div className="history-choose">
              <RevisionSelect label={t("history.from")} revisions={revisions} value={from} onChange={(next) => setPicked({ from: next, to })} />
              <span className="quiet">{t("history.to")}</span>
              <RevisionSelect label={t("history.toLabel")} revisions={revisions} value={to} onChange={(next) => setPicked({ from, to: next })} />
            </div>
            {from === to ? <p className="quiet">{t("history.first")}</p> : <RevisionDiff entity={entity} id={id} from={from} to={to} />}
            <Section title={t("history.revisions")} note={t("history.note")}>
              <Revisions entries={entries} current={current} selected={to} onPick={(next) => setPicked({ from: revisions[revisions.indexOf(next) + 1] ?? next, to: next })} />
            </Section>
            {CAN_ROLL_BACK.includes(entity) && <RollBack {...{ entity, id, current }} to={from} onDone={() => { setPicked(null); query.reload(); onChanged(); }} />}
          </div>
        );
      }}
    </Asked>
  );
}

function RevisionSelect({ label, revisions, value, onChange }: { label: string; revisions: readonly string[]; value: string; onChange: (next: string) => void }) {
  return (
    <Select label={label} labelHidden value={value} onChange={onChange} options={(revisions.includes(value) ? revisions : [value, ...revisions]).map((id) => ({ id, label: `r${id}` }))} />
  );
}

function RevisionDiff({ entity, id, from, to }: { entity: EntityKind; id: string; from: string; to: string }) {
  const { t } = useTranslation();
  const query = useQuery<{ diff: Change[] }>(documents.diff, { entity, id, from: Number(from), to: Number(to) });
  return <Asked query={query} what={t("diff.label")}>{({ diff }) => <ChangeList changes={diff} />}</Asked>;
}

function Revisions({ entries, current, selected, onPick }: { entries: readonly HistoryEntry[]; current: string; selected: string; onPick: (revision: string) => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <ul className="revision-list">
      {entries.map((entry) => {
        const revision = String(entry.revision);
        return (
          <li key={revision}>
            <button type="button" className="revision" aria-current={revision === selected || undefined} onClick={() => onPick(revision)}>
              <b>r{revision}</b>
              <span className="quiet">{formatStamp(Date.parse(entry.at), serverNow(), zone, language)}</span>
              <span className="fit" title={historySentence(entry, t)}>{historySentence(entry, t)}</span>
              <span className="quiet fit">{revision === current ? <b>{t("history.inForce")}</b> : whoWords(entry.who, t)}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** Says what it will write before it writes. */
function RollBack({ entity, id, current, to, onDone }: { entity: EntityKind; id: string; current: string; to: string; onDone: () => void }) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const next = String(BigInt(current) + 1n);
  const refused = !may("configure", who?.role) ? t("right.configure") : to === current ? t("history.alreadyInForce") : null;
  const write = async () => {
    setError(null);
    try {
      const answer = await mutate<{ rollBack: { revision: Long } }>(documents.rollBack, { entity, id, expectedRevision: Number(current), to: Number(to), note: t("history.rolledBackNote", { to }) });
      toast(t("history.rolledBack", { to, revision: String(answer.rollBack.revision) }));
      setAsking(false);
      onDone();
    } catch (cause) {
      setError(cause instanceof ApiError ? `${cause.message} (${cause.code})` : String(cause));
    }
  };
  return (
    <div className="roll-back">
      <Button kind="primary" unavailable={refused} onClick={() => setAsking(true)}>{t("history.rollBack", { to })}</Button>
      <p className="quiet small">{t("history.rollBackText", { to, next })}</p>
      {asking && (
        <ModalDialog title={t("history.rollBack", { to })} onClose={() => setAsking(false)} wide>
          <p>{t("history.rollBackText", { to, next })}</p>
          <RevisionDiff entity={entity} id={id} from={current} to={to} />
          {error && <p className="field-error" role="alert">{error}</p>}
          <div className="dialog-actions">
            <Button onClick={() => setAsking(false)}>{t("dialog.cancel")}</Button>
            <Button kind="primary" onClick={() => void write()}>{t("history.write", { next })}</Button>
          </div>
        </ModalDialog>
      )}
    </div>
  );
}
