import { type Browser, expect, type Locator, type Page, test } from "@playwright/test";
import { openLine } from "./proxy";
import { type Account, BASE, freshMark, graphql, makePump, revisionsOf, signInPage, stateAt } from "./server";

/** A page of a second engineer, with cookies of its own. */
async function openSecond(browser: Browser, first: Page): Promise<Page> {
  const account: Account = { email: `second-${freshMark().toLowerCase()}@station.example`, password: "a long pass phrase" };
  await graphql(first.request, "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } } }", { ...account, role: "ENGINEER" });
  const page = await (await browser.newContext({ baseURL: BASE, locale: "en-GB", viewport: { width: 1440, height: 900 } })).newPage();
  await signInPage(page, "day", account);
  return page;
}

const diffLine = (within: Locator, sign: string, text: string) => within.getByRole("row", { name: `${sign} ${text}`, exact: true });

test("who saves a thing second sees both revisions, and overwrites nothing", async ({ page, browser }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  const second = await openSecond(browser, page);
  const edit = async (on: Page) => {
    await on.goto(`/ui/fleet?list=things&name=${pump.name}&open=${pump.thing}`);
    await on.getByRole("complementary", { name: pump.name }).getByRole("button", { name: "Edit" }).click();
    return on.getByRole("dialog", { name: `Edit ${pump.name}` });
  };
  const mine = await edit(page);
  await mine.getByRole("textbox", { name: "Name" }).fill(`${pump.name} mine`);
  const theirs = await edit(second);
  await theirs.getByRole("textbox", { name: "Name" }).fill(`${pump.name} theirs`);
  await theirs.getByRole("button", { name: "Save as r2" }).click();
  await expect(theirs).toHaveCount(0);

  // The list below the form has meanwhile read the newer revision; the form must still know what it was opened on.
  await expect(page.getByRole("grid", { name: "Things", includeHidden: true }).getByRole("row", { name: new RegExp(`${pump.name} theirs`), includeHidden: true })).toContainText("r2", { timeout: 20_000 });
  await expect(mine.getByRole("textbox", { name: "Name" })).toHaveValue(`${pump.name} mine`);
  await mine.getByRole("button", { name: /^Save as r/ }).click();
  const conflict = mine.getByRole("alert").filter({ hasText: "Somebody saved first" });
  await expect(conflict).toContainText(/second-.*@station\.example wrote r2 on top of r1/);
  await expect(diffLine(conflict, "−", pump.name)).toBeVisible();
  await expect(diffLine(conflict, "+", `${pump.name} theirs`)).toBeVisible();
  await expect(diffLine(conflict, "+", `${pump.name} mine`)).toBeVisible();
  await expect(mine.getByRole("button", { name: /^Save as r/ })).toBeDisabled();

  expect((await revisionsOf(page.request, "THING", pump.thing)).map(({ revision }) => revision)).toEqual([1, 2]);
  expect(JSON.stringify(await stateAt(page.request, "THING", pump.thing, 2))).toContain(`${pump.name} theirs`);
  await second.context().close();
});

test("who publishes an alarm rule second sees both revisions, and overwrites nothing", async ({ page, browser }) => {
  await signInPage(page);
  const pump = await makePump(page.request);
  const second = await openSecond(browser, page);
  for (const on of [page, second]) {
    await on.goto(`/ui/rules/${pump.rule}`);
    await expect(on.getByRole("textbox", { name: "Operator does" })).toHaveValue("Change over to the standby pump.");
  }
  await second.getByRole("textbox", { name: "Operator does" }).fill("Call the crew.");
  await second.getByRole("button", { name: "Publish as r2" }).click();
  await expect(second.getByRole("button", { name: "Publish as r3" })).toBeVisible();

  await page.getByRole("textbox", { name: "Operator does" }).fill("Stop the pump.");
  await page.getByRole("button", { name: "Publish as r2" }).click();
  const conflict = page.getByRole("alert").filter({ hasText: "Somebody saved first" });
  await expect(conflict).toContainText(/second-.*@station\.example wrote r2 on top of r1/);
  await expect(diffLine(conflict, "−", "Change over to the standby pump.")).toBeVisible();
  await expect(diffLine(conflict, "+", "Call the crew.")).toBeVisible();
  await expect(diffLine(conflict, "+", "Stop the pump.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Publish as r2" })).toBeDisabled();
  await expect(page.getByRole("textbox", { name: "Operator does" }), "what was typed is still there").toHaveValue("Stop the pump.");

  expect((await revisionsOf(page.request, "ALARM_RULE", pump.rule)).map(({ revision }) => revision)).toEqual([1, 2]);
  expect(JSON.stringify(await stateAt(page.request, "ALARM_RULE", pump.rule, 2))).toContain("Call the crew.");
  await second.context().close();
});

test("a draft outlives a cut of the link in which somebody else saved, and goes on top of what they wrote", async ({ page }) => {
  const line = await openLine();
  await signInPage(page);
  const pump = await makePump(page.request);
  await page.goto(`${line.url}/ui/rules/${pump.rule}`);
  await page.getByRole("textbox", { name: "Operator does" }).fill("Stop the pump.");
  line.cut();
  await expect(page.locator(".banner-lost")).toBeVisible();
  await graphql(page.request, "mutation($input: UpdateAlarmRuleInput!) { updateAlarmRule(input: $input) { revision } }", { id: pump.rule, expectedRevision: 1, definition: { ...pump.definition, consequence: "Fire", action: "Call the crew." } });
  line.mend();

  const conflict = page.getByRole("alert").filter({ hasText: "Somebody saved first" });
  await expect(conflict).toContainText("wrote r2 on top of r1", { timeout: 20_000 });
  await expect(diffLine(conflict, "+", "Call the crew.")).toBeVisible();
  await expect(diffLine(conflict, "+", "Stop the pump.")).toBeVisible();
  await expect(page.getByRole("textbox", { name: "Operator does" })).toHaveValue("Stop the pump.");
  await expect(page.getByRole("button", { name: /^Publish as r/ })).toBeDisabled();
  await conflict.getByRole("button", { name: "Put my changes on top of theirs" }).click();
  await expect(conflict).toHaveCount(0);
  await expect(page.getByRole("textbox", { name: "Operator does" })).toHaveValue("Stop the pump.");
  await expect(page.getByRole("textbox", { name: "Consequence" }), "what only they touched is theirs").toHaveValue("Fire");
  await page.getByRole("button", { name: "Publish as r3" }).click();
  await expect.poll(async () => (await revisionsOf(page.request, "ALARM_RULE", pump.rule)).map(({ revision }) => revision)).toEqual([1, 2, 3]);
  expect(JSON.stringify(await stateAt(page.request, "ALARM_RULE", pump.rule, 3))).toContain("Stop the pump.");
  await line.close();
});
