import { useCallback, useEffect, useRef, useState } from "react";
import { useSignal } from "../lib/signal";
import { ApiError, request } from "./request";
import { resumed } from "./socket";

export interface QueryState<T> { data: T | undefined; error: ApiError | undefined; loading: boolean; reload: () => void }

/** Asks, keeps the last answer while it asks again, and asks again when the link has come back. `null` asks nothing. */
export function useQuery<T>(document: string | null, variables: Record<string, unknown> = {}, everyMs?: number): QueryState<T> {
  const key = document === null ? null : document + JSON.stringify(variables);
  const [state, setState] = useState<{ key: string | null; data?: T; error?: ApiError; loading: boolean }>({ key, loading: key !== null });
  const [turn, setTurn] = useState(0);
  const resumes = useSignal(resumed);
  const asked = useRef({ document, variables });
  useEffect(() => {
    asked.current = { document, variables };
  });
  useEffect(() => {
    if (key === null) return;
    const control = new AbortController();
    const ask = () => {
      const { document: text, variables: values } = asked.current;
      if (text === null) return;
      request<T>(text, values, control.signal).then(
        (data) => { if (!control.signal.aborted) setState({ key, data, loading: false }); },
        (cause: unknown) => {
          if (control.signal.aborted) return;
          const error = cause instanceof ApiError ? cause : new ApiError("internal", String(cause), false);
          setState((before) => ({ key, data: before.key === key ? before.data : undefined, error, loading: false }));
        },
      );
    };
    ask();
    const timer = everyMs === undefined ? undefined : setInterval(() => { if (!tabHidden()) ask(); }, everyMs);
    return () => {
      control.abort();
      clearInterval(timer);
    };
  }, [key, turn, resumes, everyMs]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const current = state.key === key;
  return { data: current ? state.data : undefined, error: current ? state.error : undefined, loading: key !== null && (!current || state.loading), reload };
}

function tabHidden(): boolean {
  return globalThis.document?.hidden ?? false;
}
