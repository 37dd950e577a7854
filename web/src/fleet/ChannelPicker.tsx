import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Channel } from "../api/types";
import { SearchBox } from "../parts/SearchBox";

/** A longer list gets a filter of its own. */
const FILTERED_FROM = 12;

interface Props { label: string; channels: readonly Pick<Channel, "id" | "name">[]; value: readonly string[]; onChange: (next: string[]) => void }

export function ChannelPicker({ label, channels, value, onChange }: Props) {
  const { t } = useTranslation();
  const [part, setPart] = useState("");
  const fits = (name: string) => name.toLowerCase().includes(part.trim().toLowerCase());
  const toggle = (id: string) => onChange(value.includes(id) ? value.filter((other) => other !== id) : [...value, id]);
  return (
    <fieldset className="picker">
      <legend>{label}</legend>
      {channels.length === 0 && <p className="quiet">{t("fleet.noChannels")}</p>}
      {channels.length >= FILTERED_FROM && <SearchBox label={t("fleet.filter")} value={part} onChange={setPart} />}
      {channels.filter((channel) => value.includes(channel.id) || fits(channel.name)).map((channel) => (
        <label key={channel.id} className="check"><input type="checkbox" checked={value.includes(channel.id)} onChange={() => toggle(channel.id)} /> {channel.name}</label>
      ))}
    </fieldset>
  );
}
