import { useTranslation } from "react-i18next";
import type { EdgeDevice } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge } from "../lib/format";
import { HatchSwatch } from "../parts/Hatch";
import { deviceStep, deviceWord } from "./fleetState";

interface Props { devices: readonly EdgeDevice[]; opened: string; onOpen: (id: string) => void }

export function EdgeDeviceTable({ devices, opened, onOpen }: Props) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(2000);
  return (
    <table className="table fleet-table">
      <caption className="hidden-text">{t("fleet.edgeDevices")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("fleet.device")}</th><th scope="col">{t("fleet.externalId")}</th><th scope="col">{t("fleet.state")}</th><th scope="col" className="number">{t("fleet.lastSeen")}</th>
          <th scope="col">{t("fleet.thing")}</th><th scope="col" className="number">{t("fleet.channels")}</th><th scope="col" className="number">{t("fleet.revision")}</th><th scope="col">{t("fleet.config")}</th>
        </tr>
      </thead>
      <tbody>
        {devices.map((device) => {
          const word = deviceWord(device);
          const behind = !device.upToDate && Number(device.bootstraps) > 0;
          return (
            <tr key={device.id} className={device.id === opened ? "row-open" : ""} onClick={() => onOpen(device.id)}>
              <th scope="row"><button type="button" className="row-button" aria-expanded={device.id === opened} onClick={(event) => { event.stopPropagation(); onOpen(device.id); }}>{device.name || device.externalId}</button></th>
              <td className="mono">{device.externalId}</td>
              <td><StateStrip step={deviceStep(device)} /> {word === "offline" ? <b>{t("fleet.offline")}</b> : t(`fleet.${word}`)}</td>
              <td className="number">{device.lastSeen === null ? <span className="quiet">{t("fleet.never")}</span> : <>{!device.online && <HatchSwatch />} {formatAge(now - Date.parse(device.lastSeen), language)}</>}</td>
              <td>{device.thing?.name ?? "–"}</td>
              <td className="number">{device.channels.length}</td>
              <td className="number">r{String(device.revision)}</td>
              <td>{device.upToDate ? <span className="quiet">{t("fleet.inForce")}</span> : behind ? <b>{t("fleet.fetched", { revision: String(device.fetchedRevision ?? "–") })}</b> : <span className="quiet">{t("fleet.waits")}</span>}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
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
