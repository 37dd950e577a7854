import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { EdgeDevice } from "../api/types";
import { usePages } from "../api/usePages";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { PagedList } from "../parts/PagedList";
import { EdgeDeviceTable } from "./EdgeDevices";
import { EdgeDrawer } from "./FleetDrawers";
import { deviceWord, type DeviceWord } from "./fleetState";
import { type FleetListProps, useFleetList } from "./useFleetList";

const WORDS: DeviceWord[] = ["online", "offline", "bootstrapped", "whitelisted", "new"];
/** A thousand devices a page. */
const COUNTED_PAGES = 10;
const COUNT_MS = 30_000;

export function EdgeDeviceList({ written, onChanged, children }: FleetListProps & { children: ReactNode }) {
  const { t } = useTranslation();
  const { view, opened, open, row } = useFleetList<EdgeDevice>("edgeDevices", (name) => (name === "" ? {} : { name }), documents.edgeDeviceRow, "edgeDevice", written);
  return (
    <>
      <div className="fleet-list">
        <StateCounts name={view.text} written={written} />
        <PagedList label={t("fleet.edgeDevices")} view={view} empty={t("fleet.noDevice")} none={t("fleet.noneFound", { text: view.text })}>
          {(devices, describedBy) => <EdgeDeviceTable {...{ devices, describedBy, opened }} onOpen={open} order={view.order} onSort={view.sort} />}
        </PagedList>
        {children}
      </div>
      {row && <EdgeDrawer key={row.id} device={row} onClose={() => open("")} onChanged={onChanged} />}
    </>
  );
}

type Stateful = Pick<EdgeDevice, "state" | "bootstraps" | "online" | "lastSeen">;

/** How many devices have come how far: all that the search finds, not only those of the page. */
function StateCounts({ name, written }: { name: string; written: number }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const devices = usePages<Stateful>(documents.edgeDeviceStates, name === "" ? {} : { name }, (data) => data.edgeDevices, COUNTED_PAGES, COUNT_MS, written);
  if (!devices.data) return null;
  const { nodes, more } = devices.data;
  const counts = WORDS.map((word) => ({ word, count: nodes.filter((device) => deviceWord(device) === word).length })).filter(({ count }) => count > 0);
  if (counts.length === 0) return null;
  return (
    <p className="state-counts">
      {counts.map(({ word, count }) => <span key={word}><b>{formatNumber(count, 0, language)}</b> {t(`fleet.${word}`).toLowerCase()}</span>)}
      {more && <span className="quiet">{t("fleet.countedFirst", { shown: formatNumber(nodes.length, 0, language) })}</span>}
    </p>
  );
}
