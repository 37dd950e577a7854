import { type RefObject, useCallback, useEffect, useState } from "react";
import { printing } from "../lib/printing";
import { useSignal } from "../lib/signal";

const OVERSCAN = 8;

export interface RowWindow { first: number; last: number; before: number; after: number; inView: () => { first: number; last: number } }

/** Draws only the rows near the eye: ten thousand alarms scroll like forty. Paper gets all. `last` is exclusive. */
export function useRowWindow(count: number, rowHeight: number, scroller: RefObject<HTMLElement | null>, headHeight: number): RowWindow {
  const [view, setView] = useState({ top: 0, height: 900 });
  const onPaper = useSignal(printing);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const read = () => setView({ top: element.scrollTop, height: element.clientHeight });
    read();
    element.addEventListener("scroll", read, { passive: true });
    const sized = new ResizeObserver(read);
    sized.observe(element);
    return () => {
      element.removeEventListener("scroll", read);
      sized.disconnect();
    };
  }, [scroller]);
  const first = onPaper ? 0 : Math.max(0, Math.floor(view.top / rowHeight) - OVERSCAN);
  const last = onPaper ? count : Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + OVERSCAN);
  const inView = useCallback(() => {
    const element = scroller.current;
    const top = element?.scrollTop ?? 0;
    const height = (element?.clientHeight ?? 0) - headHeight;
    // Only rows that are wholly seen.
    return { first: Math.ceil(top / rowHeight), last: Math.min(count, Math.floor((top + height) / rowHeight)) };
  }, [scroller, rowHeight, count, headHeight]);
  return { first, last, before: first * rowHeight, after: (count - last) * rowHeight, inView };
}
