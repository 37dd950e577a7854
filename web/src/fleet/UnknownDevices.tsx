import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { UnknownDevice } from "../api/types";
import { useListPage } from "../api/useListPage";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge, formatNumber } from "../lib/format";
import { changeQuery, useQueryValue } from "../lib/router";
import { Button } from "../parts/Button";
import { Pager } from "../parts/Pager";
import { Asked, Section } from "../parts/Panel";
import { REFRESH_MS, useWritten } from "./useFleetList";

const NO_FILTER = {};

interface Props { written: number; onClaim: (id: string) => void; refused: string | null }

/** Devices that asked for a config and are nobody's yet, newest first. Their page stands in the address as `unknown`. */
export function UnknownDevices({ written, onClaim, refused }: Props) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(5000);
  const [wanted] = useQueryValue("unknown", "1");
  const page = Math.max(0, (Number.parseInt(wanted, 10) || 1) - 1);
  const turn = useCallback((next: number) => changeQuery({ unknown: next <= 0 ? null : String(next + 1) }), []);
  const query = useListPage<UnknownDevice>("unknownDevices", NO_FILTER, null, page, turn, REFRESH_MS);
  useWritten(written, query.reload);
  const ago = (at: string) => t("ago", { age: formatAge(now - Date.parse(at), language) });
  return (
    <Section title={t("fleet.unknown")} note={t("fleet.unknownNote")} className="page-pad">
      <Asked query={query} what={t("fleet.unknown")}>
        {({ nodes, total, pages }) => (total === 0 ? <p className="quiet">{t("fleet.noUnknown")}</p> : (
          <>
            <table className="table">
              <thead><tr><th scope="col">{t("fleet.externalId")}</th><th scope="col">{t("fleet.from")}</th><th scope="col">{t("fleet.firstSeen")}</th><th scope="col">{t("fleet.lastSeen")}</th><th scope="col" className="number">{t("fleet.tries")}</th><th><span className="hidden-text">{t("fleet.claimThis")}</span></th></tr></thead>
              <tbody>
                {nodes.map((device) => (
                  <tr key={device.externalId}>
                    <th scope="row" className="mono">{device.externalId}</th><td>{device.address}</td><td>{ago(device.firstSeen)}</td><td>{ago(device.lastSeen)}</td>
                    <td className="number">{formatNumber(Number(device.attempts), 0, language)}</td>
                    <td className="number"><Button size="small" unavailable={refused} onClick={() => onClaim(device.externalId)}>{t("fleet.claimThis")}</Button></td>
                  </tr>
                ))}
              </tbody>
            </table>
            {pages > 1 && <Pager label={t("fleet.unknown")} page={page} pages={pages} total={total} shown={nodes.length} behind={query.behind} onTurn={turn} />}
          </>
        ))}
      </Asked>
    </Section>
  );
}
