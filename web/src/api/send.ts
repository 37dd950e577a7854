import { session } from "../lib/session";
import { ApiError } from "./error";

const TIMEOUT_MS = 10_000;

/** One request to our server: its cookie, the header that no foreign page can send, and an end after 10 s. */
export async function send(path: string, init: RequestInit, signal?: AbortSignal | null): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const headers = new Headers(init.headers);
  headers.set("X-Tellee-Csrf", "1");
  if (!headers.has("Content-Type")) headers.set("Content-Type", "application/json");
  try {
    return await fetch(path, {
      credentials: "same-origin",
      ...init,
      headers,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError("unreachable", timeout.aborted ? "the server did not answer in 10 s" : "the server cannot be reached", true);
  }
}

/** `fetch` of the GraphQL client. An ended session leads to the sign-in; an answer that is no GraphQL becomes a typed error. */
export async function sendGraphql(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const response = await send(String(input), init, init.signal);
  if (response.status === 401) {
    session.set(null);
    throw new ApiError("unauthenticated", "the session has ended", false);
  }
  if (!/json/i.test(response.headers.get("Content-Type") ?? "")) {
    throw new ApiError(`http_${response.status}`, `the server answered ${response.status}`, response.status >= 500);
  }
  return response;
}
