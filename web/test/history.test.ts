import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { en } from "../src/i18n/en";
import { kk } from "../src/i18n/kk";
import { ru } from "../src/i18n/ru";
import type { HistoryEntry } from "../src/api/types";
import { historySentence, whoWords } from "../src/history/words";

const t = ((key: string, options?: { defaultValue?: string }) => en[key] ?? options?.defaultValue ?? key) as never;
const entry: HistoryEntry = { entity: "ALARM_RULE", id: "1", name: "vibration", revision: "2", at: "2026-01-01T00:00:00Z", who: "ann@plant.example", type: "alarm_rule.updated", note: null, changes: [] };

describe("what happened, in words", () => {
  it("says the one small value that an update changed", () => {
    const changes = [{ path: "/definition/off_delay_ms", before: 3000, after: 4000 }];
    expect(historySentence({ ...entry, changes }, t)).toBe("off delay ms 3000 → 4000");
  });
  it("says the kind of any other event, with its note", () => {
    expect(historySentence({ ...entry, type: "model.promoted", note: "after the overhaul" }, t)).toBe("Version taken live: after the overhaul");
  });
  it("falls back to the type of an event that has no words", () => {
    expect(historySentence({ ...entry, type: "thing.turned_green" }, t)).toBe("Thing turned green");
  });
  it("names a person by what stands before the @ and a part of the server in words", () => {
    expect(whoWords("ann@plant.example", t)).toBe("ann");
    expect(whoWords("alarm_watch", t)).toBe("alarm watch");
    expect(whoWords("command line", t)).toBe("command line");
  });
  it("has words in every language for every event that a history can show", () => {
    const folder = new URL("../../actors/fixtures/events/", import.meta.url);
    const types = new Set(readdirSync(folder).map((name) => name.replace(/\.v\d+\.json$/, "")));
    const shown = [...types].filter((type) => !type.startsWith("alarm."));
    expect(shown.length).toBeGreaterThan(30);
    for (const words of [en, ru, kk]) expect(shown.filter((type) => !words[`event.${type}`])).toEqual([]);
  });
});
