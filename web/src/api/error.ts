import type { CombinedError } from "@urql/core";

/** A refusal or a failure of the server, or of the way to it. `code` is from the list in `docs/errors/`. */
export class ApiError extends Error {
  constructor(readonly code: string, message: string, readonly retryable: boolean, /** The input that is wrong, where it is one. */ readonly field?: string) {
    super(message);
    this.name = "ApiError";
  }
}

/** The typed error of a REST answer: `{"error":"…","code":"…","field":"…"}`. */
export async function restError(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as { error?: string; code?: string; field?: string };
  return new ApiError(body.code ?? `http_${response.status}`, body.error ?? `the server answered ${response.status}`, response.status >= 500, body.field);
}

/** The first typed refusal of a GraphQL answer, or what kept it from coming. */
export function apiErrorOf(cause: CombinedError): ApiError {
  if (cause.networkError instanceof ApiError) return cause.networkError;
  const [first] = cause.graphQLErrors;
  if (!first) return new ApiError("internal", cause.networkError?.message ?? cause.message, false);
  const { code, retryable, field } = first.extensions as { code?: string; retryable?: boolean; field?: string };
  return new ApiError(code ?? "internal", first.message, retryable ?? false, field);
}

/** Any failure as a typed one. */
export function asApiError(cause: unknown): ApiError {
  return cause instanceof ApiError ? cause : new ApiError("internal", cause instanceof Error ? cause.message : String(cause), false);
}
