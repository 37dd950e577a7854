import { useTranslation } from "react-i18next";
import { Contributions } from "../alarms/Contributions";
import { isActive } from "../alarms/order";
import { titled } from "../alarms/titles";
import type { QueryState } from "../api/useQuery";
import type { Alarm, HistoryEntry, JournalEntry } from "../api/types";
import { historySentence, whoWords } from "../history/words";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, useNow, zone } from "../lib/clock";
import { formatAge, formatNumber, formatStamp } from "../lib/format";
import { Link } from "../lib/router";
import { Failed, Loading, Section } from "../parts/Panel";
import type { AssetThing } from "./AssetPage";

const SHOWN_EVENTS = 12;

interface EventsProps { thing: AssetThing; journal: Pick<QueryState<unknown>, "error" | "loading" | "reload">; entries: readonly JournalEntry[]; changes: readonly HistoryEntry[] }

export function AssetSide({ thing, own, journal, entries, changes }: EventsProps & { own: readonly Alarm[] }) {
  const { t } = useTranslation();
  const predicted = own.filter((alarm) => alarm.class === "PREDICTIVE" && isActive(alarm)).find((alarm) => alarm.contributions.length > 0);
  const todo = own.filter(isActive).find((alarm) => alarm.action !== "");
  return (
    <aside className="asset-side" aria-label={t("asset.side")}>
      {predicted && <Contributions alarm={predicted} title={t("asset.contributions")} />}
      {todo && <Section title={t("alarm.do")}><p className="steps">{todo.action}</p>{todo.consequence && <p className="quiet">{todo.consequence}</p>}</Section>}
      <Models thing={thing} />
      <Events thing={thing} journal={journal} entries={entries} changes={changes} />
      <Device thing={thing} />
    </aside>
  );
}

function Models({ thing }: { thing: AssetThing }) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <Section title={t("asset.models")}>
      {thing.models.length === 0 ? <p>{t("asset.noModel")} <Link to="/models">{t("nav.models")}</Link></p> : (
        <ul className="event-list named">
          {thing.models.map((model) => {
            const live = model.versions.find((version) => version.version === model.live);
            return (
              <li key={model.id}>
                <Link className="row-link" to={`/models/${model.id}`}><b>{model.name}</b></Link>
                <span className="fit">{live ? t("asset.modelLive", { version: live.version, limit: formatNumber(live.scoreLimit, 3, language) }) : t("models.noLive")}</span>
                <span className="quiet">{t("models.inputs", { count: model.signals.length })}</span>
              </li>
            );
          })}
        </ul>
      )}
    </Section>
  );
}

/** Journal and changes in one line of time, newest first. */
function Events({ thing, journal, entries, changes }: EventsProps) {
  const { t } = useTranslation();
  const language = useLanguage();
  const all = [
    ...entries.map((entry) => ({ key: entry.cursor, at: Date.parse(entry.at), letter: "A", text: `${t(`journal.${entry.kind}`)}: ${titled(entry.message, thing.id)}`, who: entry.who })),
    ...changes.map((entry) => ({ key: `${entry.id}/${entry.revision}`, at: Date.parse(entry.at), letter: "C", text: historySentence(entry, t), who: entry.who })),
  ].sort((a, b) => b.at - a.at).slice(0, SHOWN_EVENTS);
  return (
    <Section title={t("asset.events")} note={t("asset.newest")}>
      {journal.error && <Failed what={t("asset.events")} error={journal.error} retry={journal.reload} />}
      {all.length === 0 ? journal.loading ? <Loading /> : !journal.error && <p className="quiet">{t("asset.noEvents")}</p> : (
        <ul className="event-list with-letter">
          {all.map((event) => (
            <li key={event.key}>
              <span className="quiet">{formatStamp(event.at, serverNow(), zone, language)}</span>
              <span className="letter" title={t(event.letter === "A" ? "asset.letterAlarm" : "asset.letterChange")}>{event.letter}</span>
              <span className="fit" title={event.text}>{event.text}</span>
              <span className="quiet fit" title={event.who}>{whoWords(event.who, t)}</span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function Device({ thing }: { thing: AssetThing }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(2000);
  const device = thing.edgeDevice;
  if (!device) return null;
  return (
    <Section title={t("asset.device")} note={device.name}>
      <dl className="facts">
        <dt>{t("asset.bootstrapConfig")}</dt><dd>r{String(device.revision)}, {device.upToDate ? t("fleet.inForce") : t("fleet.notFetched")}</dd>
        <dt>{t("asset.uplink")}</dt><dd>{device.online ? t("fleet.online") : t("fleet.offline")}{device.lastSeen && `, ${formatAge(now - Date.parse(device.lastSeen), language)}`}</dd>
      </dl>
    </Section>
  );
}
