import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { acknowledge } from "../alarms/actions";
import { Contributions } from "../alarms/Contributions";
import { byUrgency, isActive, isUnacknowledged } from "../alarms/order";
import { book } from "../alarms/store";
import { alarmName, valueAgainstLimit } from "../alarms/words";
import type { Alarm } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge } from "../lib/format";
import { Link, navigate } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { Section } from "../parts/Panel";
import { LaneStack } from "../trend/LaneStack";
import type { AssetRow } from "./rows";

const NEXT = 2;
const CHART_MS = 1_800_000;

/** The one thing that needs a decision: what, why, since when, what to do; then the next two. */
export function NeedsYou({ rows }: { rows: readonly AssetRow[] }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { alarms, loaded } = useSignal(book);
  const who = useSignal(session);
  const now = useNow(1000);
  const active = useMemo(() => [...alarms.values()].filter(isActive).sort(byUrgency), [alarms]);
  const first = active[0];
  const series = first?.series ? rows.flatMap((row) => row.thing.series.nodes).find((one) => one.id === first.series?.id) : undefined;
  const lanes = useMemo(() => (series ? [{ series }] : []), [series]);
  const waiting = active.filter(isUnacknowledged).length;
  if (!first) return <Section title={t("needs.title")}><p className="quiet">{loaded ? t("needs.nothing") : t("panel.loading")}</p></Section>;
  return (
    <Section title={t("needs.title")} note={t("needs.count", { count: waiting, watch: active.length - waiting })} className="needs">
      <div className="needs-head">
        <AlarmGlyph priority={first.priority} state={first.state} alarmClass={first.class} size={34} label={alarmName(first, t)} />
        <div>
          <h3 className="needs-title">{first.thing?.name} <span>{first.message}</span></h3>
          <p>{valueAgainstLimit(first, language)}{valueAgainstLimit(first, language) && ", "}{t("needs.since", { age: formatAge(now - Date.parse(first.raisedAt), language) })}</p>
        </div>
      </div>
      {lanes.length > 0 && <LaneStack lanes={lanes} rangeMs={CHART_MS} paused={false} onPause={() => undefined} compact />}
      {first.contributions.length > 0 && <Contributions alarm={first} title={t("needs.why")} />}
      {first.action && <p className="needs-do"><b>{t("alarm.do")}</b> {first.action}</p>}
      <div className="button-row">
        {first.thing && <Button kind="primary" onClick={() => navigate(`/assets/${first.thing?.id}`)}>{t("needs.open", { name: first.thing.name })}</Button>}
        {isUnacknowledged(first) && <Button unavailable={may("acknowledge", who?.role) ? null : t("right.acknowledge")} onClick={() => void acknowledge([first])}>{t("alarm.acknowledge")}</Button>}
      </div>
      <ul className="needs-next">{active.slice(1, 1 + NEXT).map((alarm) => <Next key={alarm.id} alarm={alarm} />)}</ul>
    </Section>
  );
}

function Next({ alarm }: { alarm: Alarm }) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <li>
      <AlarmGlyph priority={alarm.priority} state={alarm.state} alarmClass={alarm.class} size={22} label={alarmName(alarm, t)} />
      <b>{alarm.thing?.name}</b>
      <Link to={`/alarms?alarm=${alarm.id}`} className="row-link fit" title={alarm.message}>{alarm.message}</Link>
      <span className="quiet">{valueAgainstLimit(alarm, language)}</span>
    </li>
  );
}
