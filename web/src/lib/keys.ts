import { useEffect, useRef } from "react";
import { preferences } from "./preferences";
import { signal } from "./signal";

export interface KeyBinding { key: string; label: string; run: (event: KeyboardEvent) => void }

/** The keys that act now; the newest of one key wins. The list on `?` reads it. */
export const bindings = signal<KeyBinding[]>([]);

/** `Ctrl K`, `Shift A`, `a`, `?`, `Escape`. */
export function keyName(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">): string {
  const letter = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  if (event.ctrlKey || event.metaKey) return `Ctrl ${letter}`;
  if (event.altKey) return `Alt ${letter}`;
  if (event.shiftKey && /^[A-Z]$/.test(letter)) return `Shift ${letter}`;
  return letter;
}

function isTextField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  // Letters find an option there.
  if (target.closest('[aria-haspopup="listbox"], [role="listbox"], [role="menu"]')) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "submit"].includes(target.type);
}

export function startKeys(): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented) return;
    const name = keyName(event);
    const modified = name.startsWith("Ctrl") || name.startsWith("Alt");
    const single = event.key.length === 1 && !modified;
    if (single && (isTextField(event.target) || !preferences.get().letterKeys)) return;
    // A dialog owns the keys while it is open.
    if (single && document.querySelector('[role="dialog"][data-modal]')) return;
    const found = bindings.get().findLast((binding) => binding.key === name);
    if (!found) return;
    event.preventDefault();
    found.run(event);
  };
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}

/** Binds a key while the part is on the page. `null` binds nothing. */
export function useKey(key: string | null, label: string, run: (event: KeyboardEvent) => void): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  useEffect(() => {
    if (key === null) return;
    const binding: KeyBinding = { key, label, run: (event) => latest.current(event) };
    bindings.set([...bindings.get(), binding]);
    return () => bindings.set(bindings.get().filter((other) => other !== binding));
  }, [key, label]);
}
