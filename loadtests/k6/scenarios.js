// Four kinds of users at once: GraphQL queries, HTTP publishers, alarm subscribers, MQTT publishers over WebSocket.
// Started by loadtests/load.sh, which sets the server up and gives its address and credentials in the environment.
import http from 'k6/http';
import { check } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/experimental/websockets';

const HTTP = __ENV.TELLEE_HTTP;
const TOKEN = __ENV.TELLEE_TOKEN;
const CHANNEL = __ENV.TELLEE_CHANNEL;
const THINGS = JSON.parse(__ENV.TELLEE_THINGS);
const SECONDS = Number(__ENV.LOAD_SECONDS || 20);

const snapshots = new Trend('alarm_snapshot_ms', true);
const pubacks = new Counter('mqtt_pubacks');
const pubackTime = new Trend('mqtt_puback_ms', true);
const sessions = new Rate('websocket_sessions_held');

const constant = (exec, vus) => ({ executor: 'constant-vus', exec, vus, duration: `${SECONDS}s`, gracefulStop: '10s' });

export const options = {
  scenarios: {
    query: constant('query', 5),
    publish: constant('publish', 10),
    alarms: constant('alarms', 20),
    mqtt: constant('mqtt', 10),
  },
  thresholds: {
    checks: ['rate>0.999'],
    'http_req_duration{scenario:query}': ['p(99)<1000'],
    'http_req_duration{scenario:publish}': ['p(99)<1000'],
    websocket_sessions_held: ['rate>0.99'],
    mqtt_pubacks: ['count>0'],
    alarm_snapshot_ms: ['p(99)<5000'],
  },
  summaryTrendStats: ['count', 'med', 'p(95)', 'p(99)', 'max'],
};

const QUERY = `{
  things(first: 20) { total nodes { id name lastSeen worstAlarm { id priority } } }
  series(first: 10) { nodes { name latest { time number } } }
  alarmCounts { shelved priorities { priority active } }
}`;

export function query() {
  const answer = http.post(`${HTTP}/graphql`, JSON.stringify({ query: QUERY }), {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
  });
  check(answer, { 'query answered': (got) => got.status === 200 && !got.json('errors') && got.json('data.things.total') > 0 });
}

let published = 0;

export function publish() {
  const thing = THINGS[__VU % THINGS.length];
  published += 1;
  const pack = [{ n: `speed-${__VU % 10}`, u: '1/min', t: Date.now() / 1000 + published / 1e6, v: 1480 + (published % 20) }];
  const answer = http.post(`${HTTP}/channels/${CHANNEL}/messages`, JSON.stringify(pack), {
    headers: { 'content-type': 'application/senml+json', authorization: `Thing ${thing.key}` },
  });
  check(answer, { 'message stored': (got) => got.status === 202 });
}

export function alarms() {
  const socket = new WebSocket(`${HTTP.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  let begin = 0;
  let held = false;
  let closing = false;
  socket.onopen = () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${TOKEN}` } }));
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === 'connection_ack') {
      begin = Date.now();
      const subscription = 'subscription { alarmChanges { cursor kind alarms { id state } alarm { id state } } }';
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: subscription } }));
    } else if (message.type === 'ping') {
      socket.send(JSON.stringify({ type: 'pong' }));
    } else if (message.type === 'next' && !held) {
      held = true;
      snapshots.add(Date.now() - begin);
      check(message, { 'snapshot first': (got) => got.payload.data && got.payload.data.alarmChanges.kind === 'SNAPSHOT' });
    }
  };
  socket.onclose = () => sessions.add(held && closing);
  socket.onerror = (error) => console.error(error.error);
  setTimeout(() => { closing = true; socket.close(); }, 5000);
}

const text = (value) => [value.length >> 8, value.length & 255, ...[...value].map((letter) => letter.charCodeAt(0))];

function frame(kind, body) {
  const packet = [kind];
  let length = body.length;
  do {
    const digit = length % 128;
    length = Math.floor(length / 128);
    packet.push(length ? digit | 128 : digit);
  } while (length);
  return new Uint8Array([...packet, ...body]).buffer;
}

export function mqtt() {
  const thing = THINGS[__VU % THINGS.length];
  const socket = new WebSocket(`${HTTP.replace('http', 'ws')}/mqtt`, 'mqtt');
  socket.binaryType = 'arraybuffer';
  const end = Date.now() + 5000;
  let id = 0;
  let sent = 0;
  let held = false;
  const next = () => {
    if (Date.now() >= end) {
      held = true;
      socket.close();
      return;
    }
    id = (id % 65535) + 1;
    sent = Date.now();
    const pack = JSON.stringify([{ n: 'temperature', u: 'Cel', t: sent / 1000 + id / 1e7, v: 60 + (id % 10) }]);
    socket.send(frame(0x32, [...text(`channels/${CHANNEL}/messages`), id >> 8, id & 255, ...[...pack].map((letter) => letter.charCodeAt(0))]));
  };
  socket.onopen = () =>
    socket.send(frame(0x10, [...text('MQTT'), 4, 0xc2, 0, 60, ...text(`k6-${__VU}-${__ITER}`), ...text(thing.id), ...text(thing.key)]));
  socket.onmessage = (event) => {
    const bytes = new Uint8Array(event.data);
    const kind = bytes[0] >> 4;
    if (kind === 2) check(bytes, { 'MQTT signed in': (got) => got[3] === 0 });
    if (kind === 4) {
      pubacks.add(1);
      pubackTime.add(Date.now() - sent);
    }
    if (kind === 2 || kind === 4) next();
  };
  socket.onclose = () => sessions.add(held);
  socket.onerror = (error) => console.error(error.error);
}

export function handleSummary(data) {
  const metric = (name) => (data.metrics[name] || { values: {} }).values;
  const trend = (label, values) =>
    `${label.padEnd(34)} ${String(values.count || 0).padStart(8)} ${((values.count || 0) / SECONDS).toFixed(0).padStart(8)} ` +
    ['med', 'p(95)', 'p(99)', 'max'].map((name) => (values[name] || 0).toFixed(1).padStart(9)).join('');
  const failed = Object.entries(data.metrics)
    .flatMap(([name, found]) => Object.entries(found.thresholds || {}).filter(([, state]) => !state.ok).map(([rule]) => `${name} ${rule}`));
  const checks = metric('checks');
  const lines = [
    `${''.padEnd(34)} ${'count'.padStart(8)} ${'per s'.padStart(8)} ${'median'.padStart(9)}${'p95'.padStart(9)}${'p99'.padStart(9)}${'max'.padStart(9)}  ms`,
    trend('GraphQL query', metric('http_req_duration{scenario:query}')),
    trend('HTTP publish, stored', metric('http_req_duration{scenario:publish}')),
    trend('MQTT over WebSocket, QoS 1', metric('mqtt_puback_ms')),
    trend('alarm subscription to snapshot', metric('alarm_snapshot_ms')),
    '',
    `checks ${checks.passes || 0} passed, ${checks.fails || 0} failed; sockets held to the end ${((metric('websocket_sessions_held').rate || 0) * 100).toFixed(1)} %`,
    failed.length ? `thresholds missed: ${failed.join('; ')}` : 'all thresholds met',
    '',
  ];
  return { stdout: lines.join('\n'), [__ENV.LOAD_JSON]: JSON.stringify(data, null, 1) };
}
