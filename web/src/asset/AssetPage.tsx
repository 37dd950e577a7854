import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { acknowledge } from "../alarms/actions";
import { alarmsOf, isActive, isUnacknowledged, worstOf } from "../alarms/order";
import { book } from "../alarms/store";
import { titled, titles } from "../alarms/titles";
import { alarmName, valueAgainstLimit } from "../alarms/words";
import { documents } from "../api/request";
import type { EdgeDevice, HistoryEntry, JournalEntry, Model, Series, ThingRow } from "../api/types";
import { usePages } from "../api/usePages";
import { useQuery } from "../api/useQuery";
import { HistoryPanel } from "../history/HistoryPanel";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, useNow } from "../lib/clock";
import { formatAge } from "../lib/format";
import { navigate, useQueryValue } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { describe } from "../lib/things";
import { seed } from "../live/telemetry";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { Empty, Failed, Loading } from "../parts/Panel";
import { type View, ViewList, ViewPanel, Views } from "../parts/Views";
import { useTitle, useTrail } from "../shell/trail";
import "../styles/asset.css";
import { LaneStack, type StackLane } from "../trend/LaneStack";
import { AssetAlarms } from "./AssetAlarms";
import { AssetSide } from "./AssetSide";
import { RANGE_IDS, RANGES, rangeOf } from "./ranges";
import { spansOf } from "./spans";
import { AlarmStrip, EventStrip, flagsOf } from "./Strips";

export interface AssetThing extends ThingRow { edgeDevice: EdgeDevice | null; models: Model[]; series: { nodes: Series[] } }
type AssetTab = "now" | "alarms" | "config";

/** What is wrong with this machine, since when, and why? */
export default function AssetPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const query = useQuery<{ thing: AssetThing | null }>(documents.asset, { id });
  const thing = query.data?.thing;
  useTrail(thing?.name);
  useTitle(thing?.name ?? t("asset.title"));
  useEffect(() => {
    for (const series of thing?.series.nodes ?? []) seed(series.id, series.latest);
  }, [thing]);
  if (query.error && !thing) return <div className="page-pad"><Failed what={t("asset.title")} error={query.error} retry={query.reload} /></div>;
  if (thing === undefined) return <div className="page-pad"><Loading /></div>;
  if (thing === null) return <div className="page-pad"><h1>{t("asset.unknown")}</h1><Empty text={t("asset.unknownText")} action={<Button onClick={() => navigate("/")}>{t("nav.overview")}</Button>} /></div>;
  return <Asset thing={thing} reload={query.reload} />;
}

function Asset({ thing, reload }: { thing: AssetThing; reload: () => void }) {
  const { t } = useTranslation();
  const [wantedTab, setTab] = useQueryValue("tab", "now");
  const tab: AssetTab = wantedTab === "alarms" || wantedTab === "config" ? wantedTab : "now";
  const [range, setRange] = useQueryValue("range", "1h");
  const [paused, setPaused] = useState(false);
  const { alarms } = useSignal(book);
  const own = alarmsOf(alarms, thing.id);
  const tabs: View<AssetTab>[] = [{ id: "now", label: t("asset.now") }, { id: "alarms", label: t("asset.alarms"), count: own.filter(isActive).length }, { id: "config", label: t("asset.config"), count: `r${String(thing.revision)}` }];
  return (
    <div className="asset">
      <AssetHead thing={thing} />
      <Views value={tab} onChange={setTab}>
        <div className="asset-tabs">
          <ViewList label={t("asset.views")} views={tabs} />
          {tab === "now" && (
            <span className="toolbar-right">
              <Choice label={t("asset.range")} value={rangeOf(range)} onChange={setRange} options={RANGE_IDS.map((one) => ({ id: one, label: t(`range.${one}`) }))} />
              <Button keyCap="P" aria-pressed={paused} onClick={() => setPaused(!paused)}>{paused ? t("asset.resume") : t("asset.pause")}</Button>
            </span>
          )}
        </div>
        <ViewPanel of={tab} className="asset-columns">
          {tab === "config" ? <div className="asset-main page-pad"><HistoryPanel entity="THING" id={thing.id} revision={thing.revision} onChanged={reload} /></div>
            : tab === "alarms" ? <AssetAlarms thing={thing.id} own={own} />
            : <Now thing={thing} rangeMs={RANGES[rangeOf(range)]} paused={paused} onPause={() => setPaused(!paused)} />}
        </ViewPanel>
      </Views>
    </div>
  );
}

function AssetHead({ thing }: { thing: AssetThing }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(1000);
  const { alarms } = useSignal(book);
  const who = useSignal(session);
  const worst = useMemo(() => worstOf(alarmsOf(alarms, thing.id), thing.id), [alarms, thing.id]);
  const { title, area } = describe(thing.metadata);
  const waiting = alarmsOf(alarms, thing.id).filter(isUnacknowledged);
  return (
    <header className="asset-head">
      {worst && <AlarmGlyph priority={worst.priority} state={worst.state} alarmClass={worst.class} size={36} label={alarmName(worst, t)} />}
      <div className="asset-title-block">
        <h1>{thing.name} <span className="asset-subtitle">{title}</span></h1>
        <p className="quiet">{[area, thing.deviceType?.name, thing.lastSeen ? t("asset.seen", { age: formatAge(now - Date.parse(thing.lastSeen), language) }) : t("asset.neverSeen")].filter(Boolean).join(", ")}</p>
      </div>
      {worst && isActive(worst) && (
        <div className="asset-fact"><span className="quiet">{worst.message}</span><b>{valueAgainstLimit(worst, language) || t(`state.${worst.state}`)}</b><span className="quiet">{t("needs.since", { age: formatAge(now - Date.parse(worst.raisedAt), language) })}</span></div>
      )}
      <div className="asset-actions">
        {waiting.length > 0 && <Button kind="primary" unavailable={may("acknowledge", who?.role) ? null : t("right.acknowledge")} onClick={() => void acknowledge(waiting)}>{t("alarm.acknowledgeCount", { count: waiting.length })}</Button>}
        <Button onClick={() => navigate(`/rules?thing=${thing.id}`)}>{t("nav.rules")}</Button>
      </div>
    </header>
  );
}

