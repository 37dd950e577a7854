import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { closeSocket } from "../api/socket";
import { send } from "../api/request";
import { chooseLanguage, LANGUAGES } from "../i18n/i18n";
import { useLanguage } from "../i18n/useLanguage";
import { changePreferences, type Density, preferences } from "../lib/preferences";
import { session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { CheckField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { PaletteSwitch } from "./PaletteSwitch";

const PasswordDialog = lazy(() => import("../users/PasswordDialog"));

/** Who is at this desk, and what this person set for it. */
export default function Person({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const who = useSignal(session);
  const now = useSignal(preferences);
  const signOut = async () => {
    await send("/ui/session", { method: "DELETE" }).catch(() => undefined);
    closeSocket();
    session.set(null);
  };
  const [password, setPassword] = useState(false);
  const densities: Density[] = ["dense", "standard", "touch"];
  return (
    <ModalDialog title={who?.email ?? ""} onClose={onClose}>
      <dl className="facts">
        <dt>{t("person.role")}</dt><dd>{who && t(`role.${who.role}`)}</dd>
        <dt>{t("person.organisation")}</dt><dd>{who?.organisation}</dd>
      </dl>
      <div className="field-row"><span>{t("person.language")}</span>
        <Choice label={t("person.language")} value={language} options={LANGUAGES.map(({ id, name }) => ({ id, label: name }))} onChange={(next) => void chooseLanguage(next)} />
      </div>
      <div className="field-row"><span>{t("palette.label")}</span><PaletteSwitch /></div>
      <div className="field-row"><span>{t("person.density")}</span>
        <Choice label={t("person.density")} value={now.density} options={densities.map((id) => ({ id, label: t(`density.${id}`) }))} onChange={(density) => changePreferences({ density })} />
      </div>
      <CheckField label={t("person.steady")} checked={now.steadyAlarms} onChange={(event) => changePreferences({ steadyAlarms: event.target.checked })} />
      <CheckField label={t("person.letterKeys")} checked={now.letterKeys} onChange={(event) => changePreferences({ letterKeys: event.target.checked })} />
      <div className="dialog-actions">
        <Button onClick={() => setPassword(true)}>{t("person.changePassword")}</Button>
        <Button onClick={() => void signOut()}>{t("person.signOut")}</Button>
        <Button kind="primary" onClick={onClose}>{t("dialog.done")}</Button>
      </div>
      {password && <Suspense><PasswordDialog onClose={() => setPassword(false)} /></Suspense>}
    </ModalDialog>
  );
}
