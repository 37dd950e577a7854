import type uPlot from "uplot";
import type { SeriesLimit } from "../api/types";
import type { Tick } from "../lib/format";
import { isHigh } from "../parts/scale";
import type { Palette } from "./palette";
import type { Gap } from "./shape";

export interface LanePicture { limits: readonly SeriesLimit[]; ticks: readonly Tick[]; gaps: readonly Gap[]; t: Float64Array; v: Float64Array; q: Uint8Array; palette: Palette; gapText: (gap: Gap) => string }

/** Ground: well, grid and the normal band between the limits. */
export function paintGround(u: uPlot, picture: LanePicture): void {
  const { ctx, bbox } = u;
  const { palette } = picture;
  ctx.save();
  ctx.fillStyle = palette.well;
  ctx.fillRect(bbox.left, bbox.top, bbox.width, bbox.height);
  const below = picture.limits.filter((limit) => !isHigh(limit.kind)).map((limit) => limit.limit);
  const above = picture.limits.filter((limit) => isHigh(limit.kind)).map((limit) => limit.limit);
  if (below.length > 0 || above.length > 0) {
    const top = above.length > 0 ? clamp(u.valToPos(Math.min(...above), "y", true), bbox) : bbox.top;
    const bottom = below.length > 0 ? clamp(u.valToPos(Math.max(...below), "y", true), bbox) : bbox.top + bbox.height;
    ctx.globalAlpha = 0.4;
    ctx.fillStyle = palette.band;
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    ctx.globalAlpha = 1;
  }
  ctx.strokeStyle = palette.line;
  ctx.lineWidth = devicePixelRatio;
  for (const tick of picture.ticks) vertical(ctx, Math.round(u.valToPos(tick.at, "x", true)) + 0.5, bbox);
  ctx.restore();
}

const clamp = (y: number, box: uPlot.BBox) => Math.min(box.top + box.height, Math.max(box.top, y));

function vertical(ctx: CanvasRenderingContext2D, x: number, box: uPlot.BBox): void {
  ctx.beginPath();
  ctx.moveTo(x, box.top);
  ctx.lineTo(x, box.top + box.height);
  ctx.stroke();
}

/** The line on top of its excursions, limits dashed over both, and hatch where nothing can be trusted. */
export function paintLine(u: uPlot, picture: LanePicture): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const runs = visibleRuns(u, picture);
  // The mildest limit first, so that a worse one covers its own part.
  const ordered = [...picture.limits].sort((a, b) => (a.priority < b.priority ? 1 : -1));
  for (const limit of ordered) paintExcursion(u, runs, limit, picture.palette);
  ctx.strokeStyle = picture.palette.ink;
  ctx.lineWidth = 1.3 * devicePixelRatio;
  ctx.lineJoin = "round";
  for (const run of runs) {
    trace(ctx, run);
    ctx.stroke();
  }
  ctx.strokeStyle = picture.palette.ink2;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const limit of picture.limits) {
    const y = Math.round(u.valToPos(limit.limit, "y", true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  for (const gap of picture.gaps) paintGap(u, gap, picture);
  ctx.restore();
}

type Run = { x: number; y: number }[];

/** The samples in pixels, cut where a gap or a missing value breaks the line. */
function visibleRuns(u: uPlot, { t, v, gaps }: LanePicture): Run[] {
  const runs: Run[] = [];
  let run: Run = [];
  let next = 0;
  const finish = () => {
    if (run.length > 0) runs.push(run);
    run = [];
  };
  for (let i = 0; i < t.length; i++) {
    const at = t[i] ?? 0;
    const value = v[i] ?? Number.NaN;
    while (next < gaps.length && (gaps[next]?.to ?? Infinity) <= at) {
      finish();
      next += 1;
    }
    const inside = next < gaps.length && at > (gaps[next]?.from ?? Infinity) && at < (gaps[next]?.to ?? -Infinity);
    if (Number.isNaN(value) || inside) finish();
    else run.push({ x: u.valToPos(at, "x", true), y: u.valToPos(value, "y", true) });
  }
  finish();
  return runs;
}

function trace(ctx: CanvasRenderingContext2D, run: Run): void {
  ctx.beginPath();
  run.forEach((point, index) => (index === 0 ? ctx.moveTo(point.x, point.y) : ctx.lineTo(point.x, point.y)));
}

function paintExcursion(u: uPlot, runs: Run[], limit: SeriesLimit, palette: Palette): void {
  const { ctx, bbox } = u;
  const edge = u.valToPos(limit.limit, "y", true);
  const high = isHigh(limit.kind);
  const top = high ? bbox.top : edge;
  const bottom = high ? edge : bbox.top + bbox.height;
  if (bottom <= top) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, top, bbox.width, bottom - top);
  ctx.clip();
  ctx.fillStyle = palette.priorities[limit.priority];
  for (const run of runs) {
    const first = run[0];
    const last = run[run.length - 1];
    if (!first || !last) continue;
    trace(ctx, run);
    ctx.lineTo(last.x, edge);
    ctx.lineTo(first.x, edge);
    ctx.closePath();
    ctx.fill();
  }
  ctx.restore();
}

function paintGap(u: uPlot, gap: Gap, picture: LanePicture): void {
  const { ctx, bbox } = u;
  const left = Math.max(bbox.left, u.valToPos(gap.from, "x", true));
  const right = Math.min(bbox.left + bbox.width, u.valToPos(gap.to, "x", true));
  const dpr = devicePixelRatio;
  if (right - left < 2 * dpr) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = picture.palette.ink3;
  ctx.lineWidth = dpr;
  for (let x = left - bbox.height; x < right; x += 6 * dpr) {
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
    ctx.stroke();
  }
  const text = picture.gapText(gap);
  ctx.font = `${11 * dpr}px "Plex Sans", sans-serif`;
  const width = ctx.measureText(text).width;
  if (width + 10 * dpr < right - left) {
    const x = (left + right) / 2;
    const y = bbox.top + bbox.height / 2;
    ctx.fillStyle = picture.palette.well;
    ctx.fillRect(x - width / 2 - 3 * dpr, y - 8 * dpr, width + 6 * dpr, 16 * dpr);
    ctx.fillStyle = picture.palette.ink2;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(text, x, y);
  }
  ctx.restore();
}
