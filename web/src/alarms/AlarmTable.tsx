import { type KeyboardEvent, memo, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { Alarm } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow, zone } from "../lib/clock";
import { formatAge, formatNumber, formatStamp, writeUnit } from "../lib/format";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { HatchSwatch } from "../parts/Hatch";
import { Indicator } from "../parts/Indicator";
import { LiveIndicator } from "../parts/LiveValue";
import { scaleOf } from "../parts/scale";
import { isUnacknowledged, raisedMs } from "./order";
import type { RowWindow } from "./useRowWindow";
import { alarmDecimals, alarmName, stateWords } from "./words";

export const ROW_HEIGHT = { dense: 30, standard: 38, touch: 44 } as const;
export const HEAD_HEIGHT = 26;

interface Props {
  rows: readonly Alarm[];
  scroller: RefObject<HTMLDivElement | null>;
  rowHeight: number;
  view: RowWindow;
  selected: ReadonlySet<string>;
  opened: string | null;
  focused: string | null;
  onFocus: (id: string) => void;
  /** The focus walks on without selecting: the next selection begins anew. */
  onWalk: () => void;
  onToggle: (id: string) => void;
  /** Selects from the row where the selection began to this one. */
  onExtend: (id: string) => void;
  onOpen: (id: string) => void;
}

export function AlarmTable(props: Props) {
  const { t } = useTranslation();
  const { rows, scroller, rowHeight } = props;
  const now = useNow(1000);
  const { drawn, before, after } = props.view;
  const page = Math.max(1, props.view.seen.last - props.view.seen.first - 1);
  const tabStop = rows.some((row) => row.id === props.focused) ? props.focused : rows[0]?.id;
  const step = (event: KeyboardEvent, index: number, extend: boolean) => {
    const next = rows[index];
    if (!next) return;
    event.preventDefault();
    const element = scroller.current;
    if (element) {
      const top = index * rowHeight;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + rowHeight > element.scrollTop + element.clientHeight - HEAD_HEIGHT) element.scrollTop = top + rowHeight - element.clientHeight + HEAD_HEIGHT;
    }
    if (extend) props.onExtend(next.id);
    else props.onWalk();
    props.onFocus(next.id);
    requestAnimationFrame(() => element?.querySelector<HTMLElement>(`[data-row="${CSS.escape(next.id)}"]`)?.focus());
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTableRowElement>, index: number, id: string) => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "ArrowDown") step(event, index + 1, event.shiftKey);
    else if (event.key === "ArrowUp") step(event, index - 1, event.shiftKey);
    else if (event.key === "PageDown") step(event, Math.min(rows.length - 1, index + page), event.shiftKey);
    else if (event.key === "PageUp") step(event, Math.max(0, index - page), event.shiftKey);
    else if (event.key === "Home") step(event, 0, false);
    else if (event.key === "End") step(event, rows.length - 1, false);
    else if (event.key === " ") {
      event.preventDefault();
      props.onToggle(id);
    } else if (event.key === "Enter") {
      event.preventDefault();
      props.onOpen(id);
    }
  };
  return (
    <table className="table alarm-table" role="grid" aria-multiselectable="true" aria-rowcount={rows.length + 1}>
      <caption className="hidden-text">{t("alarms.table")}</caption>
      <thead>
        <tr>
          <th className="col-check"><span className="hidden-text">{t("alarms.select")}</span></th>
          <th className="gutter"><span className="hidden-text">{t("alarms.priority")}</span></th>
          <th scope="col" className="col-raised">{t("alarms.raised")}</th>
          <th scope="col" className="col-asset">{t("alarms.asset")}</th>
          <th scope="col">{t("alarms.message")}</th>
          <th scope="col" className="number col-value">{t("alarms.value")}</th>
          <th scope="col" className="col-limits">{t("alarms.against")}</th>
          <th scope="col" className="number col-age">{t("alarms.age")}</th>
          <th scope="col" className="number col-number">{t("alarms.number")}</th>
          <th scope="col" className="col-state">{t("alarms.state")}</th>
        </tr>
      </thead>
      <tbody>
        {before > 0 && <tr aria-hidden="true"><td className="spacer" height={before} /></tr>}
        {rows.slice(drawn.first, drawn.last).map((alarm, offset) => {
          const index = drawn.first + offset;
          return (
            <tr key={alarm.id} data-row={alarm.id} aria-rowindex={index + 2} tabIndex={alarm.id === tabStop ? 0 : -1} aria-selected={props.selected.has(alarm.id)}
              className={`${isUnacknowledged(alarm) ? "row-unacknowledged" : ""} ${alarm.id === props.opened ? "row-open" : ""}`}
              onFocus={() => props.onFocus(alarm.id)} onClick={() => props.onOpen(alarm.id)} onKeyDown={(event) => onKeyDown(event, index, alarm.id)}>
              <td className="col-check" onClick={(event) => event.stopPropagation()}>
                <input type="checkbox" tabIndex={-1} aria-label={t("alarms.selectOne", { name: alarmName(alarm, t) })} checked={props.selected.has(alarm.id)} onChange={() => props.onToggle(alarm.id)} />
              </td>
              <Cells alarm={alarm} now={now} />
            </tr>
          );
        })}
        {after > 0 && <tr aria-hidden="true"><td className="spacer" height={after} /></tr>}
      </tbody>
    </table>
  );
}

