import { createRequest, type OperationResult } from "@urql/core";
import { onEnd, pipe, subscribe as listen, take } from "wonka";
import { newId } from "../lib/id";
import { client } from "./client";
import { documents } from "./documents";
import { apiErrorOf, ApiError, asApiError, restError } from "./error";
import { send } from "./send";
import type { Resume } from "./socket";

function answerOf<T>(result: OperationResult<T>): T {
  if (result.error) throw apiErrorOf(result.error);
  if (result.data === undefined || result.data === null) throw new ApiError("internal", "the server answered nothing", true);
  return result.data;
}

/** Asks once, past the cache. Aborting takes the request back and rejects. */
export function request<T>(document: string, variables: Record<string, unknown> = {}, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const source = client.get().executeQuery<T>(createRequest(document, variables), { requestPolicy: "network-only" });
    const { unsubscribe } = pipe(source, take(1), listen((result) => {
      try {
        resolve(answerOf(result));
      } catch (cause) {
        reject(asApiError(cause));
      }
    }));
    signal?.addEventListener("abort", () => {
      unsubscribe();
      reject(new ApiError("aborted", "the question was taken back", false));
    }, { once: true });
  });
}

/** A mutation. The key makes a second try of the same press safe. */
export async function mutate<T>(document: string, input: Record<string, unknown>): Promise<T> {
  return answerOf(await client.get().mutation<T>(document, { input: { idempotencyKey: newId(), ...input } }).toPromise());
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

/**
 * Follows a subscription until it is stopped, across cuts of the link. `resume` is read at each start, so that a cursor
 * leads on from the last event seen. What the server ended for a reason that passes is started again after a while.
 */
export function subscribe<T>(document: string, variables: Record<string, unknown>, onData: (data: T) => void, onError?: (error: ApiError) => void, resume?: Resume): () => void {
  let wait = FIRST_WAIT_MS;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let drop: () => void = () => undefined;
  const start = () => {
    let seen: T | undefined;
    let failure: ApiError | undefined;
    const source = client.get().executeSubscription<T>(createRequest(document, variables), resume ? { resume } : undefined);
    drop = pipe(
      source,
      onEnd(() => {
        if (stopped || failure?.retryable === false) return;
        timer = setTimeout(start, wait);
        wait = Math.min(wait * 2, LONGEST_WAIT_MS);
      }),
      listen((result) => {
        // The client repeats the last data beside an error that comes alone.
        if (result.data !== undefined && result.data !== null && result.data !== seen) {
          seen = result.data;
          wait = FIRST_WAIT_MS;
          failure = undefined;
          onData(result.data);
        } else if (result.error && !failure) {
          failure = apiErrorOf(result.error);
          onError?.(failure);
        }
      }),
    ).unsubscribe;
  };
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
    drop();
  };
}

export { ApiError, documents, restError, send };
