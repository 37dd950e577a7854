import { type APIRequestContext, expect, type Page } from "@playwright/test";

/** What the tests do to the server beside the browser: sign in, provision a pump, publish, read back. */

export const BASE = process.env.TELLEE_URL ?? "";
export const HEADERS = { "X-Tellee-Csrf": "1" };

export interface Account { email: string; password: string }
export const ADMINISTRATOR: Account = { email: process.env.TELLEE_EMAIL ?? "", password: process.env.TELLEE_PASSWORD ?? "" };

export async function signIn(request: APIRequestContext, account = ADMINISTRATOR, base = BASE): Promise<void> {
  const response = await request.post(`${base}/ui/session`, { headers: HEADERS, data: account });
  expect(response.status(), await response.text()).toBe(204);
}

export async function signInPage(page: Page, theme = "day", account = ADMINISTRATOR): Promise<void> {
  await page.addInitScript((value) => {
    if (!localStorage.getItem("flash.preferences")) localStorage.setItem("flash.preferences", JSON.stringify({ theme: value, steadyAlarms: true }));
  }, theme);
  await signIn(page.request, account);
}

interface Answer { data?: Record<string, never>; errors?: { message: string }[] }

/** Any GraphQL document; an error of the answer fails the test. */
export async function ask<T>(request: APIRequestContext, query: string, variables: Record<string, unknown> = {}, base = BASE): Promise<T> {
  const response = await request.post(`${base}/graphql`, { headers: HEADERS, data: { query, variables } });
  const body = (await response.json()) as Answer;
  expect(body.errors, JSON.stringify(body.errors)).toBeUndefined();
  return body.data as T;
}

/** A mutation with one `input` and a key of its own. */
export function graphql<T>(request: APIRequestContext, query: string, input: Record<string, unknown>, base = BASE): Promise<T> {
  return ask<T>(request, query, { input: { idempotencyKey: crypto.randomUUID(), ...input } }, base);
}

let marks = 0;
/** Fresh in each run, so that tests do not meet in names. */
export function freshMark(): string {
  marks += 1;
  return `${Date.now().toString(36).slice(-5)}${marks.toString(36)}`.toUpperCase();
}

export async function makeChannel(request: APIRequestContext, name: string): Promise<string> {
  const answer = await graphql<{ createChannel: { channel: { id: string } } }>(request, "mutation($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } } }", { name });
  return answer.createChannel.channel.id;
}

export async function makeThing(request: APIRequestContext, input: Record<string, unknown>): Promise<{ id: string; key: string }> {
  const answer = await graphql<{ createThing: { thing: { id: string }; key: string } }>(request, "mutation($input: CreateThingInput!) { createThing(input: $input) { thing { id } key } }", input);
  return { id: answer.createThing.thing.id, key: answer.createThing.key };
}

export async function makeRule(request: APIRequestContext, definition: Record<string, unknown>): Promise<string> {
  const answer = await graphql<{ createAlarmRule: { alarmRule: { id: string } } }>(request, "mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { alarmRule { id } } }", { definition });
  return answer.createAlarmRule.alarmRule.id;
}

export interface Pump { name: string; thing: string; key: string; channel: string; message: string; rule: string; definition: Record<string, unknown> }

/** A pump with one measured value and a rule at 4.5 (P2) and 7.1 (P1). */
export async function makePump(request: APIRequestContext, mark = freshMark()): Promise<Pump> {
  const name = `P-${mark}`;
  const channel = await makeChannel(request, `channel-${mark}`);
  const thing = await makeThing(request, {
    name, channels: [channel], metadata: { title: "Test pump", area: `Test ${mark}` }, tags: [{ series: "vibration", title: "Vibration, drive end", unit: "mm/s", low: 0, high: 9, decimals: 2, expectedIntervalMs: 1000 }],
  });
  const message = `Vibration high ${mark}`;
  const definition = {
    name: message, thing: thing.id, channel, subtopic: "", seriesName: "vibration", levels: [{ kind: "HI", limit: 4.5, priority: "P2" }, { kind: "HI_HI", limit: 7.1, priority: "P1" }], message, consequence: "Bearing damage", action: "Change over to the standby pump.", deadband: 0.2,
  };
  const rule = await makeRule(request, definition);
  return { name, thing: thing.id, key: thing.key, channel, message, rule, definition };
}

/** One sample, now. 202 means that it is on disk. */
export async function publish(request: APIRequestContext, pump: Pick<Pump, "channel" | "key">, value: number): Promise<void> {
  const response = await request.post(`${BASE}/channels/${pump.channel}/messages`, {
    headers: { Authorization: `Thing ${pump.key}`, "Content-Type": "application/senml+json" },
    data: JSON.stringify([{ n: "vibration", u: "mm/s", v: value, t: Date.now() / 1000 }]),
  });
  expect(response.status(), await response.text()).toBe(202);
}

export type Entity = "THING" | "CHANNEL" | "EDGE_DEVICE" | "ALARM_RULE";

/** The content of an entity at a revision, secrets and the counters of its own revisions left out. */
export async function stateAt(request: APIRequestContext, entity: Entity, id: string, revision: number): Promise<Record<string, unknown>> {
  const answer = await ask<{ entityAt: { revision: number; state: Record<string, unknown> } | null }>(request, "query($entity: EntityKind!, $id: ID!, $revision: Long!) { entityAt(entity: $entity, id: $id, revision: $revision) { revision state } }", { entity, id, revision });
  expect(answer.entityAt?.revision, `${entity} has revision ${revision}`).toBe(revision);
  const state = answer.entityAt?.state ?? {};
  return Object.fromEntries(Object.entries(state).filter(([name]) => name !== "revision" && name !== "config_revision"));
}

export async function revisionsOf(request: APIRequestContext, entity: Entity, id: string): Promise<{ revision: number; note: string | null }[]> {
  const answer = await ask<{ history: { nodes: { revision: number; note: string | null }[] } }>(request, "query($entity: EntityKind!, $id: ID!) { history(entity: $entity, id: $id, first: 50) { nodes { revision note } } }", { entity, id });
  return answer.history.nodes;
}
