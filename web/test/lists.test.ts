import { describe, expect, it } from "vitest";
import { findPlace, pagesOf, type Skim } from "../src/api/cursors";
import { readSearch } from "../src/lib/searchText";

/** A list of `total` rows; the cursor behind row n is the text n. Counts what it was asked. */
function listOf(total: number): { skim: Skim; asked: [number, string | null][] } {
  const asked: [number, string | null][] = [];
  const skim: Skim = async (first, after) => {
    asked.push([first, after]);
    const end = Math.min(total, Number(after ?? 0) + first);
    return { endCursor: end === Number(after ?? 0) ? null : String(end), total };
  };
  return { skim, asked };
}

describe("a page of a list that has cursors and no numbers", () => {
  it("is found by passing over the rows before it, a thousand at a time", async () => {
    const { skim, asked } = listOf(10_234);
    expect(await findPlace(204, new Map(), skim)).toEqual({ after: "10200" });
    expect(asked).toHaveLength(11);
    expect(asked.at(-1)).toEqual([200, "10000"]);
  });
  it("is found from the nearest page before it that is known", async () => {
    const { skim, asked } = listOf(500);
    expect(await findPlace(6, new Map([[1, "50"], [4, "200"], [8, "400"]]), skim)).toEqual({ after: "300" });
    expect(asked).toEqual([[100, "200"]]);
    expect(await findPlace(4, new Map([[4, "200"]]), skim)).toEqual({ after: "200" });
    expect(asked).toHaveLength(1);
  });
  it("beyond the end says how many pages there are", async () => {
    expect(await findPlace(3, new Map(), listOf(150).skim)).toEqual({ pages: 3 });
    expect(await findPlace(2, new Map(), listOf(150).skim)).toEqual({ after: "100" });
    expect(await findPlace(5, new Map(), listOf(0).skim)).toEqual({ pages: 1 });
  });
  it("counts a page for the rest", () => expect([0, 1, 50, 51, 10_234].map(pagesOf)).toEqual([1, 1, 1, 2, 205]));
});

describe("the text of a search", () => {
  it("is a part of the name", () => {
    expect(readSearch("  pump 7 ")).toEqual({ name: "pump 7" });
    expect(readSearch("")).toEqual({});
  });
  it("asks for metadata by pairs, beside the name", () => {
    expect(readSearch('pump area="Station 3" floor=2 spare=true')).toEqual({ name: "pump", metadata: { area: "Station 3", floor: 2, spare: true } });
    expect(readSearch('floor="2"')).toEqual({ metadata: { floor: "2" } });
    expect(readSearch("site.unit=A2 site.row=7")).toEqual({ metadata: { site: { unit: "A2", row: 7 } } });
    expect(readSearch("орналасуы=Қаратон")).toEqual({ metadata: { орналасуы: "Қаратон" } });
  });
  it("leaves alone what is no pair", () => {
    expect(readSearch("a = b")).toEqual({ name: "a = b" });
    expect(readSearch("=5")).toEqual({ name: "=5" });
    expect(readSearch("serial=007")).toEqual({ metadata: { serial: "007" } });
  });
  it("makes no prototype out of a key", () => {
    const { metadata } = readSearch("__proto__.admin=true");
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
    expect(metadata === undefined || typeof metadata === "object").toBe(true);
  });
});
