// A double of the server for working on the pages: GraphQL over the committed schema, the session, and the built files
// under the same security policy as the real one. Never used by the end-to-end tests.
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { buildSchema, execute, parse, subscribe, validate, specifiedRules } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { alarms, makeAlarm, qualityAt, series, silentSince, START, things, valueAt } from "./plant.mjs";

const root = new URL("..", import.meta.url).pathname;
const schema = buildSchema(readFileSync(join(root, "../api/schema.graphql"), "utf8"));
const port = Number(process.env.PORT ?? 8088);
const iso = (ms) => new Date(ms).toISOString();
const page = (nodes) => ({ nodes, total: nodes.length, pageInfo: { hasNextPage: false, endCursor: null } });
const openToAll = process.env.SIGNED_IN === "1";
const COOKIE = "tellee_session=double";
let setUpNeeded = process.env.SET_UP === "1";
const journal = [];
const watchers = new Set();

function record(alarm, kind, text = null, who = "system") {
  const entry = { cursor: String(journal.length + 1), at: Date.now(), alarm: alarm.id, thing: alarm.thing, kind, occurrence: alarm.occurrence, priority: alarm.priority, message: alarm.message, value: alarm.value, limit: alarm.limit, unit: alarm.unit, who, text };
  journal.push(entry);
  for (const wake of watchers) wake();
  return entry;
}
// A flood for measuring: ALARMS=10000.
for (let i = 0; i < Number(process.env.ALARMS ?? 0); i++) alarms.push(makeAlarm(`thing-${1 + (i % 7)}`, ["vibration-de", "flow", "surge-margin", "speed", "motor-current"][i % 5], `Flood alarm ${i}`, `P${1 + (i % 4)}`, i % 3 ? "UNACKNOWLEDGED" : "ACKNOWLEDGED", 10 + (i % 900)));
for (const alarm of alarms) {
  record(alarm, "activated").at = alarm.raisedAt;
  if (alarm.state.startsWith("ACK")) record(alarm, "acknowledged", null, "a.serikova").at = alarm.raisedAt + 40_000;
}

const seriesView = (one) => ({
  ...one, subtopic: "", thing: () => thingView(things.find((thing) => thing.id === one.thing)), channel: () => channelView(), limits: one.limits,
  latest: () => sample(one, Math.min(Date.now(), silentSince(one))),
  points: ({ from, to, maxPoints }) => points(one, Date.parse(from), Math.min(Date.parse(to), silentSince(one)), maxPoints),
});
const sample = (one, t) => one.given === null ? null : one.given ? { time: iso(one.given.t), receivedAt: iso(one.given.t), number: one.given.v, quality: "GOOD" } : ({ time: iso(t), receivedAt: iso(t + 40), number: valueAt(one, t), quality: qualityAt(one, t) === 64 ? "UNCERTAIN" : "GOOD" });

function points(one, from, to, most) {
  if (one.given !== undefined) return one.given ? { t: [one.given.t], v: [one.given.v], q: [192], samples: 1, thinned: false } : { t: [], v: [], q: [], samples: 0, thinned: false };
  const step = Math.max(1000, (to - from) / Math.min(most, 800));
  const result = { t: [], v: [], q: [], samples: Math.round((to - from) / 1000), thinned: step > 1000 };
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
    const q = qualityAt(one, t);
    result.t.push(t);
    result.v.push(q === 0 ? null : valueAt(one, t));
    result.q.push(q);
  }
  return result;
}

