import type { ModelVersion } from "../api/types";

export interface LineageNode { version: ModelVersion; column: number; row: number }

/** Versions left to right by age; a child stands on its parent's row, a second child on a new one. */
export function lineage(versions: readonly ModelVersion[]): { nodes: LineageNode[]; rows: number } {
  const ordered = [...versions].sort((a, b) => a.version - b.version);
  const rowOf = new Map<number, number>();
  const taken = new Set<number>();
  let rows = 0;
  const nodes = ordered.map((version, column) => {
    const parent = version.parent;
    const inherited = parent === null ? undefined : rowOf.get(parent);
    const free = inherited !== undefined && parent !== null && !taken.has(parent);
    const row = free ? inherited : rows++;
    if (parent !== null) taken.add(parent);
    rowOf.set(version.version, row);
    return { version, column, row };
  });
  return { nodes, rows: Math.max(1, rows) };
}
