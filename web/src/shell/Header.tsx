import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Tally, tallyOf } from "../alarms/order";
import { book } from "../alarms/store";
import { lastHeard, link } from "../api/socket";
import { PRIORITIES } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, useNow, zone } from "../lib/clock";
import { formatAge, formatClock, formatDay, zoneOffset } from "../lib/format";
import { Link, useAddress } from "../lib/router";
import { session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AbsentGlyph, AlarmGlyph, AsideMark } from "../parts/AlarmGlyph";
import { Icon, Mark } from "../parts/Icon";
import { isHere, PLACES } from "./routes";
import { Search } from "./Search";
import { trail } from "./trail";

const Person = lazy(() => import("./Person"));

export function Header() {
  const { t } = useTranslation();
  const { path } = useAddress();
  const who = useSignal(session);
  const last = useSignal(trail);
  const place = PLACES.find((candidate) => isHere(candidate, path));
  const steps = [who?.organisation, place ? t(place.label) : null, last?.path === path ? last.name : null].filter((step): step is string => Boolean(step));
  const [person, setPerson] = useState(false);
  return (
    <header className="header">
      <Link to="/" className="header-mark" aria-label={t("nav.home")}><Mark /><span>Flash</span></Link>
      <p className="header-path" aria-label={t("header.place")}>
        {steps.map((step, index) => (
          <span key={index} className="header-step">
            {index > 0 && <Icon name="right" size={12} />}
            {index === steps.length - 1 ? <b className="fit">{step}</b> : <span className="fit">{step}</span>}
          </span>
        ))}
      </p>
      <Search />
      <TallyStrip />
      <LinkState />
      <Clock />
      <button type="button" className="header-person" aria-haspopup="dialog" onClick={() => setPerson(true)}>
        <Icon name="person" size={20} />
        <b className="fit">{who?.email.split("@")[0]}</b>
        <span>{who && t(`role.${who.role}`)}</span>
      </button>
      {person && <Suspense><Person onClose={() => setPerson(false)} /></Suspense>}
    </header>
  );
}

/** Per priority `unacknowledged / active`, then shelved, suppressed, out of service. Places stay when a count is nought. */
export function TallyStrip() {
  const { t } = useTranslation();
  const { alarms } = useSignal(book);
  const counts = tallyOf(alarms);
  return (
    <Link to="/alarms" className="tally">
      <span className="hidden-text">{tallyWords(counts, t)}</span>
      {PRIORITIES.map((priority) => {
        const { active, unacknowledged } = counts.priorities[priority];
        return (
          <span key={priority} className="tally-priority" aria-hidden="true">
            {active === 0 ? <AbsentGlyph priority={priority} /> : <AlarmGlyph priority={priority} state={unacknowledged > 0 ? "UNACKNOWLEDGED" : "ACKNOWLEDGED"} size={24} />}
            <span>{unacknowledged > 0 ? <b>{unacknowledged}</b> : unacknowledged}<i>/</i>{active}</span>
          </span>
        );
      })}
      <span className="tally-aside" aria-hidden="true"><AsideMark state="SHELVED" />{counts.tabs.shelved}</span>
      <span className="tally-aside" aria-hidden="true"><AsideMark state="SUPPRESSED" />{counts.tabs.suppressed}</span>
      <span className="tally-aside" aria-hidden="true"><AsideMark state="OUT_OF_SERVICE" />{counts.tabs.outOfService}</span>
    </Link>
  );
}

function tallyWords(counts: Tally, t: ReturnType<typeof useTranslation>["t"]): string {
  const parts = PRIORITIES.map((priority) => t("tally.priority", { digit: priority.slice(1), ...counts.priorities[priority] }));
  return [...parts, t("tally.aside", counts.tabs)].join("; ");
}

/** Live or lost, with the age of the last word from the server. */
export function LinkState() {
  const { t } = useTranslation();
  const language = useLanguage();
  const { state } = useSignal(link);
  const now = useNow(500);
  return (
    <span className={`link-state link-${state}`}>
      <span className="link-dot" aria-hidden="true" />
      <span>{t(`link.${state}`)} <br /><span className="quiet">{formatAge(now - lastHeard(), language)}</span></span>
    </span>
  );
}

function Clock() {
  const language = useLanguage();
  useNow(500);
  const now = serverNow();
  return (
    <span className="clock">
      <b>{formatClock(now, zone)}</b>
      <span>{formatDay(now, zone, language)}, {zoneOffset(now, zone)}</span>
    </span>
  );
}
