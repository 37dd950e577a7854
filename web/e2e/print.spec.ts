import { expect, type Page, test } from "@playwright/test";
import { BASE, freshMark, graphql, makeChannel, makePump, makeRule, makeThing, publish, signInPage } from "./server";

const MANY = 60;

/** Elements whose content lies outside a box that hides it: gone on paper. */
function cutOff(page: Page, selector: string): Promise<string[]> {
  return page.evaluate((wanted) => [...document.querySelectorAll<HTMLElement>(wanted)].flatMap((element) => {
    const box = element.getBoundingClientRect();
    if (box.height === 0 || box.width === 0) return element.checkVisibility() ? [] : [`${element.textContent?.slice(0, 40)}: not shown`];
    for (let above = element.parentElement; above && above !== document.documentElement; above = above.parentElement) {
      const style = getComputedStyle(above);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const frame = above.getBoundingClientRect();
      if (box.bottom > frame.bottom + 1 || box.top < frame.top - 1 || box.left < frame.left - 1) return [`${element.textContent?.slice(0, 40)}: cut by ${above.className || above.tagName}`];
    }
    return [];
  }), selector);
}

/** A4 upright at 96 dots per inch, less the margins. */
const PAPER = { width: 718, height: 1047 };

async function sheets(page: Page): Promise<number> {
  const pdf = (await page.pdf({ format: "A4", margin: { top: "10mm", bottom: "10mm", left: "10mm", right: "10mm" } })).toString("latin1");
  return pdf.match(/\/Type\s*\/Page\b(?!s)/g)?.length ?? 0;
}

test("a printed alarm list has every row with its priority and state, in black on white whatever the palette", async ({ page }) => {
  await signInPage(page, "night");
  const mark = freshMark();
  const made = await graphql<{ createDeviceType: { deviceType: { id: string } } }>(page.request, "mutation($input: DeviceTypeInput!) { createDeviceType(input: $input) { deviceType { id } } }", { name: `press ${mark}` });
  const deviceType = made.createDeviceType.deviceType.id;
  await makeRule(page.request, { name: `Vibration ${mark}`, deviceType, seriesName: "vibration", levels: [{ kind: "HI", limit: 4.5, priority: "P3" }], message: `Vibration ${mark}`, action: "Look.", acknowledgeRequired: false });
  const channel = await makeChannel(page.request, `many-${mark}`);
  const things = await Promise.all(Array.from({ length: MANY }, async (_, number) => {
    const name = `M-${mark}-${number}`;
    return { name, channel, ...(await makeThing(page.request, { name, deviceType, channels: [channel] })) };
  }));
  await Promise.all(things.map((thing) => publish(page.request, thing, 6)));
  await page.goto(`/ui/alarms?filter=${mark}`);
  const table = page.getByRole("grid", { name: "Alarms" });
  await expect(table).toHaveAttribute("aria-rowcount", String(MANY + 1));

  await page.setViewportSize(PAPER);
  await page.emulateMedia({ media: "print" });
  await expect(page.locator("[data-row]")).toHaveCount(MANY);
  for (const thing of things) await expect(table.getByText(thing.name, { exact: true })).toHaveCount(1);
  expect(await cutOff(page, ".alarm-table tbody tr")).toEqual([]);
  expect(await cutOff(page, ".alarm-table tbody td:nth-last-child(1), .alarm-table tbody td.gutter")).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  const [ground, ink] = await page.evaluate(() => [getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.body).color]);
  expect(luminance(ground ?? "")).toBeGreaterThan(0.6);
  expect(luminance(ink ?? "")).toBeLessThan(0.1);
  expect(await sheets(page)).toBeGreaterThanOrEqual(2);

  await page.emulateMedia({ media: "screen" });
  await expect(page.locator("html"), "the palette of the desk is back").toHaveAttribute("data-theme", "night");
  expect(await page.locator("[data-row]").count(), "and only the rows near the eye are drawn").toBeLessThan(MANY);
  // The other tests find the plant as it was.
  await Promise.all(things.map((thing) => publish(page.request, thing, 1)));
  await Promise.all(things.map(({ id }) => graphql(page.request, "mutation($input: RemoveInput!) { removeThing(input: $input) { id } }", { id, expectedRevision: 1 })));
});

test("a printed asset has all lanes and events, and a printed drawer its whole text", async ({ page }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  await page.setViewportSize(PAPER);
  await page.goto(`${BASE}/ui/assets/${pump.thing}`);
  await expect(page.getByRole("group", { name: "Vibration, drive end, mm/s" })).toBeVisible();
  await page.emulateMedia({ media: "print" });
  expect(await cutOff(page, ".lane, .asset-side section, .asset-head h1")).toEqual([]);
  expect(await page.locator(".lane").evaluateAll((lanes) => lanes.filter((lane) => lane.scrollHeight > lane.clientHeight + 1).length), "no lane runs into the next").toBe(0);
  await page.emulateMedia({ media: "screen" });
  await page.goto(`/ui/alarms?filter=${pump.name}`);
  await page.locator("[data-row]").first().click();
  await expect(page.getByRole("complementary")).toContainText("Bearing damage");
  await page.emulateMedia({ media: "print" });
  expect(await cutOff(page, ".alarm-drawer dd, .alarm-drawer .journal li")).toEqual([]);
});

test("a printed fleet has every column", async ({ page }) => {
  await signInPage(page);
  await makePump(page.request);
  await page.setViewportSize(PAPER);
  for (const list of ["devices", "things", "channels"]) {
    await page.emulateMedia({ media: "screen" });
    await page.goto(`/ui/fleet?list=${list}`);
    await expect(page.getByRole("main").getByRole("grid").first()).toBeVisible();
    await page.emulateMedia({ media: "print" });
    expect(await cutOff(page, ".table th, .table td"), list).toEqual([]);
    expect(await page.evaluate(() => Math.max(...[...document.querySelectorAll(".table td")].map((cell) => cell.getBoundingClientRect().right)) <= innerWidth), list).toBe(true);
  }
});

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  const linear = (part: number) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}
