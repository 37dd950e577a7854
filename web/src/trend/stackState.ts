import type uPlot from "uplot";
import { serverNow } from "../lib/clock";

/** What the lanes of one stack share: their window, the pause and the cursor. */
export interface Stack {
  rangeMs: number;
  /** End of the window while paused or pinned; null follows now. */
  end: number | null;
  plots: Set<uPlot>;
  /** Draws of the mounted lanes: run when history has come or the window was moved. */
  draws: Set<() => void>;
  syncKey: string;
}

let made = 0;

export function createStack(rangeMs: number, end: number | null = null): Stack {
  made += 1;
  return { rangeMs, end, plots: new Set(), draws: new Set(), syncKey: `stack-${made}` };
}

export function windowOf(stack: Stack): { from: number; to: number } {
  const to = stack.end ?? serverNow();
  return { from: to - stack.rangeMs, to };
}

/** Moves the cursor of all lanes by pixels; from the right edge where there is none yet. */
export function moveCursor(stack: Stack, pixels: number): void {
  const [plot] = stack.plots;
  if (!plot) return;
  const width = plot.over.clientWidth;
  const now = plot.cursor.left ?? -1;
  const left = Math.min(width, Math.max(0, (now < 0 ? width : now) + pixels));
  plot.setCursor({ left, top: 1 }, true);
}

export function redrawStack(stack: Stack): void {
  for (const draw of stack.draws) draw();
}

export function clearCursor(stack: Stack): void {
  for (const plot of stack.plots) plot.setCursor({ left: -10, top: -10 }, true);
}
