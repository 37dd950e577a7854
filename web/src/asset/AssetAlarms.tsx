import { useTranslation } from "react-i18next";
import { byUrgency } from "../alarms/order";
import { titled, titles } from "../alarms/titles";
import { useSignal } from "../lib/signal";
import { alarmName, stateWords, valueAgainstLimit } from "../alarms/words";
import { documents } from "../api/request";
import type { Alarm, JournalEntry } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, zone } from "../lib/clock";
import { formatStamp } from "../lib/format";
import { Link } from "../lib/router";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Asked, Section } from "../parts/Panel";

/** The alarms of one thing: those that stand, and what happened before. */
export function AssetAlarms({ thing, own }: { thing: string; own: readonly Alarm[] }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const known = useSignal(titles);
  const journal = useQuery<{ alarmJournal: { nodes: JournalEntry[] } }>(documents.journal, { thing, first: 100 });
  return (
    <div className="asset-main page-pad">
      <Section title={t("asset.standing")} note={String(own.length)}>
        {own.length === 0 ? <p className="quiet">{t("asset.noAlarms")}</p> : (
          <ul className="needs-next">
            {[...own].sort(byUrgency).map((alarm) => (
              <li key={alarm.id}>
                <AlarmGlyph priority={alarm.priority} state={alarm.state} alarmClass={alarm.class} label={alarmName(alarm, t)} />
                <Link className="row-link fit" to={`/alarms?alarm=${alarm.id}`}>{alarm.message}</Link>
                <span className="quiet">{stateWords(alarm, t)}</span>
                <span>{valueAgainstLimit(alarm, language)}</span>
              </li>
            ))}
          </ul>
        )}
      </Section>
      <Section title={t("asset.journal")}>
        <Asked query={journal} what={t("asset.journal")}>
          {({ alarmJournal }) => (
            <table className="table">
              <thead><tr><th scope="col">{t("trend.time")}</th><th scope="col">{t("alarms.priority")}</th><th scope="col">{t("asset.what")}</th><th scope="col">{t("alarms.message")}</th><th scope="col">{t("asset.who")}</th></tr></thead>
              <tbody>
                {alarmJournal.nodes.map((entry) => (
                  <tr key={entry.cursor}><td>{formatStamp(Date.parse(entry.at), serverNow(), zone, language)}</td><td>{entry.priority}</td><td>{t(`journal.${entry.kind}`)}</td><td>{titled(entry.message, thing, known)}</td><td>{[entry.who, entry.text].filter(Boolean).join(", ")}</td></tr>
                ))}
              </tbody>
            </table>
          )}
        </Asked>
      </Section>
    </div>
  );
}
