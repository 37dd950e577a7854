import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { closeSocket } from "../api/socket";
import { documents, mutate } from "../api/request";
import { useSubmit } from "../fleet/submit";
import { MAX_PASSWORD, MIN_PASSWORD } from "../lib/password";
import { session } from "../lib/session";
import { Button } from "../parts/Button";
import { TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";

/** One's own password. All of one's sessions end with it, this one too. */
export default function PasswordDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [oldPassword, setOld] = useState("");
  const [newPassword, setNew] = useState("");
  const submit = useSubmit();
  const change = (event: FormEvent) => {
    event.preventDefault();
    void submit.run(async () => {
      await mutate(documents.changePassword, { oldPassword, newPassword });
      closeSocket();
      session.set(null);
    });
  };
  // What the server finds wrong with the password stands at its field.
  const ofPassword = submit.error?.field?.toLowerCase().endsWith("password") ? submit.error.message : null;
  return (
    <ModalDialog title={t("person.changePassword")} onClose={onClose}>
      <form onSubmit={change}>
        <p>{t("person.passwordText")}</p>
        <TextField label={t("person.oldPassword")} type="password" required autoFocus autoComplete="current-password" value={oldPassword} onChange={(event) => setOld(event.target.value)} />
        <TextField label={t("person.newPassword")} type="password" required minLength={MIN_PASSWORD} maxLength={MAX_PASSWORD} autoComplete="new-password" value={newPassword} onChange={(event) => setNew(event.target.value)} note={t("setUp.passwordNote", { count: MIN_PASSWORD })} error={ofPassword} />
        {submit.error && !ofPassword && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={submit.busy ? t("form.busy") : null}>{t("person.changePassword")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}
