import { useTranslation } from "react-i18next";
import type { Channel } from "../api/types";

interface Props { label: string; channels: readonly Pick<Channel, "id" | "name">[]; value: readonly string[]; onChange: (next: string[]) => void }

export function ChannelPicker({ label, channels, value, onChange }: Props) {
  const { t } = useTranslation();
  const toggle = (id: string) => onChange(value.includes(id) ? value.filter((other) => other !== id) : [...value, id]);
  return (
    <fieldset className="picker">
      <legend>{label}</legend>
      {channels.length === 0 && <p className="quiet">{t("fleet.noChannels")}</p>}
      {channels.map((channel) => (
        <label key={channel.id} className="check"><input type="checkbox" checked={value.includes(channel.id)} onChange={() => toggle(channel.id)} /> {channel.name}</label>
      ))}
    </fieldset>
  );
}
