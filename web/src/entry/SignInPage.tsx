import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "../api/request";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { refreshSession } from "../lib/session";
import { Button } from "../parts/Button";
import { TextField } from "../parts/Field";
import { useTitle } from "../shell/trail";
import "../styles/entry.css";
import { EntryFrame } from "./EntryFrame";
import { RoundTripChart } from "./RoundTripChart";
import { askSetUp, signIn } from "./setUp";
import { useRoundTrips } from "./useRoundTrips";

export function SignInPage() {
  const { t } = useTranslation();
  const language = useLanguage();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const trips = useRoundTrips();
  useTitle(t("signIn.title"));
  useEffect(() => void askSetUp().catch(() => undefined), []);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(email, password);
      await refreshSession();
    } catch (cause) {
      const wrong = cause instanceof ApiError && !cause.retryable && cause.code !== "unreachable";
      setError(wrong ? t("signIn.wrong") : t("signIn.failed", { message: cause instanceof Error ? cause.message : "" }));
    } finally {
      setBusy(false);
    }
  };
  const last = trips[trips.length - 1];
  const answered = last !== undefined && last.ms !== null;
  return (
    <EntryFrame footer={<RoundTripChart trips={trips} />}>
      <div className="sign-in">
        <form className="sign-in-form" onSubmit={(event) => void submit(event)}>
          <h1>{t("signIn.title")}</h1>
          <p>{t("signIn.lead")}</p>
          <TextField label={t("signIn.email")} type="email" name="email" autoComplete="username" required autoFocus value={email} onChange={(event) => setEmail(event.target.value)} />
          <TextField label={t("signIn.password")} type="password" name="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} error={error} />
          <Button kind="primary" size="large" type="submit" aria-busy={busy} unavailable={busy ? t("signIn.busy") : null}>{t("signIn.title")}</Button>
        </form>
        <section className="sign-in-link" aria-label={t("signIn.link")}>
          <h2>{t("signIn.link")}</h2>
          <dl className="rows">
            <div><dt>{t("signIn.answers")}</dt><dd>{last === undefined ? "–" : answered ? t("signIn.roundTrip", { ms: formatNumber(last.ms, 0, language) }) : t("signIn.noAnswer")}</dd></div>
            <div><dt>{t("signIn.encryption")}</dt><dd>{location.protocol === "https:" ? "TLS" : t("signIn.plain")}</dd></div>
          </dl>
          <p className="quiet small">{t("signIn.nothing")}</p>
        </section>
      </div>
    </EntryFrame>
  );
}
