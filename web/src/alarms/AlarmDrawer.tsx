import { type FormEvent, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { Alarm, JournalEntry, Series } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, useNow, zone } from "../lib/clock";
import { formatAge, formatNumber, formatSpan, formatStamp, writeUnit } from "../lib/format";
import { useKey } from "../lib/keys";
import { navigate } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { Drawer } from "../parts/Drawer";
import { LiveValue } from "../parts/LiveValue";
import { Asked, Section } from "../parts/Panel";
import { LaneStack } from "../trend/LaneStack";
import { acknowledge, comment, reset, returnToService, unshelve } from "./actions";
import { Contributions } from "./Contributions";
import { OutOfServiceDialog } from "./OutOfServiceDialog";
import { isUnacknowledged } from "./order";
import { ShelveDialog } from "./ShelveDialog";
import { alarmDecimals, alarmName, stateWords } from "./words";

const TREND_MS = 2_400_000;
const LATE_MS = 2000;

/** One alarm: what it is, its trend, why and what to do, and all that happened to it. */
export function AlarmDrawer({ alarm, onClose }: { alarm: Alarm; onClose: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(1000);
  const input = useRef<HTMLInputElement>(null);
  useKey("C", t("keys.comment"), () => input.current?.focus());
  const lanes = useMemo(() => (alarm.series ? [{ series: seriesOf(alarm) }] : []), [alarm]);
  const late = Date.parse(alarm.receivedAt) - Date.parse(alarm.sourceTime);
  const respond = alarm.timeToRespondMs === null ? null : Date.parse(alarm.raisedAt) + Number(alarm.timeToRespondMs) - now;
  return (
    <Drawer label={alarmName(alarm, t)} onClose={onClose} className="alarm-drawer">
      <header className="drawer-head">
        <AlarmGlyph priority={alarm.priority} state={alarm.state} alarmClass={alarm.class} size={34} />
        <div><h2 className="drawer-title">{alarm.message}</h2><p>{alarm.thing?.name}, {alarm.seriesName}. {stateWords(alarm, t)}</p></div>
      </header>
      <dl className="lead-facts">
        <div><dt>{t("alarm.valueNow")}</dt><dd>{alarm.series ? <LiveValue series={{ id: alarm.series.id, unit: alarm.unit, tag: alarm.series.tag }} size="lead" abnormal /> : <b>{formatNumber(alarm.value, alarmDecimals(alarm), language)} <span className="unit">{writeUnit(alarm.unit)}</span></b>}</dd></div>
        {alarm.limit !== null && <div><dt>{t("alarm.limit")}</dt><dd><b>{formatNumber(alarm.limit, alarmDecimals(alarm), language)}</b> <span className="unit">{writeUnit(alarm.unit)}</span></dd></div>}
        {respond !== null && <div><dt>{t("alarm.timeToRespond")}</dt><dd><b>{respond > 0 ? formatAge(respond, language) : t("alarm.overdue")}</b> <span className="unit">{t("alarm.of", { span: formatSpan(Number(alarm.timeToRespondMs), language) })}</span></dd></div>}
      </dl>
      {lanes.length > 0 && <LaneStack lanes={lanes} rangeMs={TREND_MS} paused={false} onPause={() => undefined} compact />}
      <dl className="texts">
        {alarm.consequence && <><dt>{t("alarm.consequence")}</dt><dd>{alarm.consequence}</dd></>}
        {alarm.action && <><dt>{t("alarm.do")}</dt><dd className="steps">{alarm.action}</dd></>}
        {alarm.shelvedReason && alarm.state === "SHELVED" && <><dt>{t("alarm.shelved")}</dt><dd>{alarm.shelvedReason}{alarm.shelvedUntil && `, ${t("shelve.until", { time: formatStamp(Date.parse(alarm.shelvedUntil), now, zone, language) })}`}</dd></>}
        {alarm.outOfServiceReason && alarm.state === "OUT_OF_SERVICE" && <><dt>{t("state.OUT_OF_SERVICE")}</dt><dd>{alarm.outOfServiceReason}</dd></>}
        {alarm.suppressedBy && <><dt>{t("state.SUPPRESSED")}</dt><dd>{alarm.suppressedBy}</dd></>}
        {late >= LATE_MS && <><dt>{t("alarm.received")}</dt><dd>{t("alarm.late", { age: formatAge(late, language) })}</dd></>}
      </dl>
      {alarm.contributions.length > 0 && <Contributions alarm={alarm} title={t("alarm.contributions")} />}
      <Journal alarm={alarm} />
      <CommentBox alarm={alarm} inputRef={input} />
      <Actions alarm={alarm} />
    </Drawer>
  );
}

function seriesOf(alarm: Alarm): Series {
  return { id: alarm.series?.id ?? "", name: alarm.seriesName, subtopic: "", unit: alarm.unit, tag: alarm.series?.tag ?? null, limits: alarm.series?.limits ?? [], latest: null, channel: null };
}

export function Journal({ alarm }: { alarm: Alarm }) {
  const { t } = useTranslation();
  const language = useLanguage();
  // Each change of the alarm is a new line of its journal.
  const query = useQuery<{ alarmJournal: { nodes: JournalEntry[] } }>(documents.journal, { alarm: alarm.id, first: 20 }, { turn: String(alarm.revision) });
  return (
    <Section title={t("alarm.history")} note={t("alarm.occurrence", { count: Number(alarm.occurrence) })}>
      <Asked query={query} what={t("alarm.history")}>
        {({ alarmJournal }) => (
          <ul className="journal">
            {alarmJournal.nodes.map((entry) => (
              <li key={entry.cursor}>
                <span className="quiet">{formatStamp(Date.parse(entry.at), serverNow(), zone, language)}</span>
                <b>{t(`journal.${entry.kind}`)}</b>
                <span>{[entry.value === null || entry.kind !== "activated" ? null : `${formatNumber(entry.value, alarmDecimals(alarm), language)} ${writeUnit(entry.unit)}`.trim(), entry.who, entry.text].filter(Boolean).join(", ")}</span>
              </li>
            ))}
          </ul>
        )}
      </Asked>
    </Section>
  );
}

export function CommentBox({ alarm, inputRef }: { alarm: Alarm; inputRef: React.RefObject<HTMLInputElement | null> }) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() !== "" && (await comment(alarm, text.trim()))) setText("");
  };
  return (
    <form className="comment-box" onSubmit={(event) => void submit(event)}>
      <input ref={inputRef} aria-label={t("alarm.comment")} placeholder={t("alarm.commentPlaceholder")} value={text} maxLength={1000} onChange={(event) => setText(event.target.value)} />
      <Button type="submit" keyCap="C" unavailable={text.trim() === "" ? t("alarm.commentEmpty") : null}>{t("alarm.comment")}</Button>
    </form>
  );
}

