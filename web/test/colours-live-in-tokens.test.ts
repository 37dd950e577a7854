import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const src = new URL("../src/", import.meta.url).pathname;
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => /\.(css|tsx?)$/.test(name) && name !== "tokens.css");

it("names a colour nowhere but in the token file", () => {
  const found = files.flatMap((name) => {
    const text = readFileSync(join(src, name), "utf8");
    const hits = text.match(/#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b(?![\w-])|\b(?:rgba?|hsla?|oklch)\(|:\s*(?:white|black|red|green|blue|orange|yellow|gray|grey)\s*[;}]/g) ?? [];
    return hits.map((hit) => `${name}: ${hit}`);
  });
  expect(found).toEqual([]);
});

it("writes no style attribute into markup, because the policy allows none", () => {
  const found = files.filter((name) => /\sstyle=[{"]/.test(readFileSync(join(src, name), "utf8")));
  expect(found).toEqual([]);
});

it("uses no eval", () => {
  const found = files.filter((name) => /\beval\(|new Function\(/.test(readFileSync(join(src, name), "utf8")));
  expect(found).toEqual([]);
});
