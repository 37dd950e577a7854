import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { alarmFeedError } from "../alarms/store";
import { caughtUp, link } from "../api/socket";
import { useLanguage } from "../i18n/useLanguage";
import { useNow, zone } from "../lib/clock";
import { formatAge, formatClock } from "../lib/format";
import { useSignal } from "../lib/signal";

const NOTICE_MS = 10_000;

/** The screen cannot be trusted: hatched, under the header. After the return it says what was caught up. */
export function LinkBanner() {
  const { t } = useTranslation();
  const language = useLanguage();
  const { state, heard } = useSignal(link);
  const back = useSignal(caughtUp);
  const feedError = useSignal(alarmFeedError);
  const now = useNow(500);
  const at = back?.at;
  useEffect(() => {
    if (at === undefined) return;
    const timer = setTimeout(() => caughtUp.set(null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [at]);
  if (state === "lost") {
    return (
      <div className="banner banner-lost" role="alert">
        <b>{t("link.lostFor", { age: formatAge(Math.max(1000, Math.floor((now - heard) / 1000) * 1000), language) })}</b>
        <span>{t("link.lostText", { time: formatClock(heard, zone) })}</span>
      </div>
    );
  }
  if (back) {
    const lost = formatAge(back.lostForMs, language);
    return (
      <div className="banner banner-back" role="status">
        <b>{t("link.back", { age: lost })}</b>
        <span>{back.snapshot ? t("link.snapshot") : t("link.caughtUp", { count: back.changes })}</span>
      </div>
    );
  }
  if (feedError) return <div className="banner banner-lost" role="alert"><b>{t("link.feedFailed")}</b><span>{feedError}</span></div>;
  return null;
}
