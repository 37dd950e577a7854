import { readFileSync } from "node:fs";
import { buildSchema, isObjectType, parse, TypeInfo, visit, visitWithTypeInfo } from "graphql";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EMBEDDED, isKept } from "../src/api/cache";
import { client } from "../src/api/client";
import { documents, lists } from "../src/api/documents";
import { type ApiError, mutate, request } from "../src/api/request";
import { session } from "../src/lib/session";

interface Asked { query: string; variables: Record<string, unknown>; headers: Headers }
const asked: Asked[] = [];
let answer: (asked: Asked) => Response;

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
const page = (nodes: unknown[], typename: string) => ({ __typename: typename, nodes, total: nodes.length, pageInfo: { __typename: "PageInfo", hasNextPage: false, endCursor: null } });
const thing = (name: string, revision: number) => ({
  __typename: "Thing", id: "t1", name, metadata: {}, revision, updatedAt: "2026-11-24T09:00:00Z", lastSeen: null, deviceType: null, tags: [], channels: [],
});
const person = (email: string) => ({ email, role: "ENGINEER" as const, organisation: "Karaton", platformAdministrator: false });

beforeEach(() => {
  asked.length = 0;
  session.set(person(`${crypto.randomUUID()}@plant.example`));
  vi.stubGlobal("fetch", async (_path: string, init: RequestInit) => {
    const { query, variables } = JSON.parse(String(init.body)) as { query: string; variables: Record<string, unknown> };
    const one = { query, variables, headers: new Headers(init.headers) };
    asked.push(one);
    return answer(one);
  });
});
afterEach(() => vi.unstubAllGlobals());

const failure = async (work: Promise<unknown>) => work.then(() => null, (cause: unknown) => cause as ApiError);

describe("one question to the server", () => {
  it("carries the header that no foreign page can send, and wants plain JSON", async () => {
    answer = () => json({ data: { thing: null } });
    await request(documents.tagTitles, { id: "t1" });
    expect(asked[0]!.headers.get("x-tellee-csrf")).toBe("1");
    expect(asked[0]!.headers.get("content-type")).toBe("application/json");
    expect(asked[0]!.headers.get("accept")).toBe("application/json");
    expect(asked[0]!.variables).toEqual({ id: "t1" });
  });
  it("ends the session where the server says that it has ended", async () => {
    answer = () => json({ errors: [{ message: "no", extensions: { code: "unauthenticated" } }] }, 401);
    expect(await failure(request(documents.server))).toMatchObject({ code: "unauthenticated", retryable: false });
    expect(session.get()).toBeNull();
  });
  it("keeps the code of a refusal and whether a retry may help", async () => {
    answer = () => json({ data: null, errors: [{ message: "too much at once", extensions: { code: "overloaded", retryable: true } }] });
    expect(await failure(request(documents.server))).toMatchObject({ code: "overloaded", message: "too much at once", retryable: true });
  });
  it("makes a typed error of an answer that is no GraphQL, and of no answer", async () => {
    answer = () => new Response("<h1>bad gateway</h1>", { status: 502, headers: { "Content-Type": "text/html" } });
    expect(await failure(request(documents.server))).toMatchObject({ code: "http_502", retryable: true });
    answer = () => { throw new TypeError("fetch failed"); };
    expect(await failure(request(documents.server))).toMatchObject({ code: "unreachable", retryable: true });
  });
  it("is taken back by its signal", async () => {
    answer = () => json({ data: {} });
    const control = new AbortController();
    const work = failure(request(documents.server, {}, control.signal));
    control.abort();
    expect(await work).toMatchObject({ code: "aborted" });
  });
});

describe("a mutation", () => {
  it("has a key of its own for each press", async () => {
    answer = () => json({ data: { removeThing: { __typename: "RemovedPayload", id: "t1", revision: 4 } } });
    await mutate(documents.removeThing, { id: "t1", expectedRevision: 3 });
    await mutate(documents.removeThing, { id: "t1", expectedRevision: 3 });
    const keys = asked.map(({ variables }) => (variables as { input: { idempotencyKey: string } }).input.idempotencyKey);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[0]).not.toBe(keys[1]);
  });
});

