import { describe, expect, it } from "vitest";
import type { Alarm, JournalEntry, ModelVersion, OverviewThing, Series, SeriesLimit } from "../src/api/types";
import { spansOf } from "../src/asset/spans";
import { deviceStep, deviceWord } from "../src/fleet/fleetState";
import { lineage } from "../src/models/lineage";
import { assetRows, closestToLimit } from "../src/overview/rows";
import { diffLines, foldUnchanged, meaningChanges } from "../src/parts/diffLines";
import { excursionOf, margin, scaleOf } from "../src/parts/scale";
import { definitionOf, type Draft, emptyDraft, problemOf, rebase } from "../src/rules/draft";

const limit = (kind: SeriesLimit["kind"], value: number, priority: SeriesLimit["priority"] = "P2"): SeriesLimit => ({ kind, limit: value, priority, rule: "r" });
const series = (name: string, value: number | null, limits: SeriesLimit[] = []): Series => ({ id: name, name, subtopic: "", unit: "", tag: null, limits, channel: null, latest: { time: "2026-11-24T09:00:00Z", receivedAt: "2026-11-24T09:00:00Z", number: value, text: null, boolean: null, quality: "GOOD" } });

describe("a value between its limits", () => {
  const limits = [limit("HI", 4.5, "P2"), limit("HI_HI", 7.1, "P1"), limit("LO", 1, "P3")];
  it("has a band between the nearest limits and a scale of its tag", () => {
    expect(scaleOf({ low: 0, high: 9 }, limits)).toMatchObject({ low: 0, high: 9, bandLow: 1, bandHigh: 4.5 });
    expect(scaleOf(null, [])).toBeNull();
  });
  it("fills from the mildest limit crossed, in the colour of the worst", () => {
    expect(excursionOf(8, limits)).toMatchObject({ worst: { priority: "P1" }, from: 4.5 });
    expect(excursionOf(0.5, limits)).toMatchObject({ worst: { kind: "LO" }, from: 1 });
    expect(excursionOf(3, limits)).toBeNull();
  });
  it("measures the margin as a share of the span, negative beyond", () => {
    const scale = scaleOf({ low: 0, high: 10 }, [limit("HI", 8)])!;
    expect(margin(6, scale)).toBeCloseTo(0.2);
    expect(margin(9, scale)).toBeCloseTo(-0.1);
  });
  it("chooses the measurement with the least margin, never a score", () => {
    const chosen = closestToLimit([series("flow", 50, [limit("HI", 100)]), series("vibration", 4.4, [limit("HI", 4.5)]), series("vibration.score", 9, [limit("HI", 0.6)])]);
    expect(chosen?.series.name).toBe("vibration");
  });
  it("keeps rows in the order of area and name, whatever their state", () => {
    const thing = (id: string, name: string, area: string): OverviewThing => ({ id, name, metadata: { area }, lastSeen: null, tags: [], deviceType: null, worstAlarm: null, models: [], series: { nodes: [series("x", 1)] } });
    const rows = assetRows([thing("1", "P-10", "B"), thing("2", "P-9", "B"), thing("3", "K-1", "A"), { ...thing("4", "gateway", "A"), series: { nodes: [] } }], []);
    expect(rows.map((row) => row.thing.name)).toEqual(["K-1", "P-9", "P-10"]);
  });
});

describe("a diff", () => {
  it("keeps both numberings and folds what is unchanged", () => {
    const before = Array.from({ length: 12 }, (_, i) => `line ${i}`).join("\n");
    const lines = foldUnchanged(diffLines(before, before.replace("line 6", "line six")));
    expect(lines[0]).toEqual({ folded: 4 });
    expect(lines.filter((line) => "kind" in line && line.kind !== "same")).toEqual([{ kind: "del", before: 7, after: null, text: "line 6" }, { kind: "add", before: null, after: 7, text: "line six" }]);
    expect(lines[lines.length - 1]).toEqual({ folded: 3 });
  });
  it("starts from nothing and ends in nothing", () => {
    expect(diffLines("", "a").map((line) => line.kind)).toEqual(["add"]);
    expect(diffLines("a", "").map((line) => line.kind)).toEqual(["del"]);
  });
  it("says what a changed scale does to history", () => {
    expect(meaningChanges([{ path: "/map/0/scale", before: 0.01, after: 0.001 }, { path: "/name", before: "a", after: "b" }])).toMatchObject([{ kind: "factor", values: { factor: "10" } }]);
  });
});

