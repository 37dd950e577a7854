import { type KeyboardEvent, useDeferredValue, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { book } from "../alarms/store";
import { documents } from "../api/request";
import type { Json } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useKey } from "../lib/keys";
import { navigate } from "../lib/router";
import { useSignal } from "../lib/signal";
import { describe } from "../lib/things";
import { Icon } from "../parts/Icon";
import { PLACES } from "./routes";

interface Hit { id: string; to: string; name: string; note: string }
const MOST = 10;

/** Ctrl K: assets, active alarms and pages by name. */
export function Search() {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const wanted = useDeferredValue(text.trim());
  const { alarms } = useSignal(book);
  const found = useQuery<{ things: { nodes: { id: string; name: string; metadata: Json }[] } }>(wanted.length > 0 ? documents.findThings : null, { name: wanted });
  useKey("Ctrl K", t("keys.search"), () => input.current?.focus());

  const lower = wanted.toLowerCase();
  const hits: Hit[] = wanted === "" ? [] : [
    ...(found.data?.things.nodes ?? []).map((thing) => ({ id: thing.id, to: `/assets/${thing.id}`, name: thing.name, note: describe(thing.metadata).title })),
    ...[...alarms.values()].filter((alarm) => alarm.message.toLowerCase().includes(lower)).map((alarm) => ({ id: alarm.id, to: `/alarms?alarm=${alarm.id}`, name: alarm.message, note: alarm.thing?.name ?? "" })),
    ...PLACES.filter((place) => t(place.label).toLowerCase().includes(lower)).map((place) => ({ id: place.path, to: place.path, name: t(place.label), note: t("search.page") })),
  ].slice(0, MOST);

  const go = (hit: Hit | undefined) => {
    if (!hit) return;
    navigate(hit.to);
    setText("");
    setOpen(false);
    input.current?.blur();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt((n) => Math.min(hits.length - 1, n + 1));
    else if (event.key === "ArrowUp") setAt((n) => Math.max(0, n - 1));
    else if (event.key === "Enter") go(hits[at]);
    else if (event.key === "Escape") {
      setText("");
      input.current?.blur();
    } else return;
    event.preventDefault();
  };
  const shown = open && wanted !== "";
  return (
    <div className="search" role="search">
      <Icon name="search" />
      <input ref={input} type="text" role="combobox" aria-expanded={shown} aria-controls={list} aria-autocomplete="list" aria-label={t("search.label")} placeholder={t("search.placeholder")}
        aria-activedescendant={shown && hits[at] ? `${list}-${at}` : undefined} value={text} autoComplete="off" spellCheck={false}
        onChange={(event) => { setText(event.target.value); setAt(0); setOpen(true); }} onFocus={() => setOpen(true)} onBlur={() => setOpen(false)} onKeyDown={onKeyDown} />
      <kbd className="key-cap">Ctrl K</kbd>
      <ul id={list} role="listbox" aria-label={t("search.label")} className="search-list" hidden={!shown}>
        {hits.map((hit, index) => (
          <li key={hit.to} id={`${list}-${index}`} role="option" aria-selected={index === at} onMouseDown={(event) => { event.preventDefault(); go(hit); }}>
            <b>{hit.name}</b> <span className="quiet">{hit.note}</span>
          </li>
        ))}
        {hits.length === 0 && <li role="option" aria-selected="false" aria-disabled="true" className="quiet">{found.loading ? t("panel.loading") : t("search.none")}</li>}
      </ul>
    </div>
  );
}
