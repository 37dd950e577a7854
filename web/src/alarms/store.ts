import { documents, request, subscribe } from "../api/request";
import { caughtUp } from "../api/socket";
import type { Alarm, AlarmChangeEvent, AlarmCounts } from "../api/types";
import { signal } from "../lib/signal";
import { apply, begin, type Book, EMPTY, put } from "./book";
import { knowTally, tallyFrom, tallyOf } from "./order";
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
  const control = new AbortController();
  askFirst(control.signal);
  const stopTitles = titles.subscribe(() => {
    const before = book.get();
    show({ ...before, alarms: new Map([...before.alarms].map(([id, alarm]) => [id, withTitle(alarm)])), heard: [] });
  });
  return () => {
    stop();
    control.abort();
    stopTitles();
    clearTimeout(timer);
    timer = undefined;
    pending = [];
    forgetTitles();
    book.set(EMPTY);
  };
}

/** The snapshot of a flood is megabytes long; the alarms that come first and the counts of all are not. */
function askFirst(signal: AbortSignal): void {
  request<{ alarms: { nodes: Alarm[] }; alarmCounts: AlarmCounts }>(documents.firstAlarms, {}, signal).then(
    (answer) => {
      const before = book.get();
      if (before.whole || signal.aborted) return;
      askTitles(answer.alarms.nodes);
      const next = begin(before, answer.alarms.nodes.map(withTitle));
      knowTally(next.alarms, tallyFrom(answer.alarmCounts));
      book.set(next);
    },
    // The snapshot is on its way, and says for itself what fails.
    () => undefined,
  );
}

/** Shows another state of the book; while it is not whole, the counts are the server's. */
function show(next: Book): void {
  const before = book.get();
  if (!next.whole && before.loaded) knowTally(next.alarms, tallyOf(before.alarms));
  book.set(next);
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
  show(put(book.get(), withTitle(alarm)));
}
