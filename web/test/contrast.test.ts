import { describe, expect, it } from "vitest";
import { contrast, readPalettes, THEMES } from "./tokens";

const palettes = readPalettes();
const FIVE = ["bg", "chrome", "well", "raised", "sel"];
const FOUR = ["bg", "chrome", "raised", "sel"];
const THREE = ["bg", "well", "raised"];

/** The table of the design guide: pair, surfaces, bar, and the lowest ratio per palette, to one decimal. */
const TABLE: [string, string[], number, number[]][] = [
  ["ink", FIVE, 4.5, [10.7, 7.8, 8.7, 11.6]],
  ["ink2", FIVE, 4.5, [6.2, 5.7, 5.6, 10.2]],
  ["ink3", FIVE, 4.5, [4.9, 4.8, 4.6, 8.0]],
  ["live", FIVE, 4.5, [5.5, 5.5, 6.2, 7.3]],
  ["line2", THREE, 3, [3.5, 3.5, 3.8, 17.4]],
  ["equip", THREE, 3, [4.6, 4.0, 4.4, 17.4]],
  ["pen1", ["well"], 4.5, [6.8, 6.5, 8.0, 11.0]],
  ["pen2", ["well"], 4.5, [10.9, 9.2, 11.1, 17.4]],
  ["pen3", ["well"], 4.5, [5.4, 6.5, 7.8, 13.0]],
  ["pen4", ["well"], 4.5, [5.8, 6.0, 7.3, 12.0]],
  ["p1", FOUR, 3, [3.8, 3.3, 3.5, 4.1]],
  ["p4", FOUR, 3, [3.9, 4.6, 4.6, 6.2]],
  ["fault", FOUR, 3, [4.6, 4.0, 4.2, 5.8]],
  ["digit1", ["p1"], 4.5, [5.9, 8.0, 6.5, 7.4]],
  ["digit2", ["p2"], 4.5, [6.8, 10.8, 9.9, 10.8]],
  ["digit3", ["p3"], 4.5, [14.0, 16.5, 16.1, 17.2]],
  ["digit4", ["p4"], 4.5, [6.0, 11.1, 8.4, 11.2]],
  ["flood-text", ["flood"], 4.5, [14.1, 6.4, 9.2, 19.3]],
  ["ink", ["add"], 4.5, [11.2, 6.1, 9.5, 12.8]],
  ["ink", ["del"], 4.5, [11.0, 6.4, 10.1, 14.4]],
];

describe.each(THEMES.map((theme, index) => ({ theme, index })))("palette $theme", ({ theme, index }) => {
  const palette = palettes[theme];
  const worst = (token: string, surfaces: string[]) => Math.min(...surfaces.map((surface) => contrast(palette[token]!, palette[surface]!)));

  it.each(TABLE)("%s on %s meets its bar and the published ratio", (token, surfaces, bar, ratios) => {
    const found = worst(token, surfaces);
    expect(found).toBeGreaterThanOrEqual(bar);
    expect(found).toBeCloseTo(ratios[index]!, 0);
    expect(Math.abs(found - ratios[index]!)).toBeLessThan(0.06);
  });

  it("gives the outline the ratio that orange and yellow lack on light grey", () => {
    for (const token of ["p2", "p3"]) {
      const carried = Math.max(worst(token, FOUR), worst("out", FOUR));
      expect(carried).toBeGreaterThanOrEqual(3);
    }
  });

  it("has every token that day has", () => {
    expect(Object.keys(palette).sort()).toEqual(Object.keys(palettes.day).sort());
  });
});
