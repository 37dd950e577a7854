import { useTranslation } from "react-i18next";
import type { Alarm, Contribution } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber, naturalDecimals } from "../lib/format";
import { useSignal } from "../lib/signal";
import { titleOf, titles } from "./titles";

/** What the model's score is made of, largest first; each with what the model expected and what came. */
export function Contributions({ alarm, title }: { alarm: Pick<Alarm, "contributions" | "thing">; title: string }) {
  const { t } = useTranslation();
  const known = useSignal(titles);
  return (
    <div className="contributions">
      <h3>{title}</h3>
      <table className="bars">
        <caption className="hidden-text">{title}</caption>
        <thead className="hidden-text"><tr><th scope="col">{t("contributions.signal")}</th><th scope="col" /><th scope="col">{t("contributions.share")}</th></tr></thead>
        <tbody>{alarm.contributions.slice(0, 6).map((one) => <Bar key={one.series} one={one} name={titleOf(one.series, alarm.thing?.id, known)} />)}</tbody>
      </table>
    </div>
  );
}

function Bar({ one, name }: { one: Contribution; name: string }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const known = one.expected !== null && one.actual !== null;
  const detail = known ? t("contributions.detail", { expected: number(one.expected), actual: number(one.actual) }) : undefined;
  function number(value: number | null): string {
    return formatNumber(value, naturalDecimals(value ?? 0), language);
  }
  return (
    <tr title={detail}>
      <th scope="row" className="fit" title={name === one.series ? undefined : `${name}, ${one.series}`}>{name}</th>
      <td><svg className="bar" width="100" height="8" aria-hidden="true"><rect className="bar-ground" width="100" height="8" /><rect className="bar-value" width={Math.max(1, Math.min(1, one.share) * 100)} height="8" /></svg></td>
      <td className="number"><b>{formatNumber(one.share * 100, 0, language)}</b> <span className="unit">%</span></td>
    </tr>
  );
}
