import { useEffect, useRef, useState } from "react";
import { useSignal } from "../lib/signal";
import { type ApiError, asApiError } from "./error";
import { request } from "./request";
import { resumed } from "./socket";
import type { QueryState } from "./useQuery";

export interface Page<T> { nodes: T[]; total?: number | string; pageInfo: { hasNextPage: boolean; endCursor: string | null } }
export interface Pages<T> { nodes: T[]; /** More stood on the server than was read. */ more: boolean; /** How many stand there in all, where the list says so. */ total?: number }

/** Reads a connection page by page, at most `most` of them, and keeps the last answer while it asks again. `null` asks nothing; another `written` asks anew. */
export function usePages<T>(document: string | null, variables: Record<string, unknown>, pick: (data: Record<string, Page<T>>) => Page<T> | undefined, most: number, everyMs?: number, written = 0): QueryState<Pages<T>> {
  const key = (document ?? "") + JSON.stringify(variables);
  const [state, setState] = useState<{ key: string; data?: Pages<T>; error?: ApiError }>({ key });
  const asks = document !== null;
  const [turn, setTurn] = useState(0);
  const resumes = useSignal(resumed);
  const asked = useRef({ document, variables, pick });
  useEffect(() => {
    asked.current = { document, variables, pick };
  });
  useEffect(() => {
    if (!asks) return;
    const control = new AbortController();
    const read = async () => {
      const nodes: T[] = [];
      let after: string | null = null;
      let total: { total?: number } = {};
      for (let page = 0; page < most; page++) {
        const { document: text, variables: values, pick: choose } = asked.current;
        if (text === null) break;
        const answer: Record<string, Page<T>> = await request(text, { ...values, after }, control.signal);
        const found = choose(answer);
        if (!found) break;
        nodes.push(...found.nodes);
        if (found.total !== undefined) total = { total: Number(found.total) };
        if (!found.pageInfo.hasNextPage) return { nodes, more: false, ...total };
        after = found.pageInfo.endCursor;
      }
      return { nodes, more: true, ...total };
    };
    const ask = () => {
      read().then(
        (data) => { if (!control.signal.aborted) setState({ key, data }); },
        (cause: unknown) => {
          if (control.signal.aborted) return;
          setState((before) => ({ key, ...(before.key === key && before.data ? { data: before.data } : {}), error: asApiError(cause) }));
        },
      );
    };
    ask();
    const timer = everyMs === undefined ? undefined : setInterval(() => { if (!globalThis.document.hidden) ask(); }, everyMs);
    return () => {
      control.abort();
      clearInterval(timer);
    };
  }, [key, asks, turn, resumes, everyMs, most, written]);
  const current = state.key === key;
  const data = current ? state.data : undefined;
  return { data, error: current ? state.error : undefined, loading: asks && data === undefined, reload: () => setTurn((n) => n + 1) };
}
