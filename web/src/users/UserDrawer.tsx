import { useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import { ROLES, type Role, type User } from "../api/types";
import { useSubmit } from "../fleet/submit";
import { HistoryPanel } from "../history/HistoryPanel";
import { Button } from "../parts/Button";
import { Drawer } from "../parts/Drawer";
import { ModalDialog } from "../parts/ModalDialog";
import { Select } from "../parts/Select";
import { toast } from "../parts/toasts";

interface Props { user: User; own: boolean; onClose: () => void; onChanged: () => void }

/** One user: the role, whether they may sign in, and what was changed. Nobody locks themselves out. */
export function UserDrawer({ user, own, onClose, onChanged }: Props) {
  const { t } = useTranslation();
  const [role, setRole] = useState<Role>(user.role);
  const [asking, setAsking] = useState(false);
  const submit = useSubmit();
  const write = (document: string, input: Record<string, unknown>, said: string) => void submit.run(async () => {
    await mutate(document, { id: user.id, expectedRevision: user.revision, ...input });
    toast(said);
    setAsking(false);
    onChanged();
  });
  const enable = () => write(documents.enableUser, {}, t("users.enabledToast", { email: user.email }));
  const disable = () => write(documents.disableUser, {}, t("users.disabledToast", { email: user.email }));
  const changeRole = () => write(documents.changeUserRole, { role }, t("users.roleToast", { email: user.email, role: t(`role.${role}`) }));
  const selfless = own ? t("users.notYourself") : null;
  return (
    <Drawer label={user.email} onClose={onClose}>
      <header className="drawer-head-stack">
        <h2 className="drawer-title">{user.email}</h2>
        <p className="quiet">{user.disabled ? t("users.disabled") : t(`role.${user.role}`)}</p>
        <div className="button-row">
          {user.disabled ? <Button unavailable={selfless} onClick={enable}>{t("users.enable")}</Button> : <Button unavailable={selfless} onClick={() => setAsking(true)}>{t("users.disable")}</Button>}
        </div>
      </header>
      <div className="role-change">
        <Select label={t("person.role")} value={role} onChange={setRole} disabled={own} note={t(`users.can.${role}`)} options={ROLES.map((id) => ({ id, label: t(`role.${id}`) }))} />
        <Button unavailable={selfless ?? (role === user.role ? t("form.nothing") : submit.busy ? t("form.busy") : null)} onClick={changeRole}>{t("users.changeRole")}</Button>
      </div>
      {submit.error && !asking && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
      <HistoryPanel key={String(user.revision)} entity="USER" id={user.id} revision={user.revision} onChanged={onChanged} />
      {asking && (
        <ModalDialog title={t("users.disableOne", { email: user.email })} onClose={() => setAsking(false)}>
          <p>{t("users.disableText")}</p>
          {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
          <div className="dialog-actions"><Button onClick={() => setAsking(false)}>{t("dialog.cancel")}</Button><Button kind="primary" onClick={disable}>{t("users.disable")}</Button></div>
        </ModalDialog>
      )}
    </Drawer>
  );
}
