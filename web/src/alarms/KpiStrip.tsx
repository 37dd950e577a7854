import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { Alarm, AlarmKpis } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { useNow, zone } from "../lib/clock";
import { formatNumber, formatStamp } from "../lib/format";
import { useKpiWindow } from "../overview/useKpiWindow";
import { Failed } from "../parts/Panel";
import { raisedMs, type Tally } from "./order";

const FLOOD = 10;
const TEN_MINUTES_MS = 600_000;

/** Rates of the last 8 h beside what they should be. */
export function KpiStrip({ counts, alarms }: { counts: Tally; alarms: ReadonlyMap<string, Alarm> }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const window = useKpiWindow(8);
  const query = useQuery<{ alarmKpis: AlarmKpis }>(documents.kpis, window, { moves: true });
  const kpis = query.data?.alarmKpis;
  const now = useNow(5000);
  if (query.error && !query.data) return <div className="kpi-strip"><Failed what={t("kpi.title")} error={query.error} retry={query.reload} /></div>;
  // What the server counted a minute ago, or what has come to this desk since: a flood begins at once.
  const fresh = [...alarms.values()].filter((alarm) => alarm.class === "PROCESS" && now - raisedMs(alarm) < TEN_MINUTES_MS);
  const last = Math.max(countSince(kpis?.buckets ?? [], now - TEN_MINUTES_MS), fresh.length);
  const firstOut = last > FLOOD ? fresh.reduce<Alarm | null>((a, b) => (a === null || raisedMs(b) < raisedMs(a) ? b : a), null) : null;
  const n = (value: number | undefined, decimals = 0) => formatNumber(value, decimals, language);
  return (
    <>
      <div className="kpi-strip">
        <figure className="kpi-chart">
          <figcaption>{t("kpi.chart")}</figcaption>
          {kpis && <Buckets buckets={kpis.buckets} from={Date.parse(window.from)} to={Date.parse(window.to)} />}
        </figure>
        <dl>
          <div><dt>{t("kpi.last10")}</dt><dd className={last > FLOOD ? "over" : ""}>{n(last)}</dd><dd className="kpi-note">{t("kpi.last10Target")}</dd></div>
          <div><dt>{t("kpi.mean")}</dt><dd>{n(kpis?.perTenMinutes, 1)}</dd><dd className="kpi-note">{t("kpi.perTenTarget")}</dd></div>
          <div><dt>{t("kpi.active")}</dt><dd>{n(counts.tabs.active)}</dd><dd className="kpi-note">{t("nav.unacknowledged", { count: counts.unacknowledged })}</dd></div>
          <div><dt>{t("kpi.flood")}</dt><dd>{n(kpis === undefined ? undefined : kpis.floodShare * 100, 1)} <span className="unit">%</span></dd><dd className="kpi-note">{t("kpi.floodTarget")}</dd></div>
          <div><dt>{t("kpi.chattering")}</dt><dd>{n(kpis?.chattering)}</dd><dd className="kpi-note">{t("kpi.chatteringTarget")}</dd></div>
          <div><dt>{t("kpi.standing")}</dt><dd>{n(kpis?.standing)}</dd><dd className="kpi-note">{t("kpi.standingTarget")}</dd></div>
        </dl>
      </div>
      {last > FLOOD && (
        <div className="flood" role="status">
          <b>{firstOut ? t("kpi.floodSince", { time: formatStamp(raisedMs(firstOut), now, zone, language) }) : t("kpi.floodNow")}</b><span>{t("kpi.floodText", { count: last })}</span>
          {firstOut && <span className="flood-first">{t("kpi.firstOut")} <b>{[firstOut.thing?.name, firstOut.message].filter(Boolean).join(", ")}</b></span>}
        </div>
      )}
    </>
  );
}

const WIDTH = 290;
const HEIGHT = 40;

/** Alarms in the buckets of ten minutes that began since then; a bucket without an alarm may be missing. */
export function countSince(buckets: AlarmKpis["buckets"], since: number): number {
  return buckets.reduce((sum, bucket) => sum + (Date.parse(bucket.start) >= since ? bucket.count : 0), 0);
}

function Buckets({ buckets, from, to }: { buckets: AlarmKpis["buckets"]; from: number; to: number }) {
  const most = Math.max(FLOOD * 1.4, ...buckets.map((bucket) => bucket.count));
  const x = (at: number) => ((at - from) / (to - from)) * WIDTH;
  const step = (TEN_MINUTES_MS / (to - from)) * WIDTH;
  const y = (count: number) => HEIGHT - (count / most) * HEIGHT;
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <line className="lim" x1="0" x2={WIDTH} y1={y(FLOOD)} y2={y(FLOOD)} />
      {buckets.map((bucket) => bucket.count > 0 && <rect key={bucket.start} className="bar-value" x={x(Date.parse(bucket.start))} width={Math.max(2, step - 1)} y={y(bucket.count)} height={HEIGHT - y(bucket.count)} />)}
    </svg>
  );
}
