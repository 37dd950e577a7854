import { useTranslation } from "react-i18next";
import type { EdgeDevice } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge } from "../lib/format";
import { GridTable } from "../parts/GridTable";
import { HatchSwatch } from "../parts/Hatch";
import type { TableProps } from "./FleetTables";
import { deviceStep, deviceWord } from "./fleetState";

export function EdgeDeviceTable({ devices, ...table }: TableProps & { devices: readonly EdgeDevice[] }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(2000);
  const stateOf = (device: EdgeDevice) => {
    const word = deviceWord(device);
    return <><StateStrip step={deviceStep(device)} /> {word === "offline" ? <b>{t("fleet.offline")}</b> : t(`fleet.${word}`)}</>;
  };
  const seenOf = (device: EdgeDevice) => (device.lastSeen === null ? <span className="quiet">{t("fleet.never")}</span> : <>{!device.online && <HatchSwatch />} {formatAge(now - Date.parse(device.lastSeen), language)}</>);
  const configOf = (device: EdgeDevice) => {
    if (device.upToDate) return <span className="quiet">{t("fleet.inForce")}</span>;
    if (Number(device.bootstraps) > 0) return <b>{t("fleet.fetched", { revision: String(device.fetchedRevision ?? "–") })}</b>;
    return <span className="quiet">{t("fleet.waits")}</span>;
  };
  return (
    <GridTable label={t("fleet.edgeDevices")} className="fleet-table" {...table}
      columns={[
        { id: "name", label: t("fleet.device") }, { id: "externalId", label: t("fleet.externalId"), className: "mono" }, { id: "state", label: t("fleet.state") }, { id: "seen", label: t("fleet.lastSeen"), number: true },
        { id: "thing", label: t("fleet.thing") }, { id: "channels", label: t("fleet.channels"), number: true }, { id: "revision", label: t("fleet.revision"), number: true }, { id: "config", label: t("fleet.config") },
      ]}
      rows={devices.map((device) => ({
        id: device.id, name: device.name || device.externalId,
        cells: [device.name || device.externalId, device.externalId, stateOf(device), seenOf(device), device.thing?.name ?? "–", device.channels.length, `r${String(device.revision)}`, configOf(device)],
      }))} />
  );
}

/** New, whitelisted, bootstrapped, online as four parts. */
export function StateStrip({ step }: { step: number }) {
  return (
    <svg className="state-strip" width="60" height="8" aria-hidden="true">
      {[1, 2, 3, 4].map((part) => <rect key={part} className={part <= step ? "state-done" : "state-open"} x={(part - 1) * 15 + 0.5} y="0.5" width="12" height="7" />)}
    </svg>
  );
}
