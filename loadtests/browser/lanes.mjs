// An asset page with many lanes, each fed many times a second.
import { setTimeout as sleep } from "node:timers/promises";
import { round } from "./desk.mjs";

const WARM_MS = 15_000;

export async function measureLanes(server, desk, { lanes, hz, minutes }) {
  const names = Array.from({ length: lanes }, (_, index) => `signal_${String(index + 1).padStart(2, "0")}`);
  const channel = await server.channel("fast");
  const thing = await server.thing({ name: "P-101", channels: [channel], tags: names.map((series) => ({ series, title: series, unit: "mm/s", low: 0, high: 10, decimals: 2, expectedIntervalMs: 1000 / hz })) });
  for (const seriesName of names) await server.rule({ name: seriesName, thing: thing.id, seriesName, levels: [{ kind: "HI", limit: 8, priority: "P2" }], message: `${seriesName} high`, action: "Look." });
  let fed = 0;
  let late = 0;
  let feeding = true;
  const feed = (async () => {
    const began = performance.now();
    for (let turn = 0; feeding; turn++) {
      const wait = began + (turn * 1000) / hz - performance.now();
      if (wait > 0) await sleep(wait);
      else if (wait < -1000 / hz) late += 1;
      const at = Date.now();
      await server.publish(channel, thing.key, names.map((n, index) => ({ n, u: "mm/s", t: at / 1000, v: 4 + 2 * Math.sin(at / 3000 + index) + 0.3 * Math.random() })));
      fed += 1;
    }
  })();
  const { page } = desk;
  await page.goto(`/ui/assets/${thing.id}?range=15m`);
  await page.locator(".lane-plot canvas").nth(lanes - 1).waitFor();
  await sleep(WARM_MS);
  const heapBefore = await desk.heapBytes();
  const [fedBefore, lateBefore] = [fed, late];
  const halves = [];
  const half = (minutes * 60_000) / 2;
  for (let part = 0; part < 2; part++) {
    halves.push(await desk.watch(() => sleep(half)));
    halves[part].heapMiB = round((await desk.heapBytes()) / 2 ** 20, 2);
  }
  const heapAfter = await desk.heapBytes();
  const fedWhile = fed - fedBefore;
  feeding = false;
  await feed;
  const seconds = halves[0].seconds + halves[1].seconds;
  return {
    lanes, minutes, browser: desk.browser, fedHz: round(fedWhile / seconds, 2), lateTurns: late - lateBefore,
    heapMiBBefore: round(heapBefore / 2 ** 20, 2), heapMiBAfter: round(heapAfter / 2 ** 20, 2), heapGrowthMiB: round((heapAfter - heapBefore) / 2 ** 20, 2),
    mainThreadMsPerTick: round(((halves[0].mainThreadShare + halves[1].mainThreadShare) / 2) * (1000 / hz), 2), halves,
  };
}
