import { useTranslation } from "react-i18next";
import type { Channel, ThingRow } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge } from "../lib/format";
import { describe } from "../lib/things";
import { GridTable } from "../parts/GridTable";

interface Props { opened: string; onOpen: (id: string) => void }

export function ThingTable({ things, opened, onOpen }: Props & { things: readonly ThingRow[] }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(2000);
  return (
    <GridTable label={t("fleet.tab.things")} className="fleet-table" opened={opened} onOpen={onOpen}
      columns={[
        { id: "name", label: t("fleet.thing") }, { id: "title", label: t("fleet.title") }, { id: "type", label: t("fleet.deviceType") }, { id: "channels", label: t("fleet.channels") },
        { id: "tags", label: t("fleet.tags"), number: true }, { id: "seen", label: t("fleet.lastSeen"), number: true }, { id: "revision", label: t("fleet.revision"), number: true },
      ]}
      rows={things.map((thing) => ({
        id: thing.id, name: thing.name,
        cells: [
          thing.name, describe(thing.metadata).title, thing.deviceType?.name ?? "–", <span className="fit">{thing.channels.map((channel) => channel.name).join(", ") || "–"}</span>,
          thing.tags.length, thing.lastSeen ? formatAge(now - Date.parse(thing.lastSeen), language) : <span className="quiet">{t("fleet.never")}</span>, `r${String(thing.revision)}`,
        ],
      }))} />
  );
}

export function ChannelTable({ channels, opened, onOpen }: Props & { channels: readonly Channel[] }) {
  const { t } = useTranslation();
  return (
    <GridTable label={t("fleet.tab.channels")} className="fleet-table" opened={opened} onOpen={onOpen}
      columns={[{ id: "name", label: t("fleet.channel") }, { id: "things", label: t("fleet.connected") }, { id: "retention", label: t("fleet.retention") }, { id: "revision", label: t("fleet.revision"), number: true }]}
      rows={channels.map((channel) => ({
        id: channel.id, name: channel.name,
        cells: [channel.name, <span className="fit">{channel.things.map((thing) => thing.name).join(", ") || "–"}</span>, t(`retention.${channel.retention}`), `r${String(channel.revision)}`],
      }))} />
  );
}
