import type { Points, SeriesLimit } from "../api/types";
import { excursionOf } from "./scale";

const WIDTH = 60;
const HEIGHT = 24;

/** 60 × 24, no axis: line, limit dotted, excursion filled, last point dotted. */
export function Sparkline({ points, limits }: { points: Points; limits: readonly SeriesLimit[] }) {
  const rows = points.t.map((t, i) => ({ t, v: points.v[i] ?? null })).filter((row): row is { t: number; v: number } => row.v !== null);
  const first = rows[0];
  const last = rows[rows.length - 1];
  if (!first || !last || rows.length < 2) return <svg className="sparkline" width={WIDTH + 4} height={HEIGHT} aria-hidden="true" />;
  const values = rows.map((row) => row.v);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const near = nearestLimit(last.v, limits, low, high);
  const bottom = near === null ? low : Math.min(low, near);
  const top = near === null ? high : Math.max(high, near);
  const x = (t: number) => ((t - first.t) / (last.t - first.t || 1)) * WIDTH;
  const y = (v: number) => HEIGHT - 4 - ((v - bottom) / (top - bottom || 1)) * (HEIGHT - 8);
  const path = rows.map((row, i) => `${i === 0 ? "M" : "L"}${x(row.t).toFixed(1)} ${y(row.v).toFixed(1)}`).join("");
  const beyond = excursionOf(last.v, limits);
  return (
    <svg className="sparkline" width={WIDTH + 4} height={HEIGHT} viewBox={`0 0 ${WIDTH + 4} ${HEIGHT}`} aria-hidden="true">
      {beyond && <path className={`spark-excursion ${beyond.worst.priority.toLowerCase()}`} d={excursionPath(rows, beyond.from, x, y)} />}
      {near !== null && <line className="spark-limit" x1="0" x2={WIDTH} y1={y(near)} y2={y(near)} />}
      <path className="spark-line" d={path} />
      <circle className="spark-last" cx={x(last.t)} cy={y(last.v)} r="2" />
    </svg>
  );
}

/** The limit to draw: the nearest one, unless it would press the line flat. */
function nearestLimit(value: number, limits: readonly SeriesLimit[], low: number, high: number): number | null {
  const sorted = limits.map((limit) => limit.limit).sort((a, b) => Math.abs(a - value) - Math.abs(b - value));
  const near = sorted[0];
  if (near === undefined) return null;
  const span = high - low || Math.abs(value) || 1;
  return Math.abs(near - value) > 12 * span ? null : near;
}

function excursionPath(rows: { t: number; v: number }[], from: number, x: (t: number) => number, y: (v: number) => number): string {
  const last = rows[rows.length - 1];
  if (!last) return "";
  const high = last.v > from;
  let start = rows.length - 1;
  while (start > 0 && (high ? (rows[start - 1]?.v ?? from) > from : (rows[start - 1]?.v ?? from) < from)) start -= 1;
  const part = rows.slice(start);
  const head = part[0];
  if (!head) return "";
  return `M${x(head.t)} ${y(from)}${part.map((row) => `L${x(row.t).toFixed(1)} ${y(row.v).toFixed(1)}`).join("")}L${x(last.t)} ${y(from)}z`;
}
