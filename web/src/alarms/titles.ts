import { documents, request } from "../api/request";
import type { Alarm, Tag } from "../api/types";
import { signal } from "../lib/signal";

/** Tag titles by thing and series: a model names its signals by series, an operator knows them by title. */
export type Titles = ReadonlyMap<string, ReadonlyMap<string, string>>;
export const titles = signal<Titles>(new Map());

const asked = new Set<string>();

/** A text of the server with the series that it quotes said by their titles. */
export function titled(text: string, thing: string | undefined, known: Titles = titles.get()): string {
  const ofThing = thing === undefined ? undefined : known.get(thing);
  return text.replace(/`([^`]+)`/g, (quoted, name: string) => ofThing?.get(name) ?? (ofThing ? name : quoted));
}

export function titleOf(series: string, thing: string | undefined, known: Titles): string {
  return (thing === undefined ? undefined : known.get(thing)?.get(series)) ?? series;
}

/** Reads the tags of the things whose alarms quote series, once for each thing. */
export function askTitles(alarms: Iterable<Alarm>): void {
  for (const alarm of alarms) {
    const thing = alarm.thing?.id;
    if (thing === undefined || asked.has(thing) || (alarm.contributions.length === 0 && !alarm.message.includes("`"))) continue;
    asked.add(thing);
    request<{ thing: { tags: Pick<Tag, "series" | "title">[] } | null }>(documents.tagTitles, { id: thing }).then(
      (answer) => titles.set(new Map([...titles.get(), [thing, new Map((answer.thing?.tags ?? []).map((tag) => [tag.series, tag.title]))]])),
      () => asked.delete(thing),
    );
  }
}

export function forgetTitles(): void {
  asked.clear();
  titles.set(new Map());
}
