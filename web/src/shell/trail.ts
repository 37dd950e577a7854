import { useEffect } from "react";
import { signal } from "../lib/signal";
import { useAddress } from "../lib/router";

/** The last step of the place path: the page names what it shows. */
export const trail = signal<{ path: string; name: string } | null>(null);

export function useTrail(name: string | undefined): void {
  const { path } = useAddress();
  useEffect(() => {
    if (name !== undefined) trail.set({ path, name });
  }, [path, name]);
}

/** The title of the tab: what abnormal there is comes first, because a tab shows few letters. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Flash`;
  }, [title]);
}
