import { printing } from "./printing";
import { signal } from "./signal";

export type Theme = "day" | "dusk" | "night" | "contrast";
export const THEMES: Theme[] = ["day", "dusk", "night", "contrast"];
export type Density = "dense" | "standard" | "touch";

/** What one person sets for one browser. */
export interface Preferences { theme: Theme; density: Density; steadyAlarms: boolean; letterKeys: boolean; foldNavigation: boolean }

const KEY = "flash.preferences";
const initial: Preferences = { theme: "day", density: "dense", steadyAlarms: false, letterKeys: true, foldNavigation: false };

function read(): Preferences {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { ...initial, ...(stored as Partial<Preferences>) };
  } catch {
    return initial;
  }
}

export const preferences = signal<Preferences>(typeof localStorage === "undefined" ? initial : read());

export function changePreferences(patch: Partial<Preferences>): void {
  const next = { ...preferences.get(), ...patch };
  preferences.set(next);
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // A browser that keeps nothing still gets the change for this visit.
  }
}

/** Writes the palette and the ring's switches on the root, and keeps them in step. */
export function applyPreferences(): void {
  const root = document.documentElement;
  const apply = () => {
    const now = preferences.get();
    // Paper is white: the light ink of a dark palette would be gone on it.
    root.dataset.theme = printing.get() ? "day" : now.theme;
    root.dataset.density = now.density;
    root.classList.toggle("steady", now.steadyAlarms);
  };
  apply();
  preferences.subscribe(apply);
  printing.subscribe(apply);
}

/** One class on the root, toggled twice a second: every ring blinks in phase, and one switch stops them all. */
export function startBlinking(): () => void {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const timer = setInterval(() => {
    const steady = still.matches || preferences.get().steadyAlarms;
    document.documentElement.classList.toggle("steady", steady);
    document.documentElement.classList.toggle("ring-off", !steady && Math.floor(Date.now() / 500) % 2 === 1);
  }, 100);
  return () => clearInterval(timer);
}
