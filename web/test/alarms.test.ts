import { describe, expect, it } from "vitest";
import { apply as applyAll, begin, type Book, EMPTY, put } from "../src/alarms/book";
import { alarmsOf, between, byUrgency, sortAgain, tabOf, tally, tallyFrom, tallyOf, worstOf, worstUnacknowledged } from "../src/alarms/order";
import { titled, titleOf } from "../src/alarms/titles";
import type { Alarm, AlarmChangeEvent, JournalEntry } from "../src/api/types";

function alarm(id: string, patch: Partial<Alarm> = {}): Alarm {
  return {
    id, state: "UNACKNOWLEDGED", priority: "P2", class: "PROCESS", cause: "HI", latching: false, thing: { id: "t1", name: "P-101", metadata: {} }, seriesName: "vibration", series: null, rule: null,
    occurrence: 1, message: "high", consequence: "", action: "", timeToRespondMs: null, value: 5, limit: 4.5, unit: "mm/s", quality: "GOOD", sourceTime: "2026-11-24T09:00:00Z", receivedAt: "2026-11-24T09:00:00Z",
    raisedAt: "2026-11-24T09:00:00Z", returnedAt: null, acknowledgedAt: null, acknowledgedBy: null, reAlarmCount: 0, shelvedUntil: null, shelvedReason: null, outOfServiceReason: null, suppressedBy: null, comments: [], contributions: [], revision: 1, ...patch,
  };
}
const entry = { kind: "activated" } as JournalEntry;
const snapshot = (cursor: string, alarms: Alarm[]): AlarmChangeEvent => ({ cursor, kind: "SNAPSHOT", alarms, change: null, alarm: null });
const changed = (cursor: string, one: Alarm): AlarmChangeEvent => ({ cursor, kind: "CHANGE", alarms: null, change: entry, alarm: one });
const apply = (book: Book, ...events: AlarmChangeEvent[]) => applyAll(book, events);
const states = (book: Book) => Object.fromEntries([...book.alarms].map(([id, one]) => [id, one.state]));

