import type { TFunction } from "i18next";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { alarmsOf } from "../alarms/order";
import { book } from "../alarms/store";
import { alarmName } from "../alarms/words";
import { link } from "../api/socket";
import type { Points } from "../api/types";
import { useNow } from "../lib/clock";
import { usePhone } from "../lib/usePhone";
import { Link } from "../lib/router";
import { useSignal } from "../lib/signal";
import { readingOf } from "../live/telemetry";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Icon } from "../parts/Icon";
import { ConditionStrip } from "../parts/ConditionStrip";
import { LiveAge, LiveIndicator, LiveValue } from "../parts/LiveValue";
import { shownAs, staleAfter } from "../parts/quality";
import { Sparkline } from "../parts/Sparkline";
import { conditionOf } from "./condition";
import { type AssetRow, isAbnormal } from "./rows";
import { useSparklines } from "./useSparklines";

const FOLD_ABOVE = 25;

export function AssetTable({ rows }: { rows: readonly AssetRow[] }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const lines = useSparklines(rows);
  const areas = useMemo(() => [...Map.groupBy(rows, (row) => row.area)], [rows]);
  const phone = usePhone();
  const foldable = rows.length > FOLD_ABOVE;
  const decimals = Math.max(0, ...rows.map((row) => row.series?.tag?.decimals ?? 2));
  if (phone) return <PhoneAssets rows={rows} lines={lines} decimals={decimals} />;
  return (
    <>
      <table className="table asset-table">
        <thead>
          <tr>
            <th className="gutter"><span className="hidden-text">{t("overview.alarm")}</span></th>
            <th scope="col">{t("overview.asset")}</th>
            <th scope="col" className="col-strip"><span className="strip-head"><span>DA</span><span>SD</span><span>PA</span></span></th>
            <th scope="col" className="col-spark">{t("overview.lastHour")}</th>
            <th scope="col" className="col-measure" colSpan={2}>{t("overview.closest")}</th>
            <th scope="col" className="number col-value"><span className="hidden-text">{t("overview.value")}</span></th>
            <th scope="col" className="number col-age">{t("overview.age")}</th>
          </tr>
        </thead>
        {areas.map(([area, group]) => {
          const normal = group.filter((row) => !isAbnormal(row));
          const folded = foldable && normal.length > 3 && !open.has(area);
          const shown = folded ? group.filter(isAbnormal) : group;
          return (
            <tbody key={area}>
              {area !== "" && <tr className="group-row"><th colSpan={6} scope="rowgroup"><b>{area}</b> <span className="quiet">{countWords(normal.length, group.length, t)}</span></th><Spare /></tr>}
              {shown.map((row) => <Row key={row.thing.id} row={row} line={row.series ? lines.get(row.series.id) : undefined} decimals={decimals} />)}
              {folded && <tr><td colSpan={6}><button type="button" className="text-button" onClick={() => setOpen(new Set([...open, area]))}>{t("overview.folded", { count: normal.length })}</button></td><Spare /></tr>}
            </tbody>
          );
        })}
      </table>
      <p className="table-note">{t("overview.legend")}</p>
    </>
  );
}

/** On a phone only what is abnormal; the others are one line that opens. */
function PhoneAssets({ rows, lines, decimals }: { rows: readonly AssetRow[]; lines: ReadonlyMap<string, Points>; decimals: number }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const normal = rows.filter((row) => !isAbnormal(row));
  const shown = open ? rows : rows.filter(isAbnormal);
  return (
    <>
      <h2 className="phone-head">{t("overview.assets")} <span className="quiet">{countWords(normal.length, rows.length, t)}</span></h2>
      <table className="table asset-table"><caption className="hidden-text">{t("overview.assets")}</caption><tbody>{shown.map((row) => <Row key={row.thing.id} row={row} line={row.series ? lines.get(row.series.id) : undefined} decimals={decimals} />)}</tbody></table>
      {normal.length > 0 && <button type="button" className="phone-fold" aria-expanded={open} onClick={() => setOpen(!open)}>{t("overview.folded", { count: normal.length })}<Icon name="chevron" /></button>}
    </>
  );
}

function countWords(normal: number, count: number, t: TFunction): string {
  if (count === 1) return t(normal === 1 ? "condition.normal" : "condition.abnormal");
  if (normal === count) return t("overview.areaNormal", { count });
  return normal === 0 ? t("overview.areaAbnormal", { count }) : t("overview.areaCount", { normal, count });
}

function Row({ row, line, decimals }: { row: AssetRow; line: Points | undefined; decimals: number }) {
  const { t } = useTranslation();
  const { alarms } = useSignal(book);
  const { state } = useSignal(link);
  const now = useNow(2000);
  const { thing, series, scale, alarm } = row;
  const own = alarmsOf(alarms, thing.id);
  const shown = series ? shownAs(readingOf(series.id), now, staleAfter(series.tag?.expectedIntervalMs), state === "lost") : "none";
  const parts = conditionOf(own, shown, thing.models.length > 0, t);
  const abnormal = isAbnormal(row);
  return (
    <tr className={abnormal ? "row-abnormal" : "row-normal"}>
      <td className="gutter">{alarm && <AlarmGlyph priority={alarm.priority} state={alarm.state} alarmClass={alarm.class} label={alarmName(alarm, t)} />}</td>
      <th scope="row" className="asset-name">
        <Link to={`/assets/${thing.id}`} className="row-link"><b>{thing.name}</b> <span className="asset-title fit" title={row.title}>{row.title || thing.deviceType?.name}</span></Link>
      </th>
      <td className="col-strip"><ConditionStrip parts={parts} /></td>
      <td className="col-spark">{line && <Sparkline points={line} limits={row.limits} />}</td>
      <td className="measure-name"><span className="fit" title={series?.name}>{series ? (series.tag?.title ?? series.name) : t("overview.noSamples")}</span></td>
      <td className="col-indicator">{series && scale && <LiveIndicator series={series} scale={scale} width={58} />}</td>
      <td className="number col-value">{series && <LiveValue series={series} columnDecimals={decimals} abnormal={abnormal && alarm?.series?.id === series.id} />}</td>
      <td className="number col-age">{series ? <LiveAge series={series} /> : "–"}</td>
    </tr>
  );
}

/** The columns that a narrow page leaves out: a cell that spanned them would bring them back, empty. */
function Spare() {
  return <><td className="col-strip" /><td className="col-spark" /></>;
}
