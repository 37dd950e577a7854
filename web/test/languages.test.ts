import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { en } from "../src/i18n/en";
import { kk } from "../src/i18n/kk";
import { ru } from "../src/i18n/ru";

const stem = (key: string) => key.replace(/_(zero|one|two|few|many|other)$/, "");
const stems = (words: Record<string, string>) => new Set(Object.keys(words).map(stem));
const src = new URL("../src/", import.meta.url).pathname;
const used = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("i18n/"))
  .flatMap((name) => [...readFileSync(join(src, name), "utf8").matchAll(/\bt\("([\w.]+)"/g)].map((match) => match[1]!));

describe("languages", () => {
  it("has a text for every key that the pages ask for", () => {
    const known = stems(en);
    expect([...new Set(used)].filter((key) => !known.has(key))).toEqual([]);
  });
  it.each([["Russian", ru], ["Kazakh", kk]] as const)("%s has the same keys as English", (_, words) => {
    expect([...stems(en)].filter((key) => !stems(words).has(key))).toEqual([]);
    expect([...stems(words)].filter((key) => !stems(en).has(key))).toEqual([]);
  });
  it.each([["Russian", ru, ["one", "few", "many", "other"]], ["Kazakh", kk, ["one", "other"]]] as const)("%s has each of its plural forms", (_, words, forms) => {
    const plurals = Object.keys(en).filter((key) => key.endsWith("_one")).map(stem);
    expect(plurals.flatMap((key) => forms.map((form) => `${key}_${form}`)).filter((key) => !(key in words))).toEqual([]);
  });
  it.each([["Russian", ru], ["Kazakh", kk]] as const)("%s fills in the same values as English", (_, words) => {
    const holes = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort().join();
    const wrong = Object.keys(words).filter((key) => {
      const english = en[key] ?? en[`${stem(key)}_other`] ?? en[stem(key)];
      return english !== undefined && holes(words[key]!) !== holes(english);
    });
    expect(wrong).toEqual([]);
  });
  it("writes Kazakh with its own letters", () => {
    const text = Object.values(kk).join("");
    expect(["ә", "ғ", "қ", "ң", "ө", "ұ", "ү", "і"].filter((letter) => !text.includes(letter))).toEqual([]);
  });
});
