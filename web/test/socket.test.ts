import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type * as Graphql from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

// The server side of graphql-ws takes what Node takes; the bundler would give another copy of the same module.
const require = createRequire(import.meta.url);
const { buildSchema, GraphQLError } = require("graphql") as typeof Graphql;
interface Sockets { clients: Set<{ terminate(): void }> }
const { WebSocket, WebSocketServer } = require("ws") as { WebSocket: unknown; WebSocketServer: new (options: { server: Server; path: string }) => Sockets };

const schema = buildSchema("type Query { nothing: Int } type Subscription { count(after: Int): Int! }");
const starts: (number | null)[] = [];
let refuse = 0;
let http: Server;
let sockets: Sockets;
let wake: () => void = () => undefined;
let last = 0;

/** Counts on from `after`, one step for each call of `step`. */
async function* count({ after }: { after: number | null }) {
  starts.push(after ?? null);
  if (refuse > 0) {
    refuse -= 1;
    throw new GraphQLError("too many at once", { extensions: { code: "overloaded", retryable: true } });
  }
  let at = after ?? 0;
  for (;;) {
    while (at < last) yield { count: ++at };
    await new Promise<void>((done) => { wake = done; });
  }
}
const step = () => { last += 1; wake(); };

beforeAll(async () => {
  http = createServer();
  sockets = new WebSocketServer({ server: http, path: "/graphql" });
  useServer({ schema, roots: { subscription: { count } } }, sockets as never);
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  vi.stubGlobal("location", { protocol: "http:", host: `127.0.0.1:${(http.address() as AddressInfo).port}` });
  vi.stubGlobal("WebSocket", WebSocket);
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no server")));
});
afterAll(async () => {
  const { closeSocket } = await import("../src/api/socket");
  closeSocket();
  for (const socket of sockets.clients) socket.terminate();
  await new Promise((done) => http.close(done));
  vi.unstubAllGlobals();
});

const TEXT = "subscription Count($after: Int) { count(after: $after) }";
const soon = { timeout: 8000, interval: 20 };

describe("a subscription", () => {
  it("goes on after its cursor when the link was cut, without a hole and without a repetition", async () => {
    const { subscribe } = await import("../src/api/request");
    const { link, resumed } = await import("../src/api/socket");
    const seen: number[] = [];
    const stop = subscribe<{ count: number }>(TEXT, {}, (data) => seen.push(data.count), undefined, () => ({ after: seen.at(-1) ?? null }));
    await vi.waitFor(() => expect(starts).toHaveLength(1), soon);
    step();
    step();
    await vi.waitFor(() => expect(seen).toEqual([1, 2]), soon);
    for (const socket of sockets.clients) socket.terminate();
    last += 1;
    await vi.waitFor(() => expect(seen).toEqual([1, 2, 3]), soon);
    expect(starts).toEqual([null, 2]);
    expect(link.get().state).toBe("live");
    expect(resumed.get()).toBeGreaterThanOrEqual(0);
    stop();
  }, 20_000);
  it("is started again where the server ended it for a reason that passes", async () => {
    const { subscribe } = await import("../src/api/request");
    refuse = 1;
    const seen: number[] = [];
    const errors: string[] = [];
    const from = last;
    const stop = subscribe<{ count: number }>(TEXT, {}, (data) => seen.push(data.count), (error) => errors.push(error.code), () => ({ after: from }));
    await vi.waitFor(() => expect(errors).toEqual(["overloaded"]), soon);
    step();
    await vi.waitFor(() => expect(seen).toEqual([from + 1]), soon);
    stop();
  }, 20_000);
});
