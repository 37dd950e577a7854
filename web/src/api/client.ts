import { Client, type Exchange, fetchExchange, type OperationContext, subscriptionExchange } from "@urql/core";
import { empty, filter, merge, pipe, share } from "wonka";
import { session } from "../lib/session";
import { signal } from "../lib/signal";
import { keep } from "./cache";
import { sendGraphql } from "./send";
import { forwardSubscription } from "./socket";

/** Set on an operation whose answer is kept (`cache.ts`). Without it a query goes past the cache to the server. */
export type Context = Partial<OperationContext> & { keep?: boolean };

const pastTheCache: Exchange = (input) => {
  const direct = fetchExchange({ ...input, forward: () => empty });
  return (operations$) => {
    const all$ = share(operations$);
    return merge([
      direct(pipe(all$, filter((operation) => operation.kind === "teardown" || isFresh(operation)))),
      input.forward(pipe(all$, filter((operation) => !isFresh(operation)))),
    ]);
  };
};

function isFresh({ kind, context }: { kind: string; context: Context }): boolean {
  return kind === "query" && context.keep !== true;
}

function open(): Client {
  return new Client({
    url: "/graphql",
    fetch: sendGraphql,
    fetchOptions: { headers: { accept: "application/json" } },
    preferGetMethod: false,
    // Subscriptions come before the cache: a frame of samples is never an answer to keep.
    exchanges: [subscriptionExchange({ forwardSubscription }), pastTheCache, keep, fetchExchange],
  });
}

/** The client of whoever is signed in. Another person at this desk gets another one: nothing kept is shown across the change. */
export const client = signal<Client>(open());

let of = session.get()?.email;
session.subscribe(() => {
  const email = session.get()?.email;
  if (email === of) return;
  of = email;
  client.set(open());
});