function Now({ thing, rangeMs, paused, onPause }: { thing: AssetThing; rangeMs: number; paused: boolean; onPause: () => void }) {
  const { t } = useTranslation();
  const { alarms } = useSignal(book);
  const [wanted] = useQueryValue("series", "");
  const own = alarmsOf(alarms, thing.id);
  const from = useMemo(() => new Date(Math.floor((serverNow() - rangeMs) / 60_000) * 60_000).toISOString(), [rangeMs]);
  // Each change of an alarm of this thing is a new line of its journal.
  const turn = own.reduce((sum, alarm) => sum + Number(alarm.revision), own.length);
  const journal = useQuery<{ alarmJournal: { nodes: JournalEntry[] } }>(documents.journal, { thing: thing.id, from, first: 200 }, { turn, moves: true });
  const changes = usePages<HistoryEntry>(documents.history, { entity: "THING", id: thing.id }, (data) => data.history, 10);
  const lanes = useMemo(() => lanesOf(thing, own, wanted, t), [thing, own, wanted, t]);
  const known = useSignal(titles);
  const nodes = journal.data?.alarmJournal.nodes;
  const entries = useMemo(() => (nodes ?? []).map((entry) => ({ ...entry, message: titled(entry.message, thing.id, known) })), [nodes, thing.id, known]);
  const predictive = useMemo(() => new Set(own.filter((alarm) => alarm.class === "PREDICTIVE").map((alarm) => alarm.id)), [own]);
  const byId = useMemo(() => new Map(own.map((alarm) => [alarm.id, alarm])), [own]);
  const flags = flagsOf(entries, changes.data?.nodes ?? [], thing.edgeDevice?.lastBootstrap ?? null, t);
  return (
    <>
      <div className="asset-main">
        {lanes.length === 0 ? <Empty text={t("asset.noSeries")} action={<Button onClick={() => navigate("/fleet")}>{t("nav.fleet")}</Button>} /> : (
          <LaneStack lanes={lanes} rangeMs={rangeMs} paused={paused} onPause={onPause} strips={(window) => (
            <>
              <AlarmStrip spans={spansOf(entries, byId, predictive, window.from, window.to)} window={window} />
              <EventStrip flags={flags} window={window} />
            </>
          )} />
        )}
      </div>
      <AssetSide thing={thing} own={own} journal={{ error: journal.error ?? changes.error, loading: journal.loading || changes.loading, reload: () => { journal.reload(); changes.reload(); } }} entries={entries} changes={changes.data?.nodes ?? []} />
    </>
  );
}

/** The series asked for first, then what is wrong with the scores that say so, then the tags in their order; other scores last. */
function lanesOf(thing: AssetThing, own: readonly { series: { id: string } | null; state: StackState; priority: StackPriority; class: StackClass }[], wanted: string, t: ReturnType<typeof useTranslation>["t"]): StackLane[] {
  const scores = new Map(thing.models.flatMap((model) => (model.score ? [[model.score.id, model] as const] : [])));
  const order = new Map(thing.tags.map((tag, index) => [tag.series, index]));
  const abnormal = new Set(own.filter(isActive).map((alarm) => alarm.series?.id));
  const rank = (series: Series) => (series.id === wanted ? -2 : abnormal.has(series.id) ? (scores.has(series.id) ? -0.5 : -1) : scores.has(series.id) ? 1e6 : (order.get(series.name) ?? 1e3));
  return [...thing.series.nodes].filter((series) => series.latest === null || series.latest.number !== null || scores.has(series.id)).sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name)).map((series) => {
    const alarm = own.find((one) => one.series?.id === series.id && one.state !== "NORMAL");
    const model = scores.get(series.id);
    const lane: StackLane = { series: model ? withScoreLimit(series, model) : series, alarm: alarm ? { priority: alarm.priority, state: alarm.state, alarmClass: alarm.class } : null };
    return model ? { ...lane, title: t("asset.score"), caption: `${model.name} v${model.live ?? "–"}` } : lane;
  });
}

type StackState = NonNullable<StackLane["alarm"]>["state"];
type StackPriority = NonNullable<StackLane["alarm"]>["priority"];
type StackClass = NonNullable<NonNullable<StackLane["alarm"]>["alarmClass"]>;

/** The limit that training chose, where no rule gives the score one. */
function withScoreLimit(series: Series, model: Model): Series {
  const live = model.versions.find((version) => version.version === model.live);
  if (!live || series.limits.length > 0) return series;
  return { ...series, limits: [{ kind: "HI", limit: live.scoreLimit, priority: "P3", rule: "" }] };
}
