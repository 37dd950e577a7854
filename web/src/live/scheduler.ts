/** One animation-frame loop for everything that draws live data: at most ten times a second, once a second in a hidden tab. */
type Draw = () => void;

const VISIBLE_MS = 100;
const HIDDEN_MS = 1000;
const dirty = new Set<Draw>();
let scheduled = false;
let lastRun = 0;

export function redraw(draw: Draw): void {
  dirty.add(draw);
  if (scheduled) return;
  scheduled = true;
  const interval = document.hidden ? HIDDEN_MS : VISIBLE_MS;
  setTimeout(() => (document.hidden ? run() : requestAnimationFrame(run)), Math.max(0, lastRun + interval - Date.now()));
}

export function cancelRedraw(draw: Draw): void {
  dirty.delete(draw);
}

function run(): void {
  scheduled = false;
  lastRun = Date.now();
  const now = [...dirty];
  dirty.clear();
  for (const draw of now) draw();
}
