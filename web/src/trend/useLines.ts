import { useEffect, useMemo, useState } from "react";
import { pointsDocument } from "../api/documents";
import { ApiError, request } from "../api/request";
import { resumed } from "../api/socket";
import type { Points } from "../api/types";
import { useSignal } from "../lib/signal";
import { Ring } from "../live/ring";

const PER_REQUEST = 8;
const RING_CAPACITY = 8000;

export async function fetchLines(series: readonly string[], from: number, to: number, maxPoints: number, signal?: AbortSignal): Promise<Map<string, Points>> {
  const lines = new Map<string, Points>();
  for (let start = 0; start < series.length; start += PER_REQUEST) {
    const part = series.slice(start, start + PER_REQUEST);
    const variables: Record<string, unknown> = { from: new Date(from).toISOString(), to: new Date(to).toISOString(), maxPoints };
    part.forEach((id, index) => { variables[`s${index}`] = id; });
    const answer = await request<Record<string, { id: string; points: Points } | null>>(pointsDocument(part.length), variables, signal);
    for (const one of Object.values(answer)) if (one) lines.set(one.id, one.points);
  }
  return lines;
}

/** Rings of some series over a window, asked again when the link has come back: a cut leaves no hole. */
export function useRings(series: readonly string[], windowOf: () => { from: number; to: number }, maxPoints: number, key: string): { rings: Map<string, Ring>; loads: number; error: ApiError | null; reload: () => void } {
  const ids = series.join(",");
  const rings = useMemo(() => new Map(ids.split(",").map((id) => [id, new Ring(RING_CAPACITY)])), [ids]);
  const [state, setState] = useState<{ loads: number; error: ApiError | null }>({ loads: 0, error: null });
  const [turn, setTurn] = useState(0);
  const resumes = useSignal(resumed);
  useEffect(() => {
    const control = new AbortController();
    const { from, to } = windowOf();
    fetchLines([...rings.keys()].filter(Boolean), from, to, maxPoints, control.signal).then(
      (lines) => {
        for (const [id, points] of lines) rings.get(id)?.fill(points.t, points.v, points.q);
        setState((before) => ({ loads: before.loads + 1, error: null }));
      },
      (cause: unknown) => {
        if (!control.signal.aborted) setState((before) => ({ ...before, error: cause instanceof ApiError ? cause : new ApiError("internal", String(cause), false) }));
      },
    );
    return () => control.abort();
    // `windowOf` changes with every render; `key` says when the window is another.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [rings, key, maxPoints, resumes, turn]);
  return { rings, ...state, reload: () => setTurn((n) => n + 1) };
}
