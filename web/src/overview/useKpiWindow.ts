import { useMemo } from "react";
import { serverNow, useNow } from "../lib/clock";

const STEP_MS = 60_000;

/** The last hours as variables; moves once a minute, so that a query is not asked anew each second. */
export function useKpiWindow(hours: number): { from: string; to: string } {
  const minute = Math.ceil(useNow(STEP_MS / 4) / STEP_MS);
  return useMemo(() => {
    const to = Math.max(minute * STEP_MS, serverNow());
    return { from: new Date(to - hours * 3_600_000).toISOString(), to: new Date(to).toISOString() };
  }, [minute, hours]);
}
