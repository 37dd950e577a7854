import { type RefObject, useEffect, useState } from "react";
import { printing } from "../lib/printing";
import { useSignal } from "../lib/signal";

const OVERSCAN = 8;
/** As many rows as paper gets: beyond it the note below the list says how many are left out. */
export const PRINTED_ROWS = 2000;

/** Rows by index, `last` exclusive. `drawn` lie in the document, `seen` are wholly in view. */
export interface RowWindow { drawn: { first: number; last: number }; seen: { first: number; last: number }; before: number; after: number }

/** Draws only the rows near the eye: ten thousand alarms scroll like forty. On paper all of them are drawn. */
export function useRowWindow(count: number, rowHeight: number, scroller: RefObject<HTMLElement | null>, headHeight: number): RowWindow {
  const [rows, setRows] = useState({ first: 0, last: 40, seenFirst: 0, seenLast: 0 });
  const onPaper = useSignal(printing);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const read = () => {
      const top = element.scrollTop;
      const height = element.clientHeight;
      const next = {
        first: Math.max(0, Math.floor(top / rowHeight) - OVERSCAN), last: Math.ceil((top + height) / rowHeight) + OVERSCAN,
        seenFirst: Math.ceil(top / rowHeight), seenLast: Math.floor((top + height - headHeight) / rowHeight),
      };
      // A pixel that moves no row in or out draws nothing.
      setRows((before) => (before.first === next.first && before.last === next.last && before.seenFirst === next.seenFirst && before.seenLast === next.seenLast ? before : next));
    };
    read();
    element.addEventListener("scroll", read, { passive: true });
    const sized = new ResizeObserver(read);
    sized.observe(element);
    return () => {
      element.removeEventListener("scroll", read);
      sized.disconnect();
    };
  }, [scroller, rowHeight, headHeight]);
  if (onPaper) return { drawn: { first: 0, last: Math.min(count, PRINTED_ROWS) }, seen: { first: 0, last: count }, before: 0, after: 0 };
  const first = Math.min(rows.first, Math.max(0, count - 1));
  const last = Math.min(count, rows.last);
  return { drawn: { first, last }, seen: { first: rows.seenFirst, last: Math.min(count, rows.seenLast) }, before: first * rowHeight, after: Math.max(0, count - last) * rowHeight };
}
