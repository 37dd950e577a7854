import { expect, type Page, test } from "@playwright/test";
import { en } from "../src/i18n/en";
import { kk } from "../src/i18n/kk";
import { ru } from "../src/i18n/ru";
import { serious } from "./axe";
import { makePump, publish, signInPage } from "./server";

/** Words of the screen that stand in English although the language has others for them. */
async function leftInEnglish(page: Page, words: Record<string, string>): Promise<string[]> {
  const plain = (text: string) => !text.includes("{{");
  const spoken = new Set(Object.values(words));
  const english = Object.entries(en).filter(([key, text]) => plain(text) && words[key] !== text && !spoken.has(text)).map(([, text]) => text);
  return page.evaluate((known) => {
    const found: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.textContent?.trim() ?? "";
      if (known.includes(text)) found.push(text);
    }
    for (const element of document.querySelectorAll("[aria-label], [placeholder], [title]")) {
      for (const name of ["aria-label", "placeholder", "title"]) {
        const text = element.getAttribute(name) ?? "";
        if (known.includes(text)) found.push(`${name}: ${text}`);
      }
    }
    return found;
  }, english);
}

/** Labels that are cut off without the full text at hand. */
function clipped(page: Page): Promise<string[]> {
  return page.evaluate(() => [...document.querySelectorAll<HTMLElement>("button, th, dt, label, h1, h2, .nav-text, .tab")]
    .filter((element) => element.offsetParent !== null && element.clientWidth > 1 && getComputedStyle(element).overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1 && !element.title && !element.closest("[title]"))
    .map((element) => element.textContent ?? ""));
}

const LANGUAGES: { name: string; lang: string; words: Record<string, string>; value: string; back: string }[] = [
  { name: "Русский", lang: "ru", words: ru, value: "5,60", back: "English" },
  { name: "Қазақша", lang: "kk", words: kk, value: "5,60", back: "English" },
];

test("each language is chosen at the desk, holds after a reload, and leaves no English behind", async ({ page }) => {
  test.setTimeout(120_000);
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  await page.goto(`/ui/alarms?filter=${pump.name}`);
  const person = page.locator("header").getByRole("button");
  for (const { name, lang, words, value } of LANGUAGES) {
    await person.last().click();
    await page.getByRole("dialog").getByRole("radio", { name }).click();
    await page.keyboard.press("Escape");
    await expect(page.locator("html")).toHaveAttribute("lang", lang);
    await page.reload();
    await expect(page.locator("html")).toHaveAttribute("lang", lang);
    const row = page.getByRole("row").filter({ hasText: pump.message });
    await expect(row).toContainText(value);
    await expect(row, "project data are not translated").toContainText("vibration");
    await row.click();
    for (const path of [`/alarms?filter=${pump.name}`, "/", "/fleet", "/fleet?list=things", "/models", "/rules", `/assets/${pump.thing}`, "/rules/new"]) {
      await page.goto(`/ui${path}`);
      await expect(page.getByRole("link", { name: words["nav.overview"] ?? "" }).first()).toBeVisible();
      await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
      expect(await leftInEnglish(page, words), `${path} in ${lang}`).toEqual([]);
      expect(await clipped(page), `${path} in ${lang}`).toEqual([]);
    }
    await page.goto(`/ui/alarms?filter=${pump.name}`);
  }
  await person.last().click();
  await page.getByRole("dialog").getByRole("radio", { name: "English" }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
});

test("each of the four palettes is chosen at the desk, holds after a reload, and has no serious finding", async ({ page }) => {
  test.setTimeout(120_000);
  await signInPage(page);
  const pump = await makePump(page.request);
  await publish(page.request, pump, 5.6);
  const grounds = new Set<string>();
  for (const [name, theme] of [["Day", "day"], ["Dusk", "dusk"], ["Night", "night"], ["High", "contrast"]] as const) {
    await page.goto("/ui/");
    await page.getByRole("navigation", { name: "Main" }).getByRole("radio", { name }).click();
    await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
    await page.goto(`/ui/alarms?filter=${pump.name}`);
    await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
    const row = page.getByRole("row").filter({ hasText: pump.message });
    await row.click();
    await expect(page.getByRole("complementary")).toBeVisible();
    grounds.add(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor));
    const fill = await row.locator(".glyph-fill").first().evaluate((glyph) => getComputedStyle(glyph).fill);
    const token = await page.evaluate(() => {
      const probe = document.createElement("i");
      document.body.append(probe);
      probe.className = "p2";
      const colour = getComputedStyle(probe).getPropertyValue("--p2").trim();
      probe.remove();
      return colour;
    });
    expect(fill, `the glyph wears the palette ${theme}`).toBe(rgb(token));
    // Day and night are looked at page by page elsewhere.
    if (theme === "dusk" || theme === "contrast") {
      expect(await serious(page), `alarms in ${theme}`).toEqual([]);
      await page.goto(`/ui/assets/${pump.thing}`);
      await expect(page.getByRole("group", { name: "Trends" })).toBeVisible();
      expect(await serious(page), `asset in ${theme}`).toEqual([]);
    }
  }
  expect(grounds.size, "four palettes, four grounds").toBeGreaterThanOrEqual(4);
});

function rgb(hex: string): string {
  const part = (from: number) => Number.parseInt(hex.slice(from, from + 2), 16);
  return `rgb(${part(1)}, ${part(3)}, ${part(5)})`;
}
