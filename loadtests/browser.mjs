// What an operator's browser feels, measured in a real Chromium against a real server:
//
//   latency  from a sample over its limit to the row of its alarm on the screen, raise by raise
//   list     an alarm list of ten thousand: first row, scrolling, standing still, changes
//   lanes    an asset page with twelve lanes fed ten times a second: frames, busy share, heap
//
//   node loadtests/browser.mjs [--program FILE] [--only latency,list,lanes] [--raises 60] [--alarms 10000]
//                              [--lanes 12] [--hz 10] [--minutes 3]
//
// Prints one JSON object on stdout; says on stderr what it does. Starts a server of its own and ends it. Nothing else
// should run meanwhile; `load` in the answer says how busy the machine was.
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureLanes } from "./browser/lanes.mjs";
import { measureLatency } from "./browser/latency.mjs";
import { measureList } from "./browser/list.mjs";
import { openDesk } from "./browser/desk.mjs";
import { startServer } from "./browser/server.mjs";
import { machine } from "./browser/figures.mjs";

const { values } = parseArgs({
  options: {
    program: { type: "string", default: process.env.TELLEE_PROGRAM ?? join(process.env.CARGO_TARGET_DIR ?? "target", "release", "tellee") },
    only: { type: "string", default: "latency,list,lanes" }, raises: { type: "string", default: "60" }, alarms: { type: "string", default: "10000" },
    lanes: { type: "string", default: "12" }, hz: { type: "string", default: "10" }, minutes: { type: "string", default: "3" },
  },
});
const number = (name) => {
  const value = Number(values[name]);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a number above 0`);
  return value;
};

const PARTS = {
  latency: (server, desk) => measureLatency(server, desk, { raises: number("raises") }),
  list: (server, desk) => measureList(server, desk, { alarms: number("alarms") }),
  lanes: (server, desk) => measureLanes(server, desk, { lanes: number("lanes"), hz: number("hz"), minutes: number("minutes") }),
};

const figures = { machine: machine(), load: { before: loadavg()[0] }, parts: {} };
for (const part of values.only.split(",")) {
  const measure = PARTS[part];
  if (!measure) throw new Error(`--only knows ${Object.keys(PARTS).join(", ")}`);
  console.error(`== ${part}`);
  // Each part has a server and a browser of its own: none inherits the other's heap or alarms.
  const server = await startServer(values.program);
  try {
    const desk = await openDesk(server);
    try {
      figures.parts[part] = await measure(server, desk);
    } finally {
      await desk.close();
    }
  } finally {
    await server.stop();
  }
}
figures.load.after = loadavg()[0];
console.log(JSON.stringify(figures, null, 2));
