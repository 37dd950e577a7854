// Prints what the first load weighs, and fails above the budget. Fonts are counted apart.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET_KB = 250;
const dist = new URL("../dist/", import.meta.url).pathname;
const gz = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length / 1024;
const manifest = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8"));

/** The files that a chunk pulls in by static import. */
function closure(key, into = new Set()) {
  const chunk = manifest[key];
  if (!chunk || into.has(chunk.file)) return into;
  into.add(chunk.file);
  for (const css of chunk.css ?? []) into.add(css);
  for (const next of chunk.imports ?? []) closure(next, into);
  return into;
}

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
// The overview is what an operator sees first: its chunk counts as first load.
const first = closure(entry);
const overview = Object.keys(manifest).find((key) => key.endsWith("OverviewPage.tsx"));
if (overview) closure(overview, first);
let total = gz("index.html");
for (const file of first) {
  const size = gz(file);
  total += size;
  console.log(`${size.toFixed(1).padStart(7)} kB  ${file}`);
}
const assets = join(dist, "assets");
const fonts = readdirSync(assets).filter((file) => file.endsWith(".woff2"));
const fontKb = fonts.reduce((sum, file) => sum + statSync(join(assets, file)).size / 1024, 0);
console.log(`first load ${total.toFixed(1)} kB gz of ${BUDGET_KB}; fonts, apart, ${fontKb.toFixed(0)} kB in ${fonts.length} files`);
if (total > BUDGET_KB) {
  console.error(`first load is over its budget of ${BUDGET_KB} kB`);
  process.exit(1);
}
