import { restError, send } from "../api/request";
import { signal } from "../lib/signal";

/** Whether the server has no user yet; it alone knows. */
export const setUpNeeded = signal(false);

export async function askSetUp(): Promise<void> {
  const response = await send("/ui/setup", { method: "GET" });
  if (response.ok) setUpNeeded.set(((await response.json()) as { needed: boolean }).needed);
}

export interface FirstUser { code: string; email: string; password: string; /** Empty: named after the address. */ organisation: string }

export async function setUp({ organisation, ...user }: FirstUser): Promise<void> {
  const body = organisation === "" ? user : { ...user, organisation };
  const response = await send("/setup", { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw await restError(response);
}

export async function signIn(email: string, password: string): Promise<void> {
  const response = await send("/ui/session", { method: "POST", body: JSON.stringify({ email, password }) });
  if (!response.ok) throw await restError(response);
}
