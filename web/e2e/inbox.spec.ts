import { expect, test } from "@playwright/test";
import { BASE, freshMark, makeChannel, signInPage } from "./server";

test("an unknown device lands in the inbox, is claimed in the browser, and bootstraps", async ({ page, playwright }) => {
  await signInPage(page);
  const mark = freshMark();
  const externalId = `gateway-${mark.toLowerCase()}`;
  const externalKey = `key-of-${mark}`;
  const channel = await makeChannel(page.request, `inbox-${mark}`);
  // The device has no cookie and no token: only what it calls itself, and its key.
  const device = await playwright.request.newContext({ baseURL: BASE });
  const bootstrap = (key: string) => device.get(`/things/bootstrap/${externalId}`, { headers: { Authorization: `Thing ${key}` } });

  await page.goto("/ui/fleet");
  const inbox = page.getByRole("region", { name: "Unknown devices" });
  await expect(inbox).toBeVisible();
  await expect(inbox.getByRole("row", { name: externalId })).toHaveCount(0);
  expect((await bootstrap(externalKey)).ok()).toBe(false);
  // The page asks again by itself.
  const asked = inbox.getByRole("row", { name: externalId });
  await expect(asked).toContainText("127.0.0.1", { timeout: 20_000 });
  await expect(asked.getByRole("cell", { name: "1", exact: true }), "one try").toBeVisible();
  await expect(inbox, "the key of an unknown device is nowhere").not.toContainText(externalKey);

  await asked.getByRole("button", { name: "Whitelist as…" }).click();
  const dialog = page.getByRole("dialog", { name: `Whitelist ${externalId}` });
  await expect(dialog.getByRole("textbox", { name: "External id" })).toHaveValue(externalId);
  await expect(dialog.getByRole("textbox", { name: "External id" })).toHaveAttribute("readonly", "");
  await dialog.getByRole("textbox", { name: "Name" }).fill(`Gateway ${mark}`);
  await dialog.getByRole("textbox", { name: "External key" }).fill(externalKey);
  await dialog.getByRole("combobox", { name: "Add a channel" }).fill(`inbox-${mark}`);
  await page.getByRole("option", { name: `inbox-${mark}` }).click();
  await page.keyboard.press("Escape");
  await expect(dialog.getByRole("button", { name: `Take inbox-${mark} away` })).toBeVisible();
  await dialog.getByRole("textbox", { name: /Content/ }).fill(`{"poll": "${mark}"}`);
  await dialog.getByRole("button", { name: "Register" }).click();
  const shown = page.getByRole("dialog", { name: `Gateway ${mark} is registered` });
  await expect(shown).toContainText(externalKey);
  await shown.getByRole("button", { name: "I have kept it" }).click();
  await expect(asked).toHaveCount(0);
  const row = page.getByRole("grid", { name: "Edge devices" }).getByRole("row").filter({ hasText: externalId });
  await expect(row).toContainText("Whitelisted");
  await expect(page.getByRole("main"), "the key is shown once").not.toContainText(externalKey);

  expect((await bootstrap(`${externalKey}x`)).ok(), "another key opens nothing").toBe(false);
  const answer = await bootstrap(externalKey);
  expect(answer.status(), await answer.text()).toBe(200);
  const config = (await answer.json()) as { mainflux_id: string; mainflux_key: string; mainflux_channels: { id: string; name: string }[]; content: string };
  expect(config.mainflux_channels).toEqual([{ id: channel, name: `inbox-${mark}` }]);
  expect(JSON.parse(config.content)).toEqual({ poll: mark });
  await page.reload();
  await expect(row).toContainText("Bootstrapped");

  const message = await device.post(`/channels/${channel}/messages`, { headers: { Authorization: `Thing ${config.mainflux_key}`, "Content-Type": "application/senml+json" }, data: JSON.stringify([{ n: "vibration", u: "mm/s", v: 2.4 }]) });
  expect(message.status()).toBe(202);
  await page.reload();
  await expect(row).toContainText("Online");
  await device.dispose();
});
