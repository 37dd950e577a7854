import { type APIRequestContext, expect, type Page } from "@playwright/test";

/** What the tests do to the server beside the browser: sign in, provision a pump, publish, cut the line. */

export const BASE = process.env.TELLEE_URL ?? "";
const HEADERS = { "X-Tellee-Csrf": "1" };

export async function signIn(request: APIRequestContext): Promise<void> {
  const response = await request.post(`${BASE}/ui/session`, { headers: HEADERS, data: { email: process.env.TELLEE_EMAIL, password: process.env.TELLEE_PASSWORD } });
  expect(response.status(), await response.text()).toBe(204);
}

export async function signInPage(page: Page, theme = "day"): Promise<void> {
  await page.addInitScript((value) => {
    if (!localStorage.getItem("flash.preferences")) localStorage.setItem("flash.preferences", JSON.stringify({ theme: value, steadyAlarms: true }));
  }, theme);
  await signIn(page.request);
}

interface Answer { data?: Record<string, never>; errors?: { message: string }[] }

export async function graphql<T>(request: APIRequestContext, query: string, input: Record<string, unknown>): Promise<T> {
  const response = await request.post(`${BASE}/graphql`, { headers: HEADERS, data: { query, variables: { input: { idempotencyKey: crypto.randomUUID(), ...input } } } });
  const body = (await response.json()) as Answer;
  expect(body.errors, JSON.stringify(body.errors)).toBeUndefined();
  return body.data as T;
}

export interface Pump { name: string; thing: string; key: string; channel: string; message: string }

/** A pump with one measured value and a rule at 4.5 (P2) and 7.1 (P1). Names are fresh, so that tests do not meet. */
export async function makePump(request: APIRequestContext): Promise<Pump> {
  const mark = Date.now().toString(36).slice(-5).toUpperCase();
  const name = `P-${mark}`;
  const channel = await graphql<{ createChannel: { channel: { id: string } } }>(request, "mutation($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } } }", { name: `channel-${mark}` });
  const id = channel.createChannel.channel.id;
  const thing = await graphql<{ createThing: { thing: { id: string }; key: string } }>(request, "mutation($input: CreateThingInput!) { createThing(input: $input) { thing { id } key } }", {
    name, channels: [id], metadata: { title: "Test pump", area: "900 Test" }, tags: [{ series: "vibration", title: "Vibration, drive end", unit: "mm/s", low: 0, high: 9, decimals: 2, expectedIntervalMs: 1000 }],
  });
  const message = `Vibration high ${mark}`;
  await graphql(request, "mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { alarmRule { id } } }", {
    definition: { name: message, thing: thing.createThing.thing.id, channel: id, subtopic: "", seriesName: "vibration", levels: [{ kind: "HI", limit: 4.5, priority: "P2" }, { kind: "HI_HI", limit: 7.1, priority: "P1" }], message, consequence: "Bearing damage", action: "Change over to the standby pump.", deadband: 0.2 },
  });
  return { name, thing: thing.createThing.thing.id, key: thing.createThing.key, channel: id, message };
}

/** One sample, now. 202 means that it is on disk. */
export async function publish(request: APIRequestContext, pump: Pump, value: number): Promise<void> {
  const response = await request.post(`${BASE}/channels/${pump.channel}/messages`, {
    headers: { Authorization: `Thing ${pump.key}`, "Content-Type": "application/senml+json" },
    data: JSON.stringify([{ n: "vibration", u: "mm/s", v: value, t: Date.now() / 1000 }]),
  });
  expect(response.status(), await response.text()).toBe(202);
}
