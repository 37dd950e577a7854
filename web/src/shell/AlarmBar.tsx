import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { acknowledge } from "../alarms/actions";
import { isUnacknowledged, worstUnacknowledged } from "../alarms/order";
import { book } from "../alarms/store";
import { alarmName, valueAgainstLimit } from "../alarms/words";
import { useLanguage } from "../i18n/useLanguage";
import { useNow, zone } from "../lib/clock";
import { formatAge, formatStamp } from "../lib/format";
import { useKey } from "../lib/keys";
import { navigate } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";

/** The worst unacknowledged alarm, bottom left, on every page. */
export function AlarmBar() {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(1000);
  const who = useSignal(session);
  const { alarms } = useSignal(book);
  const worst = useMemo(() => worstUnacknowledged(alarms.values()), [alarms]);
  const count = useMemo(() => [...alarms.values()].filter(isUnacknowledged).length, [alarms]);
  const refused = may("acknowledge", who?.role) ? null : t("right.acknowledge");
  useKey(worst && !refused ? "A" : null, t("keys.acknowledge"), () => { if (worst) void acknowledge([worst]); });
  useKey(worst?.thing ? "G" : null, t("keys.goTo"), () => navigate(`/assets/${worst?.thing?.id}`));
  useKey(worst ? "T" : null, t("keys.trend"), () => navigate(trendOf(worst)));
  return (
    <footer className="alarm-bar" aria-label={t("bar.label")}>
      {worst ? (
        <>
          <AlarmGlyph priority={worst.priority} state={worst.state} alarmClass={worst.class} size={26} label={alarmName(worst, t)} />
          <span>{formatStamp(Date.parse(worst.raisedAt), now, zone, language)}</span>
          <b>{worst.thing?.name}</b>
          <span className="fit bar-message" title={worst.message}>{worst.message}</span>
          <span className="bar-value">{valueAgainstLimit(worst, language)}</span>
          <span className="quiet">{formatAge(now - Date.parse(worst.raisedAt), language)}</span>
          <Button kind="primary" size="small" keyCap="A" unavailable={refused} onClick={() => void acknowledge([worst])}>{t("alarm.acknowledge")}</Button>
          {worst.thing && <Button size="small" keyCap="G" onClick={() => navigate(`/assets/${worst.thing?.id}`)}>{t("alarm.goTo")}</Button>}
          <Button size="small" keyCap="T" onClick={() => navigate(trendOf(worst))}>{t("alarm.trend")}</Button>
        </>
      ) : <span className="quiet">{t("bar.empty")}</span>}
      <span className="bar-count">{t("bar.count", { count })}</span>
    </footer>
  );
}

function trendOf(alarm: { thing: { id: string } | null; series: { id: string } | null } | null): string {
  if (!alarm?.thing) return "/alarms";
  return `/assets/${alarm.thing.id}${alarm.series ? `?series=${alarm.series.id}` : ""}`;
}