const channelView = () => ({ id: "channel-1", name: "telemetry", metadata: {}, retention: "YEAR_1", rollupRetention: "AS_CONFIGURED", revision: 2, createdAt: iso(START - 9e8), updatedAt: iso(START - 5e7), thingCount: () => things.length, things: ({ first }) => things.slice(0, first).map(thingView) });
const edgeView = (n, more = {}) => ({ id: `edge-${n}`, externalId: `00:1e:c0:8a:44:0${n}`, name: `edge-0${n}`, content: configs[17], state: "ACTIVE", revision: 18, thing: () => thingView(things[0]), channels: () => [channelView()], bootstraps: 4, lastBootstrap: iso(START - 1_500_000), fetchedRevision: 18, upToDate: true, online: true, lastSeen: () => iso(Date.now() - 400), ...more });
const thingView = (thing) => thing && ({
  ...thing, metadata: { title: thing.title, area: thing.area }, createdAt: iso(START - 9e8), updatedAt: iso(START - 1e7), deviceType: null, channels: () => [channelView()],
  edgeDevice: () => (thing.id === "thing-1" ? edgeView(7) : null), series: () => page(series.filter((one) => one.thing === thing.id).map(seriesView)),
  alarms: () => page(alarms.filter((alarm) => alarm.thing === thing.id).map(alarmView)), models: () => (thing.id === "thing-1" ? [modelView()] : []),
  lastSeen: () => iso(thing.id === "thing-8" ? START - 240_000 : Date.now() - 400), worstAlarm: null,
});
const alarmView = (alarm) => ({
  ...alarm, thing: () => thingView(things.find((thing) => thing.id === alarm.thing)), series: () => { const one = series.find((s) => s.id === alarm.series); return one ? seriesView(one) : null; }, channel: null, subtopic: "", rule: { id: "rule-1", name: alarm.message },
  raisedAt: iso(alarm.raisedAt), sourceTime: iso(alarm.raisedAt), receivedAt: iso(alarm.raisedAt + 310), returnedAt: alarm.state.startsWith("RETURNED") ? iso(alarm.raisedAt + 120_000) : null,
  shelvedUntil: alarm.shelvedUntil ? iso(alarm.shelvedUntil) : null, reAlarmCount: 0, acknowledgedAt: alarm.acknowledgedAt ? iso(alarm.acknowledgedAt) : null,
});
const entryView = (entry) => ({ ...entry, at: iso(entry.at), thing: () => thingView(things.find((thing) => thing.id === entry.thing)) });
const ruleNames = ["Drive-end vibration high", "Bearing temperature high", "Flow out of range", "Surge margin low", "Lube oil pressure low", "Exhaust spread high", "Pump fillage low"];
const ruleView = (n) => {
  const one = series.find((candidate) => candidate.limits[0]?.rule === `rule-${n}`);
  return { id: `rule-${n}`, revision: 4, name: ruleNames[n - 1], enabled: n !== 6, thing: () => thingView(things.find((thing) => thing.id === one.thing)), deviceType: null, channel: null, subtopic: null, seriesName: one.name, levels: one.limits, deadman: n === 1 ? { periodMs: 15_000, priority: "P3" } : null, deadband: 0.3, onDelayMs: 15_000, offDelayMs: 30_000, class: "PROCESS", latching: false, acknowledgeRequired: true, message: ruleNames[n - 1], consequence: "Production loss and repair cost", action: "Check flow and suction pressure, then change over to the standby pump.", timeToRespondMs: 1_800_000, createdAt: iso(START - 1e9), updatedAt: iso(START - 1e8) };
};
const version = (n, more) => ({ version: n, live: false, retired: false, artifact: `sha256:${n}`, format: "torchscript", scoreLimit: 0.6, metrics: { f1: 0.8 + n / 100, false_alarm_rate: 0.012 / n, epochs: 40 }, trainedFrom: iso(START - 4e7), trainedTo: iso(START - 3e7), rows: 9640, dataHash: "3f2a90c1d4e7b802", seed: 1, parameters: {}, codeVersion: "0.1.0", parent: n === 1 ? null : n - 1, ...more });
const modelView = () => ({ id: "model-1", revision: 6, name: "pump-bearing", thing: () => thingView(things[0]), signals: ["vibration-de", "bearing-temperature", "motor-current", "flow"].map((name) => ({ channel: "channel-1", subtopic: "", series: name })), samplePeriodMs: 1000, window: 60, scoreSeries: "vibration-de.score", persistence: 3, versions: [version(1, { retired: true }), version(2, { live: true }), version(3, { parent: 2 })], live: 2, lastFailure: null, score: () => seriesView(series.find((one) => one.id === "thing-1/vibration-de.score")) });

const config = (poll, scale, extra) => JSON.stringify({ drivers: [{ kind: "modbus", poll_ms: poll, host: "192.0.2.31", map: [{ tag: "VT-1011", reg: 40_012, scale, ...extra, unit: "mm/s" }] }] });
const configs = { 16: config(1000, 0.01, {}), 17: config(500, 0.001, { deadband: 0.02 }) };
const history = (id) => [14, 15, 16, 17, 18].map((revision, index) => ({ entity: "EDGE_DEVICE", id, revision, at: iso(START - (5 - index) * 9e6), who: "d.omarov", type: "bootstrap_config_changed", note: ["Certificate renewed", "New register map", "Rolled back to r14", "Added IT-1016", "Faster poll, finer scale on VT-1011"][index], changes: [{ path: "/content", before: configs[16], after: configs[17] }] }));

