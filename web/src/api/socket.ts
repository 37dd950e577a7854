import type { ExecutionResult, SubscriptionForwarder } from "@urql/core";
import { type Client, createClient, type FormattedExecutionResult, type Sink } from "graphql-ws";
import { serverNow } from "../lib/clock";
import { refreshSession } from "../lib/session";
import { signal } from "../lib/signal";

/** How the desk stands with the server. `since` and `heard` are server time, ms. */
export interface Link { state: "connecting" | "live" | "lost"; since: number; heard: number }

export const link = signal<Link>({ state: "connecting", since: serverNow(), heard: serverNow() });
/** Counts returns of the link; who holds an answer asks again when it moves. */
export const resumed = signal(0);
/** What the last return cost: told to the operator, then taken away. */
export const caughtUp = signal<{ at: number; lostForMs: number; changes: number; snapshot: boolean } | null>(null);

/** No word for this long is a lost link, so that the banner stands within 3 s. Three questions have gone unanswered by then. */
export const SILENCE_MS = 2200;
const PING_MS = 700;
const CUT_AGAIN_MS = 6000;
/** A large snapshot over a slow line is silent for long; cutting it short each time would never let it through. */
const LONGEST_PATIENCE_MS = 60_000;
/** Beyond the one second at which a hidden tab runs its timers. */
const STOOD_STILL_MS = 1500;
const SESSION_ENDED = new Set([4401, 4403]);

let heard = Date.now();
let client: Client | undefined;

function hear(): void {
  heard = Date.now();
  const before = link.get();
  if (before.state === "live") return;
  const wasLost = before.state === "lost";
  link.set({ state: "live", since: serverNow(), heard: serverNow() });
  if (!wasLost) return;
  caughtUp.set({ at: serverNow(), lostForMs: serverNow() - before.heard, changes: 0, snapshot: false });
  resumed.set(resumed.get() + 1);
}

/** Time of the last word from the server, server time. */
export function lastHeard(): number {
  return serverNow() - (Date.now() - heard);
}

/** Opens the one socket of this desk; it holds and comes back until `closeSocket`. */
export function openSocket(): Client {
  if (client) return client;
  heard = Date.now();
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`;
  let patience = CUT_AGAIN_MS;
  const opened = createClient({
    url,
    lazy: false,
    keepAlive: PING_MS,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (tries) => new Promise((done) => setTimeout(done, Math.min(400 * 1.6 ** tries, 3000) * (0.8 + Math.random() * 0.4))),
    shouldRetry: () => true,
    connectionAckWaitTimeout: 3000,
    onNonLazyError: () => void refreshSession(),
    on: {
      connected: hear, pong: hear,
      message: (message) => {
        hear();
        if (message.type === "next") patience = CUT_AGAIN_MS;
      },
      // The server ends the socket of an ended session with a code of its own: that is no lost link.
      closed: (event) => {
        if (SESSION_ENDED.has((event as Partial<CloseEvent>).code ?? 0)) void refreshSession();
      },
    },
  });
  client = opened;
  let cutAt = 0;
  let looked = Date.now();
  const watch = setInterval(() => {
    if (client !== opened) return clearInterval(watch);
    // A desk that stood still itself reads what has come meanwhile before it calls the server silent.
    const stoodStill = Date.now() - looked > STOOD_STILL_MS;
    looked = Date.now();
    if (stoodStill) return;
    const silent = Date.now() - heard;
    if (silent < SILENCE_MS) return;
    if (link.get().state !== "lost") link.set({ state: "lost", since: serverNow(), heard: serverNow() - silent });
    if (Date.now() - cutAt < patience) return;
    // A dead peer never closes the socket itself; cut it, so that the next try starts. A refused one may mean that the session ended.
    cutAt = Date.now();
    patience = Math.min(patience * 2, LONGEST_PATIENCE_MS);
    opened.terminate();
    void refreshSession();
  }, 200);
  return opened;
}

export function closeSocket(): void {
  void client?.dispose();
  client = undefined;
  link.set({ state: "connecting", since: serverNow(), heard: serverNow() });
  caughtUp.set(null);
}

type ErrorLike = NonNullable<ExecutionResult["errors"]>[number];

/** Variables that are read anew at each (re)connect: a cursor leads on from the last event seen. */
export type Resume = () => Record<string, unknown>;

/** The way of urql's subscriptions: over the one socket, for as long as it lives. */
export const forwardSubscription: SubscriptionForwarder = ({ query = "", operationName, variables }, operation) => {
  const resume = (operation.context as { resume?: Resume }).resume;
  const payload = {
    query,
    operationName,
    get variables() {
      return resume ? resume() : variables;
    },
  };
  return {
    subscribe: (sink) => {
      const ending: Sink<FormattedExecutionResult> = {
        next: (result) => sink.next(result as ExecutionResult),
        complete: () => sink.complete(),
        // The protocol's `error` is the last word on a subscription; urql would wait for more behind it.
        error: (cause) => {
          if (!Array.isArray(cause)) return sink.error(cause);
          sink.next({ errors: cause as ErrorLike[], data: null });
          sink.complete();
        },
      };
      return { unsubscribe: openSocket().subscribe(payload, ending) };
    },
  };
};
