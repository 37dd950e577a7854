import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { ThingRow } from "../api/types";
import { readSearch } from "../lib/searchText";
import { PagedList } from "../parts/PagedList";
import { ThingDrawer } from "./FleetDrawers";
import { ThingTable } from "./FleetTables";
import { type FleetListProps, useFleetList } from "./useFleetList";

export function ThingList({ written, onChanged }: FleetListProps) {
  const { t } = useTranslation();
  const { view, opened, open, row } = useFleetList<ThingRow>("things", readSearch, documents.thingRow, "thing", written);
  return (
    <>
      <div className="fleet-list">
        <PagedList label={t("fleet.tab.things")} view={view} empty={t("fleet.noThing")} none={t("fleet.noneFound", { text: view.text })}>
          {(things, describedBy) => <ThingTable {...{ things, describedBy, opened }} onOpen={open} order={view.order} onSort={view.sort} />}
        </PagedList>
      </div>
      {row && <ThingDrawer key={row.id} thing={row} onClose={() => open("")} onChanged={onChanged} />}
    </>
  );
}
