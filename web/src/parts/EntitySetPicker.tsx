import { useTranslation } from "react-i18next";
import type { Named } from "../api/types";
import { EntityPicker } from "./EntityPicker";
import { Icon } from "./Icon";
import type { ChoiceList } from "./useChoices";

interface Props { label: string; of: ChoiceList; add: string; none: string; value: readonly Named[]; onChange: (next: Named[]) => void }

/**
 * Several of a list of any length: the chosen ones with a button each to take them away, and below a search field that adds.
 * Its list stays open for the next one, so what is chosen stands where the list never covers it.
 */
export function EntitySetPicker({ label, of, add, none, value, onChange }: Props) {
  const { t } = useTranslation();
  return (
    <fieldset className="picker">
      <legend>{label}</legend>
      {value.length === 0 ? <p className="quiet">{none}</p> : (
        <ul className="chosen">
          {value.map((one) => (
            <li key={one.id}>
              <span className="fit" title={one.name}>{one.name}</span>
              <button type="button" className="icon-button" aria-label={t("picker.take", { name: one.name })} onClick={() => onChange(value.filter((other) => other.id !== one.id))}><Icon name="close" size={12} /></button>
            </li>
          ))}
        </ul>
      )}
      <EntityPicker label={add} of={of} value={null} without={value.map((one) => one.id)} onChange={(one) => { if (one) onChange([...value, one]); }} />
    </fieldset>
  );
}
