import { defineConfig } from "@playwright/test";
import { args, executablePath } from "./scripts/browser.mjs";

const url = process.env.TELLEE_URL;
if (!url) throw new Error("set TELLEE_URL to a running server, and TELLEE_EMAIL and TELLEE_PASSWORD to its administrator");

export default defineConfig({
  testDir: "e2e",
  timeout: 60_000,
  expect: { timeout: 10_000 },
  fullyParallel: false,
  // One line of tests on the shared server and its alarms. Beside it the one that has servers of its own and mostly waits.
  workers: 2,
  projects: [
    { name: "plant", testIgnore: /setup\.spec/, workers: 1 },
    { name: "own server", testMatch: /setup\.spec/, workers: 1 },
  ],
  retries: 0,
  reporter: [["list"]],
  outputDir: "test-results",
  use: {
    baseURL: url,
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    launchOptions: { ...(executablePath ? { executablePath } : {}), args },
    trace: "retain-on-failure",
    actionTimeout: 10_000,
  },
});
