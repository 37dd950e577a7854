import type { Change } from "../api/types";

export interface DiffLine { kind: "same" | "add" | "del"; before: number | null; after: number | null; text: string }
export interface Folded { folded: number }

const MAX_LINES = 2000;
const CONTEXT = 2;

/** Longest common subsequence by lines. Texts beyond 2 000 lines are shown as one removal and one addition. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = before === "" ? [] : before.split("\n");
  const b = after === "" ? [] : after.split("\n");
  const lines: DiffLine[] = [];
  const del = (i: number) => lines.push({ kind: "del", before: i + 1, after: null, text: a[i] ?? "" });
  const add = (j: number) => lines.push({ kind: "add", before: null, after: j + 1, text: b[j] ?? "" });
  if (a.length > MAX_LINES || b.length > MAX_LINES) {
    a.forEach((_, i) => del(i));
    b.forEach((_, j) => add(j));
    return lines;
  }
  const width = b.length + 1;
  const length = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const same = a[i] === b[j] ? (length[(i + 1) * width + j + 1] ?? 0) + 1 : 0;
      length[i * width + j] = Math.max(same, length[(i + 1) * width + j] ?? 0, length[i * width + j + 1] ?? 0);
    }
  }
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: "same", before: i + 1, after: j + 1, text: a[i] ?? "" });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && (length[(i + 1) * width + j] ?? 0) >= (length[i * width + j + 1] ?? 0))) del(i++);
    else add(j++);
  }
  return lines;
}

/** Unchanged runs leave two lines on each side of a change and become a count. */
export function foldUnchanged(lines: readonly DiffLine[]): (DiffLine | Folded)[] {
  const keep = lines.map((_, index) => lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some((line) => line.kind !== "same"));
  const result: (DiffLine | Folded)[] = [];
  lines.forEach((line, index) => {
    if (keep[index]) return result.push(line);
    const last = result[result.length - 1];
    if (last && "folded" in last) last.folded += 1;
    else result.push({ folded: 1 });
    return undefined;
  });
  return result;
}

export interface Meaning { path: string; name: string; kind: "factor" | "changedMeaning"; values: Record<string, string> }

const MEANINGFUL = new Set(["scale", "unit", "address", "register", "host"]);

/** A scale, a unit or an address changes what history means: said in a sentence. */
export function meaningChanges(changes: readonly Change[]): Meaning[] {
  const found: Meaning[] = [];
  for (const { path, before, after } of changes) {
    const name = path.split("/").pop() ?? "";
    if (!MEANINGFUL.has(name) || before === null || after === null) continue;
    if (typeof before === "number" && typeof after === "number" && before !== 0 && name === "scale") {
      const factor = Math.abs(after) > Math.abs(before) ? after / before : before / after;
      found.push({ path, name, kind: "factor", values: { factor: String(Number(factor.toPrecision(4))) } });
    } else found.push({ path, name, kind: "changedMeaning", values: { before: String(before), after: String(after) } });
  }
  return found;
}
