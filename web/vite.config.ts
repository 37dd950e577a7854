import optimizeLocales from "@react-aria/optimize-locales-plugin";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = process.env.TELLEE_URL ?? "http://127.0.0.1:8088";
const proxy = Object.fromEntries(
  ["/graphql", "/health", "/version", "/setup", "/ui/session", "/ui/setup", "/users", "/tokens", "/things", "/channels", "/connect"].map((path) => [
    path,
    { target: server, ws: path === "/graphql", changeOrigin: false },
  ]),
);

export default defineConfig({
  base: "/ui/",
  // react-aria speaks some thirty languages; ours are said here, and what it lacks (Kazakh) falls back to English.
  plugins: [optimizeLocales.vite({ locales: ["en-US", "ru-RU"] }), react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    cssCodeSplit: true,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: true,
  },
  server: { host: "127.0.0.1", port: 5180, proxy },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