const kpis = () => ({ perTenMinutes: 0.8, peakTenMinutes: 6, floodShare: 0.004, total: 88, standing: 1, chattering: 1, priorities: [], buckets: Array.from({ length: 48 }, (_, i) => ({ start: iso(START - (48 - i) * 600_000), count: [0, 1, 0, 2, 0, 0, 1, 3][(i * 7) % 8] })), badActors: [["thing-7", "Seal flush flow low", 61], ["thing-5", "Surge margin low", 38], ["thing-6", "Flame detector lost", 11], ["thing-1", "Drive-end vibration high", 9]].map(([id, message, count]) => ({ thing: thingView(things.find((one) => one.id === id)), message, count, share: count / 119 })) });
const audit = () => [["THING", "/tags/0/high", 8, 9], ["ALARM_RULE", "/levels/0/limit", 4.2, 4.5], ["EDGE_DEVICE", "/content", "a", "b"], ["CHANNEL", "/retention", "DAYS_30", "YEAR_1"]].map(([entity, path, before, after], i) => ({ entity, id: `x-${i}`, revision: i + 2, at: iso(START - (i + 1) * 4_000_000), who: ["d.omarov", "a.serikova", "m.akhmetov", "a.serikova"][i], type: `${entity.toLowerCase()}_changed`, note: null, changes: [{ path, before, after }] }));

function change(id, patch, kind, text) {
  const alarm = alarms.find((one) => one.id === id);
  if (!alarm) throw new Error("no such alarm");
  Object.assign(alarm, patch(alarm), { revision: alarm.revision + 1 });
  record(alarm, kind, text, "a.serikova");
  return { alarm: alarmView(alarm), revision: alarm.revision };
}
const acknowledged = { UNACKNOWLEDGED: "ACKNOWLEDGED", RETURNED_UNACKNOWLEDGED: "NORMAL", LATCHED_UNACKNOWLEDGED: "LATCHED_ACKNOWLEDGED" };

const users = [["a.serikova", "ADMINISTRATOR"], ["b.kim", "OPERATOR"], ["d.omarov", "ENGINEER"], ["m.akhmetov", "SUPERVISOR"]].map(([name, role], i) => ({ id: `u-${i}`, email: `${name}@kaspiy.example`, role, disabled: i === 3, revision: i + 1 }));

