import { type AnchorHTMLAttributes, type MouseEvent, useCallback } from "react";
import { signal, useSignal } from "./signal";

/** Where the page stands, below `/ui`. Every view is an address: pages keep range, tab and selection in the query. */
export interface Address { path: string; query: string }

export const BASE = "/ui";

export function parseAddress(pathname: string, search: string): Address {
  const path = pathname.startsWith(BASE) ? pathname.slice(BASE.length) : pathname;
  return { path: path.replace(/\/+$/, "") || "/", query: search.replace(/^\?/, "") };
}

/** The query with some keys changed; null or the empty string takes a key away. Keys stay sorted, so equal views have equal addresses. */
export function patchQuery(query: string, patch: Record<string, string | null>): string {
  const params = new URLSearchParams(query);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === "") params.delete(key);
    else params.set(key, value);
  }
  params.sort();
  return params.toString();
}

const hasWindow = typeof window !== "undefined";
const address = signal<Address>(hasWindow ? parseAddress(location.pathname, location.search) : { path: "/", query: "" });

if (hasWindow) {
  window.addEventListener("popstate", () => address.set(parseAddress(location.pathname, location.search)));
}

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  const url = BASE + (to === "/" ? "/" : to);
  if (options.replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  address.set(parseAddress(location.pathname, location.search));
}

export function useAddress(): Address {
  return useSignal(address);
}

export function currentAddress(): Address {
  return address.get();
}

/** Changes some keys of the query of this page. Replaces the history entry, unless the change is a step that one goes back from. */
export function changeQuery(patch: Record<string, string | null>, options: { step?: boolean } = {}): void {
  const now = address.get();
  const patched = patchQuery(now.query, patch);
  if (patched !== now.query) navigate(now.path + (patched ? `?${patched}` : ""), { replace: !options.step });
}

/** One key of the query as state. Replaces the history entry: a filter is not a step back. */
export function useQueryValue(key: string, fallback: string): [string, (next: string) => void] {
  const { query } = useAddress();
  const value = new URLSearchParams(query).get(key) ?? fallback;
  const set = useCallback((next: string) => changeQuery({ [key]: next === fallback ? null : next }), [key, fallback]);
  return [value, set];
}

/** `/assets/:id` against `/assets/7` gives `{ id: "7" }`; null where the path is another. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split("/");
  const have = path.split("/");
  if (want.length !== have.length) return null;
  const found: Record<string, string> = {};
  for (const [index, part] of want.entries()) {
    const given = have[index] ?? "";
    if (part.startsWith(":")) {
      if (given === "") return null;
      found[part.slice(1)] = decodeURIComponent(given);
    } else if (part !== given) return null;
  }
  return found;
}

export function Link({ to, onClick, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    navigate(to);
  };
  return <a href={BASE + to} onClick={follow} {...rest} />;
}
