import { useTranslation } from "react-i18next";
import type { Tag } from "../api/types";
import { Button } from "../parts/Button";

const EMPTY: Tag = { series: "", title: "", unit: "", low: null, high: null, decimals: 2, expectedIntervalMs: null };

/** What the series of a thing mean: title, unit, range, decimals, expected interval. */
export function TagEditor({ tags, onChange }: { tags: readonly Tag[]; onChange: (next: Tag[]) => void }) {
  const { t } = useTranslation();
  const set = (index: number, patch: Partial<Tag>) => onChange(tags.map((tag, i) => (i === index ? { ...tag, ...patch } : tag)));
  const number = (text: string) => (text === "" ? null : Number(text));
  return (
    <fieldset className="tags">
      <legend>{t("tags.title")}</legend>
      {tags.length > 0 && (
        <table className="table form-table">
          <thead><tr>{(["series", "name", "unit", "low", "high", "decimals", "interval"] as const).map((name) => <th key={name} scope="col">{t(`tags.${name}`)}</th>)}<th><span className="hidden-text">{t("tags.remove")}</span></th></tr></thead>
          <tbody>
            {tags.map((tag, index) => (
              <tr key={index}>
                <td><input aria-label={t("tags.series")} className="mono" value={tag.series} required onChange={(event) => set(index, { series: event.target.value })} /></td>
                <td><input aria-label={t("tags.name")} value={tag.title} required onChange={(event) => set(index, { title: event.target.value })} /></td>
                <td><input aria-label={t("tags.unit")} className="narrow" value={tag.unit} onChange={(event) => set(index, { unit: event.target.value })} /></td>
                <td><input aria-label={t("tags.low")} className="narrow" type="number" step="any" value={tag.low ?? ""} onChange={(event) => set(index, { low: number(event.target.value) })} /></td>
                <td><input aria-label={t("tags.high")} className="narrow" type="number" step="any" value={tag.high ?? ""} onChange={(event) => set(index, { high: number(event.target.value) })} /></td>
                <td><input aria-label={t("tags.decimals")} className="narrow" type="number" min="0" max="9" value={tag.decimals} onChange={(event) => set(index, { decimals: Number(event.target.value) })} /></td>
                <td><input aria-label={t("tags.interval")} className="narrow" type="number" min="1" value={tag.expectedIntervalMs ?? ""} onChange={(event) => set(index, { expectedIntervalMs: number(event.target.value) })} /></td>
                <td><Button size="small" aria-label={t("tags.removeOne", { name: tag.title || tag.series })} onClick={() => onChange(tags.filter((_, i) => i !== index))}>−</Button></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Button size="small" onClick={() => onChange([...tags, EMPTY])}>{t("tags.add")}</Button>
    </fieldset>
  );
}
