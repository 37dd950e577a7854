import { useState } from "react";
import { ApiError } from "../api/request";

export interface Submit { busy: boolean; error: ApiError | null; conflict: boolean; run: (work: () => Promise<void>) => Promise<void>; /** Forgets what came of the last write. */ clear: () => void }

const CONFLICTS = new Set(["revision_mismatch"]);

/** Runs a write and keeps what came of it. Somebody who saved first is a conflict, shown as a diff and never overwritten. */
export function useSubmit(): Submit {
  const [state, setState] = useState<{ busy: boolean; error: ApiError | null }>({ busy: false, error: null });
  const run = async (work: () => Promise<void>) => {
    setState({ busy: true, error: null });
    try {
      await work();
      setState({ busy: false, error: null });
    } catch (cause) {
      setState({ busy: false, error: cause instanceof ApiError ? cause : new ApiError("internal", String(cause), false) });
    }
  };
  return { ...state, conflict: state.error !== null && CONFLICTS.has(state.error.code), run, clear: () => setState({ busy: false, error: null }) };
}
