import { useTranslation } from "react-i18next";
import { tallyOf } from "../alarms/order";
import { book } from "../alarms/store";
import { titled } from "../alarms/titles";
import { documents } from "../api/request";
import { type AlarmKpis, type HistoryEntry, PRIORITIES } from "../api/types";
import { useQuery } from "../api/useQuery";
import { historySentence, whoWords } from "../history/words";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, zone } from "../lib/clock";
import { formatNumber, formatStamp } from "../lib/format";
import { Link } from "../lib/router";
import { useSignal } from "../lib/signal";
import { AbsentGlyph, AlarmGlyph } from "../parts/AlarmGlyph";
import { Asked, Section } from "../parts/Panel";
import { useKpiWindow } from "./useKpiWindow";

const SHOWN_CHANGES = 6;
const SHOWN_ACTORS = 5;

/** Changes of configuration in the last 12 h: people and systems, not alarms. */
export function RecentChanges() {
  const { t } = useTranslation();
  const language = useLanguage();
  const { from } = useKpiWindow(12);
  const query = useQuery<{ audit: { nodes: HistoryEntry[] } }>(documents.audit, { from, first: 30 }, { moves: true });
  return (
    <Section title={t("changes.title")} note={t("changes.note")}>
      <Asked query={query} what={t("changes.title")}>
        {({ audit }) => {
          const nodes = audit.nodes.filter((entry) => entry.entity !== "ALARM").slice(0, SHOWN_CHANGES);
          return nodes.length === 0 ? <p className="quiet">{t("changes.none")}</p> : (
            <ul className="event-list with-subject">
              {nodes.map((entry) => (
                <li key={`${entry.id}/${entry.revision}`}>
                  <span className="quiet">{formatStamp(Date.parse(entry.at), serverNow(), zone, language)}</span>
                  <b className="fit" title={`${t(`entity.${entry.entity}`)} ${entry.name ?? ""}`}>{entry.name ?? t(`entity.${entry.entity}`)}</b>
                  <span className="fit" title={historySentence(entry, t)}>{historySentence(entry, t)}</span>
                  <span className="quiet fit" title={entry.who}>{whoWords(entry.who, t)}</span>
                </li>
              ))}
            </ul>
          );
        }}
      </Asked>
    </Section>
  );
}

export function BadActors({ kpis }: { kpis: AlarmKpis }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const actors = kpis.badActors.slice(0, SHOWN_ACTORS);
  const most = Math.max(1, ...actors.map((actor) => actor.count));
  return (
    <Section title={t("actors.title")} note={t("actors.note")}>
      {actors.length === 0 ? <p className="quiet">{t("actors.none")}</p> : (
        <table className="bars">
          <caption className="hidden-text">{t("actors.title")}</caption>
          <tbody>
            {actors.map((actor, index) => (
              <tr key={index}>
                <th scope="row"><b className="fit" title={actor.thing?.name}>{actor.thing ? <Link className="row-link" to={`/assets/${actor.thing.id}`}>{actor.thing.name}</Link> : "–"}</b></th>
                <td className="fit" title={titled(actor.message, actor.thing?.id)}>{titled(actor.message, actor.thing?.id)}</td>
                <td><svg className="bar" width="36" height="8" aria-hidden="true"><rect className="bar-value" width={(actor.count / most) * 36} height="8" /></svg></td>
                <td className="number">{formatNumber(actor.count, 0, language)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  );
}

/** New and active now, and all of the last 24 h where the server has counted them. */
export function AlarmTally({ kpis }: { kpis: AlarmKpis | undefined }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { alarms } = useSignal(book);
  const counts = tallyOf(alarms).priorities;
  return (
    <Section title={t("tally.title")}>
      <table className="tally-table">
        <caption className="hidden-text">{t("tally.title")}</caption>
        <thead><tr><th scope="col"><span className="hidden-text">{t("tally.byPriority")}</span></th><th scope="col">{t("tally.new")}</th><th scope="col">{t("tally.active")}</th></tr></thead>
        <tbody>
          {PRIORITIES.map((priority) => (
            <tr key={priority}>
              <th scope="row">
                {counts[priority].active === 0 ? <AbsentGlyph priority={priority} size={20} /> : <AlarmGlyph priority={priority} state={counts[priority].unacknowledged > 0 ? "UNACKNOWLEDGED" : "ACKNOWLEDGED"} size={20} />}
                <span className="hidden-text">{t("alarm.priority", { digit: priority.slice(1) })}</span>
              </th>
              <td className="number">{counts[priority].unacknowledged > 0 ? <b>{counts[priority].unacknowledged}</b> : 0}</td>
              <td className="number">{counts[priority].active}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {kpis && <p className="quiet small">{t("tally.day", { count: kpis.total, shown: formatNumber(kpis.total, 0, language) })}</p>}
    </Section>
  );
}
