import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { Channel } from "../api/types";
import { readSearch } from "../lib/searchText";
import { PagedList } from "../parts/PagedList";
import { ChannelDrawer } from "./FleetDrawers";
import { ChannelTable } from "./FleetTables";
import { type FleetListProps, useFleetList } from "./useFleetList";

export function ChannelList({ written, onChanged }: FleetListProps) {
  const { t } = useTranslation();
  const { view, opened, open, row } = useFleetList<Channel>("channels", readSearch, documents.channelRow, "channel", written);
  return (
    <>
      <div className="fleet-list">
        <PagedList label={t("fleet.tab.channels")} view={view} empty={t("fleet.noChannel")} none={t("fleet.noneFound", { text: view.text })}>
          {(channels, describedBy) => <ChannelTable {...{ channels, describedBy, opened }} onOpen={open} order={view.order} onSort={view.sort} />}
        </PagedList>
      </div>
      {row && <ChannelDrawer key={row.id} channel={row} onClose={() => open("")} onChanged={onChanged} />}
    </>
  );
}
