import { flushSync } from "react-dom";
import { signal } from "./signal";

const media = typeof matchMedia === "undefined" ? null : matchMedia("print");

/** Whether the page is being laid out for paper: all rows are drawn then, in the palette of daylight. */
export const printing = signal(media?.matches ?? false);

// At once: the picture for the paper is taken before another frame is drawn.
media?.addEventListener("change", () => flushSync(() => printing.set(media.matches)));
