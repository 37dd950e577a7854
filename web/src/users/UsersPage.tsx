import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { User } from "../api/types";
import { useQueryValue } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { GridTable } from "../parts/GridTable";
import { OrderSelect } from "../parts/OrderSelect";
import { PagedList } from "../parts/PagedList";
import { NoRight } from "../parts/Panel";
import { ServerSearchBox } from "../parts/SearchBox";
import { type ListView, useListView } from "../parts/useListView";
import { useTitle } from "../shell/trail";
import "../styles/fleet.css";
import { UserDrawer } from "./UserDrawer";
import { UserForm } from "./UserForm";

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
  const view = useListView<User>("users", (email) => (email === "" ? {} : { email }));
  const [opened, setOpened] = useQueryValue("open", "");
  const [making, setMaking] = useState(false);
  const { reload } = view.query;
  const open = view.query.data?.nodes.find((user) => user.id === opened);
  return (
    <div className="fleet">
      <div className="page-bar">
        <h1>{t("nav.users")}</h1>
        <span className="quiet">{who?.organisation}</span>
        <span className="toolbar-right">
          <ServerSearchBox label={t("signIn.email")} value={view.text} onChange={view.search} />
          <OrderSelect value={view.order} onChange={view.sort} />
          <Button kind="primary" onClick={() => setMaking(true)}>+ {t("users.make")}</Button>
        </span>
      </div>
      <div className="fleet-body">
        <div className="fleet-list">
          <PagedList label={t("nav.users")} view={view} empty={t("users.none")} none={t("users.noneFound", { text: view.text })}>
            {(users, describedBy) => <UserTable {...{ users, describedBy, opened, view }} own={who?.email} onOpen={setOpened} />}
          </PagedList>
        </div>
        {open && <UserDrawer key={open.id} user={open} own={open.email === who?.email} onClose={() => setOpened("")} onChanged={reload} />}
      </div>
      {making && <UserForm onClose={() => setMaking(false)} onSaved={reload} />}
    </div>
  );
}

interface TableProps { users: readonly User[]; own: string | undefined; opened: string; onOpen: (id: string) => void; describedBy: string; view: ListView<User> }

function UserTable({ users, own, opened, onOpen, describedBy, view }: TableProps) {
  const { t } = useTranslation();
  return (
    <GridTable label={t("nav.users")} className="fleet-table" {...{ opened, onOpen, describedBy }} order={view.order} onSort={view.sort}
      columns={[{ id: "email", label: t("signIn.email") }, { id: "role", label: t("person.role") }, { id: "state", label: t("fleet.state") }, { id: "revision", label: t("fleet.revision"), number: true }]}
      rows={users.map((user) => ({
        id: user.id, name: user.email, className: user.disabled ? "row-off" : "",
        cells: [user.email, t(`role.${user.role}`), user.disabled ? <b>{t("users.disabled")}</b> : user.email === own ? <span className="quiet">{t("users.you")}</span> : <span className="quiet">{t("users.active")}</span>, `r${String(user.revision)}`],
      }))} />
  );
}
