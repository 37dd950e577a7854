import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const browser = ["window", "document", "fetch", "WebSocket", "console", "process", "setTimeout", "setInterval", "clearInterval", "clearTimeout", "URL", "Buffer"];

export default tseslint.config(
  { ignores: ["dist", "node_modules", "test-results", "playwright-report"] },
  ...tseslint.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "no-restricted-globals": ["error", "eval"],
      eqeqeq: ["error", "always", { null: "ignore" }],
    },
  },
  { files: ["**/*.mjs"], languageOptions: { globals: Object.fromEntries(browser.map((name) => [name, "readonly"])) } },
);