export function Actions({ alarm }: { alarm: Alarm }) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const [dialog, setDialog] = useState<"shelve" | "outOfService" | null>(null);
  const operator = may("acknowledge", who?.role) ? null : t("right.acknowledge");
  const shelveRight = alarm.priority === "P1" && !may("shelveP1", who?.role) ? t("right.shelveP1") : operator;
  const waiting = isUnacknowledged(alarm);
  return (
    <>
      <div className="button-row">
        {waiting && <Button kind="primary" unavailable={operator} onClick={() => void acknowledge([alarm])}>{t("alarm.acknowledge")}</Button>}
        {alarm.state === "LATCHED_ACKNOWLEDGED" && <Button kind="primary" unavailable={operator} onClick={() => void reset(alarm)}>{t("alarm.reset")}</Button>}
        {alarm.state === "SHELVED" ? <Button unavailable={operator} onClick={() => void unshelve(alarm)}>{t("alarm.unshelve")}</Button> : alarm.state !== "OUT_OF_SERVICE" && alarm.state !== "SUPPRESSED" && <Button keyCap="S" unavailable={shelveRight} onClick={() => setDialog("shelve")}>{t("alarm.shelve")}</Button>}
        {alarm.state === "OUT_OF_SERVICE" ? <Button unavailable={may("outOfService", who?.role) ? null : t("right.outOfService")} onClick={() => void returnToService(alarm)}>{t("alarm.returnToService")}</Button> : <Button unavailable={may("outOfService", who?.role) ? null : t("right.outOfService")} onClick={() => setDialog("outOfService")}>{t("alarm.outOfService")}</Button>}
        {alarm.thing && <Button onClick={() => navigate(`/assets/${alarm.thing?.id}${alarm.series ? `?series=${alarm.series.id}` : ""}`)}>{t("alarm.trend")}</Button>}
      </div>
      {shelveRight && alarm.priority === "P1" && <p className="quiet small">{t("right.shelveP1")}</p>}
      {dialog === "shelve" && <ShelveDialog alarm={alarm} onClose={() => setDialog(null)} />}
      {dialog === "outOfService" && <OutOfServiceDialog alarm={alarm} onClose={() => setDialog(null)} />}
    </>
  );
}
