// One way to start Chromium for pictures and tests.
import { existsSync } from "node:fs";
import { chromium } from "@playwright/test";

const CANDIDATES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const executablePath = CANDIDATES.find((path) => path && existsSync(path));
export const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

export function launch() {
  if (!executablePath) throw new Error("no Chromium found: install the package `chromium` or set CHROMIUM");
  return chromium.launch({ executablePath, headless: true, args });
}
