import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { book } from "../alarms/store";
import type { JournalEntry } from "../api/types";

const MERGE_MS = 5000;

/** Speaks new alarms to a screen reader: assertive for P1 and P2, polite otherwise; a flood becomes one sentence per 5 s. */
export function Announcer() {
  const { t } = useTranslation();
  const [spoken, setSpoken] = useState({ assertive: "", polite: "" });
  const pending = useRef<JournalEntry[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let lastAt = 0;
    const speak = () => {
      timer = undefined;
      lastAt = Date.now();
      const entries = pending.current;
      pending.current = [];
      const first = entries[0];
      if (!first) return;
      const urgent = entries.some((entry) => entry.priority === "P1" || entry.priority === "P2");
      const text = entries.length === 1 ? t("announce.one", { digit: first.priority.slice(1), name: first.thing?.name ?? "", message: first.message }) : t("announce.many", { count: entries.length });
      setSpoken(urgent ? { assertive: text, polite: "" } : { assertive: "", polite: text });
    };
    const stop = book.subscribe(() => {
      const raised = book.get().heard.filter(({ kind }) => kind === "activated" || kind === "re_alarmed" || kind === "escalated");
      if (raised.length === 0) return;
      pending.current.push(...raised);
      timer ??= setTimeout(speak, Math.max(0, lastAt + MERGE_MS - Date.now()));
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [t]);
  return (
    // The mark keeps it in the accessibility tree while a dialog or a menu hides the rest of the page.
    <div data-live-announcer="true">
      <div className="hidden-text" aria-live="assertive">{spoken.assertive}</div>
      <div className="hidden-text" aria-live="polite">{spoken.polite}</div>
    </div>
  );
}
