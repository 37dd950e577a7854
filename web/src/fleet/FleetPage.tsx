import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { Channel, EdgeDevice, ThingRow, UnknownDevice } from "../api/types";
import { CHOICE_PAGES, type Pages, usePages } from "../api/usePages";
import { useQuery } from "../api/useQuery";
import { useLanguage } from "../i18n/useLanguage";
import { useNow } from "../lib/clock";
import { formatAge, formatNumber } from "../lib/format";
import { useKey } from "../lib/keys";
import { useQueryValue } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { Asked, Empty, Section } from "../parts/Panel";
import { SearchBox } from "../parts/SearchBox";
import { ViewList, ViewPanel, Views } from "../parts/Views";
import { useTitle } from "../shell/trail";
import "../styles/fleet.css";
import { ChannelForm } from "./ChannelForm";
import { EdgeDeviceForm } from "./EdgeDeviceForm";
import { EdgeDeviceTable } from "./EdgeDevices";
import { ChannelDrawer, EdgeDrawer, ThingDrawer } from "./FleetDrawers";
import { ChannelTable, ThingTable } from "./FleetTables";
import { deviceWord, type DeviceWord } from "./fleetState";
import { ThingForm } from "./ThingForm";

const TABS = ["devices", "things", "channels"] as const;
type FleetTab = (typeof TABS)[number];
interface Page<T> { nodes: T[]; total: number | string }
const REFRESH_MS = 10_000;
const WORDS: DeviceWord[] = ["online", "offline", "bootstrapped", "whitelisted", "new"];

/** Is every device in the field alive, up to date and ours? */
export default function FleetPage() {
  const { t } = useTranslation();
  const who = useSignal(session);
  const [list, setTab] = useQueryValue("list", "devices");
  const tab = TABS.find((id) => id === list) ?? "devices";
  const input = useRef<HTMLInputElement>(null);
  const [name, setName] = useQueryValue("name", "");
  const [opened, setOpened] = useQueryValue("open", "");
  const [form, setForm] = useState<{ claim?: string } | null>(null);
  const filter = name === "" ? {} : { name };
  // Of the list in sight; the others tell their counts by their first page.
  const [read, setRead] = useState({ list: tab, name, pages: 1 });
  const shown = read.list === tab && read.name === name ? read.pages : 1;
  const pagesOf = (id: FleetTab) => (id === tab ? shown : 1);
  const showMore = () => setRead({ list: tab, name, pages: Math.min(shown + 1, CHOICE_PAGES) });
  const devices = usePages<EdgeDevice>(documents.edgeDevices, filter, (data) => data.edgeDevices, pagesOf("devices"), REFRESH_MS);
  const things = usePages<ThingRow>(documents.things, filter, (data) => data.things, pagesOf("things"), REFRESH_MS);
  const channels = usePages<Channel>(documents.channels, filter, (data) => data.channels, pagesOf("channels"), REFRESH_MS);
  const unknown = useQuery<{ unknownDevices: Page<UnknownDevice> }>(documents.unknownDevices, {}, { everyMs: REFRESH_MS });
  useTitle(t("nav.fleet"));
  const reload = () => [devices, things, channels, unknown].forEach((query) => query.reload());
  const refused = may("configure", who?.role) ? null : t("right.configure");
  useKey("F", t("keys.filter"), () => input.current?.focus());
  const counts: Record<FleetTab, number | string | undefined> = { devices: devices.data?.total, things: things.data?.total, channels: channels.data?.total };
  const device = devices.data?.nodes.find((one) => one.id === opened);
  const thing = things.data?.nodes.find((one) => one.id === opened);
  const channel = channels.data?.nodes.find((one) => one.id === opened);
  const close = () => setOpened("");
  return (
    <div className="fleet"><Views value={tab} onChange={setTab}>
      <div className="page-bar">
        <h1>{t("nav.fleet")}</h1>
        <ViewList label={t("nav.fleet")} views={TABS.map((id) => ({ id, label: t(`fleet.tab.${id}`), count: counts[id] }))} />
        <span className="toolbar-right">
          <SearchBox label={t("fleet.filter")} keyCap="F" value={name} onChange={setName} inputRef={input} />
          <Button kind="primary" unavailable={refused} onClick={() => setForm({})}>+ {t(`fleet.make.${tab}`)}</Button>
        </span>
      </div>
      <ViewPanel of={tab} className="fleet-body">
        <div className="fleet-list">
          {tab === "devices" && (
            <Asked query={devices} what={t("fleet.edgeDevices")}>
              {(list) => (
                <>
                  {!list.more && <StateCounts devices={list.nodes} />}
                  {list.nodes.length === 0 ? <Empty text={name ? t("fleet.noneFound") : t("fleet.noDevice")} /> : <EdgeDeviceTable devices={list.nodes} opened={opened} onOpen={setOpened} />}
                  <More list={list} full={shown >= CHOICE_PAGES} onMore={showMore} />
                  <Unknown query={unknown} onClaim={(id) => setForm({ claim: id })} refused={refused} />
                </>
              )}
            </Asked>
          )}
          {tab === "things" && <Asked query={things} what={t("fleet.tab.things")}>{(list) => (list.nodes.length === 0 ? <Empty text={name ? t("fleet.noneFound") : t("fleet.noThing")} /> : <><ThingTable things={list.nodes} opened={opened} onOpen={setOpened} /><More list={list} full={shown >= CHOICE_PAGES} onMore={showMore} /></>)}</Asked>}
          {tab === "channels" && <Asked query={channels} what={t("fleet.tab.channels")}>{(list) => (list.nodes.length === 0 ? <Empty text={name ? t("fleet.noneFound") : t("fleet.noChannel")} /> : <><ChannelTable channels={list.nodes} opened={opened} onOpen={setOpened} /><More list={list} full={shown >= CHOICE_PAGES} onMore={showMore} /></>)}</Asked>}
        </div>
        {tab === "devices" && device && <EdgeDrawer key={device.id} device={device} onClose={close} onChanged={reload} />}
        {tab === "things" && thing && <ThingDrawer key={thing.id} thing={thing} onClose={close} onChanged={reload} />}
        {tab === "channels" && channel && <ChannelDrawer key={channel.id} channel={channel} onClose={close} onChanged={reload} />}
      </ViewPanel>
      </Views>
      {form && tab === "devices" && <EdgeDeviceForm {...(form.claim ? { claim: form.claim } : {})} onClose={() => setForm(null)} onSaved={reload} />}
      {form && tab === "things" && <ThingForm onClose={() => setForm(null)} onSaved={reload} />}
      {form && tab === "channels" && <ChannelForm onClose={() => setForm(null)} onSaved={reload} />}
    </div>
  );
}

