import { signal } from "../lib/signal";

export interface Toast { id: number; text: string; action?: { label: string; run: () => void } }

/** One at a time, 6 s. It confirms this desk's own action; an alarm is never a toast. */
export const currentToast = signal<Toast | null>(null);
const SHOWN_MS = 6000;
let next = 1;

export function toast(text: string, action?: Toast["action"]): void {
  const shown: Toast = action ? { id: next++, text, action } : { id: next++, text };
  currentToast.set(shown);
  setTimeout(() => {
    if (currentToast.get()?.id === shown.id) currentToast.set(null);
  }, SHOWN_MS);
}
