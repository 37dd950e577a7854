// A signed-in Chromium, and what it says of itself.
import { launch } from "../../web/scripts/browser.mjs";
import { ACCOUNT } from "./server.mjs";

export async function openDesk(server) {
  const browser = await launch();
  const context = await browser.newContext({ baseURL: server.url, viewport: { width: 1440, height: 900 }, locale: "en-GB" });
  const answer = await context.request.post("/ui/session", { headers: { "X-Tellee-Csrf": "1" }, data: ACCOUNT });
  if (!answer.ok()) throw new Error(`cannot sign in: ${answer.status()}`);
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  // Durations are processor time of the main thread, so that a busy machine does not inflate them.
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const metrics = async () => Object.fromEntries((await cdp.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  return {
    page, browser: browser.version(),
    metrics,
    async heapBytes() {
      await cdp.send("HeapProfiler.collectGarbage");
      return (await metrics()).JSHeapUsedSize;
    },
    /** Frames, in ms of the wall clock, and processor time as shares of it, over what `work` does. */
    async watch(work) {
      const before = await metrics();
      await page.evaluate(() => {
        globalThis.frames_ = [];
        globalThis.watching_ = true;
        const frame = (at) => {
          globalThis.frames_.push(at);
          if (globalThis.watching_) requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      });
      await work();
      const frames = await page.evaluate(() => {
        globalThis.watching_ = false;
        return globalThis.frames_;
      });
      const after = await metrics();
      const seconds = after.Timestamp - before.Timestamp;
      const share = (name) => round((after[name] - before[name]) / seconds, 4);
      const gaps = frames.slice(1).map((at, index) => at - frames[index]);
      return {
        seconds: round(seconds, 1), framesPerSecond: round(gaps.length / ((frames.at(-1) - frames[0]) / 1000), 1), frameGapMs: spread(gaps),
        framesOver33Ms: gaps.filter((gap) => gap > 33.4).length, frames: gaps.length,
        mainThreadShare: share("TaskDuration"), processShare: share("ProcessTime"), scriptShare: share("ScriptDuration"), layoutShare: share("LayoutDuration"), styleShare: share("RecalcStyleDuration"),
      };
    },
    close: () => browser.close(),
  };
}

export const round = (value, digits) => Number(value.toFixed(digits));

export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  return { median: round(at(0.5), 1), p95: round(at(0.95), 1), worst: round(at(1), 1) };
}
