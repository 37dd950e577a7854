import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { Long } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { useKey } from "../lib/keys";
import { changeQuery, useQueryValue } from "../lib/router";
import { readSearch } from "../lib/searchText";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { OrderSelect } from "../parts/OrderSelect";
import { ServerSearchBox } from "../parts/SearchBox";
import { useListAddress } from "../parts/useListView";
import { ViewList, ViewPanel, Views } from "../parts/Views";
import { useTitle } from "../shell/trail";
import "../styles/fleet.css";
import { ChannelForm } from "./ChannelForm";
import { ChannelList } from "./ChannelList";
import { EdgeDeviceForm } from "./EdgeDeviceForm";
import { EdgeDeviceList } from "./EdgeDeviceList";
import { ThingForm } from "./ThingForm";
import { ThingList } from "./ThingList";
import { UnknownDevices } from "./UnknownDevices";
import { REFRESH_MS } from "./useFleetList";

const TABS = ["devices", "things", "channels"] as const;
type FleetTab = (typeof TABS)[number];
type Counts = Record<"edgeDevices" | "things" | "channels", { total: Long }>;

/** Is every device in the field alive, up to date and ours? */
export default function FleetPage() {
  const { t } = useTranslation();
  const language = useLanguage();
  const who = useSignal(session);
  const [list] = useQueryValue("list", "devices");
  const tab = TABS.find((id) => id === list) ?? "devices";
  const input = useRef<HTMLInputElement>(null);
  const { text, search, order, sort } = useListAddress();
  const [form, setForm] = useState<{ claim?: string } | null>(null);
  // Counts up with each write of this page: every list reads itself anew.
  const [written, setWritten] = useState(0);
  const reload = () => setWritten((n) => n + 1);
  const counts = useQuery<Counts>(documents.fleetCounts, { ...readSearch(text), ...(text === "" ? {} : { device: text }) }, { everyMs: REFRESH_MS, turn: written, moves: true });
  useTitle(t("nav.fleet"));
  const refused = may("configure", who?.role) ? null : t("right.configure");
  useKey("F", t("keys.filter"), () => input.current?.focus());
  const count = (of: keyof Counts) => (counts.data ? formatNumber(Number(counts.data[of].total), 0, language) : undefined);
  const totals: Record<FleetTab, string | undefined> = { devices: count("edgeDevices"), things: count("things"), channels: count("channels") };
  const show = (next: FleetTab) => changeQuery({ list: next === "devices" ? null : next, page: null, open: null, unknown: null });
  return (
    <div className="fleet"><Views value={tab} onChange={show}>
      <div className="page-bar">
        <h1>{t("nav.fleet")}</h1>
        <ViewList label={t("nav.fleet")} views={TABS.map((id) => ({ id, label: t(`fleet.tab.${id}`), count: totals[id] }))} />
        <span className="toolbar-right">
          <ServerSearchBox label={t(`fleet.search.${tab}`)} keyCap="F" value={text} onChange={search} inputRef={input} />
          <OrderSelect value={order} onChange={sort} />
          <Button kind="primary" unavailable={refused} onClick={() => setForm({})}>+ {t(`fleet.make.${tab}`)}</Button>
        </span>
      </div>
      <ViewPanel of={tab} className="fleet-body">
        {tab === "devices" && <EdgeDeviceList written={written} onChanged={reload}><UnknownDevices written={written} onClaim={(claim) => setForm({ claim })} refused={refused} /></EdgeDeviceList>}
        {tab === "things" && <ThingList written={written} onChanged={reload} />}
        {tab === "channels" && <ChannelList written={written} onChanged={reload} />}
      </ViewPanel>
      </Views>
      {form && tab === "devices" && <EdgeDeviceForm {...(form.claim ? { claim: form.claim } : {})} onClose={() => setForm(null)} onSaved={reload} />}
      {form && tab === "things" && <ThingForm onClose={() => setForm(null)} onSaved={reload} />}
      {form && tab === "channels" && <ChannelForm onClose={() => setForm(null)} onSaved={reload} />}
    </div>
  );
}
