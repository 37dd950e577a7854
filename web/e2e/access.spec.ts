import { expect, test } from "@playwright/test";
import { serious } from "./axe";
import { makePump, publish, signInPage } from "./server";

const PAGES: [string, string][] = [["overview", "/"], ["alarms", "/alarms"], ["fleet", "/fleet"], ["things", "/fleet?list=things"], ["models", "/models"], ["rules", "/rules"], ["new rule", "/rules/new"], ["components", "/components"]];

for (const theme of ["day", "night"]) {
  test(`no page has a serious finding in ${theme}`, async ({ page }) => {
    test.setTimeout(180_000);
    const refused: string[] = [];
    page.on("console", (message) => { if (/Content Security Policy/i.test(message.text())) refused.push(message.text()); });
    await signInPage(page, theme);
    const pump = await makePump(page.request);
    await publish(page.request, pump, 5.6);
    for (const [name, path] of [...PAGES, ["asset", `/assets/${pump.thing}`] as [string, string]]) {
      await page.goto(`/ui${path}`);
      await expect(page.locator("#main h1, #main h2").first()).toBeAttached();
      await expect(page.locator("[aria-busy=true]")).toHaveCount(name === "components" ? 1 : 0);
      expect(await serious(page), `${name} in ${theme}`).toEqual([]);
    }
    await page.goto("/ui/alarms");
    await page.locator(".alarm-table tbody tr").first().click();
    await expect(page.locator(".alarm-drawer")).toBeVisible();
    expect(await serious(page), `alarm drawer in ${theme}`).toEqual([]);
    expect(refused, "the policy of the page refused nothing").toEqual([]);
  });
}

test("sign-in has no serious finding", async ({ page }) => {
  await page.goto("/ui/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  expect(await serious(page)).toEqual([]);
});

test("acknowledge, shelve, comment and trend without a pointer", async ({ page }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  await page.goto("/ui/");
  await expect(page.locator(".asset-table")).toBeVisible();
  await page.keyboard.press("2");
  const row = page.locator(".alarm-table tbody tr", { hasText: pump.message });
  await expect(row).toBeVisible();

  await row.focus();
  await page.keyboard.press("Enter");
  await expect(page.locator(".alarm-drawer")).toContainText(pump.message);
  await page.keyboard.press("c");
  await page.keyboard.type("seen at the pump");
  await page.keyboard.press("Enter");
  await expect(page.locator(".alarm-drawer .journal")).toContainText("seen at the pump");
  await page.keyboard.press("Escape");
  await expect(page.locator(".alarm-drawer")).toHaveCount(0);
  await expect(row).toBeFocused();

  await page.keyboard.press("a");
  await expect(row).toContainText("Acknowledged");
  await page.keyboard.press("s");
  await expect(page.getByRole("dialog")).toContainText("Shelve");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);

  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toContainText("Keys");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.keyboard.type(pump.name);
  await expect(page.getByRole("option", { name: new RegExp(pump.name) }).first()).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toContainText(pump.name);
  await page.getByRole("group", { name: "Trends" }).focus();
  await page.keyboard.press("ArrowLeft");
  await expect(page.locator(".stack-cursor-tag")).toBeVisible();
});
