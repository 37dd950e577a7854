import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { documents, mutate } from "../api/request";
import type { Json, Model, ModelVersion } from "../api/types";
import { useQuery } from "../api/useQuery";
import { rangeOf, RANGES } from "../asset/ranges";
import { Remove } from "../fleet/FleetDrawers";
import { useSubmit } from "../fleet/submit";
import { HistoryPanel } from "../history/HistoryPanel";
import { useLanguage } from "../i18n/useLanguage";
import { serverNow, zone } from "../lib/clock";
import { formatNumber, formatSpan, formatStamp } from "../lib/format";
import { Link, navigate, useQueryValue } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { Button } from "../parts/Button";
import { Asked, Empty, Section } from "../parts/Panel";
import { toast } from "../parts/toasts";
import { useTitle, useTrail } from "../shell/trail";
import "../styles/models.css";
import { LaneStack } from "../trend/LaneStack";
import { Lineage } from "./Lineage";
import { ModelForm, TrainForm } from "./ModelForms";

const REFRESH_MS = 10_000;

/** Can I trust it, and where does it come from? */
export default function ModelsPage({ id }: { id: string | undefined }) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const [making, setMaking] = useState(false);
  const query = useQuery<{ models: { nodes: Model[]; total: number } }>(documents.models, {}, { everyMs: REFRESH_MS });
  const server = useQuery<{ server: { ml: { state: string; reason: string | null } } }>(documents.server, {}, { everyMs: REFRESH_MS });
  const models = query.data?.models.nodes ?? [];
  const model = models.find((one) => one.id === id) ?? models[0];
  useTitle(t("nav.models"));
  useTrail(id ? model?.name : undefined);
  const ml = server.data?.server.ml;
  const refused = may("models", who?.role) ? null : t("right.models");
  return (
    <div className="models">
      <div className="models-list">
        <header className="models-head"><h2>{t("nav.models")}</h2><span className="count">{query.data?.models.total}</span><Button className="toolbar-right" unavailable={refused} onClick={() => setMaking(true)}>+ {t("models.newShort")}</Button></header>
        <ul>
          {models.map((one) => (
            <li key={one.id}>
              <Link to={`/models/${one.id}`} className="model-link" aria-current={one.id === model?.id ? "true" : undefined}>
                <b>{one.name}</b><span className="quiet">{one.thing?.name}, {one.live === null ? t("models.noLive") : t("models.liveVersion", { version: one.live })}</span>
              </Link>
            </li>
          ))}
        </ul>
        {ml && ml.state !== "READY" && <p className="models-worker">{t(`models.worker.${ml.state}`)} {ml.reason}</p>}
      </div>
      <div className="model-main">
        <Asked query={query} what={t("nav.models")}>
          {() => (model ? <OneModel key={model.id} model={model} refused={refused} reload={query.reload} /> : <><h1>{t("nav.models")}</h1><Empty text={t("models.empty")} action={<Button unavailable={refused} onClick={() => setMaking(true)}>{t("models.new")}</Button>} /></>)}
        </Asked>
      </div>
      {making && <ModelForm onClose={() => setMaking(false)} onSaved={(next) => { query.reload(); navigate(`/models/${next}`); }} />}
    </div>
  );
}

