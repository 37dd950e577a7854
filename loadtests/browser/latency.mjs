// From a sample over its limit to the row of its alarm on the screen.
import { setTimeout as sleep } from "node:timers/promises";
import { spread } from "./desk.mjs";
import { each } from "./server.mjs";

const PAUSE_MS = [150, 450];
const APPEARS_MS = 20_000;

export async function measureLatency(server, desk, { raises }) {
  const deviceType = await server.deviceType("pump");
  await server.rule({ name: "Vibration", deviceType, seriesName: "vibration", levels: [{ kind: "HI", limit: 4.5, priority: "P2" }], message: "Vibration high", action: "Look." });
  const channel = await server.channel("plant");
  const pumps = [];
  await each(Array.from({ length: raises }, (_, index) => `P-${String(index + 1).padStart(4, "0")}`), 8, async (name) => {
    const pump = await server.thing({ name, deviceType, channels: [channel] });
    await server.publish(channel, pump.key, [{ n: "vibration", u: "mm/s", v: 2, t: Date.now() / 1000 }]);
    pumps.push(pump);
  });
  const { page } = desk;
  await page.goto("/ui/alarms");
  await page.locator(".header .link-live").waitFor();
  // The row is in the document, then a frame begins, then that frame has been made: each with its time.
  await page.evaluate(() => {
    globalThis.seen_ = new Map();
    const waiting = new Map();
    globalThis.appears_ = (name) => new Promise((done) => waiting.set(name, done));
    new MutationObserver(() => {
      const inserted = performance.timeOrigin + performance.now();
      for (const [name, done] of waiting) {
        if (![...document.querySelectorAll("[data-row]")].some((row) => row.textContent?.includes(name))) continue;
        waiting.delete(name);
        requestAnimationFrame((at) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => done({ inserted, frame: performance.timeOrigin + at, painted: performance.timeOrigin + performance.now() });
          port2.postMessage(null);
        });
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const now = () => performance.timeOrigin + performance.now();
  const rows = [];
  for (const pump of pumps) {
    await sleep(PAUSE_MS[0] + Math.random() * (PAUSE_MS[1] - PAUSE_MS[0]));
    const appears = page.evaluate(([name, limit]) => Promise.race([globalThis.appears_(name), new Promise((_, fail) => setTimeout(() => fail(new Error(`no row for ${name}`)), limit))]), [pump.name, APPEARS_MS]);
    // The observer must stand before the sample goes.
    await page.evaluate(() => undefined);
    const sent = now();
    await server.publish(channel, pump.key, [{ n: "vibration", u: "mm/s", v: 6, t: Date.now() / 1000 }]);
    const acknowledged = now();
    rows.push({ sent, acknowledged, ...(await appears) });
  }
  return {
    raises: rows.length, browser: desk.browser,
    acknowledgedToPaintedMs: spread(rows.map((row) => row.painted - row.acknowledged)),
    sentToPaintedMs: spread(rows.map((row) => row.painted - row.sent)),
    sentToAcknowledgedMs: spread(rows.map((row) => row.acknowledged - row.sent)),
    insertedToPaintedMs: spread(rows.map((row) => row.painted - row.inserted)),
  };
}
