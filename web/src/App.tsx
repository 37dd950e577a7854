import { useEffect } from "react";
import { I18nProvider } from "react-aria-components";
import { Provider } from "urql";
import { client } from "./api/client";
import { SetUpPage } from "./entry/SetUpPage";
import { SignInPage } from "./entry/SignInPage";
import { setUpNeeded } from "./entry/setUp";
import { useLanguage } from "./i18n/useLanguage";
import { session, refreshSession } from "./lib/session";
import { useSignal } from "./lib/signal";
import { HatchPatterns } from "./parts/Hatch";
import { Shell } from "./shell/Shell";

/** For numbers that are typed and for what react-aria says. */
const LOCALES = { en: "en-GB", ru: "ru-RU", kk: "kk-KZ" } as const;

export function App() {
  const who = useSignal(session);
  const needed = useSignal(setUpNeeded);
  const answers = useSignal(client);
  const language = useLanguage();
  useEffect(() => void refreshSession(), []);
  return (
    <I18nProvider locale={LOCALES[language]}>
      <HatchPatterns />
      {who ? <Provider value={answers}><Shell key={who.email} /></Provider> : who === null && (needed ? <SetUpPage /> : <SignInPage />)}
    </I18nProvider>
  );
}
