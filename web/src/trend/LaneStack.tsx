import { type KeyboardEvent, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Series } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow, zone } from "../lib/clock";
import { formatClock, formatNumber, formatStamp, naturalDecimals, timeTicks, writeUnit } from "../lib/format";
import { useKey } from "../lib/keys";
import { Failed } from "../parts/Panel";
import { Lane, type LaneProps } from "./Lane";
import { indexAt } from "./shape";
import { clearCursor, createStack, moveCursor, redrawStack, type Stack, windowOf } from "./stackState";
import { useRings } from "./useLines";

export interface StackLane { series: Series; alarm?: LaneProps["alarm"]; title?: string; caption?: string }

interface Props {
  lanes: readonly StackLane[];
  rangeMs: number;
  paused: boolean;
  onPause: () => void;
  /** Strips below the lanes on the same time axis: alarms, events. */
  strips?: (window: { from: number; to: number }) => ReactNode;
  pinnedEnd?: number | null;
  compact?: boolean;
}

const MAX_POINTS = 1600;

/** Lanes over one time axis with one cursor through all of them. */
export function LaneStack({ lanes, rangeMs, paused, onPause, strips, pinnedEnd = null, compact = false }: Props) {
  const { t } = useTranslation();
  const language = useLanguage();
  const stack = useMemo(() => createStack(rangeMs, pinnedEnd), [rangeMs, pinnedEnd]);
  const [table, setTable] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const line = useRef<HTMLDivElement>(null);
  const tag = useRef<HTMLDivElement>(null);
  useNow(1000);
  useEffect(() => {
    stack.end = pinnedEnd ?? (paused ? windowOf(stack).to : null);
  }, [stack, paused, pinnedEnd]);
  const { rings, loads, error, reload } = useRings(lanes.map((lane) => lane.series.id), () => windowOf(stack), MAX_POINTS, `${rangeMs}/${pinnedEnd ?? ""}`);
  useEffect(() => redrawStack(stack), [stack, loads, table]);
  useKey(compact ? null : "D", t("keys.table"), () => setTable((open) => !open));
  useKey(compact ? null : "P", t("keys.pause"), onPause);

  const onCursor = (left: number | null, at: number | null) => {
    if (!line.current || !tag.current || !root.current) return;
    const plot = root.current.querySelector<HTMLElement>(".lane-plot");
    const shown = left !== null && at !== null && plot !== null;
    line.current.hidden = !shown;
    if (!shown) return;
    const x = Math.round(plot.offsetLeft + left);
    line.current.style.transform = `translateX(${x}px)`;
    tag.current.textContent = formatClock(at, zone);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.shiftKey ? 10 : 1;
    if (event.key === "ArrowLeft") moveCursor(stack, -step);
    else if (event.key === "ArrowRight") moveCursor(stack, step);
    else if (event.key === "0") clearCursor(stack);
    else return;
    event.preventDefault();
  };

  const window = windowOf(stack);
  return (
    <>
      {error && <Failed what={t("trend.history")} error={error} retry={reload} />}
      {table ? <DataTable lanes={lanes} rings={rings} stack={stack} /> : (
        <div className={compact ? "stack stack-compact" : "stack"} ref={root} tabIndex={0} role="group" aria-label={t("trend.stack")} aria-description={t("trend.stackHelp")} onKeyDown={onKeyDown}>
          <div className="stack-cursor" ref={line} hidden><div className="stack-cursor-tag" ref={tag} /></div>
          {lanes.map((lane, index) => {
            const ring = rings.get(lane.series.id);
            return ring && (
              <Lane key={lane.series.id} series={lane.series} ring={ring} stack={stack} alarm={lane.alarm ?? null}
                {...(lane.title ? { title: lane.title } : {})} {...(lane.caption ? { caption: lane.caption } : {})} {...(index === 0 ? { onCursor } : {})} />
            );
          })}
          <div className="stack-foot">
            {strips?.(window)}
            <div className="lane-axis" aria-hidden="true">
              <svg width="100%" height="18">
                {timeTicks(window.from, window.to, compact ? 3 : 9, zone, language).map((tick) => {
                  const share = (tick.at - window.from) / (window.to - window.from);
                  return <text key={tick.at} className="axis-text" x={`${(share * 100).toFixed(2)}%`} y="13" textAnchor={share < 0.04 ? "start" : share > 0.96 ? "end" : "middle"}>{tick.label}</text>;
                })}
              </svg>
            </div>
          </div>
        </div>
      )}
    </>
  );
}

const TABLE_ROWS = 20;

/** The same numbers as text, for screen readers and copying. */
function DataTable({ lanes, rings, stack }: { lanes: readonly StackLane[]; rings: ReturnType<typeof useRings>["rings"]; stack: Stack }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { from, to } = windowOf(stack);
  const times = Array.from({ length: TABLE_ROWS }, (_, i) => to - (i * (to - from)) / TABLE_ROWS);
  return (
    <div className="scroll-x" tabIndex={0}>
      <table className="table">
        <caption className="hidden-text">{t("trend.stack")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("trend.time")}</th>
            {lanes.map(({ series, title }) => <th scope="col" className="number" key={series.id}>{title ?? series.tag?.title ?? series.name}, {writeUnit(series.tag?.unit ?? series.unit)}</th>)}
          </tr>
        </thead>
        <tbody>
          {times.map((at) => (
            <tr key={at}>
              <td>{formatStamp(at, to, zone, language)}</td>
              {lanes.map(({ series }) => {
                const view = rings.get(series.id)?.view();
                const value = view?.v[indexAt(view.t, at)];
                return <td className="number" key={series.id}>{formatNumber(value, series.tag?.decimals ?? naturalDecimals(value ?? 0), language)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