describe("kept answers", () => {
  const follow = () => {
    const names: string[][] = [];
    const source = client.get().query<{ things: { nodes: { name: string }[] } }>(lists.things, { first: 50, order: "NAME" }, { keep: true, requestPolicy: "cache-and-network" } as never);
    const { unsubscribe } = source.subscribe(({ data }) => { if (data) names.push(data.things.nodes.map((one) => one.name)); });
    return { names, unsubscribe };
  };
  const asks = (text: string) => asked.filter(({ query }) => query.includes(text)).length;

  it("change by the answer of a mutation, without a question", async () => {
    answer = ({ query }) => (query.includes("updateThing") ? json({ data: { updateThing: { __typename: "ThingPayload", thing: thing("P-102", 2), revision: 2 } } }) : json({ data: { things: page([thing("P-101", 1)], "ThingConnection") } }));
    const { names, unsubscribe } = follow();
    await vi.waitFor(() => expect(names.at(-1)).toEqual(["P-101"]));
    await mutate(documents.updateThing, { id: "t1", expectedRevision: 1, name: "P-102" });
    await vi.waitFor(() => expect(names.at(-1)).toEqual(["P-102"]));
    expect(asks("query Things")).toBe(1);
    unsubscribe();
  });
  it("are asked anew where a mutation makes or takes away one of the list", async () => {
    let removed = false;
    answer = ({ query }) => {
      if (!query.includes("removeThing")) return json({ data: { things: page(removed ? [] : [thing("P-101", 1)], "ThingConnection") } });
      removed = true;
      return json({ data: { removeThing: { __typename: "RemovedPayload", id: "t1", revision: 2 } } });
    };
    const { names, unsubscribe } = follow();
    await vi.waitFor(() => expect(names.at(-1)).toEqual(["P-101"]));
    await mutate(documents.removeThing, { id: "t1", expectedRevision: 1 });
    await vi.waitFor(() => expect(names.at(-1)).toEqual([]));
    unsubscribe();
  });
  it("do not outlive the person at the desk", async () => {
    answer = () => json({ data: { things: page([thing("P-101", 1)], "ThingConnection") } });
    const first = follow();
    await vi.waitFor(() => expect(first.names).toHaveLength(1));
    first.unsubscribe();
    const before = client.get();
    session.set(person("other@plant.example"));
    expect(client.get()).not.toBe(before);
    answer = () => json({ data: { things: page([], "ThingConnection") } });
    const second = follow();
    await vi.waitFor(() => expect(second.names).toEqual([[]]));
    second.unsubscribe();
  });
  it("hold no samples: such a question goes past the cache, as it was written", async () => {
    answer = () => json({ data: { alarmKpis: {} } });
    await request(documents.kpis, { from: "2026-11-24T09:00:00Z", to: "2026-11-24T10:00:00Z" });
    expect(asked[0]!.query).not.toContain("__typename");
    expect(isKept(documents.kpis)).toBe(false);
  });
});

describe("the cache's knowledge of the schema", () => {
  const schema = buildSchema(readFileSync(new URL("../../api/schema.graphql", import.meta.url), "utf8"));
  const identified = (name: string) => { const type = schema.getType(name); return isObjectType(type) && "id" in type.getFields(); };

  it("names each type without an id that a kept answer or a mutation holds", () => {
    const met = new Set<string>();
    for (const text of [...Object.values(documents), ...Object.values(lists)]) {
      if (!isKept(text) && !text.startsWith("mutation")) continue;
      const types = new TypeInfo(schema);
      visit(parse(text), visitWithTypeInfo(types, { SelectionSet() { const type = types.getParentType(); if (type) met.add(type.name); } }));
    }
    const roots = ["Query", "Mutation"];
    expect([...met].filter((name) => !identified(name) && !roots.includes(name) && !EMBEDDED.includes(name))).toEqual([]);
  });
  it("names no type that the schema has not", () => {
    expect(EMBEDDED.filter((name) => !schema.getType(name))).toEqual([]);
  });
});