const rootValue = {
  me: () => ({ id: "u", email: "a.serikova@kaspiy.example", role: "ADMINISTRATOR", organisation: { id: "o", name: "Karaton station" }, platformAdministrator: false }),
  server: () => ({ version: "0.1.0", node: "karaton-1", time: iso(Date.now()), ml: { state: "READY", reason: null } }),
  things: ({ name }) => page(things.filter((thing) => !name || `${thing.name} ${thing.title}`.toLowerCase().includes(name.toLowerCase())).map(thingView)),
  thing: ({ id }) => thingView(things.find((thing) => thing.id === id)) ?? null,
  channels: () => page([channelView()]), channel: () => channelView(),
  edgeDevices: () => page([edgeView(1), edgeView(2), edgeView(7), edgeView(8, { upToDate: false, fetchedRevision: 17 }), edgeView(5, { online: false, lastSeen: iso(START - 800_000), upToDate: false, fetchedRevision: 16 }), edgeView(4, { online: false, bootstraps: 0, lastSeen: null, lastBootstrap: null, fetchedRevision: null, upToDate: false, revision: 1 }), edgeView(6, { online: false, state: "INACTIVE", bootstraps: 0, lastSeen: null, fetchedRevision: null, upToDate: false, revision: 1, content: "" })]),
  users: () => page(users), createUser: ({ input }) => { const user = { id: `u-${users.length}`, email: input.email, role: input.role, disabled: false, revision: 1 }; users.push(user); return { user, revision: 1 }; },
  unknownDevices: () => page([["00:1E:C0:8A:44:19", 720_000, 44, "192.0.2.61"], ["tellee-edge-7f31a2", 10_800_000, 9, "192.0.2.64"]].map(([externalId, ago, attempts, address]) => ({ externalId, firstSeen: iso(START - ago), lastSeen: iso(START - 20_000), attempts, address }))),
  deviceTypes: () => page([]),
  series: ({ thing }) => page(series.filter((one) => !thing || one.thing === thing).map(seriesView)),
  seriesById: ({ id }) => { const one = series.find((s) => s.id === id); return one ? seriesView(one) : null; },
  alarmJournal: ({ alarm, thing, first }) => ({ nodes: journal.filter((entry) => (!alarm || entry.alarm === alarm) && (!thing || entry.thing === thing)).sort((a, b) => b.at - a.at).slice(0, first).map(entryView), pageInfo: { hasNextPage: false } }),
  alarmKpis: kpis, audit: () => ({ nodes: audit(), pageInfo: { hasNextPage: false } }),
  alarmRules: ({ thing }) => page([1, 2, 3, 4, 5, 6, 7].map(ruleView).filter((rule) => !thing || rule.thing().id === thing)), alarmRule: ({ id }) => ruleView(Number(id.split("-")[1])),
  models: () => page([modelView()]),
  history: ({ id }) => ({ nodes: history(id), pageInfo: { hasNextPage: false } }),
  diff: () => [{ path: "/content", before: configs[16], after: configs[17] }, { path: "/drivers/0/map/0/scale", before: 0.01, after: 0.001 }],
  acknowledgeAlarms: ({ input }) => ({ alarms: input.alarms.map(({ id }) => change(id, (alarm) => ({ state: acknowledged[alarm.state] ?? alarm.state, acknowledgedAt: Date.now(), acknowledgedBy: "a.serikova" }), "acknowledged").alarm), refused: [] }),
  shelveAlarm: ({ input }) => change(input.id, () => ({ state: "SHELVED", shelvedReason: input.reason, shelvedUntil: Date.parse(input.until) }), "shelved", input.reason),
  unshelveAlarm: ({ input }) => change(input.id, () => ({ state: "UNACKNOWLEDGED" }), "unshelved"),
  commentAlarm: ({ input }) => change(input.id, (alarm) => ({ comments: [...alarm.comments, { by: "a.serikova", at: iso(Date.now()), text: input.text }] }), "commented", input.text),
  resetAlarm: ({ input }) => change(input.id, () => ({ state: "NORMAL" }), "reset"),
  rollBack: ({ input }) => ({ id: input.id, revision: Number(input.expectedRevision) + 1 }),
  createChannel: ({ input }) => ({ channel: { ...channelView(), id: `channel-${input.name}`, name: input.name }, revision: 1 }),
  createThing: ({ input }) => {
    const id = `thing-${things.length + 1}`;
    const thing = { id, name: input.name, title: input.metadata?.title ?? "", area: input.metadata?.area ?? "", tags: input.tags ?? [], revision: 1, channels: input.channels };
    things.push(thing);
    for (const tag of thing.tags) series.push({ id: `${id}/${tag.series}`, thing: id, name: tag.series, unit: tag.unit, tag, limits: [], index: series.length, given: null, channel: input.channels?.[0] });
    return { thing: thingView(thing), revision: 1, key: `key-${id}` };
  },
  createAlarmRule: ({ input: { definition } }) => {
    const one = series.find((candidate) => candidate.thing === definition.thing && candidate.name === definition.seriesName);
    one.limits = definition.levels.map((level) => ({ ...level, rule: "rule-1" }));
    one.rule = definition;
    return { alarmRule: ruleView(1), revision: 1 };
  },
  telemetry: async function* ({ series: ids, maxHz }) {
    const known = ids.map((id) => series.find((one) => one.id === id));
    for (;;) {
      const now = Date.now();
      const frame = { i: [], t: [], v: [], q: [] };
      known.forEach((one, i) => {
        if (!one || now > silentSince(one)) return;
        if (one.given === null) return;
        frame.i.push(i);
        frame.t.push(one.given ? one.given.t : now);
        frame.v.push(one.given ? one.given.v : valueAt(one, now));
        frame.q.push(one.given ? 192 : qualityAt(one, now));
      });
      yield { telemetry: frame };
      await new Promise((done) => setTimeout(done, 1000 / maxHz));
    }
  },
  alarmChanges: async function* ({ after }) {
    let at = after ? Number(after) : journal.length;
    if (!after) yield { alarmChanges: { cursor: String(at), kind: "SNAPSHOT", alarms: alarms.filter((alarm) => alarm.state !== "NORMAL").map(alarmView) } };
    for (;;) {
      while (at < journal.length) {
        const entry = journal[at++];
        yield { alarmChanges: { cursor: String(at), kind: "CHANGE", change: entryView(entry), alarm: alarmView(alarms.find((alarm) => alarm.id === entry.alarm)) } };
      }
      await new Promise((done) => { const wake = () => { watchers.delete(wake); done(); }; watchers.add(wake); });
    }
  },
};