describe("the book of alarms", () => {
  it("starts from the snapshot and keeps its cursor", () => {
    const book = apply(EMPTY, snapshot("7", [alarm("a"), alarm("b", { state: "NORMAL" })]));
    expect(states(book)).toEqual({ a: "UNACKNOWLEDGED" });
    expect(book).toMatchObject({ cursor: "7", loaded: true });
  });
  it("shows the alarms that come first until the snapshot of all is here, and never after it", () => {
    const first = begin(EMPTY, [alarm("a")]);
    expect(first).toMatchObject({ loaded: true, whole: false, cursor: null });
    const acknowledged = put(first, alarm("a", { state: "ACKNOWLEDGED", revision: 2 }));
    expect(states(begin(acknowledged, [alarm("a"), alarm("b")]))).toEqual({ a: "ACKNOWLEDGED", b: "UNACKNOWLEDGED" });
    const whole = apply(first, snapshot("7", [alarm("b"), alarm("c")]));
    expect(whole).toMatchObject({ whole: true, cursor: "7" });
    expect(states(begin(whole, [alarm("a")]))).toEqual({ b: "UNACKNOWLEDGED", c: "UNACKNOWLEDGED" });
  });
  it("takes the counts of the server until then", () => {
    const counts = tallyFrom({ priorities: [{ priority: "P1", active: 3, unacknowledged: 1 }, { priority: "P2", active: "4", unacknowledged: 0 }], shelved: 2, suppressed: 0, outOfService: 5, predictive: 1 });
    expect(counts).toMatchObject({ unacknowledged: 1, tabs: { active: 7, shelved: 2, outOfService: 5, predicted: 1 } });
    expect(counts.priorities.P2).toEqual({ active: 4, unacknowledged: 0 });
    expect(counts.priorities.P3).toEqual({ active: 0, unacknowledged: 0 });
  });
  it("applies each change in order and moves the cursor", () => {
    const first = apply(EMPTY, snapshot("7", [alarm("a")]));
    const second = apply(first, changed("8", alarm("a", { state: "ACKNOWLEDGED", revision: 2 })));
    const third = apply(second, changed("9", alarm("c", { priority: "P1" })));
    expect(states(third)).toEqual({ a: "ACKNOWLEDGED", c: "UNACKNOWLEDGED" });
    expect(third).toMatchObject({ cursor: "9", heard: [entry] });
  });
  it("takes an alarm off the list when it is normal, and remembers it among the last five", () => {
    let book = apply(EMPTY, snapshot("0", []));
    for (let i = 0; i < 7; i++) book = apply(apply(book, changed(`${i}a`, alarm(`x${i}`))), changed(`${i}b`, alarm(`x${i}`, { state: "NORMAL", revision: 2 })));
    expect(book.alarms.size).toBe(0);
    expect(book.returned.map((one) => one.id)).toEqual(["x6", "x5", "x4", "x3", "x2"]);
  });
  it("leaves the state as it is when a resume repeats an older change", () => {
    const book = put(apply(EMPTY, snapshot("7", [])), alarm("a", { state: "ACKNOWLEDGED", revision: 5 }));
    const again = apply(book, changed("8", alarm("a", { state: "UNACKNOWLEDGED", revision: 4 })));
    expect(states(again)).toEqual({ a: "ACKNOWLEDGED" });
    expect(again.cursor).toBe("8");
  });
  it("replaces everything where the cursor was too old and a new snapshot came", () => {
    const book = apply(apply(EMPTY, snapshot("7", [alarm("a")])), snapshot("900", [alarm("b")]));
    expect(states(book)).toEqual({ b: "UNACKNOWLEDGED" });
    expect(book.cursor).toBe("900");
  });
  it("is the same after many events at once as after each by itself, and has heard all of them", () => {
    const events = [snapshot("1", [alarm("a"), alarm("b")]), changed("2", alarm("a", { state: "NORMAL", revision: 2 })), changed("3", alarm("c")), changed("4", alarm("c", { state: "ACKNOWLEDGED", revision: 2 }))];
    const once = apply(EMPTY, ...events);
    const each = events.reduce((book, event) => apply(book, event), EMPTY);
    expect(states(once)).toEqual(states(each));
    expect(once).toMatchObject({ cursor: each.cursor, returned: each.returned });
    expect(once.heard).toHaveLength(3);
  });
  it("compares revisions beyond 2^53, which come as texts", () => {
    const book = put(EMPTY, alarm("a", { revision: "9007199254740993", state: "ACKNOWLEDGED" }));
    expect(states(put(book, alarm("a", { revision: "9007199254740992" })))).toEqual({ a: "ACKNOWLEDGED" });
  });
});

describe("sorting again", () => {
  // A small generator of its own, so that a failure comes back.
  const numbers = (seed: number) => () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  it("gives what sorting anew gives, after any changes, comings and goings", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const next = numbers(seed);
      const some = (name: string) => alarm(name, { priority: (["P1", "P2", "P3", "P4"] as const)[Math.floor(next() * 4)] ?? "P1", state: next() < 0.5 ? "UNACKNOWLEDGED" : "ACKNOWLEDGED", raisedAt: `2026-11-24T09:00:0${Math.floor(next() * 4)}Z` });
      let now = Array.from({ length: Math.floor(next() * 40) }, (_, index) => some(`a${index}`));
      let sorted = sortAgain([], now);
      for (let turn = 0; turn < 5; turn++) {
        now = now.filter(() => next() < 0.9).map((one) => (next() < 0.2 ? some(one.id) : one));
        if (next() < 0.7) now = [...now, some(`b${turn}`)];
        sorted = sortAgain(sorted, now);
        expect(sorted.map((one) => one.id), `seed ${seed}, turn ${turn}`).toEqual([...now].sort(byUrgency).map((one) => one.id));
      }
    }
  });
  it("counts one state of the book once, and another anew", () => {
    const alarms = new Map([["a", alarm("a")]]);
    expect(tallyOf(alarms)).toBe(tallyOf(alarms));
    expect(tallyOf(new Map([...alarms, ["b", alarm("b")]])).unacknowledged).toBe(2);
  });
});

