import { expect, test } from "@playwright/test";
import { ask, makePump, publish, signInPage } from "./server";

test("a fault becomes an alarm, is acknowledged, returns and leaves the list", async ({ page }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 2.4);
  await page.goto("/ui/alarms");
  await expect(page.locator(".link-live").first()).toBeVisible();
  const row = page.locator(".alarm-table tbody tr", { hasText: pump.message });
  await expect(row).toHaveCount(0);

  await publish(page.request, pump, 5.6);
  await expect(row).toBeVisible();
  await expect(row.getByRole("img", { name: `Priority 2, unacknowledged, ${pump.name}, ${pump.message}` })).toBeVisible();

  await row.click();
  const drawer = page.locator(".alarm-drawer");
  await expect(drawer).toContainText("Change over to the standby pump.");
  await drawer.getByRole("button", { name: "Acknowledge" }).click();
  await expect(row).toContainText("Acknowledged");
  await drawer.getByRole("textbox", { name: "Comment" }).fill("crew on the way");
  await drawer.getByRole("button", { name: "Comment" }).click();
  await expect(drawer).toContainText("crew on the way");

  await publish(page.request, pump, 2.2);
  await expect(row).toHaveCount(0);
});

test("the overview shows the pump, its live value and its worst alarm, and leads to its lanes", async ({ page }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 2.4);
  await page.goto("/ui/");
  const row = page.locator(".asset-table tr", { hasText: pump.name });
  await expect(page.locator(".asset-table")).toBeVisible();
  // With more than 25 assets, as other tests may have made, the normal ones of an area are one line that opens.
  for (const fold of (await page.getByRole("button", { name: /assets normal$/ }).all()).reverse()) await fold.click();
  await expect(row.locator(".value-number")).toHaveText("2.40");
  await publish(page.request, pump, 5.75);
  await expect(row.locator(".value-number")).toHaveText("5.75");
  await expect(row.getByRole("img", { name: /Priority 2, unacknowledged/ })).toBeVisible();
  await row.getByRole("link", { name: pump.name }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(pump.name);
  await expect(page.getByRole("group", { name: "Vibration, drive end, mm/s" })).toBeVisible();
  await expect(page.locator(".lane-limits")).toContainText("4.50");
  await page.keyboard.press("d");
  await expect(page.getByRole("table", { name: "Trends" })).toContainText("5.75");
});

test("the time stands in sight below more lanes than the screen holds", async ({ page }) => {
  await signInPage(page);
  const found = await ask<{ things: { nodes: { id: string }[] } }>(page.request, '{ things(name: "P-101") { nodes { id } } }');
  await page.goto(`/ui/assets/${found.things.nodes[0]?.id}`);
  const lanes = page.locator(".lane-plot");
  await expect.poll(() => lanes.count()).toBeGreaterThan(10);
  await expect(lanes.last(), "there are more than fit").not.toBeInViewport();
  await expect(page.locator(".lane-axis")).toBeInViewport();
  await lanes.last().scrollIntoViewIfNeeded();
  await expect(page.locator(".lane-axis")).toBeInViewport();
});

test("a shelved alarm is off the active list, counted, and comes back", async ({ page }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  await page.goto("/ui/alarms");
  const row = page.locator(".alarm-table tbody tr", { hasText: pump.message });
  await row.click();
  await page.locator(".alarm-drawer").getByRole("button", { name: "Shelve" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Shelve" }).click();
  await expect(row).toHaveCount(0);
  await page.getByRole("radio", { name: /Shelved/ }).click();
  await expect(row).toBeVisible();
  await page.locator(".alarm-drawer").getByRole("button", { name: "Unshelve" }).click();
  await page.getByRole("radio", { name: /^Active/ }).click();
  await expect(row).toBeVisible();
});

test("a wrong password is told, and the way in is the form", async ({ page }) => {
  await page.goto("/ui/");
  await page.getByLabel("E-mail").fill(process.env.TELLEE_EMAIL ?? "");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText("E-mail or password is wrong")).toBeVisible();
  await page.getByLabel("Password").fill(process.env.TELLEE_PASSWORD ?? "");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.locator(".shell")).toBeVisible();
});