/** How far the list was read, and the way on. */
function More({ list, full, onMore }: { list: Pages<unknown>; full: boolean; onMore: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  if (!list.more || list.total === undefined) return null;
  const words = { shown: formatNumber(list.nodes.length, 0, language), total: formatNumber(list.total, 0, language) };
  return (
    <p className="list-more">
      <span role="status">{t("fleet.shown", words)}</span>
      {full ? <span className="quiet">{t("fleet.narrow")}</span> : <Button onClick={onMore}>{t("fleet.more")}</Button>}
    </p>
  );
}

function StateCounts({ devices }: { devices: readonly EdgeDevice[] }) {
  const { t } = useTranslation();
  const counts = WORDS.map((word) => ({ word, count: devices.filter((device) => deviceWord(device) === word).length })).filter(({ count }) => count > 0);
  if (counts.length === 0) return null;
  return <p className="state-counts">{counts.map(({ word, count }) => <span key={word}><b>{count}</b> {t(`fleet.${word}`).toLowerCase()}</span>)}</p>;
}

function Unknown({ query, onClaim, refused }: { query: ReturnType<typeof useQuery<{ unknownDevices: Page<UnknownDevice> }>>; onClaim: (id: string) => void; refused: string | null }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const now = useNow(5000);
  return (
    <Section title={t("fleet.unknown")} note={t("fleet.unknownNote")} className="page-pad">
      <Asked query={query} what={t("fleet.unknown")}>
        {({ unknownDevices }) => (unknownDevices.nodes.length === 0 ? <p className="quiet">{t("fleet.noUnknown")}</p> : (
          <table className="table">
            <thead><tr><th scope="col">{t("fleet.externalId")}</th><th scope="col">{t("fleet.from")}</th><th scope="col">{t("fleet.firstSeen")}</th><th scope="col">{t("fleet.lastSeen")}</th><th scope="col" className="number">{t("fleet.tries")}</th><th><span className="hidden-text">{t("fleet.claimThis")}</span></th></tr></thead>
            <tbody>
              {unknownDevices.nodes.map((device) => (
                <tr key={device.externalId}>
                  <th scope="row" className="mono">{device.externalId}</th><td>{device.address}</td>
                  <td>{t("ago", { age: formatAge(now - Date.parse(device.firstSeen), language) })}</td><td>{t("ago", { age: formatAge(now - Date.parse(device.lastSeen), language) })}</td>
                  <td className="number">{formatNumber(Number(device.attempts), 0, language)}</td>
                  <td className="number"><Button size="small" unavailable={refused} onClick={() => onClaim(device.externalId)}>{t("fleet.claimThis")}</Button></td>
                </tr>
              ))}
            </tbody>
          </table>
        ))}
      </Asked>
    </Section>
  );
}
