import type { Alarm, AlarmChangeEvent, JournalEntry } from "../api/types";

/** The alarms of this desk: one snapshot, then every change in order. Nothing is merged or skipped. */
export interface Book {
  alarms: ReadonlyMap<string, Alarm>;
  /** Cursor of the last event seen: what a resumed subscription starts after. */
  cursor: string | null;
  /** The last alarms that left the list, newest first. */
  returned: readonly Alarm[];
  /** What happened in the events that made this book out of the one before, oldest first: a live region speaks it. */
  heard: readonly JournalEntry[];
  loaded: boolean;
  /** All alarms are here; before, those that come first may be. */
  whole: boolean;
}

export const EMPTY: Book = { alarms: new Map(), cursor: null, returned: [], heard: [], loaded: false, whole: false };
const KEEP_RETURNED = 5;

/** The book after some events, in their order. An event seen twice (a resume may overlap) leaves it as it is. */
export function apply(book: Book, events: readonly AlarmChangeEvent[]): Book {
  const alarms = new Map(book.alarms);
  const heard: JournalEntry[] = [];
  let { cursor, returned, loaded, whole } = book;
  for (const event of events) {
    cursor = event.cursor;
    if (event.kind === "SNAPSHOT") {
      alarms.clear();
      for (const alarm of event.alarms ?? []) if (alarm.state !== "NORMAL") alarms.set(alarm.id, alarm);
      loaded = true;
      whole = true;
    } else if (event.alarm && !isOlder(event.alarm, alarms.get(event.alarm.id))) {
      returned = place(alarms, returned, event.alarm);
      loaded = true;
      if (event.change) heard.push(event.change);
    }
  }
  return { alarms, cursor, returned, heard, loaded, whole };
}

/** The alarms that come first, until the snapshot of all of them is here. What is known already stays. */
export function begin(book: Book, first: readonly Alarm[]): Book {
  if (book.whole) return book;
  const alarms = new Map(first.map((alarm) => [alarm.id, alarm]));
  for (const [id, alarm] of book.alarms) if (!isOlder(alarm, alarms.get(id))) alarms.set(id, alarm);
  return { ...book, alarms, heard: [], loaded: true };
}

/** The book after an answer to this desk's own action, which may come before its event. */
export function put(book: Book, alarm: Alarm): Book {
  if (isOlder(alarm, book.alarms.get(alarm.id))) return book;
  const alarms = new Map(book.alarms);
  const returned = place(alarms, book.returned, alarm);
  return { ...book, alarms, returned, heard: [] };
}

/** Puts one alarm into the map, or takes it out when it is normal again; answers who returned last. */
function place(alarms: Map<string, Alarm>, returned: readonly Alarm[], alarm: Alarm): readonly Alarm[] {
  if (alarm.state !== "NORMAL") {
    alarms.set(alarm.id, alarm);
    return returned;
  }
  alarms.delete(alarm.id);
  return [alarm, ...returned.filter((other) => other.id !== alarm.id)].slice(0, KEEP_RETURNED);
}

function isOlder(alarm: Alarm, held: Alarm | undefined): boolean {
  return held !== undefined && BigInt(alarm.revision) < BigInt(held.revision);
}
