import { expect, type Page, test } from "@playwright/test";
import { makePump, publish, signInPage } from "./server";

/** A desk of 1 280 × 900 at 200 % zoom. */
test.use({ viewport: { width: 640, height: 450 } });

const DESK = { width: 1440, height: 900 };
const ZOOMED = { width: 640, height: 450 };

/** What a user can do on the page: each control by role and name, once. */
function controls(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const names = new Set<string>();
    for (const element of document.querySelectorAll<HTMLElement>("button, a[href], input, select, textarea, [role=tab], [role=radio], [role=combobox]")) {
      if (!element.checkVisibility({ visibilityProperty: true }) || element.closest("[inert], [aria-hidden=true]") || element.matches(".skip")) continue;
      const labels = (element as HTMLInputElement).labels;
      const name = element.getAttribute("aria-label") ?? labels?.[0]?.textContent ?? element.textContent ?? "";
      const words = name.replace(/\d+([.,:]\d+)*/g, "#").replace(/\s+/g, " ").trim();
      // Rows and live figures differ from moment to moment; what one can do with them does not.
      if (words !== "" && !element.closest("tbody, .tally, .header-person, .alarm-bar, .journal, .revision-list")) names.add(words);
    }
    return [...names].sort();
  });
}

/** Controls that no scrolling brings into sight: cut off sideways, or covered by something else. */
function unreachable(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    for (const element of document.querySelectorAll<HTMLElement>("button, a[href], input, select, textarea, [role=tab], [role=radio]")) {
      if (!element.checkVisibility({ visibilityProperty: true }) || element.closest("[inert], [aria-hidden=true]") || element.matches(".skip, [tabindex='-1'], .hidden-text *")) continue;
      const target = element.closest("label") ?? element;
      target.scrollIntoView({ block: "center", inline: "nearest" });
      const box = target.getBoundingClientRect();
      const what = `${element.tagName} ${(element.getAttribute("aria-label") ?? element.textContent ?? "").trim().slice(0, 40)}`;
      if (box.width === 0 || box.height === 0) continue;
      if (box.left < -1 || box.right > innerWidth + 1) {
        found.push(`${what}: cut off from ${Math.round(box.left)} to ${Math.round(box.right)}`);
        continue;
      }
      for (let above = target.parentElement; above; above = above.parentElement) {
        const style = getComputedStyle(above);
        const frame = above.getBoundingClientRect();
        // A script can scroll what is hidden; a hand cannot.
        if (style.overflowX === "hidden" && above.scrollLeft !== 0) {
          found.push(`${what}: hidden at the side of ${above.className || above.tagName}`);
          above.scrollLeft = 0;
          break;
        }
        if (style.overflowX !== "visible" && (box.right > frame.right + 1 || box.left < frame.left - 1) && above.tagName !== "HTML") {
          found.push(`${what}: cut off by ${above.className || above.tagName}`);
          break;
        }
      }
      const hit = document.elementFromPoint(box.left + box.width / 2, Math.min(innerHeight - 1, Math.max(0, box.top + box.height / 2)));
      if (hit && !target.contains(hit) && !hit.contains(target)) found.push(`${what}: covered by ${hit.className || hit.tagName}`);
    }
    return found;
  });
}

/** Boxes that a reader would have to push sideways. */
function sideways(page: Page): Promise<string[]> {
  return page.evaluate(() => [...document.querySelectorAll<HTMLElement>("*")]
    .filter((element) => {
      const style = getComputedStyle(element);
      const scrolls = style.overflowX === "auto" || style.overflowX === "scroll" || element === document.documentElement;
      return scrolls && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0;
    })
    .map((element) => `${element.className || element.tagName}: ${element.scrollWidth} in ${element.clientWidth}`));
}

/** Cells whose words run into the next column, and parts of the frame that hide some of themselves. */
function spilling(page: Page): Promise<string[]> {
  return page.evaluate(() => [...document.querySelectorAll<HTMLElement>("td, th, .header, .alarm-bar, .tally, .phone-tally, .tab-bar")]
    .filter((element) => element.checkVisibility() && element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1 && !element.closest(".hidden-text") && !element.querySelector(".hidden-text"))
    .map((element) => `${element.className || element.tagName} ${element.textContent?.slice(0, 30)}: ${element.scrollWidth} in ${element.clientWidth}`));
}

