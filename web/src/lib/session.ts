import type { Role } from "../api/types";
import { signal } from "./signal";

export interface Session { email: string; role: Role; organisation: string; platformAdministrator: boolean }

/** Who is signed in at this desk; undefined until the server has said, null when nobody is. */
export const session = signal<Session | null | undefined>(undefined);

const WRITERS: Record<Action, Role[]> = {
  acknowledge: ["OPERATOR", "SUPERVISOR", "MAINTAINER", "ENGINEER", "ADMINISTRATOR"],
  shelveP1: ["SUPERVISOR", "ENGINEER", "ADMINISTRATOR"],
  outOfService: ["MAINTAINER", "SUPERVISOR", "ENGINEER", "ADMINISTRATOR"],
  configure: ["ENGINEER", "ADMINISTRATOR"],
  users: ["ADMINISTRATOR"],
  models: ["DATA_SCIENTIST", "ENGINEER", "ADMINISTRATOR"],
};

export type Action = "acknowledge" | "shelveP1" | "outOfService" | "configure" | "models" | "users";

/** What the desk offers; the server decides. */
export function may(action: Action, role: Role | undefined): boolean {
  return role !== undefined && WRITERS[action].includes(role);
}

interface SessionBody { email: string; role: string; organisation: string | { name: string }; platformAdministrator: boolean }

/** Roles are lower case in REST and upper case in GraphQL; an organisation is its name or an object that has one. */
export function readSession(body: SessionBody): Session {
  const organisation = typeof body.organisation === "string" ? body.organisation : body.organisation.name;
  return { email: body.email, role: body.role.toUpperCase() as Role, organisation, platformAdministrator: body.platformAdministrator };
}

/** Asks who is signed in. A server that does not answer changes nothing: the desk keeps its last picture. */
export async function refreshSession(): Promise<void> {
  try {
    const response = await fetch("/ui/session", { credentials: "same-origin", signal: AbortSignal.timeout(5000) });
    if (response.status === 401) session.set(null);
    else if (response.ok) session.set(readSession((await response.json()) as SessionBody));
  } catch {
    if (session.get() === undefined) session.set(null);
  }
}
