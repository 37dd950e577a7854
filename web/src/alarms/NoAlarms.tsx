import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { JournalEntry } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, zone } from "../lib/clock";
import { formatStamp } from "../lib/format";
import { Failed, Section } from "../parts/Panel";
import type { Tab } from "./order";
import { titled } from "./titles";

const SHOWN = 5;

/** The quiet list: since when, and what returned last. */
export function NoAlarms({ filtered, tab }: { filtered: boolean; tab: Tab }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const query = useQuery<{ alarmJournal: { nodes: JournalEntry[] } }>(documents.journal, { first: 60 });
  const returned = (query.data?.alarmJournal.nodes ?? []).filter((entry) => entry.kind === "returned").slice(0, SHOWN);
  const last = returned[0];
  if (filtered) return <div className="alarm-list"><p className="panel-state">{t("alarms.noneFiltered")}</p></div>;
  if (tab !== "active") return <div className="alarm-list"><p className="panel-state">{t("alarms.noneHere")}</p></div>;
  return (
    <div className="alarm-list quiet-list">
      {query.error && <Failed what={t("alarms.lastReturned")} error={query.error} retry={query.reload} />}
      <p className="quiet-lead">{last ? t("alarms.noneSince", { time: formatStamp(Date.parse(last.at), serverNow(), zone, language) }) : t("alarms.none")}</p>
      {returned.length > 0 && (
        <Section title={t("alarms.lastReturned")}>
          <ul className="event-list">
            {returned.map((entry) => (
              <li key={entry.cursor}><span className="quiet">{formatStamp(Date.parse(entry.at), serverNow(), zone, language)}</span><span className="fit"><b>{entry.thing?.name}</b> {titled(entry.message, entry.thing?.id)}</span><span className="quiet">{t("alarm.priority", { digit: entry.priority.slice(1) })}</span></li>
            ))}
          </ul>
        </Section>
      )}
    </div>
  );
}