function OneModel({ model, refused, reload }: { model: Model; refused: string | null; reload: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const [training, setTraining] = useState(false);
  const [range] = useQueryValue("range", "8h");
  const versions = useMemo(() => [...model.versions].sort((a, b) => b.version - a.version), [model.versions]);
  const live = versions.find((version) => version.version === model.live);
  const lanes = useMemo(() => (model.score ? [{
    series: live && model.score.limits.length === 0 ? { ...model.score, limits: [{ kind: "HI" as const, limit: live.scoreLimit, priority: "P3" as const, rule: "" }] } : model.score,
    title: t("asset.score"),
  }] : []), [model.score, live, t]);
  return (
    <>
      <header className="model-head">
        <div><h1>{model.name}</h1><p>{model.thing && <Link className="row-link" to={`/assets/${model.thing.id}`}>{model.thing.name}</Link>}, {t("models.facts", { inputs: model.signals.length, span: formatSpan(model.window * Number(model.samplePeriodMs), language), every: formatSpan(Number(model.samplePeriodMs), language), persistence: model.persistence })}</p></div>
        <div className="button-row">
          <Button kind="primary" unavailable={refused} onClick={() => setTraining(true)}>{versions.length === 0 ? t("models.trainFirst") : t("models.trainAgain")}</Button>
          <Remove document={documents.removeModel} id={model.id} name={model.name} revision={model.revision} refused={refused} onDone={() => { reload(); navigate("/models"); }} />
        </div>
      </header>
      {model.lastFailure && <p className="model-failure" role="alert"><b>{t("models.lastFailure")}</b> {model.lastFailure}</p>}
      <Section title={t("models.lineage")} note={t("models.lineageNote")}>{versions.length === 0 ? <Empty text={t("models.noVersion")} /> : <Lineage versions={versions} />}</Section>
      {lanes.length > 0 && <Section title={t("models.scoreTitle")} note={model.scoreSeries}><LaneStack lanes={lanes} rangeMs={RANGES[rangeOf(range)]} paused={false} onPause={() => undefined} compact /></Section>}
      <div className="model-columns">
        <Section title={t("models.versions")}>{versions.length > 0 && <VersionTable model={model} versions={versions} refused={refused} reload={reload} />}</Section>
        <Section title={t("models.inputsTitle")} note={String(model.signals.length)}>
          <ul className="event-list plain">{model.signals.map((signal) => <li key={`${signal.channel}/${signal.subtopic}/${signal.series}`}><code>{signal.series}</code><span className="quiet">{signal.subtopic}</span></li>)}</ul>
        </Section>
      </div>
      <Section title={t("history.title")}><HistoryPanel key={String(model.revision)} entity="MODEL" id={model.id} revision={model.revision} onChanged={reload} /></Section>
      {training && <TrainForm model={model} onClose={() => setTraining(false)} onSaved={reload} />}
    </>
  );
}

function VersionTable({ model, versions, refused, reload }: { model: Model; versions: readonly ModelVersion[]; refused: string | null; reload: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const submit = useSubmit();
  const change = (document: string, version: ModelVersion, text: string) => void submit.run(async () => {
    await mutate(document, { model: model.id, version: version.version, expectedRevision: model.revision });
    toast(text);
    reload();
  });
  const metricNames = [...new Set(versions.flatMap((version) => Object.keys(numbersOf(version.metrics))))].slice(0, 6);
  return (
    <>
      {submit.error && <p className="field-error" role="alert">{submit.error.message} ({submit.error.code})</p>}
      <div className="scroll-x" tabIndex={0}>
        <table className="table">
          <caption className="hidden-text">{t("models.versions")}</caption>
          <thead><tr><th scope="col">{t("models.measure")}</th>{versions.map((version) => <th key={version.version} scope="col" className="number">v{version.version} {version.live ? t("models.live") : ""}</th>)}</tr></thead>
          <tbody>
            <Line name={t("models.trainedOn")} versions={versions} of={(version) => `${formatStamp(Date.parse(version.trainedFrom), serverNow(), zone, language)} – ${formatStamp(Date.parse(version.trainedTo), serverNow(), zone, language)}`} />
            <Line name={t("models.rows")} versions={versions} of={(version) => formatNumber(Number(version.rows), 0, language)} />
            <Line name={t("models.scoreLimit")} versions={versions} of={(version) => formatNumber(version.scoreLimit, 4, language)} />
            {metricNames.map((name) => <Line key={name} name={name.replaceAll("_", " ")} versions={versions} of={(version) => { const value = numbersOf(version.metrics)[name]; return value === undefined ? "–" : formatNumber(value, Number.isInteger(value) ? 0 : 4, language); }} />)}
            <Line name={t("models.dataHash")} versions={versions} of={(version) => version.dataHash.slice(0, 12)} mono />
            <Line name={t("models.code")} versions={versions} of={(version) => version.codeVersion} mono />
            <tr>
              <th scope="row"><span className="hidden-text">{t("models.act")}</span></th>
              {versions.map((version) => (
                <td key={version.version} className="number">
                  {!version.live && !version.retired && <Button size="small" unavailable={refused} onClick={() => change(documents.promote, version, t("models.promoted", { version: version.version }))}>{t(model.live !== null && version.version < model.live ? "models.rollBack" : "models.promote", { version: version.version })}</Button>}
                  {!version.live && !version.retired && <Button size="small" unavailable={refused} onClick={() => change(documents.retire, version, t("models.retiredToast", { version: version.version }))}>{t("models.retire")}</Button>}
                </td>
              ))}
            </tr>
          </tbody>
        </table>
      </div>
    </>
  );
}

function Line({ name, versions, of, mono = false }: { name: string; versions: readonly ModelVersion[]; of: (version: ModelVersion) => string; mono?: boolean }) {
  return <tr><th scope="row">{name}</th>{versions.map((version) => <td key={version.version} className={`number ${mono ? "mono" : ""}`}>{version.live ? <b>{of(version)}</b> : of(version)}</td>)}</tr>;
}

function numbersOf(metrics: Json): Record<string, number> {
  if (metrics === null || typeof metrics !== "object" || Array.isArray(metrics)) return {};
  return Object.fromEntries(Object.entries(metrics).filter((pair): pair is [string, number] => typeof pair[1] === "number"));
}
