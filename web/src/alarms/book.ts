import type { Alarm, AlarmChangeEvent, JournalEntry } from "../api/types";

/** The alarms of this desk: one snapshot, then every change in order. Nothing is merged or skipped. */
export interface Book {
  alarms: ReadonlyMap<string, Alarm>;
  /** Cursor of the last event seen: what a resumed subscription starts after. */
  cursor: string | null;
  /** The last alarms that left the list, newest first. */
  returned: readonly Alarm[];
  /** Changes seen since the page was opened; a live region speaks the newest. */
  changes: number;
  last: JournalEntry | null;
  loaded: boolean;
}

export const EMPTY: Book = { alarms: new Map(), cursor: null, returned: [], changes: 0, last: null, loaded: false };
const KEEP_RETURNED = 5;

/** The book after one event. An event seen twice (a resume may overlap) leaves it as it is. */
export function apply(book: Book, event: AlarmChangeEvent): Book {
  if (event.kind === "SNAPSHOT") {
    const alarms = new Map((event.alarms ?? []).filter((alarm) => alarm.state !== "NORMAL").map((alarm) => [alarm.id, alarm]));
    return { ...book, alarms, cursor: event.cursor, loaded: true };
  }
  const { alarm, change } = event;
  if (!alarm) return { ...book, cursor: event.cursor };
  const held = book.alarms.get(alarm.id);
  if (held && isOlder(alarm, held)) return { ...book, cursor: event.cursor };
  return { ...put(book, alarm), cursor: event.cursor, changes: book.changes + 1, last: change, loaded: true };
}

/** The book after an answer to this desk's own action, which may come before its event. */
export function put(book: Book, alarm: Alarm): Book {
  const held = book.alarms.get(alarm.id);
  if (held && isOlder(alarm, held)) return book;
  const alarms = new Map(book.alarms);
  if (alarm.state !== "NORMAL") {
    alarms.set(alarm.id, alarm);
    return { ...book, alarms };
  }
  alarms.delete(alarm.id);
  const returned = [alarm, ...book.returned.filter((other) => other.id !== alarm.id)].slice(0, KEEP_RETURNED);
  return { ...book, alarms, returned };
}

function isOlder(alarm: Alarm, held: Alarm): boolean {
  return BigInt(alarm.revision) < BigInt(held.revision);
}
