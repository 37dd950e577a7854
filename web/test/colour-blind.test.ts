import { describe, expect, it } from "vitest";
import { linear, readPalettes, rgb, type Rgb, THEMES } from "./tokens";

/** Machado 2009, severity 1.0, over linear RGB. */
const EYES: Record<string, number[][]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const PUBLISHED: Record<string, number[]> = { day: [27, 23, 16, 16], dusk: [24, 13, 9, 10], night: [26, 15, 10, 15], contrast: [25, 14, 10, 13] };

function lab(hex: string, eye: number[][]): Rgb {
  const seen = eye.map((row) => Math.min(1, Math.max(0, row.reduce((sum, k, i) => sum + k * linear(rgb(hex)[i]!), 0)))) as Rgb;
  const [r, g, b] = seen;
  const xyz = [(0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047, 0.2126729 * r + 0.7151522 * g + 0.072175 * b, (0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883];
  const [x, y, z] = xyz.map((t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116)) as Rgb;
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** CIEDE2000. */
function distance([l1, a1, b1]: Rgb, [l2, a2, b2]: Rgb): number {
  const rad = Math.PI / 180;
  const cBar = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2;
  const g = 0.5 * (1 - Math.sqrt(cBar ** 7 / (cBar ** 7 + 25 ** 7)));
  const [p1, p2] = [a1 * (1 + g), a2 * (1 + g)];
  const [c1, c2] = [Math.hypot(p1, b1), Math.hypot(p2, b2)];
  const hue = (b: number, a: number) => (a === 0 && b === 0 ? 0 : (Math.atan2(b, a) / rad + 360) % 360);
  const [h1, h2] = [hue(b1, p1), hue(b2, p2)];
  let dh = c1 * c2 === 0 ? 0 : h2 - h1;
  if (dh > 180) dh -= 360;
  if (dh < -180) dh += 360;
  const dH = 2 * Math.sqrt(c1 * c2) * Math.sin((dh / 2) * rad);
  const [lM, cM] = [(l1 + l2) / 2, (c1 + c2) / 2];
  let hM = h1 + h2;
  if (c1 * c2 !== 0) hM = Math.abs(h1 - h2) <= 180 ? hM / 2 : (hM + (hM < 360 ? 360 : -360)) / 2;
  const t = 1 - 0.17 * Math.cos((hM - 30) * rad) + 0.24 * Math.cos(2 * hM * rad) + 0.32 * Math.cos((3 * hM + 6) * rad) - 0.2 * Math.cos((4 * hM - 63) * rad);
  const sL = 1 + (0.015 * (lM - 50) ** 2) / Math.sqrt(20 + (lM - 50) ** 2);
  const [sC, sH] = [1 + 0.045 * cM, 1 + 0.015 * cM * t];
  const rT = -2 * Math.sqrt(cM ** 7 / (cM ** 7 + 25 ** 7)) * Math.sin(60 * Math.exp(-(((hM - 275) / 25) ** 2)) * rad);
  const [dL, dC] = [(l2 - l1) / sL, (c2 - c1) / sC];
  return Math.sqrt(dL ** 2 + dC ** 2 + (dH / sH) ** 2 + rT * dC * (dH / sH));
}

describe.each(THEMES)("alarm colours of %s to other eyes", (theme) => {
  const palette = readPalettes()[theme];
  it.each(Object.keys(EYES).map((name, index) => [name, index] as const))("%s keeps the published distance between any two priorities", (name, index) => {
    const labs = ["p1", "p2", "p3", "p4"].map((token) => lab(palette[token]!, EYES[name]!));
    const pairs = labs.flatMap((a, i) => labs.slice(i + 1).map((b) => distance(a, b)));
    const least = Math.min(...pairs);
    expect(least).toBeGreaterThanOrEqual(8);
    expect(Math.abs(least - PUBLISHED[theme]![index]!)).toBeLessThan(1.5);
  });
});
