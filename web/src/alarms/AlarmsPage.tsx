import { useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Alarm, PRIORITIES, type Priority } from "../api/types";
import { useKey } from "../lib/keys";
import { preferences } from "../lib/preferences";
import { useQueryValue } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Loading } from "../parts/Panel";
import { SearchBox } from "../parts/SearchBox";
import { Select } from "../parts/Select";
import { useTitle } from "../shell/trail";
import "../styles/alarms.css";
import { usePhone } from "../lib/usePhone";
import { acknowledge } from "./actions";
import { AlarmDrawer } from "./AlarmDrawer";
import { AlarmTable, HEAD_HEIGHT, ROW_HEIGHT } from "./AlarmTable";
import { KpiStrip } from "./KpiStrip";
import { NoAlarms } from "./NoAlarms";
import { between, isUnacknowledged, sortAgain, type Tab, tabOf, TABS, tallyOf } from "./order";
import { PhoneAlarms } from "./PhoneAlarms";
import { ShelveDialog } from "./ShelveDialog";
import { book } from "./store";
import { useHeldOrder } from "./useHeldOrder";
import { PRINTED_ROWS, useRowWindow } from "./useRowWindow";

/** What must I do first? */
export default function AlarmsPage() {
  const { t } = useTranslation();
  const phone = usePhone();
  const { alarms, returned, loaded, whole } = useSignal(book);
  const [tab, setTab] = useQueryValue("list", "active");
  const [priority, setPriority] = useQueryValue("priority", "");
  const [text, setText] = useQueryValue("filter", "");
  const [opened, setOpened] = useQueryValue("alarm", "");
  const filter = useRef<HTMLInputElement>(null);
  const counts = tallyOf(alarms);
  const before = useRef<readonly Alarm[]>([]);
  const sorted = useMemo(() => {
    before.current = sortAgain(before.current, [...alarms.values()].filter((alarm) => tabOf(alarm) === tab && (priority === "" || alarm.priority === priority) && contains(alarm, text)));
    return before.current;
  }, [alarms, tab, priority, text]);
  useTitle(counts.unacknowledged > 0 ? `${counts.unacknowledged} ${t("nav.alarms")}` : t("nav.alarms"));
  useKey("F", t("keys.filter"), () => filter.current?.focus());
  // An alarm that returns while it is read stays in the drawer.
  const open = alarms.get(opened) ?? returned.find((alarm) => alarm.id === opened) ?? null;
  const tabs = TABS.map((id) => ({ id, label: t(`tab.${id}`), count: counts.tabs[id] }));
  const lists = <Choice label={t("alarms.lists")} options={tabs} value={tab as Tab} onChange={setTab} />;
  if (phone) return <PhoneAlarms rows={sorted} opened={opened} onOpen={setOpened} lists={lists} loaded={loaded && (whole || sorted.length > 0)} />;
  return (
    <div className="alarms-page">
      <h1 className="hidden-text">{t("nav.alarms")}</h1>
      <KpiStrip counts={counts} alarms={alarms} />
      <div className="toolbar">
        {lists}
        <span className="toolbar-right">
          <Select<Priority | ""> label={t("alarms.priority")} labelHidden value={priority as Priority | ""} onChange={setPriority}
            options={[{ id: "", label: t("alarms.allPriorities") }, ...PRIORITIES.map((id) => ({ id, label: t("alarm.priority", { digit: id.slice(1) }), mark: <AlarmGlyph priority={id} state="ACKNOWLEDGED" size={18} /> }))]} />
          <SearchBox label={t("alarms.filter")} keyCap="F" value={text} onChange={setText} inputRef={filter} />
        </span>
      </div>
      <div className="alarms-body">
        {!loaded || (!whole && sorted.length === 0) ? <Loading /> : sorted.length === 0 ? <NoAlarms filtered={priority !== "" || text !== ""} tab={tab as Tab} /> : <AlarmList sorted={sorted} whole={whole} open={open} onOpen={(id) => setOpened(id === opened ? "" : id)} />}
        {open && <AlarmDrawer key={open.id} alarm={open} onClose={() => setOpened("")} />}
      </div>
    </div>
  );
}

function contains(alarm: Alarm, text: string): boolean {
  if (text === "") return true;
  return `${alarm.thing?.name ?? ""} ${alarm.message} ${alarm.seriesName}`.toLowerCase().includes(text.toLowerCase());
}

