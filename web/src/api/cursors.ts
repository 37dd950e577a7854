/** Rows of one page of a list. */
export const PAGE_ROWS = 50;
/** The most rows that the server passes over at once. */
export const SKIM_ROWS = 1000;

/** Where rows end: `first` of them behind `after`, or fewer where the list ends before. */
export type Skim = (first: number, after: string | null) => Promise<{ endCursor: string | null; total: number }>;

/** The cursor in front of a page, or how many pages there are where the list has fewer. */
export type Place = { after: string } | { pages: number };

export function pagesOf(total: number): number {
  return Math.max(1, Math.ceil(total / PAGE_ROWS));
}

/**
 * Finds the cursor in front of page `page` (counted from 0, at least 1), from the nearest page before it whose cursor is
 * known. A list has cursors and no numbers: the rows before are passed over, a thousand at a time, and not read.
 */
export async function findPlace(page: number, known: ReadonlyMap<number, string>, skim: Skim): Promise<Place> {
  let from = 0;
  for (const one of known.keys()) if (one <= page && one > from) from = one;
  let after = known.get(from) ?? null;
  for (let left = (page - from) * PAGE_ROWS; left > 0; left -= SKIM_ROWS) {
    const { endCursor, total } = await skim(Math.min(left, SKIM_ROWS), after);
    if (page >= pagesOf(total)) return { pages: pagesOf(total) };
    // Rows went away meanwhile.
    if (endCursor === null) return { pages: from + 1 };
    after = endCursor;
  }
  return after === null ? { pages: 1 } : { after };
}
