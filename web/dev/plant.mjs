// An invented plant for working on the pages without a server. Never used by the end-to-end tests.
export const START = Date.now();
const HOUR = 3_600_000;

const tag = (series, title, unit, low, high, decimals = 1) => ({ series, title, unit, low, high, decimals, expectedIntervalMs: 1000 });
const limit = (kind, value, priority, rule) => ({ kind, limit: value, priority, rule });

const machines = [
  ["P-101", "Feed pump A", "100 Crude feed", "pump"], ["P-102", "Feed pump B", "100 Crude feed", "pump"], ["P-103", "Feed pump C", "100 Crude feed", "pump"],
  ["K-201", "Compressor 1", "200 Gas compression", "compressor"], ["K-202", "Compressor 2", "200 Gas compression", "compressor"],
  ["GT-301", "Gas turbine", "300 Power", "turbine"], ["P-402", "Injection pump B", "400 Water injection", "pump"], ["RP-512", "Rod pump", "500 Rod pump field", "rod"],
];

const kinds = {
  pump: [tag("vibration-de", "Vibration, drive end", "mm/s", 0, 9, 2), tag("bearing-temperature", "Bearing temp., drive end", "°C", 0, 120), tag("flow", "Flow", "m³/h", 0, 500), tag("discharge-pressure", "Discharge pressure", "bar", 0, 40, 2), tag("motor-current", "Motor current", "A", 0, 200)],
  compressor: [tag("surge-margin", "Surge margin", "%", 0, 40), tag("lube-oil-temperature", "Lube oil temp.", "°C", 0, 90), tag("lube-oil-pressure", "Lube oil pressure", "bar", 0, 4, 2)],
  turbine: [tag("exhaust-spread", "Exhaust spread", "K", 0, 60), tag("speed", "Speed", "rpm", 0, 12_000, 0)],
  rod: [tag("pump-fillage", "Pump fillage", "%", 0, 100, 0)],
};
const usual = { "vibration-de": 2.3, "bearing-temperature": 71, flow: 412, "discharge-pressure": 23.4, "motor-current": 148, "surge-margin": 18, "lube-oil-temperature": 52, "lube-oil-pressure": 1.9, "exhaust-spread": 21, speed: 9640, "pump-fillage": 84, "vibration-de.score": 0.21 };
const watched = {
  "vibration-de": [limit("HI", 4.5, "P2", "rule-1"), limit("HI_HI", 7.1, "P1", "rule-1")], "bearing-temperature": [limit("HI", 85, "P3", "rule-2")],
  flow: [limit("LO", 380, "P3", "rule-3"), limit("HI", 435, "P4", "rule-3")], "surge-margin": [limit("LO", 12, "P3", "rule-4"), limit("LO_LO", 8, "P1", "rule-4")],
  "lube-oil-pressure": [limit("LO", 1.4, "P2", "rule-5"), limit("LO_LO", 1, "P1", "rule-5")], "exhaust-spread": [limit("HI", 35, "P2", "rule-6")], "pump-fillage": [limit("LO", 65, "P4", "rule-7")],
};

function noise(seed, t) {
  const x = Math.sin(seed * 12.9898 + Math.floor(t / 1000) * 78.233) * 43_758.5453;
  return x - Math.floor(x) - 0.5;
}

export const series = [];
export const things = machines.map(([name, title, area, kind], index) => {
  const id = `thing-${index + 1}`;
  const thing = { id, name, title, area, kind, tags: kinds[kind], revision: 3 + index };
  const names = [...kinds[kind]];
  if (name === "P-101") names.push({ ...tag("vibration-de.score", "Anomaly score", "", 0, 1, 3) });
  for (const one of names) series.push({ id: `${id}/${one.series}`, thing: id, name: one.series, unit: one.unit, tag: one, limits: watched[one.series] ?? [], index: series.length });
  return thing;
});

