import { useEffect, useMemo, useState } from "react";
import type { Alarm } from "../api/types";

/**
 * The list never jumps under the pointer: while it is held, rows keep their places and new ones wait, counted.
 * An alarm that has left stays until the hold ends only if it is pinned (open in the drawer).
 */
export function useHeldOrder(sorted: readonly Alarm[], held: boolean): { rows: Alarm[]; waiting: number; release: () => void } {
  const [frozen, setFrozen] = useState<readonly string[] | null>(null);
  useEffect(() => {
    setFrozen(held ? (before) => before ?? sorted.map((alarm) => alarm.id) : null);
    // The order is taken when the hold begins, not when the list changes.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [held]);
  return useMemo(() => {
    if (!frozen) return { rows: [...sorted], waiting: 0, release: () => setFrozen(null) };
    const byId = new Map(sorted.map((alarm) => [alarm.id, alarm]));
    const rows = frozen.flatMap((id) => byId.get(id) ?? []);
    return { rows, waiting: sorted.length - rows.length, release: () => setFrozen(sorted.map((alarm) => alarm.id)) };
  }, [sorted, frozen]);
}
