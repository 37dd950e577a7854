import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { type OwnServer, startServer } from "./own-server";

/** One server and one page, from its first start to the end of its first session. The tests build on each other. */
test.describe.configure({ mode: "serial" });

const EMAIL = "chief@station.example";
const PASSWORD = "a long pass phrase";
let server: OwnServer;
let page: Page;

test.beforeAll(async ({ browser }) => {
  // The shortest lifetime that a server takes: its end comes while the page is open.
  server = await startServer({ TELLEE_IDENTITY__TOKEN_LIFETIME: "60s" });
  page = await (await browser.newContext({ baseURL: server.url })).newPage();
});

test.afterAll(async () => {
  await page?.context().close();
  await server?.stop();
});

test("a fresh server is set up in the browser with its one-time code, and the code is gone afterwards", async () => {
  const codeFile = join(server.folder, "setup-code");
  const code = readFileSync(codeFile, "utf8").trim();
  const setUp = (given: string, password: string) => page.request.post("/setup", { data: { code: given, email: EMAIL, password } });
  const field = (name: string) => page.getByRole("textbox", { name });
  const password = page.getByLabel("Password");
  const create = page.getByRole("button", { name: "Create the administrator" });

  await page.goto("/ui/");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Enter the set-up code");
  await expect(page.getByRole("navigation"), "nothing of the plant before anybody is known").toHaveCount(0);
  await field("Set-up code").fill("AAAA-BBBB-CCCC-DDDD");
  await page.getByRole("button", { name: "Next" }).click();
  await field("E-mail").fill(EMAIL);
  await password.fill(PASSWORD);
  await create.click();
  await expect(page.getByRole("alert")).toContainText("the set-up code is wrong");
  await expect(field("Set-up code"), "the wrong field is the one that is asked for again").toBeVisible();
  expect(existsSync(codeFile)).toBe(true);

  await field("Set-up code").fill(` ${code.toLowerCase()} `);
  await page.getByRole("button", { name: "Next" }).click();
  await password.fill("short");
  await create.click();
  await expect(page.getByRole("alert"), "a weak password is stopped in the form, in our words").toHaveText("At least 8 characters.");
  await expect(password).toBeFocused();
  await expect(create).toBeVisible();
  expect((await setUp(code, "short")).status(), "and by the server").toBe(400);
  expect(existsSync(codeFile)).toBe(true);

  await password.fill(PASSWORD);
  await field("Organisation").fill("Karaton station");
  await create.click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Where should the first data come from?");
  await page.getByRole("radio", { name: /My applications/ }).check();
  await expect(page.getByText(`${server.url}/channels/`)).toBeVisible();
  await page.getByRole("button", { name: "Open the dashboard" }).click();
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
  await expect(page.getByRole("button", { name: /chief.*Administrator/ })).toBeVisible();
  await expect(page.getByRole("main").getByRole("heading", { level: 1 })).toHaveText("Karaton station");

  expect(existsSync(codeFile)).toBe(false);
  expect(await (await page.request.get("/ui/setup")).json()).toEqual({ needed: false });
  expect((await setUp(code, PASSWORD)).status()).toBe(409);
  await page.reload();
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
});

test("each page of an empty server says what would be there, and the next step", async () => {
  const pages: [string, string][] = [
    ["/", "No things yet."], ["/alarms", "No active alarms"], ["/fleet", "No edge device yet."], ["/fleet", "No unknown device has asked for a config."],
    ["/fleet?list=things", "No thing yet."], ["/fleet?list=channels", "No channel yet."], ["/models", "No model yet."], ["/rules", "No alarm rule yet."],
  ];
  for (const [path, words] of pages) {
    await page.goto(`/ui${path}`);
    await expect(page.getByRole("main").getByText(words), path).toBeVisible();
  }
});

