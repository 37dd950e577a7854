import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Alarm } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge } from "../lib/format";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { Loading } from "../parts/Panel";
import { acknowledge } from "./actions";
import { Actions, CommentBox, Journal } from "./AlarmDrawer";
import { AlarmIndicator, AlarmValue } from "./AlarmTable";
import { NoAlarms } from "./NoAlarms";
import { isUnacknowledged } from "./order";
import { alarmName, stateWords } from "./words";

interface Props { rows: readonly Alarm[]; opened: string; onOpen: (id: string) => void; lists: ReactNode; loaded: boolean }
const MOST_ROWS = 200;

/** The list on a phone: a tap opens in place; the bar acknowledges the rows that are wholly in view. */
export function PhoneAlarms({ rows, opened, onOpen, lists, loaded }: Props) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const scroller = useRef<HTMLDivElement>(null);
  const [visible, setVisible] = useState<ReadonlySet<string>>(new Set());
  const ids = rows.map((row) => row.id).join(",");
  useEffect(() => {
    const root = scroller.current;
    if (!root) return;
    const seen = new Set<string>();
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const id = (entry.target as HTMLElement).dataset.row ?? "";
        if (entry.intersectionRatio >= 0.99) seen.add(id);
        else seen.delete(id);
      }
      setVisible(new Set(seen));
    }, { root, threshold: [0, 0.99] });
    for (const row of root.querySelectorAll("[data-row]")) observer.observe(row);
    return () => observer.disconnect();
  }, [ids]);
  const inView = rows.filter((row) => visible.has(row.id) && isUnacknowledged(row));
  const waiting = rows.filter(isUnacknowledged).length;
  return (
    <div className="phone-alarms">
      <h1 className="hidden-text">{t("nav.alarms")}</h1>
      <div className="phone-lists">{lists}</div>
      <div className="phone-scroll" ref={scroller} tabIndex={0}>
        {!loaded ? <Loading /> : rows.length === 0 ? <NoAlarms filtered={false} tab="active" /> : (
          <ul className="phone-rows">
            {rows.slice(0, MOST_ROWS).map((alarm) => <PhoneRow key={alarm.id} alarm={alarm} open={alarm.id === opened} onOpen={() => onOpen(alarm.id === opened ? "" : alarm.id)} />)}
          </ul>
        )}
      </div>
      {waiting > 0 && (
        <div className="phone-bar">
          <span><b>{waiting}</b> {t("nav.unacknowledged", { count: waiting }).replace(String(waiting), "").trim()}</span>
          <Button kind="primary" size="large" unavailable={may("acknowledge", who?.role) ? (inView.length === 0 ? t("alarms.nothingToAcknowledge") : null) : t("right.acknowledge")} onClick={() => void acknowledge(inView)}>{t("alarm.acknowledgeInView", { count: inView.length })}</Button>
        </div>
      )}
    </div>
  );
}

function PhoneRow({ alarm, open, onOpen }: { alarm: Alarm; open: boolean; onOpen: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(1000);
  const comment = useRef<HTMLInputElement>(null);
  return (
    <li data-row={alarm.id} className={isUnacknowledged(alarm) ? "row-unacknowledged" : ""}>
      <button type="button" className="phone-row" aria-expanded={open} onClick={onOpen}>
        <AlarmGlyph priority={alarm.priority} state={alarm.state} alarmClass={alarm.class} size={26} label={alarmName(alarm, t)} />
        <span className="phone-row-text">
          <span className="fit"><b>{alarm.thing?.name}</b> <span className="message">{alarm.message}</span></span>
          <span className="quiet fit">{alarm.seriesName}, {formatAge(now - Date.parse(alarm.raisedAt), language)}, {stateWords(alarm, t).toLowerCase()}</span>
        </span>
        <span className="phone-row-value"><span className="number"><AlarmValue alarm={alarm} /></span><AlarmIndicator alarm={alarm} width={74} /></span>
      </button>
      {open && (
        <div className="phone-detail">
          <dl className="texts">
            {alarm.consequence && <><dt>{t("alarm.consequence")}</dt><dd>{alarm.consequence}</dd></>}
            {alarm.action && <><dt>{t("alarm.do")}</dt><dd>{alarm.action}</dd></>}
          </dl>
          <Journal alarm={alarm} />
          <CommentBox alarm={alarm} inputRef={comment} />
          <Actions alarm={alarm} />
        </div>
      )}
    </li>
  );
}
