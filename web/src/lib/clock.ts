import { useEffect, useState } from "react";
import { signal } from "./signal";

/** Server time minus browser time, ms; ages must not depend on this desk's clock. */
export const clockOffset = signal(0);

export function serverNow(): number {
  return Date.now() + clockOffset.get();
}

export const zone: string = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Re-renders every `everyMs` with the server's time: for ages in rows, never for measurements. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
