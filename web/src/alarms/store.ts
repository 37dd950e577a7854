import { documents, subscribe } from "../api/request";
import { caughtUp } from "../api/socket";
import type { Alarm, AlarmChangeEvent } from "../api/types";
import { signal } from "../lib/signal";
import { apply, type Book, EMPTY, put } from "./book";

export const book = signal<Book>(EMPTY);
export const alarmFeedError = signal<string | null>(null);

/** Follows `alarmChanges` for as long as somebody is signed in; after a cut it asks for what came after its cursor. */
export function followAlarms(): () => void {
  const stop = subscribe<{ alarmChanges: AlarmChangeEvent }>(
    documents.alarmChanges,
    {},
    ({ alarmChanges }) => {
      countCaughtUp(alarmChanges);
      alarmFeedError.set(null);
      book.set(apply(book.get(), alarmChanges));
    },
    (error) => alarmFeedError.set(error.message),
    () => ({ after: book.get().cursor }),
  );
  return () => {
    stop();
    book.set(EMPTY);
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
  book.set(put(book.get(), alarm));
}
