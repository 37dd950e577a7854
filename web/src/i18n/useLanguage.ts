import { useTranslation } from "react-i18next";
import type { Language } from "../lib/format";

export function useLanguage(): Language {
  const { i18n } = useTranslation();
  return i18n.language === "ru" || i18n.language === "kk" ? i18n.language : "en";
}
