import type { IconName } from "../parts/Icon";
import type { Role } from "../api/types";

export interface Place { path: string; icon: IconName; label: string; group: "operate" | "reliability" | "build" | "system"; roles?: Role[] }

/** Navigation by job; only what exists. */
export const PLACES: Place[] = [
  { path: "/", icon: "overview", label: "nav.overview", group: "operate" },
  { path: "/alarms", icon: "alarms", label: "nav.alarms", group: "operate" },
  { path: "/models", icon: "models", label: "nav.models", group: "reliability" },
  { path: "/rules", icon: "rules", label: "nav.rules", group: "build" },
  { path: "/fleet", icon: "fleet", label: "nav.fleet", group: "build" },
  { path: "/users", icon: "users", label: "nav.users", group: "system" },
  { path: "/components", icon: "components", label: "nav.components", group: "system" },
];

export function isHere(place: Place, path: string): boolean {
  if (place.path === "/") return path === "/" || path.startsWith("/assets");
  return path === place.path || path.startsWith(`${place.path}/`);
}
