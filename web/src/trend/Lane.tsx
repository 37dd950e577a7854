import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { Link } from "../lib/router";
import type { Priority, Series, SeriesLimit } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { zone } from "../lib/clock";
import { formatAge, formatNumber, naturalDecimals, timeTicks, writeUnit } from "../lib/format";
import { preferences } from "../lib/preferences";
import { printing } from "../lib/printing";
import type { Ring } from "../live/ring";
import { cancelRedraw, redraw } from "../live/scheduler";
import { watch } from "../live/telemetry";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { LiveValue } from "../parts/LiveValue";
import { LIMIT_LETTERS } from "../parts/scale";
import { paintGround, paintLine, type LanePicture } from "./paint";
import { palette } from "./palette";
import { gaps, indexAt, laneHz, lanePace, valueRange } from "./shape";
import { type Stack, windowOf } from "./stackState";

export interface LaneProps {
  series: Series;
  ring: Ring;
  stack: Stack;
  /** The worst alarm on this series, for its gutter. */
  alarm?: { priority: Priority; state: Parameters<typeof AlarmGlyph>[0]["state"]; alarmClass: Parameters<typeof AlarmGlyph>[0]["alarmClass"] } | null;
  title?: string;
  caption?: string;
  live?: boolean;
  onCursor?: (left: number | null, at: number | null) => void;
}

