import { expect, test } from "@playwright/test";
import { openLine } from "./proxy";
import { makePump, publish, signInPage } from "./server";

test("a cut line is told within 3 s, and after it no alarm is lost", async ({ page }) => {
  const line = await openLine();
  await signInPage(page);
  const before = await makePump(page.request);
  const during = await makePump(page.request);
  await publish(page.request, before, 5.6);
  await page.goto(`${line.url}/ui/alarms`);
  const rowBefore = page.locator(".alarm-table tbody tr", { hasText: before.message });
  const rowDuring = page.locator(".alarm-table tbody tr", { hasText: during.message });
  await expect(rowBefore).toBeVisible();

  line.cut();
  await expect(page.locator(".banner-lost")).toContainText("Link lost", { timeout: 3000 });
  await expect(page.locator(".header .link-lost")).toBeVisible();
  // While nothing can be told, the pump falls ill, and the other one is healed.
  await publish(page.request, during, 5.6);
  await publish(page.request, before, 2.0);
  await rowBefore.focus();
  await page.keyboard.press("a");
  await expect(page.locator(".toast")).toContainText("Nothing was sent");
  await expect(rowDuring).toHaveCount(0);

  line.mend();
  await expect(page.locator(".banner-back")).toContainText(/\d+ alarm changes? w(as|ere) caught up/, { timeout: 15_000 });
  await expect(rowDuring).toBeVisible();
  await expect(rowBefore).toContainText("Returned, unacknowledged");
  await line.close();
});