test("a list of any length is turned page by page, searched by the server, and comes back with back and reload", async () => {
  const { token } = (await (await page.request.post("/tokens", { data: { email: EMAIL, password: PASSWORD } })).json()) as { token: string };
  const headers = { Authorization: `Bearer ${token}` };
  const things = Array.from({ length: 2120 }, (_, number) => ({ name: `pump-${String(number).padStart(4, "0")}`, metadata: { area: number % 2 === 0 ? "North hall" : "South", floor: number % 7 } }));
  for (let first = 0; first < things.length; first += 500) expect((await page.request.post("/things/bulk", { data: things.slice(first, first + 500), headers })).status()).toBe(201);
  const channels = Array.from({ length: 75 }, (_, number) => ({ name: `line-${String(number).padStart(3, "0")}` }));
  expect((await page.request.post("/channels/bulk", { data: channels, headers })).status()).toBe(201);

  await page.goto("/ui/fleet?list=things");
  const main = page.getByRole("main");
  const rows = main.getByRole("row").filter({ hasText: "pump-" });
  const pager = main.getByRole("navigation", { name: "Pages of Things" });
  await expect(pager.getByRole("status")).toHaveText(/1–50 of 2.120/);
  await expect(rows).toHaveCount(50);
  await expect(rows.first()).toContainText("pump-0000");
  await pager.getByRole("button", { name: "Next" }).click();
  await expect(rows.first()).toContainText("pump-0050");
  await pager.getByRole("button", { name: "Last" }).click();
  await expect(rows.last()).toContainText("pump-2119");
  await expect(pager.getByRole("status")).toHaveText(/2.101–2.120 of 2.120/);
  await expect(page).toHaveURL(/page=43/);
  await page.reload();
  await expect(rows.last(), "the page is found again without the way to it").toContainText("pump-2119");
  await page.goBack();
  await expect(rows.first()).toContainText("pump-0050");

  const search = main.getByRole("searchbox");
  await search.fill("PUMP-20");
  await expect(pager.getByRole("status")).toHaveText("1–50 of 100");
  await expect(page, "another search begins at its first page").not.toHaveURL(/page=/);
  await search.fill('pump-20 area="North hall" floor=3');
  await expect(pager.getByRole("status")).toHaveText(/^1–\d of \d$/);
  await expect(rows.first()).toContainText("pump-20");
  await search.fill("no such thing");
  await expect(main.getByText("Nothing matches “no such thing”.")).toBeVisible();
  await main.getByRole("button", { name: "Show all" }).click();
  await expect(rows).toHaveCount(50);
  await main.getByRole("columnheader", { name: "Thing" }).click();
  await expect(rows.first()).toContainText("pump-2119");
  await expect(main.getByRole("columnheader", { name: "Thing" })).toHaveAttribute("aria-sort", "descending");
});

test("a picker finds what lies beyond its first rows, and is worked with the keys", async () => {
  await page.goto("/ui/fleet?list=things&name=pump-0007");
  const main = page.getByRole("main");
  await main.getByRole("row", { name: /pump-0007/ }).click();
  await main.getByRole("complementary", { name: "pump-0007" }).getByRole("button", { name: "Channels" }).click();
  const dialog = page.getByRole("dialog", { name: "Channels of pump-0007" });
  const field = dialog.getByRole("combobox", { name: "Add a channel" });
  await field.click();
  await expect(page.getByRole("option")).toHaveCount(30);
  await expect(page.getByText("30 of 75. Type to narrow the list.")).toBeVisible();
  await field.pressSequentially("line-07");
  await expect(page.getByRole("option")).toHaveCount(5);
  await field.press("ArrowDown");
  await field.press("Enter");
  await expect(page.getByRole("option"), "the list stays open for the next one").toHaveCount(30);
  await expect(field).toHaveValue("");
  await field.press("Escape");
  await expect(dialog.getByRole("button", { name: "Take line-070 away" })).toBeVisible();
  await field.fill("line-074");
  await page.getByRole("option", { name: "line-074" }).click();
  await page.keyboard.press("Escape");
  await dialog.getByRole("button", { name: "Connect 2, disconnect 0" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(main.getByRole("row", { name: /pump-0007/ })).toContainText("line-070, line-074");
});

test("a token that expires while the page is open leads to sign-in, and back to the same address", async () => {
  test.setTimeout(120_000);
  await page.goto("/ui/alarms?list=shelved");
  await expect(page.getByRole("radio", { name: /Shelved/ })).toBeChecked();
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible({ timeout: 75_000 });
  await expect(page.getByRole("navigation", { name: "Main" }), "nothing of the plant stays on the screen").toHaveCount(0);
  await page.getByLabel("E-mail").fill(EMAIL);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("radio", { name: /Shelved/ })).toBeChecked();
  await expect(page).toHaveURL(`${server.url}/ui/alarms?list=shelved`);
  await expect(page.locator(".header .link-live")).toBeVisible();
});
