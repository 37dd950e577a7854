// Makes a picture of each page in day and night into ../docs/screens/, from the server at TELLEE_URL.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./browser.mjs";

const base = process.env.TELLEE_URL;
if (!base) {
  console.error("set TELLEE_URL to a running server, and TELLEE_EMAIL and TELLEE_PASSWORD to its administrator");
  process.exit(2);
}
const out = process.env.SCREENS_DIR ?? new URL("../../docs/screens/", import.meta.url).pathname;
const only = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const browser = await launch();
const SETTLE_MS = Number(process.env.SETTLE_MS ?? 1800);

async function open(theme, viewport, deviceScaleFactor = 1) {
  const context = await browser.newContext({ viewport, deviceScaleFactor, locale: "en-GB", timezoneId: process.env.TZ ?? "UTC" });
  await context.addInitScript((value) => localStorage.setItem("flash.preferences", JSON.stringify({ theme: value, steadyAlarms: true })), theme);
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") console.error(`console: ${message.text()}`); });
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  return page;
}

async function shoot(page, name) {
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: join(out, `${name}.png`) });
  console.log(name);
}

async function signIn(page) {
  await page.goto(`${base}/ui/`);
  const email = page.locator('input[name="email"]');
  const shell = page.locator(".shell");
  await email.or(shell).first().waitFor();
  if (await shell.isVisible()) return;
  await email.fill(process.env.TELLEE_EMAIL ?? "");
  await page.locator('input[name="password"]').fill(process.env.TELLEE_PASSWORD ?? "");
  await page.locator('button[type="submit"]').click();
  await shell.waitFor();
}

const wanted = (name) => only.length === 0 || only.some((part) => name.startsWith(part));
/** The asset of the worst alarm, else the first of the overview. */
async function firstAsset(page) {
  await page.goto(`${base}/ui/`);
  const link = page.locator(".row-abnormal .asset-name a, .asset-name a").first();
  await link.waitFor();
  return (await link.getAttribute("href")).replace("/ui", "");
}

const desk = { width: 1440, height: 900 };
for (const theme of ["day", "night"]) {
  if (wanted("sign-in")) {
    const page = await open(theme, desk);
    await page.goto(`${base}/ui/`);
    if (await page.locator(".sign-in").isVisible({ timeout: 4000 }).catch(() => false)) await shoot(page, `sign-in-${theme}`);
    await page.context().close();
  }
  const page = await open(theme, desk);
  await signIn(page);
  const asset = await firstAsset(page);
  const pages = [["overview", "/"], ["alarms", "/alarms"], ["asset", asset], ["fleet", "/fleet"], ["models", "/models"], ["rules", "/rules"]];
  for (const [name, path] of pages) {
    if (!wanted(name)) continue;
    await page.goto(`${base}/ui${path}`);
    if (name === "alarms") await page.locator(".alarm-table tbody tr").first().click({ timeout: 5000 }).catch(() => undefined);
    if (name === "fleet") await page.locator(".fleet-table tbody tr").first().click({ timeout: 5000 }).catch(() => undefined);
    await shoot(page, `${name}-${theme}`);
  }
  if (wanted("rule-form")) {
    await page.goto(`${base}/ui/rules`);
    await page.locator(".table th a").first().click({ timeout: 5000 }).catch(() => undefined);
    await shoot(page, `rule-form-${theme}`);
  }
  await page.context().close();
  const phone = await open(theme, { width: 390, height: 844 }, 2);
  await signIn(phone);
  for (const [name, path] of [["overview", "/"], ["alarms", "/alarms"]]) {
    if (!wanted(`${name}-mobile`) && !wanted("mobile")) continue;
    await phone.goto(`${base}/ui${path}`);
    await shoot(phone, `${name}-mobile-${theme}`);
  }
  await phone.context().close();
}
for (const theme of ["day", "dusk", "night", "contrast"]) {
  if (!wanted("components")) continue;
  const page = await open(theme, { width: 1664, height: 1080 });
  await signIn(page);
  await page.goto(`${base}/ui/components`);
  await shoot(page, `components-${theme}`);
  await page.context().close();
}
await browser.close();
