import { useEffect, useRef } from "react";
import type { Reading } from "../live/telemetry";
import { excursionOf, isHigh, position, type Scale } from "./scale";
import type { Shown } from "./quality";

const HEIGHT = 16;
const MIDDLE = 9;

interface Props { scale: Scale; width?: number; setPoint?: number | null; reading?: Reading | undefined; shown?: Shown; handle?: (update: IndicatorUpdate) => void }
export type IndicatorUpdate = (value: number | null, shown: Shown) => void;

/** The moving analogue indicator: track, normal band, limit ticks, pointer from above, excursion filled from its limit. */
export function Indicator({ scale, width = 110, setPoint = null, reading, shown = "none", handle }: Props) {
  const pointer = useRef<SVGPathElement>(null);
  const stem = useRef<SVGLineElement>(null);
  const fill = useRef<SVGRectElement>(null);
  const x = (value: number) => Math.round(position(scale, value) * width * 2) / 2;

  useEffect(() => {
    const update: IndicatorUpdate = (value, quality) => {
      const visible = value !== null && quality !== "bad" && quality !== "none";
      for (const part of [pointer.current, stem.current]) part?.setAttribute("visibility", visible ? "visible" : "hidden");
      const beyond = value === null || !visible ? null : excursionOf(value, scale.limits);
      fill.current?.setAttribute("visibility", beyond ? "visible" : "hidden");
      if (value === null || !visible) return;
      const at = x(value);
      const hollow = quality === "uncertain" || quality === "stale";
      pointer.current?.setAttribute("class", hollow ? "pointer-hollow" : "pointer");
      pointer.current?.setAttribute("d", `M${at - 4} 0.5H${at + 4}L${at} 7z`);
      stem.current?.setAttribute("x1", String(at));
      stem.current?.setAttribute("x2", String(at));
      if (!beyond || !fill.current) return;
      const edge = x(beyond.from);
      fill.current.setAttribute("x", String(Math.min(edge, at)));
      fill.current.setAttribute("width", String(Math.max(2, Math.abs(at - edge))));
      fill.current.setAttribute("class", `excursion ${beyond.worst.priority.toLowerCase()}`);
    };
    update(reading?.v ?? null, shown);
    handle?.(update);
  });

  return (
    <svg className="indicator" width={width + 8} height={HEIGHT + 1} viewBox={`-4 0 ${width + 8} ${HEIGHT + 1}`} aria-hidden="true">
      <rect className="track" x="0" y={MIDDLE - 1} width={width} height="2" />
      <rect className="band" x={x(scale.bandLow)} y={MIDDLE - 4} width={Math.max(0, x(scale.bandHigh) - x(scale.bandLow))} height="8" />
      <rect ref={fill} className="excursion" x="0" y={MIDDLE - 4} width="0" height="8" visibility="hidden" />
      {scale.limits.map((limit) => {
        const at = x(limit.limit);
        const double = limit.kind === "HI_HI" || limit.kind === "LO_LO";
        const other = at + (isHigh(limit.kind) ? 3 : -3);
        return (
          <g key={limit.kind + limit.rule} className="limit-tick">
            <line x1={at} x2={at} y1={MIDDLE - 5} y2={MIDDLE + 5} />
            {double && <line x1={other} x2={other} y1={MIDDLE - 5} y2={MIDDLE + 5} />}
          </g>
        );
      })}
      {setPoint !== null && <path className="set-point" d={`M${x(setPoint)} ${MIDDLE + 3}l3 5h-6z`} />}
      <line ref={stem} className="pointer-stem" y1="6" y2={MIDDLE + 5} visibility="hidden" />
      <path ref={pointer} className="pointer" visibility="hidden" />
    </svg>
  );
}
