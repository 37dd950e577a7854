import { signal } from "./signal";

const media = typeof matchMedia === "undefined" ? null : matchMedia("print");

/** Whether the page is being laid out for paper: all rows are drawn then, in the palette of daylight. */
export const printing = signal(media?.matches ?? false);

media?.addEventListener("change", () => printing.set(media.matches));
