import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Channel, EdgeDevice, Named, ThingRow } from "../api/types";
import { useQuery } from "../api/useQuery";
import { HistoryPanel } from "../history/HistoryPanel";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { navigate } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { describe, namesOf } from "../lib/things";
import { Button } from "../parts/Button";
import { Drawer } from "../parts/Drawer";
import { ModalDialog } from "../parts/ModalDialog";
import { Asked, Section } from "../parts/Panel";
import { toast } from "../parts/toasts";
import { ChannelForm } from "./ChannelForm";
import { ConnectDialog } from "./ConnectDialog";
import { EdgeDeviceForm } from "./EdgeDeviceForm";
import { SecretDialog } from "./Secret";
import { useSubmit } from "./submit";
import { ThingForm } from "./ThingForm";

interface Common { onClose: () => void; onChanged: () => void }

export function EdgeDrawer({ device, onClose, onChanged }: Common & { device: EdgeDevice }) {
  const { t } = useTranslation();
  // What the form was opened on: the list is read anew behind it, and a form on a newer revision would overwrite it unseen.
  const [editing, setEditing] = useState<EdgeDevice | null>(null);
  const refused = useConfigureRefusal();
  const submit = useSubmit();
  const next = device.state === "ACTIVE" ? "INACTIVE" : "ACTIVE";
  const change = () => void submit.run(async () => {
    await mutate(documents.changeEdgeDeviceState, { id: device.id, expectedRevision: device.revision, state: next });
    toast(t(`fleet.toast.${next}`, { name: device.name }));
    onChanged();
  });
  return (
    <Drawer label={device.name} onClose={onClose}>
      <DrawerHead title={device.name || device.externalId} note={t("fleet.deviceNote", { id: device.externalId, count: Number(device.bootstraps) })}>
        <Button unavailable={refused} onClick={() => setEditing(device)}>{t("form.edit")}</Button>
        <Button unavailable={refused} onClick={change}>{t(next === "ACTIVE" ? "fleet.activateNow" : "fleet.deactivate")}</Button>
        <Remove document={documents.removeEdgeDevice} id={device.id} name={device.name} revision={device.revision} refused={refused} onDone={() => { onClose(); onChanged(); }} />
      </DrawerHead>
      {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
      <HistoryPanel key={String(device.revision)} entity="EDGE_DEVICE" id={device.id} revision={device.revision} onChanged={onChanged} />
      {editing && <EdgeDeviceForm device={editing} onClose={() => setEditing(null)} onSaved={onChanged} />}
    </Drawer>
  );
}

export function ThingDrawer({ thing, onClose, onChanged }: Common & { thing: ThingRow }) {
  const { t } = useTranslation();
  const [dialog, setDialog] = useState<{ what: "edit" | "connect" | "key"; on: ThingRow } | null>(null);
  const ask = (what: "edit" | "connect" | "key") => setDialog({ what, on: thing });
  const [key, setKey] = useState<string | null>(null);
  const refused = useConfigureRefusal();
  const submit = useSubmit();
  const changeKey = () => void submit.run(async () => {
    const answer = await mutate<{ changeThingKey: { key: string } }>(documents.changeThingKey, { id: thing.id, expectedRevision: thing.revision });
    setDialog(null);
    setKey(answer.changeThingKey.key);
    onChanged();
  });
  return (
    <Drawer label={thing.name} onClose={onClose}>
      <DrawerHead title={thing.name} note={[describe(thing.metadata).title, namesOf(thing.channels)].filter(Boolean).join(". ")}>
        <Button onClick={() => navigate(`/assets/${thing.id}`)}>{t("fleet.openAsset")}</Button>
        <Button unavailable={refused} onClick={() => ask("edit")}>{t("form.edit")}</Button>
        <Button unavailable={refused} onClick={() => ask("connect")}>{t("fleet.channels")}</Button>
        <Button unavailable={refused} onClick={() => ask("key")}>{t("fleet.changeKey")}</Button>
        <Remove document={documents.removeThing} id={thing.id} name={thing.name} revision={thing.revision} refused={refused} onDone={() => { onClose(); onChanged(); }} />
      </DrawerHead>
      <HistoryPanel key={String(thing.revision)} entity="THING" id={thing.id} revision={thing.revision} onChanged={onChanged} />
      {dialog?.what === "edit" && <ThingForm thing={dialog.on} onClose={() => setDialog(null)} onSaved={onChanged} />}
      {dialog?.what === "connect" && <ConnectDialog name={dialog.on.name} of="channels" before={dialog.on.channels} write={(channels) => ({ channels, things: [dialog.on.id] })} onClose={() => setDialog(null)} onSaved={onChanged} />}
      {dialog?.what === "key" && (
        <ModalDialog title={t("fleet.changeKey")} onClose={() => setDialog(null)}>
          <p>{t("fleet.changeKeyText", { name: thing.name })}</p>
          {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
          <div className="dialog-actions"><Button onClick={() => setDialog(null)}>{t("dialog.cancel")}</Button><Button kind="primary" onClick={changeKey}>{t("fleet.changeKey")}</Button></div>
        </ModalDialog>
      )}
      {key && <SecretDialog title={t("fleet.newKey", { name: thing.name })} facts={[{ label: t("fleet.thingKey"), value: key }]} onClose={() => setKey(null)} />}
    </Drawer>
  );
}

export function ChannelDrawer({ channel, onClose, onChanged }: Common & { channel: Channel }) {
  const { t } = useTranslation();
  const [editing, setEditing] = useState<Channel | null>(null);
  const [connecting, setConnecting] = useState<readonly Named[] | null>(null);
  // The list holds the first few of them.
  const things = useQuery<{ channel: { things: Named[] } | null }>(documents.thingsOf, { id: channel.id }, { turn: `${String(channel.revision)}/${String(channel.thingCount)}` });
  const connected = things.data?.channel?.things;
  const unread = Number(channel.thingCount) - (connected?.length ?? 0);
  const language = useLanguage();
  const refused = useConfigureRefusal();
  const connectOff = refused ?? (!connected ? t("panel.loading") : null);
  return (
    <Drawer label={channel.name} onClose={onClose}>
      <DrawerHead title={channel.name} note={channel.rollupRetention === "AS_CONFIGURED" ? t(`retention.${channel.retention}`) : `${t(`retention.${channel.retention}`)} · ${t("fleet.rollupRetention")}: ${t(`rollupRetention.${channel.rollupRetention}`)}`}>
        <Button unavailable={refused} onClick={() => setEditing(channel)}>{t("form.edit")}</Button>
        <Button unavailable={connectOff} onClick={() => setConnecting(connected ?? null)}>{t("fleet.tab.things")}</Button>
        <Remove document={documents.removeChannel} id={channel.id} name={channel.name} revision={channel.revision} refused={refused} onDone={() => { onClose(); onChanged(); }} />
      </DrawerHead>
      <Section title={t("fleet.connected")} note={formatNumber(Number(channel.thingCount), 0, language)}>
        <Asked query={things} what={t("fleet.connected")}>
          {() => (!connected || connected.length === 0 ? <p className="quiet">{t("fleet.notConnected")}</p> : (
            <p className="connected" tabIndex={0}>{namesOf(connected)}{unread > 0 && ` ${t("fleet.andMore", { count: unread })}`}</p>
          ))}
        </Asked>
      </Section>
      <HistoryPanel key={String(channel.revision)} entity="CHANNEL" id={channel.id} revision={channel.revision} onChanged={onChanged} />
      {editing && <ChannelForm channel={editing} onClose={() => setEditing(null)} onSaved={onChanged} />}
      {connecting && <ConnectDialog name={channel.name} of="things" before={connecting} write={(ids) => ({ channels: [channel.id], things: ids })} onClose={() => setConnecting(null)} onSaved={() => { things.reload(); onChanged(); }} />}
    </Drawer>
  );
}

function DrawerHead({ title, note, children }: { title: string; note: string; children: ReactNode }) {
  return (
    <header className="drawer-head-stack">
      <h2 className="drawer-title">{title}</h2>
      <p className="quiet">{note}</p>
      <div className="button-row">{children}</div>
    </header>
  );
}

function useConfigureRefusal(): string | null {
  const { t } = useTranslation();
  const who = useSignal(session);
  return may("configure", who?.role) ? null : t("right.configure");
}

interface RemoveProps { document: string; id: string; name: string; revision: number | string; refused: string | null; onDone: () => void }

export function Remove({ document, id, name, revision, refused, onDone }: RemoveProps) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const submit = useSubmit();
  const remove = () => void submit.run(async () => {
    await mutate(document, { id, expectedRevision: revision });
    toast(t("form.removed", { name }));
    onDone();
  });
  return (
    <>
      <Button unavailable={refused} onClick={() => setAsking(true)}>{t("form.remove")}</Button>
      {asking && (
        <ModalDialog title={t("form.removeOne", { name })} onClose={() => setAsking(false)}>
          <p>{t("form.removeText")}</p>
          {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
          <div className="dialog-actions"><Button onClick={() => setAsking(false)}>{t("dialog.cancel")}</Button><Button kind="primary" onClick={remove}>{t("form.remove")}</Button></div>
        </ModalDialog>
      )}
    </>
  );
}
