import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate, restError, send } from "../api/request";
import { type Role, ROLES } from "../api/types";
import { useSubmit } from "../fleet/submit";
import { MAX_PASSWORD, MIN_PASSWORD } from "../lib/password";
import { session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { TextField } from "../parts/Field";
import { ModalDialog } from "../parts/ModalDialog";
import { Select } from "../parts/Select";
import { toast } from "../parts/toasts";

type Where = "here" | "own";

/** A new user of this organisation; a platform administrator may also make one who sees nothing of it. */
export function UserForm({ onClose, onSaved }: { onClose: () => void; onSaved: () => void }) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("OPERATOR");
  const [where, setWhere] = useState<Where>("here");
  const submit = useSubmit();
  const make = (event: FormEvent) => {
    event.preventDefault();
    void submit.run(async () => {
      if (where === "here") await mutate(documents.createUser, { email, password, role });
      else await makeApart(email, password);
      toast(t("users.made", { email }));
      onSaved();
      onClose();
    });
  };
  // What the server finds wrong with the password stands at its field.
  const ofPassword = submit.error?.field?.toLowerCase().endsWith("password") ? submit.error.message : null;
  return (
    <ModalDialog title={t("users.make")} onClose={onClose}>
      <form onSubmit={make}>
        <TextField label={t("signIn.email")} type="email" required autoFocus value={email} onChange={(event) => setEmail(event.target.value)} />
        <TextField label={t("signIn.password")} type="password" required minLength={MIN_PASSWORD} maxLength={MAX_PASSWORD} autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} note={t("users.passwordNote", { count: MIN_PASSWORD })} error={ofPassword} />
        {who?.platformAdministrator && (
          <Select<Where> label={t("person.organisation")} value={where} onChange={setWhere} note={where === "own" ? t("users.ownNote") : undefined}
            options={[{ id: "here", label: who.organisation }, { id: "own", label: t("users.own") }]} />
        )}
        {where === "here" && <Select label={t("person.role")} value={role} onChange={setRole} note={t(`users.can.${role}`)} options={ROLES.map((id) => ({ id, label: t(`role.${id}`) }))} />}
        {submit.error && !ofPassword && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
        <div className="dialog-actions">
          <Button onClick={onClose}>{t("dialog.cancel")}</Button>
          <Button kind="primary" type="submit" unavailable={submit.busy ? t("form.busy") : null}>{t("form.create")}</Button>
        </div>
      </form>
    </ModalDialog>
  );
}

/** `POST /users` without an organisation gives the user one of their own, which they administer. */
async function makeApart(email: string, password: string): Promise<void> {
  const response = await send("/users", { method: "POST", body: JSON.stringify({ email, password }) });
  if (!response.ok) throw await restError(response);
}
