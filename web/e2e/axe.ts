import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
interface Violation { id: string; impact: string | null; nodes: { target: unknown; failureSummary?: string }[] }

/** Serious and critical findings. Evaluated over the debugger, so the page's own policy stays as strict as it is. */
export async function serious(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => ((await (globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe.run()).violations));
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical").flatMap(({ id, nodes }) => nodes.slice(0, 4).map((node) => `${id}: ${String(node.target)} ${node.failureSummary ?? ""}`));
}
