import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { AlarmRule } from "../api/types";
import { useQuery } from "../api/useQuery";
import { HistoryPanel } from "../history/HistoryPanel";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { useKey } from "../lib/keys";
import { Link, navigate, useAddress, useQueryValue } from "../lib/router";
import { may, session } from "../lib/session";
import { useSignal } from "../lib/signal";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { OrderSelect } from "../parts/OrderSelect";
import { PagedList } from "../parts/PagedList";
import { Asked, Empty } from "../parts/Panel";
import { LIMIT_LETTERS } from "../parts/scale";
import { ServerSearchBox } from "../parts/SearchBox";
import { useListView } from "../parts/useListView";
import { Remove } from "../fleet/FleetDrawers";
import { ViewList, ViewPanel, Views } from "../parts/Views";
import { useTitle, useTrail } from "../shell/trail";
import "../styles/rules.css";
import { RuleForm } from "./RuleForm";

/** Which rules watch, and will this one help or annoy? */
export default function RulesPage({ id }: { id: string | undefined }) {
  const { t } = useTranslation();
  const { query: search } = useAddress();
  const thing = new URLSearchParams(search).get("thing") ?? "";
  useTitle(t("nav.rules"));
  return id === undefined ? <RuleList thing={thing} /> : <OneRule id={id} thing={thing} />;
}

function RuleList({ thing }: { thing: string }) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const view = useListView<AlarmRule>("alarmRules", (name) => ({ ...(name === "" ? {} : { name }), ...(thing === "" ? {} : { thing }) }));
  useKey("F", t("keys.filter"), () => input.current?.focus());
  return (
    <div className="rules">
      <div className="page-bar"><h1>{t("nav.rules")}</h1>
        {thing && <Link to="/rules" className="text-link">{t("rules.all")}</Link>}
        <span className="toolbar-right">
          <ServerSearchBox label={t("fleet.filter")} keyCap="F" value={view.text} onChange={view.search} inputRef={input} />
          <OrderSelect value={view.order} onChange={view.sort} />
          <NewButton thing={thing} />
        </span></div>
      <div className="page-scroll">
        <PagedList label={t("nav.rules")} view={view} empty={t("rules.empty")} action={<NewButton thing={thing} />} none={t("fleet.noneFound", { text: view.text })}>
          {(rules, describedBy) => <RuleTable {...{ rules, describedBy }} />}
        </PagedList>
      </div>
    </div>
  );
}

function NewButton({ thing }: { thing: string }) {
  const { t } = useTranslation();
  const who = useSignal(session);
  return <Button kind="primary" unavailable={may("configure", who?.role) ? null : t("right.configure")} onClick={() => navigate(`/rules/new${thing ? `?thing=${thing}` : ""}`)}>+ {t("rules.new")}</Button>;
}

function RuleTable({ rules, describedBy }: { rules: readonly AlarmRule[]; describedBy: string }) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <table className="table" aria-describedby={describedBy}>
      <caption className="hidden-text">{t("nav.rules")}</caption>
      <thead><tr><th className="gutter"><span className="hidden-text">{t("alarms.priority")}</span></th><th scope="col">{t("rules.rule")}</th><th scope="col">{t("rules.watches")}</th><th scope="col">{t("rules.limits")}</th><th scope="col">{t("rules.operatorDoes")}</th><th scope="col">{t("rules.class")}</th><th scope="col" className="number">{t("fleet.revision")}</th></tr></thead>
      <tbody>
        {rules.map((rule) => {
          const top = [...rule.levels.map((level) => level.priority), ...(rule.deadman ? [rule.deadman.priority] : [])].sort()[0];
          return (
            <tr key={rule.id} className={rule.enabled ? "" : "row-off"}>
              <td className="gutter">{top && <AlarmGlyph priority={top} state="ACKNOWLEDGED" alarmClass={rule.class} size={22} label={t("alarm.priority", { digit: top.slice(1) })} />}</td>
              <th scope="row"><Link to={`/rules/${rule.id}`} className="row-link"><b>{rule.name || rule.message}</b></Link>{!rule.enabled && <span className="quiet"> {t("rules.off")}</span>}</th>
              <td><span className="fit">{rule.thing?.name ?? rule.deviceType?.name ?? "–"} <span className="tag-name">{rule.seriesName}</span></span></td>
              <td>{[...rule.levels.map((level) => `${LIMIT_LETTERS[level.kind]} ${formatNumber(level.limit, decimalsOf(level.limit), language)}`), ...(rule.deadman ? [t("rules.silent", { seconds: Number(rule.deadman.periodMs) / 1000 })] : [])].join(", ")}</td>
              <td><span className="fit" title={rule.action}>{rule.action}</span></td>
              <td>{t(`class.${rule.class}`)}</td>
              <td className="number">r{String(rule.revision)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** As many decimals as the limit was written with. */
function decimalsOf(limit: number): number {
  return (String(limit).split(".")[1] ?? "").length;
}

function OneRule({ id, thing }: { id: string; thing: string }) {
  const { t } = useTranslation();
  const who = useSignal(session);
  const isNew = id === "new";
  const query = useQuery<{ alarmRule: AlarmRule | null }>(isNew ? null : documents.rule, { id });
  const rule = query.data?.alarmRule ?? null;
  const [wantedTab, setTab] = useQueryValue("view", "form");
  const tab = wantedTab === "history" ? "history" : "form";
  useTrail(rule?.name || rule?.message);
  const saved = (next: string) => {
    query.reload();
    if (isNew) navigate(`/rules/${next}`, { replace: true });
  };
  const refused = may("configure", who?.role) ? null : t("right.configure");
  const content = isNew ? <RuleForm rule={null} thing={thing} onSaved={saved} onDiscard={() => navigate("/rules")} onOvertaken={query.reload} /> : (
    <Asked query={query} what={t("nav.rules")}>
      {({ alarmRule }) => (alarmRule === null ? <Empty text={t("rules.unknown")} /> : tab === "history"
        ? <HistoryPanel key={String(alarmRule.revision)} entity="ALARM_RULE" id={alarmRule.id} revision={alarmRule.revision} onChanged={() => saved(alarmRule.id)} />
        : <RuleForm key={alarmRule.id} rule={alarmRule} thing={thing} onSaved={saved} onDiscard={() => undefined} onOvertaken={query.reload} />)}
    </Asked>
  );
  return (
    <div className="rules"><Views value={tab} onChange={setTab}>
      <div className="page-bar">
        <h1>{isNew ? t("rules.new") : rule?.name || rule?.message}</h1>
        {rule && <span className="quiet">{rule.deviceType ? t("rules.forType", { name: rule.deviceType.name }) : rule.thing?.name}, r{String(rule.revision)}</span>}
        {rule && (
          <ViewList label={t("nav.rules")} views={(["form", "history"] as const).map((one) => ({ id: one, label: t(`rules.view.${one}`) }))} />
        )}
        <span className="toolbar-right">{rule && <Remove document={documents.removeRule} id={rule.id} name={rule.name} revision={rule.revision} refused={refused} onDone={() => navigate("/rules")} />}</span>
      </div>
      {isNew || !rule ? <div className="page-scroll page-pad">{content}</div> : <ViewPanel of={tab} className="page-scroll page-pad">{content}</ViewPanel>}
    </Views></div>
  );
}