async function settled(page: Page): Promise<void> {
  await expect(page.locator("#main h1, #main h2").first()).toBeAttached();
  await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
}

test("at 200 % zoom nothing is pushed sideways, and every function of the wide page is there and in reach", async ({ page }) => {
  test.setTimeout(120_000);
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  const alarms = `/alarms?filter=${pump.name}`;
  const pages: [string, string][] = [
    ["overview", "/"], ["alarms", alarms], ["asset", `/assets/${pump.thing}`], ["devices", "/fleet"], ["things", `/fleet?list=things&name=${pump.name}`], ["thing", `/fleet?list=things&name=${pump.name}&open=${pump.thing}`],
    ["channels", "/fleet?list=channels"], ["models", "/models"], ["rules", "/rules"], ["rule", `/rules/${pump.rule}`],
  ];
  for (const [name, path] of pages) {
    // The plant lives: what a page offers may change between the two looks, but not again and again.
    await expect(async () => {
      await page.setViewportSize(DESK);
      await page.goto(`/ui${path}`);
      await settled(page);
      const wide = await controls(page);
      await page.setViewportSize(ZOOMED);
      await settled(page);
      const narrow = new Set(await controls(page));
      // The palette moves from the navigation into the dialog of the person, where the next test looks for it.
      const missing = wide.filter((control) => !narrow.has(control) && !["Day", "Dusk", "Night", "High", "Fold"].includes(control));
      expect(missing, `${name}: functions that the zoomed page lacks`).toEqual([]);
    }).toPass({ timeout: 30_000 });
    expect.soft(await sideways(page), `${name}: pushed sideways`).toEqual([]);
    expect.soft(await spilling(page), `${name}: runs over`).toEqual([]);
    expect.soft(await unreachable(page), `${name}: out of reach`).toEqual([]);
  }
});

for (const [name, viewport] of [["at 200 % zoom", ZOOMED], ["on a phone", { width: 390, height: 844 }]] as const) {
  test(`${name} the person, the languages, the palettes and signing out are in reach`, async ({ page }) => {
    await page.setViewportSize(viewport);
    await signInPage(page);
    await page.goto("/ui/alarms");
    await settled(page);
    expect(await unreachable(page)).toEqual([]);
    expect(await spilling(page)).toEqual([]);
    await page.getByRole("banner").getByRole("button", { name: /Administrator/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("radio", { name: "Night" }).click();
    await expect(page.locator("html")).toHaveAttribute("data-theme", "night");
    await dialog.getByRole("radio", { name: "Русский" }).click();
    await expect(page.locator("html")).toHaveAttribute("lang", "ru");
    await dialog.getByRole("radio", { name: "English" }).click();
    await dialog.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
    expect(await sideways(page)).toEqual([]);
    expect(await unreachable(page)).toEqual([]);
  });

  test(`${name} an alarm is read, commented, acknowledged and shelved`, async ({ page }) => {
    await page.setViewportSize(viewport);
    await signInPage(page);
    const pump = await makePump(page.request);
    await publish(page.request, pump, 5.6);
    await page.goto(`/ui/alarms?filter=${pump.name}`);
    await page.locator("[data-row]").filter({ hasText: pump.message }).click();
    const main = page.getByRole("main");
    await expect(main.getByText("Change over to the standby pump.")).toBeVisible();
    await main.getByRole("textbox", { name: "Comment" }).fill("seen");
    await main.getByRole("textbox", { name: "Comment" }).press("Enter");
    await expect(main.getByText(/, seen$/)).toBeVisible();
    await main.getByRole("button", { name: "Acknowledge", exact: true }).last().click();
    await expect(page.getByRole("status").filter({ hasText: "1 alarm acknowledged" })).toBeVisible();
    await main.getByRole("button", { name: "Shelve" }).last().click();
    await page.getByRole("dialog").getByRole("button", { name: "Shelve" }).click();
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await main.getByRole("radio", { name: /^Shelved/ }).click();
    await expect(page.locator("[data-row]").filter({ hasText: pump.message })).toBeVisible();
  });
}
