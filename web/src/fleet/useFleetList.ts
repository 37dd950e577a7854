import { useEffect, useRef } from "react";
import type { ListName } from "../api/documents";
import { useQueryValue } from "../lib/router";
import { type ListView, useListView } from "../parts/useListView";
import { useRow } from "./useRow";

export interface FleetListProps { /** Counts up when something was written: the list is asked anew. */ written: number; onChanged: () => void }

interface FleetList<T> { view: ListView<T>; opened: string; open: (id: string) => void; row: T | null }

export const REFRESH_MS = 10_000;

/** A list of the fleet with the row that is open beside it. */
export function useFleetList<T extends { id: string }>(list: ListName, filterOf: (text: string) => object, rowDocument: string, rowField: string, written: number): FleetList<T> {
  const [opened, open] = useQueryValue("open", "");
  const view = useListView<T>(list, filterOf, REFRESH_MS);
  const { row, reload } = useRow<T>(rowDocument, rowField, opened, view.query.data?.nodes);
  useWritten(written, () => {
    view.query.reload();
    reload();
  });
  return { view, opened, open, row };
}

/** Runs `again` when `written` has counted up, and not at the start. */
export function useWritten(written: number, again: () => void): void {
  const seen = useRef(written);
  useEffect(() => {
    if (seen.current === written) return;
    seen.current = written;
    again();
  });
}
