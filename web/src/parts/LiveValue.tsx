import { useEffect, useRef } from "react";
import { link } from "../api/socket";
import type { Series } from "../api/types";
import i18n from "../i18n/i18n";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow } from "../lib/clock";
import { formatAge, formatNumber, invisibleTail, naturalDecimals, writeUnit } from "../lib/format";
import { cancelRedraw, redraw } from "../live/scheduler";
import { type Reading, readingOf, watch } from "../live/telemetry";
import { Indicator, type IndicatorUpdate } from "./Indicator";
import { type Shown, shownAs, staleAfter } from "./quality";
import type { Scale } from "./scale";

type Described = Pick<Series, "id" | "unit" | "tag">;

/** Calls `draw` when a sample comes, when the link changes, and each second, because age alone makes a value stale. */
export function useReading(series: Described, draw: (reading: Reading | undefined, shown: Shown, now: number) => void): void {
  const latest = useRef(draw);
  useEffect(() => {
    latest.current = draw;
  });
  const staleMs = staleAfter(series.tag?.expectedIntervalMs);
  useEffect(() => {
    const paint = () => {
      const reading = readingOf(series.id);
      const now = serverNow();
      latest.current(reading, shownAs(reading, now, staleMs, link.get().state === "lost"), now);
    };
    const plan = () => redraw(paint);
    paint();
    const stop = watch(series.id, plan);
    const stopLink = link.subscribe(plan);
    const timer = setInterval(plan, 1000);
    return () => {
      stop();
      stopLink();
      clearInterval(timer);
      cancelRedraw(paint);
    };
  }, [series.id, staleMs]);
}

interface ValueProps { series: Described; columnDecimals?: number; abnormal?: boolean; size?: "row" | "lead" }

/** A value with its unit and quality. Samples write the text nodes directly; React only mounts. */
export function LiveValue({ series, columnDecimals = 0, abnormal = false, size = "row" }: ValueProps) {
  const root = useRef<HTMLSpanElement>(null);
  const number = useRef<HTMLSpanElement>(null);
  const tail = useRef<HTMLSpanElement>(null);
  const mark = useRef<HTMLSpanElement>(null);
  const language = useLanguage();
  useReading(series, (reading, shown) => {
    if (!root.current || !number.current || !tail.current || !mark.current) return;
    const decimals = series.tag?.decimals ?? naturalDecimals(reading?.v ?? 0);
    root.current.className = `value value-${shown} value-${size}${abnormal ? " value-abnormal" : ""}`;
    number.current.textContent = shown === "bad" ? i18n.t("quality.bad") : formatNumber(shown === "none" ? null : reading?.v, decimals, language);
    tail.current.textContent = shown === "bad" || shown === "none" ? "" : invisibleTail(decimals, columnDecimals, language);
    mark.current.textContent = shown === "uncertain" ? " ?" : "";
    const last = reading?.v ?? null;
    root.current.title = shown === "bad" && last !== null ? i18n.t("quality.lastGood", { value: formatNumber(last, decimals, language) }) : i18n.t(`quality.${shown}`);
  });
  return (
    <span ref={root} className="value value-none">
      <span className="value-swatch" aria-hidden="true" />
      <span ref={number} className="value-number" />
      <span ref={tail} className="value-tail" aria-hidden="true" />
      <span className="unit">
        {writeUnit(series.tag?.unit ?? series.unit)}
        <span ref={mark} />
      </span>
    </span>
  );
}

/** The age of the newest sample; hatched when it is stale. */
export function LiveAge({ series }: { series: Described }) {
  const root = useRef<HTMLSpanElement>(null);
  const language = useLanguage();
  useReading(series, (reading, shown, now) => {
    if (!root.current) return;
    root.current.className = shown === "stale" || shown === "bad" ? "age age-stale" : "age";
    root.current.textContent = reading ? formatAge(now - reading.t, language) : "–";
  });
  return <span ref={root} className="age" />;
}

export function LiveIndicator({ series, scale, width }: { series: Described; scale: Scale; width?: number }) {
  const update = useRef<IndicatorUpdate | null>(null);
  useReading(series, (reading, shown) => update.current?.(reading?.v ?? null, shown));
  return <Indicator scale={scale} {...(width ? { width } : {})} handle={(next) => {
    update.current = next;
    const reading = readingOf(series.id);
    next(reading?.v ?? null, shownAs(reading, serverNow(), staleAfter(series.tag?.expectedIntervalMs), link.get().state === "lost"));
  }} />;
}
