import { documents } from "./documents";
import { session } from "../lib/session";

/** A refusal or a failure of the server, or of the way to it. `code` is from the list in `docs/errors/`. */
export class ApiError extends Error {
  constructor(readonly code: string, message: string, readonly retryable: boolean) {
    super(message);
    this.name = "ApiError";
  }
}

interface GraphqlBody { data?: unknown; errors?: { message: string; extensions?: { code?: string; retryable?: boolean } }[] }

const TIMEOUT_MS = 10_000;

export async function send(path: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await fetch(path, {
      credentials: "same-origin",
      ...init,
      headers: { "Content-Type": "application/json", "X-Tellee-Csrf": "1", ...init.headers },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError("unreachable", timeout.aborted ? "the server did not answer in 10 s" : "the server cannot be reached", true);
  }
}

/** The typed error of a REST answer: `{"error":"…","code":"…"}`. */
export async function restError(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as { error?: string; code?: string };
  return new ApiError(body.code ?? `http_${response.status}`, body.error ?? `the server answered ${response.status}`, response.status >= 500);
}

export async function request<T>(document: string, variables: Record<string, unknown> = {}, signal?: AbortSignal): Promise<T> {
  const response = await send("/graphql", { method: "POST", body: JSON.stringify({ query: document, variables }) }, signal);
  if (response.status === 401) {
    session.set(null);
    throw new ApiError("unauthenticated", "the session has ended", false);
  }
  const body = (await response.json().catch(() => null)) as GraphqlBody | null;
  const first = body?.errors?.[0];
  if (first) throw new ApiError(first.extensions?.code ?? "internal", first.message, first.extensions?.retryable ?? false);
  if (!response.ok || !body?.data) throw new ApiError(`http_${response.status}`, `the server answered ${response.status}`, response.status >= 500);
  return body.data as T;
}

/** A mutation. The key makes a second try of the same press safe. */
export function mutate<T>(document: string, input: Record<string, unknown>): Promise<T> {
  return request<T>(document, { input: { idempotencyKey: crypto.randomUUID(), ...input } });
}

export { documents };