function AlarmList({ sorted, whole, open, onOpen }: { sorted: readonly Alarm[]; whole: boolean; open: Alarm | null; onOpen: (id: string) => void }) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const { density } = useSignal(preferences);
  const scroller = useRef<HTMLDivElement>(null);
  const [hovered, setHovered] = useState(false);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [focused, setFocused] = useState<string | null>(null);
  const [shelving, setShelving] = useState<Alarm | null>(null);
  const { rows, waiting, release } = useHeldOrder(sorted, hovered && whole);
  const rowHeight = ROW_HEIGHT[density];
  const view = useRowWindow(rows.length, rowHeight, scroller, HEAD_HEIGHT);
  const anchor = useRef<string | null>(null);
  const inView = rows.slice(view.seen.first, view.seen.last).filter(isUnacknowledged);
  const chosen = rows.filter((alarm) => selected.has(alarm.id));
  const current = rows.find((alarm) => alarm.id === focused) ?? open ?? null;
  const targets = chosen.length > 0 ? chosen : current ? [current] : [];
  const acknowledgeable = targets.filter(isUnacknowledged);
  const operator = may("acknowledge", who?.role) ? null : t("right.acknowledge");
  const shelvable = targets.length === 1 ? (targets[0] ?? null) : null;
  const shelveOff = operator ?? (shelvable === null ? t("alarms.pickOne") : shelvable.priority === "P1" && !may("shelveP1", who?.role) ? t("right.shelveP1") : null);
  const ackOff = operator ?? (acknowledgeable.length === 0 ? t("alarms.nothingToAcknowledge") : null);
  useKey(acknowledgeable.length > 0 && !operator ? "A" : null, t("keys.acknowledge"), () => void acknowledge(acknowledgeable));
  useKey(inView.length > 0 && !operator ? "Shift A" : null, t("keys.acknowledgeInView"), () => void acknowledge(inView));
  useKey(shelveOff ? null : "S", t("keys.shelve"), () => setShelving(shelvable));
  useKey("C", t("keys.comment"), () => { if (current && !open) onOpen(current.id); });
  const toggle = (id: string) => {
    anchor.current = id;
    setSelected((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  };
  const extend = (id: string) => {
    anchor.current ??= focused;
    setSelected(new Set(between(rows, anchor.current, id)));
  };
  return (
    <div className="alarm-list">
      {waiting > 0 && <button type="button" className="new-above" onClick={release}>{t("alarms.newAbove", { count: waiting })}</button>}
      {!whole && <p className="list-reading" role="status">{t("alarms.reading", { shown: sorted.length })}</p>}
      <div className="alarm-scroll" ref={scroller} onPointerEnter={() => setHovered(true)} onPointerLeave={() => setHovered(false)}>
        <AlarmTable {...{ rows, scroller, rowHeight, view, selected, focused }} opened={open?.id ?? null} onFocus={setFocused} onWalk={() => { anchor.current = null; }} onToggle={toggle} onExtend={extend} onOpen={onOpen} />
      </div>
      {rows.length > PRINTED_ROWS && <p className="print-only">{t("alarms.printed", { shown: PRINTED_ROWS, count: rows.length })}</p>}
      <div className="action-bar">
        <span>{chosen.length > 0 ? t("alarms.selected", { count: chosen.length }) : current ? alarmShort(current) : t("alarms.noneSelected")}</span>
        <Button keyCap="A" unavailable={ackOff} onClick={() => void acknowledge(acknowledgeable)}>{acknowledgeable.length > 1 ? t("alarm.acknowledgeCount", { count: acknowledgeable.length }) : t("alarm.acknowledge")}</Button>
        <Button keyCap="S" unavailable={shelveOff} onClick={() => setShelving(shelvable)}>{t("alarm.shelve")}</Button>
        <Button keyCap="C" unavailable={current ? null : t("alarms.pickOne")} onClick={() => { if (current && !open) onOpen(current.id); }}>{t("alarm.comment")}</Button>
        <Button kind="primary" keyCap="Shift A" className="action-right" unavailable={operator ?? (inView.length === 0 ? t("alarms.nothingToAcknowledge") : null)} onClick={() => void acknowledge(inView)}>{t("alarm.acknowledgeInView", { count: inView.length })}</Button>
      </div>
      {shelving && <ShelveDialog alarm={shelving} onClose={() => setShelving(null)} />}
    </div>
  );
}

function alarmShort(alarm: Alarm): string {
  return [alarm.thing?.name, alarm.message].filter(Boolean).join(", ");
}
