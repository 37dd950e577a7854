import { useTranslation } from "react-i18next";
import { changePreferences, preferences, THEMES } from "../lib/preferences";
import { useSignal } from "../lib/signal";
import { Choice } from "../parts/Choice";

export function PaletteSwitch() {
  const { t } = useTranslation();
  const { theme } = useSignal(preferences);
  return (
    <div className="palette-switch">
      <Choice label={t("palette.label")} value={theme} onChange={(next) => changePreferences({ theme: next })}
        options={THEMES.map((id) => ({ id, label: t(`palette.${id}`) }))} />
    </div>
  );
}