describe("a rule in the form", () => {
  const full: Draft = { ...emptyDraft("t1"), seriesName: "vibration", message: "High", action: "Look", levels: { ...emptyDraft("t1").levels, HI: { on: true, limit: "4.5", priority: "P2" } } };
  it("is ready with a target, a series, a level, a message and an action", () => expect(problemOf(full)).toBeNull());
  it.each([
    [{ action: " " }, "noAction"], [{ seriesName: "" }, "noSeries"], [{ thing: "" }, "noTarget"], [{ onDelaySeconds: "-1" }, "badNumber"], [{ deadmanSeconds: "x" }, "badNumber"],
    [{ levels: emptyDraft("").levels }, "noLevel"],
    [{ levels: { ...full.levels, HI: { on: true, limit: "4,5", priority: "P2" as const } } }, "badLimit"],
    [{ levels: { ...full.levels, HI_HI: { on: true, limit: "4", priority: "P1" as const } } }, "order"],
  ])("names what is missing: %j is %s", (patch, problem) => expect(problemOf({ ...full, ...patch })).toBe(problem));
  it("goes on top of what somebody else saved: only what was touched wins", () => {
    const hi = (limit: string) => ({ ...full.levels, HI: { on: true, limit, priority: "P2" as const } });
    const mine = { ...full, action: "Stop the pump", levels: { ...full.levels, LO: { on: true, limit: "1", priority: "P3" as const } } };
    const theirs = { ...full, action: "Call the crew", message: "Too high", levels: hi("4.2") };
    expect(rebase(full, mine, theirs)).toEqual({ ...full, action: "Stop the pump", message: "Too high", levels: { ...hi("4.2"), LO: mine.levels.LO } });
    expect(rebase(full, full, theirs)).toEqual(theirs);
  });
  it("becomes the input of the API in its units", () => {
    expect(definitionOf({ ...full, onDelaySeconds: "1.5", deadmanSeconds: "20", respondMinutes: "30" })).toMatchObject({ name: "High", onDelayMs: 1500, deadman: { periodMs: 20_000, priority: "P3" }, timeToRespondMs: 1_800_000, levels: [{ kind: "HI", limit: 4.5, priority: "P2" }], deviceType: null });
  });
});

describe("spans of the alarm lane", () => {
  const at = (minute: number) => new Date(minute * 60_000).toISOString();
  const entry = (kind: string, minute: number, occurrence = 1): JournalEntry => ({ cursor: `${minute}`, at: at(minute), alarm: "a", thing: null, kind, occurrence, priority: "P2", message: "m", value: null, limit: null, unit: "", who: "", text: null });
  it("pairs each activation with its return, and leaves a standing one open until now", () => {
    const spans = spansOf([entry("returned", 20), entry("activated", 10), entry("activated", 30, 2)], new Map(), new Set(["a"]), 0, 40 * 60_000);
    expect(spans.map((span) => [span.from / 60_000, span.to / 60_000, span.predicted])).toEqual([[10, 20, true], [30, 40, true]]);
  });
  it("draws an alarm that was raised before the window from its start", () => {
    const standing = { id: "b", occurrence: 3, returnedAt: null, state: "ACKNOWLEDGED", raisedAt: at(-100), priority: "P1", class: "PROCESS", message: "m" } as Alarm;
    expect(spansOf([], new Map([["b", standing]]), new Set(), 0, 60_000)).toMatchObject([{ from: 0, to: 60_000, priority: "P1", predicted: false }]);
  });
});

describe("fleet and models", () => {
  it("counts how far a device has come, and calls a silent one offline", () => {
    const device = { state: "ACTIVE" as const, bootstraps: 0, online: false, lastSeen: null };
    expect([deviceStep({ ...device, state: "INACTIVE" }), deviceStep(device), deviceStep({ ...device, bootstraps: 2 }), deviceStep({ ...device, online: true })]).toEqual([1, 2, 3, 4]);
    expect(deviceWord({ ...device, bootstraps: 2, lastSeen: "2026-11-24T09:00:00Z" })).toBe("offline");
  });
  it("lays versions by age, and a second child on a row of its own", () => {
    const version = (n: number, parent: number | null) => ({ version: n, parent }) as ModelVersion;
    const { nodes, rows } = lineage([version(3, 1), version(1, null), version(2, 1)]);
    expect(nodes.map((node) => [node.version.version, node.column, node.row])).toEqual([[1, 0, 0], [2, 1, 0], [3, 2, 1]]);
    expect(rows).toBe(2);
  });
});