/** The value of a series at a time: noise round the usual, a slow rise where a fault grows. */
export function valueAt(one, t) {
  const base = usual[one.name] ?? 1;
  const span = one.name.endsWith(".score") ? 0.12 : base * 0.06;
  let value = base + noise(one.index + 1, t) * span + Math.sin(t / 900_000 + one.index) * span * 0.4;
  const fault = Math.max(0, Math.min(1.15, (t - (START - 0.55 * HOUR)) / (0.55 * HOUR)));
  if (one.id === "thing-1/vibration-de") value += fault ** 1.4 * 2.9;
  if (one.id === "thing-1/bearing-temperature") value += fault * 7;
  if (one.id === "thing-1/vibration-de.score") value += fault * 0.6;
  if (one.id === "thing-5/surge-margin") value -= 6.6;
  return value;
}

export function qualityAt(one, t) {
  if (one.id === "thing-7/discharge-pressure") return 64;
  if (one.id === "thing-1/motor-current" && t > START - 0.7 * HOUR && t < START - 0.62 * HOUR) return 0;
  return 192;
}

/** The rod pump has been silent for four minutes. */
export const silentSince = (one) => (one.thing === "thing-8" ? START - 240_000 : Infinity);

let nextAlarm = 1;
export function makeAlarm(thing, name, message, priority, state, minutes, extra = {}) {
  const one = series.find((candidate) => candidate.id === `${thing}/${name}`);
  const raised = START - minutes * 60_000;
  const crossed = one?.limits.find((candidate) => candidate.priority === priority) ?? one?.limits[0];
  return {
    id: `alarm-${nextAlarm++}`, thing, seriesName: name, series: one?.id ?? null, message, priority, state, class: "PROCESS", cause: crossed?.kind ?? "HI", latching: false, occurrence: 1,
    consequence: "Bearing damage on coast-down. Production loss.", action: "1. Confirm the reading on the local gauge.\n2. Change over to the standby machine.\n3. Call maintenance.", timeToRespondMs: 1_800_000,
    value: one ? valueAt(one, raised) + 0.2 : null, limit: crossed?.limit ?? null, unit: one?.unit ?? "", quality: "GOOD", raisedAt: raised, acknowledgedAt: null, acknowledgedBy: null, comments: [], contributions: [], revision: 1, ...extra,
  };
}

export const alarms = [
  makeAlarm("thing-1", "vibration-de", "Drive-end vibration high", "P2", "UNACKNOWLEDGED", 9, { occurrence: 2 }),
  makeAlarm("thing-1", "vibration-de.score", "Vibration leaves what the model expects", "P3", "UNACKNOWLEDGED", 21, { class: "PREDICTIVE", cause: "SCORE", limit: 0.6, contributions: [{ series: "vibration-de", share: 0.52, expected: 2.4, actual: 4.9 }, { series: "bearing-temperature", share: 0.31, expected: 71, actual: 77.6 }, { series: "motor-current", share: 0.11, expected: 148, actual: 151 }, { series: "flow", share: 0.06, expected: 412, actual: 409 }] }),
  makeAlarm("thing-5", "surge-margin", "Surge margin low", "P3", "ACKNOWLEDGED", 117, { occurrence: 38 }),
  makeAlarm("thing-6", "speed", "Flame detector 3 lost", "P2", "LATCHED_UNACKNOWLEDGED", 47, { latching: true, occurrence: 11, value: null, limit: null, unit: "" }),
  makeAlarm("thing-7", "flow", "Seal flush flow low", "P3", "RETURNED_UNACKNOWLEDGED", 5, { occurrence: 61 }),
  makeAlarm("thing-8", "pump-fillage", "No data from edge", "P3", "ACKNOWLEDGED", 4, { class: "INSTRUMENT", cause: "DEADMAN", value: null, limit: null, unit: "" }),
  makeAlarm("thing-4", "lube-oil-temperature", "Lube oil temperature high", "P4", "ACKNOWLEDGED", 271, { occurrence: 9, value: 61.2, limit: 60 }),
  makeAlarm("thing-2", "motor-current", "Motor current high", "P4", "SHELVED", 400, { shelvedReason: "Maintenance: meter calibrated", shelvedUntil: START + HOUR }),
];
