import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { send } from "../api/request";
import { chooseLanguage, LANGUAGES } from "../i18n/i18n";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, useNow, zone } from "../lib/clock";
import { formatClock, formatDay, zoneOffset } from "../lib/format";
import { Mark } from "../parts/Icon";
import { PaletteSwitch } from "../shell/PaletteSwitch";

/** The frame of sign-in and set-up: language, palette, version; nothing of the plant. */
export function EntryFrame({ children, footer }: { children: ReactNode; footer?: ReactNode }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const [version, setVersion] = useState<string | null>(null);
  useNow(1000);
  useEffect(() => {
    send("/version", { method: "GET" }).then(async (response) => {
      if (!response.ok) return;
      const body = (await response.json()) as { version?: string };
      setVersion(body.version ?? null);
    }).catch(() => undefined);
  }, []);
  const now = serverNow();
  return (
    <div className="entry">
      <header className="entry-head">
        <span className="entry-mark"><Mark size={30} /><b>Flash</b></span>
        <span className="entry-languages" role="group" aria-label={t("person.language")}>
          {LANGUAGES.map(({ id, name }) => (
            <button key={id} type="button" className="text-button" lang={id} aria-pressed={id === language} onClick={() => void chooseLanguage(id)}>{name}</button>
          ))}
        </span>
        <PaletteSwitch />
      </header>
      <main className="entry-main">{children}</main>
      {footer}
      <footer className="entry-foot">
        <span>{version ? `Tellee ${version}` : "Tellee"}</span>
        <span>{formatClock(now, zone)}, {formatDay(now, zone, language)}, {zoneOffset(now, zone)}</span>
      </footer>
    </div>
  );
}
