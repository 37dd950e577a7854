import { useEffect, useState } from "react";

export interface RoundTrip { at: number; ms: number | null }

const EVERY_MS = 1000;
const KEEP = 60;

/** Asks `/health` each second and keeps the last minute: the quality of the link, before anybody is known. */
export function useRoundTrips(): RoundTrip[] {
  const [trips, setTrips] = useState<RoundTrip[]>([]);
  useEffect(() => {
    let stopped = false;
    const ask = async () => {
      const start = performance.now();
      let ms: number | null;
      try {
        const response = await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(3000) });
        await response.arrayBuffer();
        ms = response.ok ? performance.now() - start : null;
      } catch {
        ms = null;
      }
      if (!stopped) setTrips((before) => [...before, { at: Date.now(), ms }].slice(-KEEP));
    };
    void ask();
    const timer = setInterval(() => void ask(), EVERY_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, []);
  return trips;
}
