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
  expect(await password.evaluate((input: HTMLInputElement) => input.validity.valid), "a weak password is stopped in the form").toBe(false);
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

test("a list longer than a page says how long it is, shows more when asked, and is narrowed by name", async () => {
  const { token } = (await (await page.request.post("/tokens", { data: { email: EMAIL, password: PASSWORD } })).json()) as { token: string };
  const things = Array.from({ length: 120 }, (_, number) => ({ name: `pump-${String(number).padStart(3, "0")}` }));
  const made = await page.request.post("/things/bulk", { data: things, headers: { Authorization: `Bearer ${token}` } });
  expect(made.status()).toBe(201);
  await page.goto("/ui/fleet?list=things");
  const rows = page.getByRole("main").getByRole("row").filter({ hasText: "pump-" });
  await expect(page.getByText("50 of 120")).toBeVisible();
  await expect(rows).toHaveCount(50);
  await page.getByRole("button", { name: "Show more" }).click();
  await expect(page.getByText("100 of 120")).toBeVisible();
  await page.getByRole("button", { name: "Show more" }).click();
  await expect(rows).toHaveCount(120);
  await expect(page.getByRole("button", { name: "Show more" })).toHaveCount(0);
  await page.getByRole("main").getByRole("searchbox").fill("pump-11");
  await expect(rows).toHaveCount(10);
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