describe("order and tally", () => {
  const list = [
    alarm("old", { raisedAt: "2026-11-24T08:00:00Z" }), alarm("new", { raisedAt: "2026-11-24T09:30:00Z" }), alarm("acked", { priority: "P1", state: "ACKNOWLEDGED" }),
    alarm("predicted", { class: "PREDICTIVE", priority: "P1" }), alarm("shelved", { state: "SHELVED", priority: "P1" }), alarm("fault", { class: "INSTRUMENT", state: "ACKNOWLEDGED" }),
  ];
  it("puts the unacknowledged first, then priority, then the newest", () => {
    expect([...list].sort(byUrgency).map((one) => one.id).slice(0, 3)).toEqual(["predicted", "new", "old"]);
  });
  it("keeps predictions and device faults out of the priorities", () => {
    const counts = tally(list);
    expect(counts.priorities.P2).toEqual({ active: 2, unacknowledged: 2 });
    expect(counts.priorities.P1).toEqual({ active: 1, unacknowledged: 0 });
    expect(counts.tabs).toEqual({ active: 3, predicted: 1, faults: 1, shelved: 1, suppressed: 0, outOfService: 0 });
    expect(counts.unacknowledged).toBe(2);
  });
  it("shows the process alarm in the bar before a prediction of higher priority", () => {
    expect(worstUnacknowledged(list)?.id).toBe("new");
    expect(worstUnacknowledged(list.filter((one) => one.class === "PREDICTIVE"))?.id).toBe("predicted");
    expect(worstUnacknowledged([alarm("a", { state: "ACKNOWLEDGED" })])).toBeNull();
  });
  it("gives a thing its own worst alarm, an active one before a shelved one", () => {
    expect(worstOf([alarm("s", { state: "SHELVED", priority: "P1" }), alarm("x", { priority: "P4", state: "ACKNOWLEDGED" })], "t1")?.id).toBe("x");
    expect(worstOf(list, "other")).toBeNull();
  });
  it("has a list for each state and class, and none for normal", () => {
    expect(tabOf(alarm("a", { state: "SUPPRESSED", class: "PREDICTIVE" }))).toBe("suppressed");
    expect(tabOf(alarm("a", { state: "NORMAL" }))).toBeNull();
  });
});

describe("one count and one index for each state of the book", () => {
  const alarms = new Map([alarm("a"), alarm("b", { thing: { id: "t2", name: "P-102", metadata: {} } }), alarm("c")].map((one) => [one.id, one]));
  it("is made once, however many ask", () => {
    expect(tallyOf(alarms)).toBe(tallyOf(alarms));
    expect(tallyOf(alarms)).toEqual(tally(alarms.values()));
    expect(alarmsOf(alarms, "t1").map((one) => one.id)).toEqual(["a", "c"]);
    expect(alarmsOf(alarms, "t9")).toEqual([]);
  });
});

describe("a selection with Shift", () => {
  const rows = ["a", "b", "c", "d"].map((id) => ({ id }));
  it("reaches from where it began to the focus, either way, and shrinks again", () => {
    expect(between(rows, "b", "d")).toEqual(["b", "c", "d"]);
    expect(between(rows, "b", "c")).toEqual(["b", "c"]);
    expect(between(rows, "b", "a")).toEqual(["a", "b"]);
    expect(between(rows, null, "c")).toEqual(["c"]);
    expect(between(rows, "gone", "c")).toEqual(["c"]);
  });
});

describe("names in a text of a model", () => {
  const known = new Map([["t1", new Map([["vibration_de", "Vibration, drive end"]])]]);
  it("are the titles of the tags, where the thing has them", () => {
    expect(titled("most of all `vibration_de`", "t1", known)).toBe("most of all Vibration, drive end");
    expect(titled("most of all `flow`", "t1", known)).toBe("most of all flow");
    expect(titled("most of all `vibration_de`", "t2", known)).toBe("most of all `vibration_de`");
    expect(titleOf("vibration_de", "t1", known)).toBe("Vibration, drive end");
    expect(titleOf("flow", "t1", known)).toBe("flow");
  });
});
