import { describe, expect, it } from "vitest";
import { Ring } from "../src/live/ring";
import { shownAs, staleAfter } from "../src/parts/quality";
import { gaps, indexAt, laneHz, lanePace, valueRange } from "../src/trend/shape";

describe("the ring of samples", () => {
  it("keeps the newest when it is full, in order", () => {
    const ring = new Ring(3);
    for (let i = 1; i <= 20; i++) ring.push(i, i * 10, 192);
    expect([...ring.view().t]).toEqual([18, 19, 20]);
    expect([...ring.view().v]).toEqual([180, 190, 200]);
  });
  it("refuses a sample that is not newer", () => {
    const ring = new Ring(4);
    expect(ring.push(5, 1, 192)).toBe(true);
    expect(ring.push(5, 2, 192)).toBe(false);
    expect(ring.push(4, 2, 192)).toBe(false);
    expect(ring.length).toBe(1);
  });
  it("turns a missing value into a gap", () => {
    const ring = new Ring(4);
    ring.fill([1, 2, 3], [1, null, 3], [192, 0, 192]);
    expect([...ring.view().v]).toEqual([1, Number.NaN, 3]);
  });
});

describe("quality", () => {
  const good = { t: 1000, v: 1, q: 192 };
  it("calls a value stale after three expected intervals", () => {
    expect(staleAfter(2000)).toBe(6000);
    expect(shownAs(good, 7000, 6000, false)).toBe("good");
    expect(shownAs(good, 7001, 6000, false)).toBe("stale");
  });
  it("makes every value stale when the link is lost, and lets bad win", () => {
    expect(shownAs(good, 1000, 6000, true)).toBe("stale");
    expect(shownAs({ ...good, q: 0 }, 1000, 6000, true)).toBe("bad");
    expect(shownAs({ ...good, v: null }, 1000, 6000, false)).toBe("bad");
    expect(shownAs({ ...good, q: 64 }, 1000, 6000, false)).toBe("uncertain");
    expect(shownAs(undefined, 0, 1, false)).toBe("none");
  });
});

describe("the pace of a lane", () => {
  it("takes ten samples a second within five minutes, and fewer the longer the window", () => {
    expect([60_000, 300_000, 900_000, 3_600_000, 86_400_000].map((range) => laneHz(range, 900))).toEqual([10, 10, 2, 0.5, 0.5]);
  });
  it("draws by whole pixels, at most ten times a second", () => {
    expect(lanePace(60_000, 900)).toBe(100);
    expect(lanePace(900_000, 900)).toBe(1000);
    expect(lanePace(900_000, 0)).toBe(4500);
  });
});

describe("the shape of a lane", () => {
  const times = (list: number[]) => Float64Array.from(list);
  it("finds silence, bad stretches and a silent end", () => {
    const t = times([0, 1000, 2000, 12_000, 13_000, 14_000]);
    const v = times([1, 1, 1, 1, Number.NaN, 1]);
    const q = Uint8Array.from([192, 192, 192, 192, 0, 192]);
    expect(gaps(t, v, q, 1000, 0, 60_000)).toEqual([
      { from: 2000, to: 12_000, reason: "missing" }, { from: 13_000, to: 14_000, reason: "bad" }, { from: 14_000, to: 60_000, reason: "missing" },
    ]);
  });
  it("takes a near limit into the axis and leaves a far one out", () => {
    const near = valueRange(times([2, 3]), [{ kind: "HI", limit: 4.5, priority: "P2", rule: "" }]);
    expect(near.high).toBeGreaterThan(4.5);
    const far = valueRange(times([2, 3]), [{ kind: "HI", limit: 4000, priority: "P2", rule: "" }]);
    expect(far.high).toBeLessThan(4);
  });
  it("finds the sample at or before a time", () => {
    const t = times([10, 20, 30]);
    expect([9, 10, 25, 99].map((at) => indexAt(t, at))).toEqual([-1, 0, 1, 2]);
  });
});
