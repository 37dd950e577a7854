import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import type { Language } from "../lib/format";
import { en } from "./en";

export const LANGUAGES: { id: Language; name: string }[] = [
  { id: "en", name: "English" },
  { id: "ru", name: "Русский" },
  { id: "kk", name: "Қазақша" },
];

const KEY = "flash.language";
const loaders: Record<Exclude<Language, "en">, () => Promise<Record<string, string>>> = {
  ru: () => import("./ru").then((module) => module.ru),
  kk: () => import("./kk").then((module) => module.kk),
};

/** English is in the first load; the others come when they are chosen. */
export async function startLanguages(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: "en",
    fallbackLng: "en",
    resources: { en: { translation: en } },
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
    showSupportNotice: false,
  } as Parameters<typeof i18next.init>[0]);
  const wanted = stored();
  if (wanted !== "en") await chooseLanguage(wanted);
}

export async function chooseLanguage(language: Language): Promise<void> {
  if (language !== "en" && !i18next.hasResourceBundle(language, "translation")) {
    i18next.addResourceBundle(language, "translation", await loaders[language]());
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // The choice holds for this visit.
  }
}

function stored(): Language {
  try {
    const found = localStorage.getItem(KEY) ?? navigator.language.slice(0, 2);
    return found === "ru" || found === "kk" ? found : "en";
  } catch {
    return "en";
  }
}

export default i18next;
