import { useState } from "react";
import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { User } from "../api/types";
import { usePages } from "../api/usePages";
import { useQueryValue } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { GridTable } from "../parts/GridTable";
import { Asked, NoRight } from "../parts/Panel";
import { SearchBox } from "../parts/SearchBox";
import { useTitle } from "../shell/trail";
import "../styles/fleet.css";
import { UserDrawer } from "./UserDrawer";
import { UserForm } from "./UserForm";

/** Fifty users a page. */
const MOST_PAGES = 20;

/** Who may do what in this organisation? */
export default function UsersPage() {
  const { t } = useTranslation();
  const who = useSignal(session);
  useTitle(t("nav.users"));
  if (may("users", who?.role)) return <Users />;
  return <div className="page-pad"><h1>{t("nav.users")}</h1><NoRight text={t("panel.needsRole", { what: t("nav.users"), role: t("role.ADMINISTRATOR").toLowerCase() })} /></div>;
}

function Users() {
  const { t } = useTranslation();
  const who = useSignal(session);
  const query = usePages<User>(documents.users, {}, (data) => data.users, MOST_PAGES);
  const [name, setName] = useQueryValue("name", "");
  const [opened, setOpened] = useQueryValue("open", "");
  const [making, setMaking] = useState(false);
  const shown = (query.data?.nodes ?? []).filter((user) => user.email.toLowerCase().includes(name.toLowerCase())).sort((a, b) => a.email.localeCompare(b.email));
  const open = query.data?.nodes.find((user) => user.id === opened);
  return (
    <div className="fleet">
      <div className="page-bar">
        <h1>{t("nav.users")}</h1>
        <span className="quiet">{who?.organisation}</span>
        <span className="toolbar-right">
          <SearchBox label={t("signIn.email")} value={name} onChange={setName} />
          <Button kind="primary" onClick={() => setMaking(true)}>+ {t("users.make")}</Button>
        </span>
      </div>
      <div className="fleet-body">
        <div className="fleet-list">
          <Asked query={query} what={t("nav.users")}>
            {() => (shown.length === 0 ? <p className="panel-state">{t("fleet.noneFound")}</p> : <UserTable users={shown} own={who?.email} opened={opened} onOpen={setOpened} />)}
          </Asked>
        </div>
        {open && <UserDrawer key={open.id} user={open} own={open.email === who?.email} onClose={() => setOpened("")} onChanged={query.reload} />}
      </div>
      {making && <UserForm onClose={() => setMaking(false)} onSaved={query.reload} />}
    </div>
  );
}

function UserTable({ users, own, opened, onOpen }: { users: readonly User[]; own: string | undefined; opened: string; onOpen: (id: string) => void }) {
  const { t } = useTranslation();
  return (
    <GridTable label={t("nav.users")} className="fleet-table" opened={opened} onOpen={onOpen}
      columns={[{ id: "email", label: t("signIn.email") }, { id: "role", label: t("person.role") }, { id: "state", label: t("fleet.state") }, { id: "revision", label: t("fleet.revision"), number: true }]}
      rows={users.map((user) => ({
        id: user.id, name: user.email, className: user.disabled ? "row-off" : "",
        cells: [user.email, t(`role.${user.role}`), user.disabled ? <b>{t("users.disabled")}</b> : user.email === own ? <span className="quiet">{t("users.you")}</span> : <span className="quiet">{t("users.active")}</span>, `r${String(user.revision)}`],
      }))} />
  );
}
