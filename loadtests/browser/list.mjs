// The alarm list with thousands of active alarms.
import { setTimeout as sleep } from "node:timers/promises";
import { round } from "./desk.mjs";
import { each } from "./server.mjs";

const SERIES = 100;
const SCROLL_MS = 10_000;
const STILL_MS = 10_000;
const CHANGES_MS = 10_000;
const RAISE_LIMIT_MS = 300_000;

export async function measureList(server, desk, { alarms }) {
  const deviceType = await server.deviceType("press");
  const names = Array.from({ length: Math.min(SERIES, alarms) }, (_, index) => `s${String(index).padStart(3, "0")}`);
  await each(names, 8, (name, index) => server.rule({
    name: `Rule ${name}`, deviceType, seriesName: name, levels: [{ kind: "HI", limit: 4.5, priority: `P${(index % 4) + 1}` }], message: `Reading ${name} high`, action: "Look.", acknowledgeRequired: index % 2 === 0,
  }));
  const channel = await server.channel("presses");
  const things = [];
  await each(Array.from({ length: Math.ceil(alarms / names.length) }, (_, index) => `M-${index}`), 8, async (name) => things.push(await server.thing({ name, deviceType, channels: [channel] })));
  const pack = (value, some = names) => some.map((name) => ({ n: name, u: "mm/s", v: value, t: Date.now() / 1000 }));
  const began = Date.now();
  await each(things, 4, (thing) => server.publish(channel, thing.key, pack(6)));
  const published = Date.now();
  for (let active = 0; active < alarms; active = await server.activeAlarms()) {
    if (Date.now() - began > RAISE_LIMIT_MS) throw new Error(`only ${active} of ${alarms} alarms were raised in ${RAISE_LIMIT_MS / 1000} s`);
    await sleep(200);
  }
  const raised = Date.now();
  console.error(`   ${alarms} alarms stand after ${(raised - began) / 1000} s`);

  const { page } = desk;
  const start = await desk.metrics();
  const opened = Date.now();
  await page.goto("/ui/alarms");
  await page.locator("[data-row]").first().waitFor({ timeout: 60_000 });
  const firstRowMs = Date.now() - opened;
  const open = await desk.metrics();
  await sleep(3000);
  const heapMiB = round((await desk.heapBytes()) / 2 ** 20, 1);

  const scrolling = await desk.watch(() => page.evaluate((forMs) => new Promise((done) => {
    const box = document.querySelector(".alarm-scroll");
    const began = performance.now();
    let down = 1;
    const step = (at) => {
      // About forty rows a second, and a page's jump now and then.
      box.scrollTop += down * (Math.random() < 0.02 ? 900 : 20);
      if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) down = -1;
      if (at - began < forMs) requestAnimationFrame(step);
      else done();
    };
    requestAnimationFrame(step);
  }), SCROLL_MS));
  await page.evaluate(() => { document.querySelector(".alarm-scroll").scrollTop = 0; });
  const still = await desk.watch(() => sleep(STILL_MS));
  // Every second series needs no acknowledgement, so that it comes and goes with its value.
  let changes = 0;
  const coming = names.filter((_, index) => index % 2 === 1).slice(0, 5);
  const changing = await desk.watch(async () => {
    const until = Date.now() + CHANGES_MS;
    for (let turn = 0; Date.now() < until; turn++) {
      const thing = things[Math.floor(turn / 2) % things.length];
      await server.publish(channel, thing.key, pack(turn % 2 === 0 ? 1 : 6, coming));
      changes += coming.length;
      await sleep(200);
    }
  });
  return {
    alarms, browser: desk.browser, raisedPerSecond: round(alarms / ((raised - began) / 1000), 0), publishSeconds: round((published - began) / 1000, 1), raiseSeconds: round((raised - began) / 1000, 1),
    firstRowMs, scriptMsToFirstRow: round((open.ScriptDuration - start.ScriptDuration) * 1000, 0), heapMiB,
    rowsInList: Number(await page.locator(".alarm-table").getAttribute("aria-rowcount")) - 1, rowsInDocument: await page.locator("[data-row]").count(), scrolling, still, changing: { changesPerSecond: round(changes / changing.seconds, 1), ...changing },
  };
}