const Cells = memo(function Cells({ alarm, now }: { alarm: Alarm; now: number }) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <>
      <td className="gutter"><AlarmGlyph priority={alarm.priority} state={alarm.state} alarmClass={alarm.class} label={alarmName(alarm, t)} /></td>
      <td className="col-raised">{formatStamp(raisedMs(alarm), now, zone, language)}</td>
      <td className="col-asset"><b className="fit" title={alarm.thing?.name}>{alarm.thing?.name ?? "–"}</b></td>
      <td className="col-message"><span className="fit" title={`${alarm.message} ${alarm.seriesName}`}><span className="message">{alarm.message}</span> <span className="tag-name">{alarm.seriesName}</span></span></td>
      <td className="number col-value"><AlarmValue alarm={alarm} /></td>
      <td className="col-limits"><AlarmIndicator alarm={alarm} width={84} /></td>
      <td className="number col-age">{formatAge(now - raisedMs(alarm), language)}</td>
      <td className="number col-number">{Number(alarm.occurrence) > 9 ? <b>{String(alarm.occurrence)}</b> : String(alarm.occurrence)}</td>
      <td className="col-state"><span className="fit" title={stateWords(alarm, t)}>{stateWords(alarm, t)}</span></td>
    </>
  );
}, (before, after) => before.alarm === after.alarm && Math.floor(before.now / 1000) === Math.floor(after.now / 1000));

export function AlarmValue({ alarm }: { alarm: Alarm }) {
  const { t } = useTranslation();
  const language = useLanguage();
  if (alarm.quality === "BAD") return <span><HatchSwatch /> {t("quality.bad")}</span>;
  return <>{formatNumber(alarm.value, alarmDecimals(alarm), language)} <span className="unit">{alarm.value === null ? "" : writeUnit(alarm.unit)}</span></>;
}

/** Live where the series is known; else the value that the alarm was raised with. */
export function AlarmIndicator({ alarm, width }: { alarm: Alarm; width: number }) {
  const limits = alarm.series?.limits ?? [];
  const scale = scaleOf(alarm.series?.tag ?? null, limits);
  if (!scale) return null;
  if (alarm.series) return <LiveIndicator series={{ id: alarm.series.id, unit: alarm.unit, tag: alarm.series.tag }} scale={scale} width={width} />;
  return <Indicator scale={scale} width={width} reading={{ t: Date.parse(alarm.sourceTime), v: alarm.value, q: 192 }} shown="good" />;
}
