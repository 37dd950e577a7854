import { useEffect, useState } from "react";
import { resumed } from "../api/socket";
import type { Points } from "../api/types";
import { serverNow } from "../lib/clock";
import { useSignal } from "../lib/signal";
import { fetchLines } from "../trend/useLines";
import type { AssetRow } from "./rows";

const HOUR_MS = 3_600_000;
const REFRESH_MS = 60_000;
const MAX_POINTS = 60;

/** The last hour of the measurement that each row shows. */
export function useSparklines(rows: readonly AssetRow[]): ReadonlyMap<string, Points> {
  const ids = rows.flatMap((row) => (row.series ? [row.series.id] : [])).join(",");
  const [lines, setLines] = useState<ReadonlyMap<string, Points>>(new Map());
  const resumes = useSignal(resumed);
  useEffect(() => {
    if (ids === "") return;
    const control = new AbortController();
    const ask = () => {
      const now = serverNow();
      // A sparkline is the least of the row: where it fails, the row stands without it.
      fetchLines(ids.split(","), now - HOUR_MS, now, MAX_POINTS, control.signal).then(setLines, () => undefined);
    };
    ask();
    const timer = setInterval(ask, REFRESH_MS);
    return () => {
      control.abort();
      clearInterval(timer);
    };
  }, [ids, resumes]);
  return lines;
}
