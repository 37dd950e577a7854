import { lazy, Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { followAlarms } from "../alarms/store";
import { documents, request } from "../api/request";
import { closeSocket, openSocket, resumed } from "../api/socket";
import { clockOffset } from "../lib/clock";
import { useKey } from "../lib/keys";
import { matchPath, navigate, useAddress } from "../lib/router";
import { useSignal } from "../lib/signal";
import { stopTelemetry } from "../live/telemetry";
import { PageBoundary } from "../parts/PageBoundary";
import { Loading } from "../parts/Panel";
import { AlarmBar } from "./AlarmBar";
import { Announcer } from "./Announcer";
import { Header, LinkState, TallyStrip } from "./Header";
import { LinkBanner } from "./LinkBanner";
import { Navigation, TabBar } from "./Navigation";
import { ToastRegion } from "./ToastRegion";

const KeyList = lazy(() => import("./KeyList"));
const OverviewPage = lazy(() => import("../overview/OverviewPage"));
const AlarmsPage = lazy(() => import("../alarms/AlarmsPage"));
const AssetPage = lazy(() => import("../asset/AssetPage"));
const FleetPage = lazy(() => import("../fleet/FleetPage"));
const ModelsPage = lazy(() => import("../models/ModelsPage"));
const RulesPage = lazy(() => import("../rules/RulesPage"));
const UsersPage = lazy(() => import("../users/UsersPage"));
const ComponentsPage = lazy(() => import("../gallery/ComponentsPage"));

/** The frame that every page stands in: counts top right, the worst alarm bottom left. */
export function Shell() {
  const { t } = useTranslation();
  const [keysOpen, setKeysOpen] = useState(false);
  const resumes = useSignal(resumed);
  const { path } = useAddress();
  useEffect(() => {
    openSocket();
    const stop = followAlarms();
    return () => {
      stop();
      stopTelemetry();
      closeSocket();
    };
  }, []);
  useEffect(() => {
    const asked = Date.now();
    request<{ server: { time: string } }>(documents.server).then(
      ({ server }) => clockOffset.set(Date.parse(server.time) - (asked + Date.now()) / 2),
      () => undefined,
    );
  }, [resumes]);
  useKey("?", t("keys.title"), () => setKeysOpen(true));
  useKey("1", t("nav.overview"), () => navigate("/"));
  useKey("2", t("nav.alarms"), () => navigate("/alarms"));
  return (
    <div className="shell">
      <a className="skip" href="#main">{t("nav.skip")}</a>
      <Header />
      <div className="phone-tally"><TallyStrip /><LinkState /></div>
      <LinkBanner />
      <Navigation />
      <main id="main" className="main" tabIndex={-1}>
        <PageBoundary place={path}><Suspense fallback={<Loading />}><Page /></Suspense></PageBoundary>
      </main>
      <AlarmBar />
      <TabBar />
      <ToastRegion />
      <Announcer />
      {keysOpen && <Suspense><KeyList onClose={() => setKeysOpen(false)} /></Suspense>}
    </div>
  );
}

function Page() {
  const { t } = useTranslation();
  const { path } = useAddress();
  const asset = matchPath("/assets/:id", path);
  if (path === "/") return <OverviewPage />;
  if (path === "/alarms") return <AlarmsPage />;
  if (asset?.id) return <AssetPage key={asset.id} id={asset.id} />;
  if (path === "/fleet") return <FleetPage />;
  if (path === "/models" || path.startsWith("/models/")) return <ModelsPage id={matchPath("/models/:id", path)?.id} />;
  if (path === "/rules" || path.startsWith("/rules/")) return <RulesPage id={matchPath("/rules/:id", path)?.id} />;
  if (path === "/users") return <UsersPage />;
  if (path === "/components") return <ComponentsPage />;
  return <div className="page-pad"><h1>{t("page.unknown")}</h1><p>{t("page.unknownText", { path })}</p></div>;
}
