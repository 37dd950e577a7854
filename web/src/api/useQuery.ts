import { createRequest } from "@urql/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useQuery as useUrqlQuery } from "urql";
import { useSignal } from "../lib/signal";
import { isKept } from "./cache";
import type { Context } from "./client";
import { ApiError, apiErrorOf } from "./error";
import { resumed } from "./socket";

export interface QueryState<T> { data: T | undefined; error: ApiError | undefined; loading: boolean; reload: () => void }
interface Options {
  /** Asks again so often, while the tab is in sight. */
  everyMs?: number;
  /** Shows the answer to the question before until this one is answered: a window of time that moves on is no other picture. */
  moves?: boolean;
  /** Asks again when it changes: what the answer says has moved on. */
  turn?: string | number;
}

const NOTHING = "query Nothing { server { version } }";

export interface Question<T> extends QueryState<T> { /** The answer shown is that to the question before. */ behind: boolean }

/** Asks, keeps the last answer while it asks again, and asks again when the link has come back. `null` asks nothing. */
export function useQuery<T>(document: string | null, variables: Record<string, unknown> = {}, { everyMs, moves = false, turn = 0 }: Options = {}): Question<T> {
  const context = useMemo<Context>(() => (document !== null && isKept(document) ? { keep: true, requestPolicy: "cache-and-network" } : { requestPolicy: "network-only" }), [document]);
  const [state, ask] = useUrqlQuery<T>({ query: document ?? NOTHING, variables, pause: document === null, context });
  const key = document === null ? null : createRequest(document, variables).key;
  const [last, setLast] = useState<{ key: number; data: T } | null>(null);
  // The hook still holds the answer to the question before, until the new one is answered.
  const answered = key !== null && state.operation?.key === key;
  // An answer with an error in it is no answer: what it holds may have holes.
  const fresh = answered && !state.error && state.data !== undefined && state.data !== null ? state.data : undefined;
  if (key !== null && fresh !== undefined && (last?.key !== key || last.data !== fresh)) setLast({ key, data: fresh });

  const resumes = useSignal(resumed);
  const reload = useCallback(() => {
    if (document !== null) ask({ requestPolicy: "network-only" });
  }, [ask, document]);
  const asked = useRef({ turn, resumes });
  useEffect(() => {
    if (asked.current.turn === turn && asked.current.resumes === resumes) return;
    asked.current = { turn, resumes };
    reload();
  }, [turn, resumes, reload]);
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => { if (!globalThis.document.hidden) reload(); }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, reload]);

  const data = fresh ?? (last !== null && (last.key === key || moves) ? last.data : undefined);
  const failure = answered && !state.fetching ? state.error : undefined;
  const error = useMemo(() => (failure ? apiErrorOf(failure) : undefined), [failure]);
  const behind = data !== undefined && data !== fresh && last?.key !== key;
  return { data, error, loading: key !== null && data === undefined && error === undefined, behind, reload };
}

export { ApiError };
