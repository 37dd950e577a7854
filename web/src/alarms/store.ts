import { documents, subscribe } from "../api/request";
import { caughtUp } from "../api/socket";
import type { Alarm, AlarmChangeEvent } from "../api/types";
import { signal } from "../lib/signal";
import { apply, type Book, EMPTY, put } from "./book";
import { askTitles, forgetTitles, titled, titles } from "./titles";

export const book = signal<Book>(EMPTY);
export const alarmFeedError = signal<string | null>(null);

/** Every change is applied, but in a flood the page is drawn anew at most so often. A lone change is drawn at once. */
const DRAW_MS = 100;
let pending: AlarmChangeEvent[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let drawnAt = 0;

function take(event: AlarmChangeEvent): void {
  pending.push(event);
  timer ??= setTimeout(draw, Math.max(0, drawnAt + DRAW_MS - Date.now()));
}

function draw(): void {
  clearTimeout(timer);
  timer = undefined;
  if (pending.length === 0) return;
  const events = pending;
  pending = [];
  drawnAt = Date.now();
  const alarms = events.flatMap((event) => event.alarms ?? (event.alarm ? [event.alarm] : []));
  askTitles(alarms);
  book.set(apply(book.get(), events.map(named)));
}

/** Follows `alarmChanges` for as long as somebody is signed in; after a cut it asks for what came after its cursor. */
export function followAlarms(): () => void {
  const stop = subscribe<{ alarmChanges: AlarmChangeEvent }>(
    documents.alarmChanges,
    {},
    ({ alarmChanges }) => {
      countCaughtUp(alarmChanges);
      alarmFeedError.set(null);
      take(alarmChanges);
    },
    (error) => alarmFeedError.set(error.message),
    () => {
      // What has come but is not drawn yet is not asked for again.
      draw();
      return { after: book.get().cursor };
    },
  );
  const stopTitles = titles.subscribe(() => {
    const before = book.get();
    book.set({ ...before, alarms: new Map([...before.alarms].map(([id, alarm]) => [id, withTitle(alarm)])), heard: [] });
  });
  return () => {
    stop();
    stopTitles();
    clearTimeout(timer);
    timer = undefined;
    pending = [];
    forgetTitles();
    book.set(EMPTY);
  };
}

function withTitle(alarm: Alarm): Alarm {
  return alarm.message.includes("`") ? { ...alarm, message: titled(alarm.message, alarm.thing?.id) } : alarm;
}

function named(event: AlarmChangeEvent): AlarmChangeEvent {
  return {
    ...event,
    alarms: event.alarms?.map(withTitle) ?? null,
    alarm: event.alarm && withTitle(event.alarm),
    change: event.change && { ...event.change, message: titled(event.change.message, event.change.thing?.id) },
  };
}

/** Changes older than the return of the link were missed and are now caught up. */
function countCaughtUp(event: AlarmChangeEvent): void {
  const notice = caughtUp.get();
  if (!notice) return;
  if (event.kind === "SNAPSHOT") caughtUp.set({ ...notice, snapshot: true });
  else if (event.change && Date.parse(event.change.at) <= notice.at) caughtUp.set({ ...notice, changes: notice.changes + 1 });
}

export function keep(alarm: Alarm): void {
  draw();
  book.set(put(book.get(), withTitle(alarm)));
}
