import { readFileSync } from "node:fs";

export type Palette = Record<string, string>;
export const THEMES = ["day", "dusk", "night", "contrast"] as const;

/** The palettes as the token file has them. */
export function readPalettes(): Record<(typeof THEMES)[number], Palette> {
  const css = readFileSync(new URL("../src/tokens.css", import.meta.url), "utf8");
  const found: Record<string, Palette> = {};
  for (const [, theme, body] of css.matchAll(/\[data-theme="(\w+)"\] \{([^}]*)\}/g)) {
    found[theme!] = Object.fromEntries([...body!.matchAll(/--([\w-]+): (#[0-9A-F]{6});/g)].map(([, name, value]) => [name!, value!]));
  }
  return found as Record<(typeof THEMES)[number], Palette>;
}

export type Rgb = [number, number, number];

export function rgb(hex: string): Rgb {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255) as Rgb;
}

export const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);

/** WCAG 2.2 relative luminance and contrast ratio. */
export function contrast(a: string, b: string): number {
  const luminance = (hex: string) => {
    const [r, g, bl] = rgb(hex).map(linear) as Rgb;
    return 0.2126 * r + 0.7152 * g + 0.0722 * bl;
  };
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number];
  return (x + 0.05) / (y + 0.05);
}
