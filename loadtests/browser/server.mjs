// A server in a folder of its own, and its API.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const ACCOUNT = { email: "desk@plant.example", password: "a long pass phrase" };
const READY_MS = 60_000;

export async function startServer(program) {
  const home = await mkdtemp(join(tmpdir(), "tellee-browser-"));
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TELLEE_")));
  const child = spawn(program, ["serve", "--data-dir", join(home, "data"), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"], {
    env: { ...clean, TELLEE_ADMIN_EMAIL: ACCOUNT.email, TELLEE_ADMIN_PASSWORD: ACCOUNT.password, TELLEE_ML__ENABLED: "false" }, stdio: ["ignore", "pipe", "ignore"],
  });
  const ready = await new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error("the server does not get ready")), READY_MS);
    child.once("error", fail);
    child.once("exit", (status) => fail(new Error(`the server ended with ${status}`)));
    createInterface({ input: child.stdout }).once("line", (line) => {
      clearTimeout(timer);
      done(JSON.parse(line));
    });
  });
  const url = `http://${ready.http}`;
  const { token } = await call(url, "/tokens", { body: ACCOUNT });
  const server = {
    url,
    /** A document with any variables. */
    async ask(query, variables = {}) {
      const answer = await call(url, "/graphql", { body: { query, variables }, authorization: `Bearer ${token}` });
      if (answer.errors) throw new Error(answer.errors[0].message);
      return answer.data;
    },
    mutate: (query, input) => server.ask(query, { input: { idempotencyKey: crypto.randomUUID(), ...input } }),
    /** SenML records under the key of a thing; resolves with the 202, when they are on disk. */
    publish: (channel, key, records) => call(url, `/channels/${channel}/messages`, { body: records, authorization: `Thing ${key}`, type: "application/senml+json", status: 202 }),
    async channel(name) {
      return (await server.mutate("mutation($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } } }", { name })).createChannel.channel.id;
    },
    async thing(input) {
      const { createThing } = await server.mutate("mutation($input: CreateThingInput!) { createThing(input: $input) { thing { id } key } }", input);
      return { id: createThing.thing.id, key: createThing.key, name: input.name };
    },
    async deviceType(name) {
      return (await server.mutate("mutation($input: DeviceTypeInput!) { createDeviceType(input: $input) { deviceType { id } } }", { name })).createDeviceType.deviceType.id;
    },
    rule: (definition) => server.mutate("mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { alarmRule { id } } }", { definition }),
    async activeAlarms() {
      const { alarmCounts } = await server.ask("{ alarmCounts { priorities { active } } }");
      return alarmCounts.priorities.reduce((sum, { active }) => sum + Number(active), 0);
    },
    async stop() {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await ended;
      await rm(home, { recursive: true, force: true });
    },
  };
  return server;
}

async function call(url, path, { body, authorization, type = "application/json", status }) {
  const response = await fetch(url + path, { method: "POST", headers: { "Content-Type": type, ...(authorization ? { Authorization: authorization } : {}) }, body: JSON.stringify(body) });
  const text = await response.text();
  if (status === undefined ? !response.ok : response.status !== status) throw new Error(`${path}: ${response.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

/** Runs `work` for each item, at most `side` side by side. */
export async function each(items, side, work) {
  const queue = [...items.entries()];
  await Promise.all(Array.from({ length: side }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await work(next[1], next[0]);
  }));
}
