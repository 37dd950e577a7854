import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./tokens.css";
import "./fonts.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";
import "./styles/print.css";
import { App } from "./App";
import { startLanguages } from "./i18n/i18n";
import { startKeys } from "./lib/keys";
import { applyPreferences, startBlinking } from "./lib/preferences";

applyPreferences();
startBlinking();
startKeys();

const root = document.getElementById("root");
if (root) {
  void startLanguages().then(() => createRoot(root).render(<StrictMode><App /></StrictMode>));
}
