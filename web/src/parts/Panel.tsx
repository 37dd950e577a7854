import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ApiError } from "../api/request";
import { Button } from "./Button";

export function Section({ title, note, actions, children, className = "" }: { title: string; note?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`section ${className}`} aria-label={title}>
      <header className="section-head">
        <h2>{title}</h2>
        {note !== undefined && note !== null && <span className="section-note">{note}</span>}
        {actions !== undefined && <span className="section-actions">{actions}</span>}
      </header>
      {children}
    </section>
  );
}

/** The word comes after 400 ms: a quick answer needs none. */
export function Loading() {
  const { t } = useTranslation();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 400);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="panel-state" aria-busy="true">
      <svg className="panel-axes" width="150" height="40" viewBox="0 0 150 40" aria-hidden="true">
        <path className="panel-axis" d="M0.5 0V39.5H150" />
        <path className="panel-limit" d="M0.5 12.5H150" />
      </svg>
      {late && <span role="status">{t("panel.loading")}</span>}
    </div>
  );
}

export function Empty({ text, action }: { text: string; action?: ReactNode }) {
  return (
    <div className="panel-state">
      <p>{text}</p>
      {action}
    </div>
  );
}

/** Says what failed and what still works. A missing right names the role that has it. */
export function Failed({ what, error, retry }: { what: string; error: ApiError; retry: () => void }) {
  const { t } = useTranslation();
  if (error.code === "forbidden" || error.code === "http_403") {
    // The server names the least role that may: `the role engineer is needed`.
    const role = /the role ([a-z ]+) is needed/.exec(error.message)?.[1]?.replaceAll(" ", "_").toUpperCase();
    return <NoRight text={role ? t("panel.needsRole", { what, role: t(`role.${role}`).toLowerCase() }) : t("panel.noRight", { what })} />;
  }
  return (
    <div className="panel-state" role="alert">
      <p>{t("panel.failed", { what, message: error.message })}</p>
      <Button size="small" onClick={retry}>{t("panel.tryAgain")}</Button>
    </div>
  );
}

export function NoRight({ text }: { text: string }) {
  return <div className="panel-state"><p>{text}</p></div>;
}

interface Query<T> { data: T | undefined; error: ApiError | undefined; loading: boolean; reload: () => void }

/** Loading, failed, or the last answer: a failed re-ask keeps the picture and says so above it. */
export function Asked<T>({ query, what, children }: { query: Query<T>; what: string; children: (data: T) => ReactNode }) {
  if (query.data === undefined) return query.error ? <Failed what={what} error={query.error} retry={query.reload} /> : <Loading />;
  return (
    <>
      {query.error && <Failed what={what} error={query.error} retry={query.reload} />}
      {children(query.data)}
    </>
  );
}
