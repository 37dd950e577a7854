import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = process.env.TELLEE_URL ?? "http://127.0.0.1:8088";
const proxy = Object.fromEntries(
  ["/graphql", "/health", "/version", "/setup", "/ui/session", "/ui/setup"].map((path) => [
    path,
    { target: server, ws: path === "/graphql", changeOrigin: false },
  ]),
);

export default defineConfig({
  base: "/ui/",
  plugins: [react()],
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
