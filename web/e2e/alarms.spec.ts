import { expect, type Page, test } from "@playwright/test";
import { ask, freshMark, makePump, type Pump, publish, signInPage } from "./server";

async function alarmOf(page: Page, pump: Pump): Promise<{ id: string; state: string; shelvedUntil: string | null; shelvedReason: string | null }> {
  const answer = await ask<{ alarms: { nodes: { id: string; state: string; shelvedUntil: string | null; shelvedReason: string | null }[] } }>(page.request, "query($thing: ID!) { alarms(filter: { thing: $thing }) { nodes { id state shelvedUntil shelvedReason } } }", { thing: pump.thing });
  expect(answer.alarms.nodes).toHaveLength(1);
  return there(answer.alarms.nodes[0]);
}

function there<T>(found: T | undefined): T {
  if (found === undefined) throw new Error("the test looks for something that is not there");
  return found;
}

/** Tab until the focus stands in a row of the table: nobody counts stops. */
async function tabToRows(page: Page): Promise<void> {
  for (let stops = 0; stops < 12; stops++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement?.getAttribute("role") === "row" || document.activeElement?.tagName === "TR")) return;
  }
  throw new Error("no row can be reached by Tab");
}

test("the alarm list is worked by keys alone", async ({ page }) => {
  await signInPage(page);
  const mark = freshMark();
  const pumps: Pump[] = [];
  for (const letter of ["A", "B", "C", "D"]) pumps.push(await makePump(page.request, `${mark}${letter}`));
  for (const pump of pumps) await publish(page.request, pump, 5.6);
  await page.goto("/ui/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("2");
  const table = page.getByRole("grid", { name: "Alarms" });
  await expect(table).toBeVisible();
  await page.keyboard.press("f");
  await page.keyboard.type(mark);
  const rows = table.getByRole("row").filter({ hasText: mark });
  await expect(rows).toHaveCount(4);
  const focused = () => rows.and(page.locator(":focus"));
  await tabToRows(page);
  await expect(rows.nth(0)).toBeFocused();

  // Arrows and Space choose, Shift and an arrow widen the choice.
  await page.keyboard.press("ArrowDown");
  await expect(rows.nth(1)).toBeFocused();
  await page.keyboard.press("Space");
  await expect(rows.nth(1)).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("Shift+ArrowDown");
  await expect(rows.nth(2)).toHaveAttribute("aria-selected", "true");
  await expect(rows.nth(0)).toHaveAttribute("aria-selected", "false");
  await expect(page.getByText("2 selected")).toBeVisible();
  const chosen = [await rows.nth(1).innerText(), await rows.nth(2).innerText()].map((text) => there(pumps.find((pump) => text.includes(pump.message))));
  await page.keyboard.press("a");
  await expect(rows.filter({ hasText: /Acknowledged/ })).toHaveCount(2);
  for (const pump of pumps) expect((await alarmOf(page, pump)).state).toBe(chosen.includes(pump) ? "ACKNOWLEDGED" : "UNACKNOWLEDGED");

  // The focus has not left the list, wherever its row now stands.
  await expect(focused()).toHaveCount(1);
  await expect(page.getByRole("button", { name: "Acknowledge 2 in view" })).toBeVisible();
  await page.keyboard.press("Shift+A");
  await expect(rows.filter({ hasText: /Acknowledged/ })).toHaveCount(4);
  for (const pump of pumps) expect((await alarmOf(page, pump)).state).toBe("ACKNOWLEDGED");

  // Enter opens the drawer, Escape closes it and gives the focus back.
  await expect(focused()).toHaveCount(1);
  const read = there(chosen[1]);
  await expect(focused()).toContainText(read.message);
  await page.keyboard.press("Enter");
  const drawer = page.getByRole("complementary");
  await expect(drawer).toContainText(read.message);
  await expect(drawer).toContainText("Change over to the standby pump.");
  expect(new URL(page.url()).searchParams.get("alarm"), "what is open stands in the address").toBe((await alarmOf(page, read)).id);
  await page.keyboard.press("Escape");
  await expect(drawer).toHaveCount(0);
  await expect(focused()).toContainText(read.message);
});

test("shelving by keys takes reason and end, and the shelved list has the alarm", async ({ page }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  await page.goto(`/ui/alarms?filter=${pump.name}`);
  const row = page.getByRole("row").filter({ hasText: pump.message });
  await expect(row).toBeVisible();
  await page.getByRole("searchbox", { name: "Filter" }).focus();
  await tabToRows(page);
  await page.keyboard.press("s");
  const dialog = page.getByRole("dialog", { name: `Shelve: ${pump.message}` });
  await expect(dialog.getByRole("button", { name: /Reason/ })).toBeFocused();
  for (const key of ["Enter", "ArrowDown", "Enter"]) await page.keyboard.press(key);
  await expect(dialog.getByRole("button", { name: /Reason/ })).toContainText("Nuisance");
  await page.keyboard.press("Tab");
  await page.keyboard.type("gauge is being changed");
  await page.keyboard.press("Tab");
  await expect(dialog.getByRole("button", { name: /^.*For$/ })).toBeFocused();
  for (const key of ["Enter", "ArrowDown", "Enter"]) await page.keyboard.press(key);
  // Letters typed in the form were no keys of the page behind it.
  await expect(dialog).toBeVisible();
  for (let stops = 0; stops < 6 && !(await dialog.getByRole("button", { name: "Shelve" }).evaluate((button) => button === document.activeElement)); stops++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(dialog).toHaveCount(0);
  await expect(row).toHaveCount(0);

  const alarm = await alarmOf(page, pump);
  expect(alarm.state).toBe("SHELVED");
  expect(alarm.shelvedReason).toBe("Nuisance: gauge is being changed");
  const hours = (Date.parse(alarm.shelvedUntil ?? "") - Date.now()) / 3_600_000;
  expect(hours, "two hours, the end after the one that is proposed").toBeGreaterThan(1.5);
  expect(hours).toBeLessThanOrEqual(2.01);
  await page.goto(`/ui/alarms?list=shelved&filter=${pump.name}`);
  await expect(row).toContainText("Shelved");
  await row.click();
  await expect(page.getByRole("complementary")).toContainText("Nuisance: gauge is being changed");
});

test("the drawer and its address survive a reload, and a comment is heard by a second desk", async ({ page, context }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  await page.goto(`/ui/alarms?filter=${pump.name}`);
  await page.getByRole("row").filter({ hasText: pump.message }).click();
  const drawer = page.getByRole("complementary");
  await expect(drawer).toContainText("Bearing damage");
  await page.reload();
  await expect(drawer).toContainText("Bearing damage");

  const desk = await context.newPage();
  await desk.goto(page.url());
  await expect(desk.getByRole("complementary")).toContainText("Bearing damage");
  await drawer.getByRole("textbox", { name: "Comment" }).fill("crew is at the pump");
  await drawer.getByRole("textbox", { name: "Comment" }).press("Enter");
  await expect(desk.getByRole("complementary")).toContainText("crew is at the pump");
  await drawer.getByRole("button", { name: "Close" }).click();
  await expect(drawer).toHaveCount(0);
  await expect(desk.getByRole("complementary"), "what one desk closes stays open on another").toBeVisible();
});
