import { useEffect, useState } from "react";
import { findPlace, PAGE_ROWS, pagesOf } from "./cursors";
import { type ListName, lists, skimOf } from "./documents";
import { type ApiError, asApiError } from "./error";
import { request } from "./request";
import type { ListOrder, Long } from "./types";
import { type Question, useQuery } from "./useQuery";

interface Connection<T> { nodes: T[]; total: Long; pageInfo: { hasNextPage: boolean; endCursor: string | null } }
export interface ListPage<T> { nodes: T[]; total: number; page: number; pages: number }
/** `behind`: the search or the page has moved on, and the answer to it is on the way. */
export type ListQuery<T> = Question<ListPage<T>>;
interface Cursors { key: string; known: ReadonlyMap<number, string>; error?: ApiError }

const NONE: ReadonlyMap<number, string> = new Map();

/**
 * One page of a list, counted from 0. `filter` holds the arguments that narrow it. A page beyond the end of the list is
 * told by `onBeyond` with the last one that there is.
 */
export function useListPage<T>(list: ListName, filter: Record<string, unknown>, order: ListOrder | null, page: number, onBeyond: (last: number) => void, everyMs?: number): ListQuery<T> {
  const variables = order === null ? filter : { ...filter, order };
  const key = JSON.stringify([list, variables]);
  const [state, setState] = useState<Cursors>({ key, known: NONE });
  const cursors: Cursors = state.key === key ? state : { key, known: NONE };
  const after = page === 0 ? null : cursors.known.get(page);
  const lost = after === undefined;
  const query = useQuery<Record<string, Connection<T>>>(lost ? null : lists[list], { ...variables, first: PAGE_ROWS, after }, { moves: true, ...(everyMs === undefined ? {} : { everyMs }) });
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    if (!lost) return;
    const control = new AbortController();
    const [, given] = JSON.parse(key) as [ListName, Record<string, unknown>];
    const skim = async (first: number, from: string | null) => {
      const answer = await request<Record<string, Connection<never>>>(skimOf(list), { ...given, first, after: from }, control.signal);
      const found = answer[list];
      return { endCursor: found?.pageInfo.endCursor ?? null, total: Number(found?.total ?? 0) };
    };
    findPlace(page, cursors.known, skim).then(
      (place) => {
        if (control.signal.aborted) return;
        if ("pages" in place) onBeyond(place.pages - 1);
        else setState({ key, known: new Map([...cursors.known, [page, place.after]]) });
      },
      (cause: unknown) => {
        if (!control.signal.aborted) setState({ key, known: cursors.known, error: asApiError(cause) });
      },
    );
    return () => control.abort();
    // What is known only shortens the way.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [list, key, page, lost, turn]);

  const found = query.data?.[list];
  const total = Number(found?.total ?? 0);
  const fresh = found !== undefined && !query.behind && !lost;
  const end = fresh && found.pageInfo.hasNextPage ? found.pageInfo.endCursor : null;
  // Each page says where the next one begins.
  if (end !== null && cursors.known.get(page + 1) !== end) setState({ key, known: new Map([...cursors.known, [page + 1, end]]) });
  const isEmpty = fresh && page > 0 && found.nodes.length === 0;
  useEffect(() => {
    if (isEmpty) onBeyond(Math.min(page, pagesOf(total)) - 1);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [isEmpty]);

  const error = query.error ?? cursors.error;
  const data = found && { nodes: found.nodes, total, page, pages: pagesOf(total) };
  const { reload } = query;
  return {
    data, error, loading: data === undefined && error === undefined, behind: data !== undefined && (lost || query.behind),
    reload: () => {
      setTurn((n) => n + 1);
      reload();
    },
  };
}
