import { expect, test } from "@playwright/test";
import { type Account, freshMark, graphql, makePump, publish, signIn, signInPage } from "./server";

test("a session that is revoked while the page is open leads to sign-in, and back to the same address", async ({ page, playwright }) => {
  const administrator = await playwright.request.newContext();
  await signIn(administrator);
  const pump = await makePump(administrator);
  await publish(administrator, pump, 5.6);
  const account: Account = { email: `operator-${freshMark().toLowerCase()}@station.example`, password: "a long pass phrase" };
  await graphql(administrator, "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } } }", { ...account, role: "OPERATOR" });

  await signInPage(page, "day", account);
  await page.goto(`/ui/alarms?filter=${pump.name}`);
  const row = page.getByRole("row", { name: new RegExp(pump.message) });
  await row.click();
  await expect(page.getByRole("complementary")).toContainText(pump.message);
  const address = page.url();
  expect(address).toContain("alarm=");

  // Elsewhere the same person changes the password: every session of theirs ends, this one too.
  const elsewhere = await playwright.request.newContext();
  await signIn(elsewhere, account);
  const password = "another long pass phrase";
  await graphql(elsewhere, "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { revision } }", { oldPassword: account.password, newPassword: password });
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
  await expect(page.getByText(pump.message), "nothing of the plant stays on the screen").toHaveCount(0);

  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText("E-mail or password is wrong")).toBeVisible();
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("complementary")).toContainText(pump.message);
  expect(page.url()).toBe(address);
  expect(await page.locator(".banner").count(), "an ended session is no lost link").toBe(0);
  // The feed runs again: a change comes without a reload.
  await publish(administrator, pump, 2.1);
  await expect(row).toContainText("Returned, unacknowledged");
  await elsewhere.dispose();
  await administrator.dispose();
});
