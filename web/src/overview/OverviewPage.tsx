import type { TFunction } from "i18next";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { book } from "../alarms/store";
import { documents } from "../api/request";
import type { AlarmKpis, OverviewThing } from "../api/types";
import { usePages } from "../api/usePages";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { seed } from "../live/telemetry";
import { Button } from "../parts/Button";
import { Empty, Failed, Loading } from "../parts/Panel";
import { navigate } from "../lib/router";
import { useTitle } from "../shell/trail";
import "../styles/overview.css";
import { AssetTable } from "./AssetTable";
import { NeedsYou } from "./NeedsYou";
import { assetRows, isAbnormal } from "./rows";
import { AlarmTally, BadActors, RecentChanges } from "./SidePanels";
import { useKpiWindow } from "./useKpiWindow";

const REFRESH_MS = 30_000;
/** Twenty things a page. */
const MOST_PAGES = 15;

/** Is anything abnormal, where, and what do I do? */
export default function OverviewPage() {
  const { t } = useTranslation();
  const language = useLanguage();
  const who = useSignal(session);
  const { alarms } = useSignal(book);
  const things = usePages<OverviewThing>(documents.overview, {}, (data) => data.things, MOST_PAGES, REFRESH_MS);
  const kpis = useQuery<{ alarmKpis: AlarmKpis }>(documents.kpis, useKpiWindow(24), { moves: true });
  const nodes = things.data?.nodes;
  const rows = useMemo(() => {
    for (const thing of nodes ?? []) for (const series of thing.series.nodes) seed(series.id, series.latest);
    return assetRows(nodes ?? [], alarms.values());
  }, [nodes, alarms]);
  useTitle(t("nav.overview"));
  const abnormal = rows.filter(isAbnormal);
  const worst = abnormal.map((row) => row.alarm).filter((alarm) => alarm !== null).sort((a, b) => a.priority.localeCompare(b.priority))[0];
  return (
    <div className="overview">
      <div className="page-head">
        <div className="page-head-main">
          <h1>{who?.organisation}</h1>
          {nodes && rows.length > 0 && (
            <p className="lead-line">
              {statusSentence(rows.length, abnormal.length, t)}
              {worst?.thing && <> <b>{t("overview.first", { name: worst.thing.name })}</b></>}
            </p>
          )}
        </div>
        {kpis.error && !kpis.data && <Failed what={t("kpi.title")} error={kpis.error} retry={kpis.reload} />}
        {kpis.data && (
          <dl className="kpis">
            <Kpi label={t("kpi.perTenMinutes")} value={formatNumber(kpis.data.alarmKpis.perTenMinutes, 1, language)} note={t("kpi.perTenTarget")} />
            <Kpi label={t("kpi.peak")} value={formatNumber(kpis.data.alarmKpis.peakTenMinutes, 0, language)} note={t("kpi.peakTarget")} />
            <Kpi label={t("kpi.standing")} value={formatNumber(kpis.data.alarmKpis.standing, 0, language)} note={t("kpi.standingTarget")} />
          </dl>
        )}
      </div>
      <div className="overview-columns">
        <section className="overview-assets" aria-label={t("overview.assets")}>
          {things.error && <Failed what={t("overview.assets")} error={things.error} retry={things.reload} />}
          {!nodes && things.loading && <Loading />}
          {nodes && rows.length === 0 && <Empty text={t("overview.empty")} action={<Button onClick={() => navigate("/fleet")}>{t("overview.connect")}</Button>} />}
          {rows.length > 0 && <AssetTable rows={rows} />}
          {things.data?.more && <p className="table-note">{t("overview.more", { count: rows.length })}</p>}
        </section>
        <aside className="overview-side" aria-label={t("overview.side")}>
          <NeedsYou rows={rows} />
          <RecentChanges />
          <div className="side-pair">
            {kpis.data && <BadActors kpis={kpis.data.alarmKpis} />}
            <AlarmTally kpis={kpis.data?.alarmKpis} />
          </div>
        </aside>
      </div>
    </div>
  );
}

/** One plain sentence: nobody counts "0 of 1". */
function statusSentence(count: number, abnormal: number, t: TFunction): string {
  if (count === 1) return t(abnormal === 0 ? "overview.oneNormal" : "overview.oneAbnormal");
  if (abnormal === 0) return t("overview.allNormal", { count });
  if (abnormal === count) return t("overview.allAbnormal", { count });
  return t("overview.someAbnormal", { count: abnormal, all: count });
}

function Kpi({ label, value, note }: { label: string; value: string; note: string }) {
  return <div className="kpi"><dt>{label}</dt><dd><span className="kpi-value">{value}</span><span className="kpi-note">{note}</span></dd></div>;
}
