import { useTranslation } from "react-i18next";
import type { Tag } from "../api/types";
import { Button } from "../parts/Button";
import { NumberField } from "../parts/NumberField";

const EMPTY: Tag = { series: "", title: "", unit: "", low: null, high: null, decimals: 2, expectedIntervalMs: null };

/** What the series of a thing mean: title, unit, range, decimals, expected interval. */
export function TagEditor({ tags, onChange }: { tags: readonly Tag[]; onChange: (next: Tag[]) => void }) {
  const { t } = useTranslation();
  const set = (index: number, patch: Partial<Tag>) => onChange(tags.map((tag, i) => (i === index ? { ...tag, ...patch } : tag)));
  const number = (text: string) => (text === "" ? null : Number(text));
  const text = (value: number | string | null) => (value === null ? "" : String(value));
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
                <td><NumberField label={t("tags.low")} labelHidden value={text(tag.low)} onChange={(next) => set(index, { low: number(next) })} /></td>
                <td><NumberField label={t("tags.high")} labelHidden value={text(tag.high)} onChange={(next) => set(index, { high: number(next) })} /></td>
                <td><NumberField label={t("tags.decimals")} labelHidden whole min={0} max={9} value={text(tag.decimals)} onChange={(next) => set(index, { decimals: number(next) ?? 0 })} /></td>
                <td><NumberField label={t("tags.interval")} labelHidden whole min={1} value={text(tag.expectedIntervalMs)} onChange={(next) => set(index, { expectedIntervalMs: number(next) })} /></td>
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
