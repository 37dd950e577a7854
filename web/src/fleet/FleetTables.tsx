import { useTranslation } from "react-i18next";
import type { Channel, ListOrder, ThingRow } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge, formatNumber } from "../lib/format";
import { describe, namesOf } from "../lib/things";
import { GridTable } from "../parts/GridTable";

export interface TableProps { opened: string; onOpen: (id: string) => void; describedBy: string; order: ListOrder; onSort: (order: ListOrder) => void }

export function ThingTable({ things, ...table }: TableProps & { things: readonly ThingRow[] }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(2000);
  return (
    <GridTable label={t("fleet.tab.things")} className="fleet-table" {...table}
      columns={[
        { id: "name", label: t("fleet.thing") }, { id: "title", label: t("fleet.title") }, { id: "type", label: t("fleet.deviceType") }, { id: "channels", label: t("fleet.channels") },
        { id: "tags", label: t("fleet.tags"), number: true }, { id: "seen", label: t("fleet.lastSeen"), number: true }, { id: "revision", label: t("fleet.revision"), number: true },
      ]}
      rows={things.map((thing) => ({
        id: thing.id, name: thing.name,
        cells: [
          thing.name, describe(thing.metadata).title, thing.deviceType?.name ?? "–", <span className="fit">{namesOf(thing.channels) || "–"}</span>,
          thing.tags.length, thing.lastSeen ? formatAge(now - Date.parse(thing.lastSeen), language) : <span className="quiet">{t("fleet.never")}</span>, `r${String(thing.revision)}`,
        ],
      }))} />
  );
}

export function ChannelTable({ channels, ...table }: TableProps & { channels: readonly Channel[] }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const connected = ({ things, thingCount }: Channel) => {
    const names = namesOf(things);
    const rest = Number(thingCount) - things.length;
    return rest > 0 ? `${names} ${t("fleet.andMore", { count: rest })}` : names || "–";
  };
  return (
    <GridTable label={t("fleet.tab.channels")} className="fleet-table" {...table}
      columns={[{ id: "name", label: t("fleet.channel") }, { id: "count", label: t("fleet.tab.things"), number: true }, { id: "things", label: t("fleet.connected") }, { id: "retention", label: t("fleet.retention") }, { id: "revision", label: t("fleet.revision"), number: true }]}
      rows={channels.map((channel) => ({
        id: channel.id, name: channel.name,
        cells: [channel.name, formatNumber(Number(channel.thingCount), 0, language), <span className="fit" title={connected(channel)}>{connected(channel)}</span>, t(`retention.${channel.retention}`), `r${String(channel.revision)}`],
      }))} />
  );
}