/** Just enough of a rule for the pages: raises above its first limit, returns below. */
function take(channel, key, records) {
  const thing = things.find((one) => `key-${one.id}` === key);
  for (const { n, v } of records) {
    const one = series.find((candidate) => candidate.channel === channel && candidate.name === n && candidate.thing === thing?.id);
    if (!one) return 404;
    one.given = { v, t: Date.now() };
    const crossed = one.limits.filter((limit) => v > limit.limit).sort((a, b) => a.priority.localeCompare(b.priority))[0];
    const held = alarms.find((alarm) => alarm.series === one.id);
    if (crossed && !held) {
      const alarm = makeAlarm(one.thing, n, one.rule.message, crossed.priority, "UNACKNOWLEDGED", 0, { raisedAt: Date.now(), value: v, limit: crossed.limit, action: one.rule.action });
      alarms.push(alarm);
      record(alarm, "activated");
    } else if (held && !crossed && held.state !== "NORMAL") change(held.id, (alarm) => ({ state: alarm.state === "ACKNOWLEDGED" ? "NORMAL" : "RETURNED_UNACKNOWLEDGED" }), "returned");
  }
  return 202;
}

const POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
const TYPES = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json" };
const json = (response, status, body) => { response.writeHead(status, { "content-type": "application/json" }); response.end(body === null ? undefined : JSON.stringify(body)); };
const readBody = async (request) => { let text = ""; for await (const part of request) text += part; return text === "" ? {} : JSON.parse(text); };

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://double");
  const signedIn = openToAll || (request.headers.cookie ?? "").includes(COOKIE);
  const route = `${request.method} ${url.pathname}`;
  if (route === "GET /ui/session") return signedIn ? json(response, 200, { email: "a.serikova@kaspiy.example", role: "ADMINISTRATOR", organisation: "Karaton station", platformAdministrator: false }) : json(response, 401, { error: "not signed in", code: "unauthenticated" });
  if (route === "POST /ui/session") { const { password } = await readBody(request); if (password === "wrong") return json(response, 401, { error: "e-mail or password is wrong", code: "unauthenticated" }); response.writeHead(204, { "set-cookie": `${COOKIE}; Path=/; HttpOnly; SameSite=Strict` }); return response.end(); }
  if (route === "DELETE /ui/session") { response.writeHead(204, { "set-cookie": `${COOKIE}; Path=/; Max-Age=0` }); return response.end(); }
  if (route === "GET /ui/setup") return json(response, 200, { needed: setUpNeeded });
  if (route === "POST /setup") { setUpNeeded = false; return json(response, 201, {}); }
  if (route === "GET /health") return json(response, 200, { status: "pass" });
  if (route === "GET /version") return json(response, 200, { service: "tellee", version: "0.1.0" });
  if (route === "POST /dev/raise") { const alarm = makeAlarm("thing-2", "flow", "Flow low", "P1", "UNACKNOWLEDGED", 0, { raisedAt: Date.now() }); alarms.push(alarm); record(alarm, "activated"); return json(response, 200, { id: alarm.id }); }
  if (route === "POST /graphql") {
    const { query, variables } = await readBody(request);
    const document = parse(query);
    const errors = validate(schema, document, specifiedRules);
    if (errors.length > 0) return json(response, 400, { errors: errors.map((error) => ({ message: error.message, extensions: { code: "invalid_query" } })) });
    return json(response, 200, await execute({ schema, document, rootValue, variableValues: variables }));
  }
  const published = /^\/channels\/([^/]+)\/messages$/.exec(url.pathname);
  if (published) { response.writeHead(take(decodeURIComponent(published[1]), request.headers.authorization?.replace("Thing ", ""), await readBody(request))); return response.end(); }
  if (!url.pathname.startsWith("/ui")) { response.writeHead(302, { location: "/ui/" }); return response.end(); }
  const wanted = join(root, "dist", url.pathname.slice(3));
  const file = extname(wanted) && existsSync(wanted) ? wanted : join(root, "dist/index.html");
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": POLICY });
  return createReadStream(file).pipe(response);
});
useServer({ schema, roots: { query: rootValue, subscription: rootValue }, execute: (args) => execute({ ...args, rootValue }), subscribe: (args) => subscribe({ ...args, rootValue }) }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(port, "127.0.0.1", () => console.log(`double of the server on http://127.0.0.1:${port}/ui/`));
