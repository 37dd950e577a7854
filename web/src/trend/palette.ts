import type { Priority } from "../api/types";

/** The colours that a canvas needs, read from the tokens once per palette change. */
export interface Palette { well: string; line: string; ink: string; ink2: string; ink3: string; band: string; out: string; live: string; priorities: Record<Priority, string> }

let cached: { theme: string; palette: Palette } | null = null;

export function palette(): Palette {
  const theme = document.documentElement.dataset.theme ?? "";
  if (cached?.theme === theme) return cached.palette;
  const style = getComputedStyle(document.documentElement);
  const read = (token: string) => style.getPropertyValue(`--${token}`).trim();
  const next: Palette = {
    well: read("well"), line: read("line"), ink: read("ink"), ink2: read("ink2"), ink3: read("ink3"), band: read("band"), out: read("out"), live: read("live"),
    priorities: { P1: read("p1"), P2: read("p2"), P3: read("p3"), P4: read("p4") },
  };
  cached = { theme, palette: next };
  return next;
}