/** One series on its own scale: label column, plot, limit labels. Samples go straight to the canvas. */
export function Lane({ series, ring, stack, alarm, title, caption, live = true, onCursor }: LaneProps) {
  const { t } = useTranslation();
  const language = useLanguage();
  const host = useRef<HTMLDivElement>(null);
  const labels = useRef<HTMLDivElement>(null);
  const atCursor = useRef<HTMLSpanElement>(null);
  const cursorListener = useRef(onCursor);
  const gapWords = useRef({ missing: "", bad: "" });
  useEffect(() => {
    cursorListener.current = onCursor;
    gapWords.current = { missing: t("trend.noData"), bad: t("quality.bad") };
  });
  const name = title ?? series.tag?.title ?? series.name;
  const unit = writeUnit(series.tag?.unit ?? series.unit);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    let picture: LanePicture | null = null;
    let range = { low: 0, high: 1 };
    const compose = (): LanePicture => {
      const { from, to } = windowOf(stack);
      const { t: times, v, q } = ring.view();
      const first = Math.max(0, indexAt(times, from));
      const last = indexAt(times, to) + 1;
      const view = { t: times.subarray(first, last), v: v.subarray(first, last), q: q.subarray(first, last) };
      range = valueRange(view.v, series.limits);
      const expected = series.tag?.expectedIntervalMs;
      return {
        ...view, limits: series.limits, palette: palette(),
        ticks: timeTicks(from, to, Math.max(2, Math.floor(element.clientWidth / 74)), zone, language),
        gaps: gaps(view.t, view.v, view.q, expected === null || expected === undefined ? null : Number(expected), from, to),
        gapText: (gap) => `${gapWords.current[gap.reason]} ${formatAge(gap.to - gap.from, language)}`,
      };
    };
    picture = compose();
    const readout = (u: uPlot) => {
      const left = u.cursor.left ?? -1;
      const at = left < 0 ? null : u.posToVal(left, "x");
      cursorListener.current?.(left < 0 ? null : left, at);
      if (!atCursor.current) return;
      const index = at === null ? -1 : indexAt(ring.view().t, at);
      const value = ring.view().v[index];
      const decimals = series.tag?.decimals ?? naturalDecimals(value ?? 0);
      atCursor.current.textContent = at === null ? "" : `${t("trend.atCursor")} ${formatNumber(value, decimals, language)}`;
    };
    // After the scales of this draw are set: before, a label would stand where its limit was.
    const placeLabels = (self: uPlot) => {
      for (const label of labels.current?.children ?? []) {
        const y = self.valToPos(Number((label as HTMLElement).dataset.limit), "y");
        (label as HTMLElement).hidden = y < 4 || y > self.over.clientHeight - 2;
        (label as HTMLElement).style.top = `${Math.round(y)}px`;
      }
    };
    const u = new uPlot(
      {
        width: Math.max(60, element.clientWidth), height: Math.max(24, element.clientHeight),
        padding: [0, 0, 0, 0], legend: { show: false }, axes: [{ show: false }, { show: false }],
        cursor: { y: false, drag: { x: false, y: false }, sync: { key: stack.syncKey }, points: { size: 7, fill: () => palette().well, stroke: () => palette().ink } },
        scales: { x: { time: false, range: () => { const w = windowOf(stack); return [w.from, w.to]; } }, y: { range: () => [range.low, range.high] } },
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: { drawClear: [(self) => picture && paintGround(self, picture)], draw: [(self) => picture && paintLine(self, picture), placeLabels], setCursor: [readout] },
      },
      [picture.t, picture.v] as unknown as uPlot.AlignedData,
      element,
    );
    stack.plots.add(u);
    const draw = () => {
      picture = compose();
      u.setData([picture.t, picture.v] as unknown as uPlot.AlignedData, true);
    };
    const plan = () => redraw(draw);
    const sized = new ResizeObserver(() => {
      u.setSize({ width: Math.max(60, element.clientWidth), height: Math.max(24, element.clientHeight) });
      draw();
    });
    sized.observe(element);
    stack.draws.add(plan);
    plan();
    const stopTheme = preferences.subscribe(() => setTimeout(plan, 0));
    // Paper does not wait for the next frame.
    const stopPrint = printing.subscribe(draw);
    // The window moves by whole pixels: no faster than a pixel takes. Samples wait in the ring until then.
    const timer = setInterval(() => { if (stack.end === null) plan(); }, lanePace(stack.rangeMs, element.clientWidth));
    const least = stack.rangeMs / 4000;
    const stop = !live ? () => undefined : watch(series.id, (reading) => {
      const { t: times } = ring.view();
      if (reading.t - (times[times.length - 1] ?? 0) < least) return;
      ring.push(reading.t, reading.v ?? Number.NaN, reading.q);
    }, laneHz(stack.rangeMs, element.clientWidth));
    return () => {
      stop();
      stopTheme();
      stopPrint();
      clearInterval(timer);
      sized.disconnect();
      cancelRedraw(draw);
      stack.draws.delete(plan);
      stack.plots.delete(u);
      u.destroy();
    };
  }, [series, ring, stack, language, t, live]);

  return (
    <div className="lane" role="group" aria-label={`${name}, ${unit}`}>
      <div className="lane-label">
        <span className="lane-name">
          {alarm && <AlarmGlyph priority={alarm.priority} state={alarm.state} {...(alarm.alarmClass ? { alarmClass: alarm.alarmClass } : {})} size={20} />}
          <span className="fit" title={name}>{name}</span>
        </span>
        {live && <LiveValue series={series} size="lead" abnormal={Boolean(alarm)} />}
        <span className="lane-caption">
          <span className="fit">{caption ?? series.name}</span><span className="lane-at" ref={atCursor} />
        </span>
      </div>
      <div className="lane-plot" ref={host} />
      <div className="lane-limits" ref={labels}>
        {series.limits.map((limit) => (
          <span key={limit.kind + limit.rule} className="lane-limit" data-limit={limit.limit}>
            <LimitText limit={limit} text={formatNumber(limit.limit, series.tag?.decimals ?? naturalDecimals(limit.limit), language)} />
          </span>
        ))}
      </div>
    </div>
  );
}

/** Leads to the rule that set the limit; a limit that training chose has none. */
function LimitText({ limit, text }: { limit: SeriesLimit; text: string }) {
  const words = <><span className="quiet">{LIMIT_LETTERS[limit.kind]}</span> {text}</>;
  return limit.rule === "" ? words : <Link to={`/rules/${limit.rule}`} className="row-link">{words}</Link>;
}
