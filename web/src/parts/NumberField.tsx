import { Group, Input, Label, NumberField as AriaNumberField, Text } from "react-aria-components";

interface Props {
  label: string;
  labelHidden?: boolean;
  /** A JSON number as text, or the empty text: forms keep what is not a number yet. */
  value: string;
  onChange: (next: string) => void;
  unit?: string;
  note?: string;
  min?: number;
  max?: number;
  whole?: boolean;
  required?: boolean;
  disabled?: boolean;
}

const ANY: Intl.NumberFormatOptions = { useGrouping: false, maximumFractionDigits: 12 };
const WHOLE: Intl.NumberFormatOptions = { useGrouping: false, maximumFractionDigits: 0 };

/** A number with its unit, typed with the decimal mark of the language. Arrows step; the wheel does not, because a page is scrolled with it. */
export function NumberField({ label, labelHidden = false, value, onChange, unit, note, min, max, whole = false, required = false, disabled = false }: Props) {
  return (
    <AriaNumberField
      className={labelHidden ? "number-field" : "number-field field"}
      value={value.trim() === "" ? Number.NaN : Number(value)}
      onChange={(next) => onChange(Number.isNaN(next) ? "" : String(next))}
      formatOptions={whole ? WHOLE : ANY}
      {...(min === undefined ? {} : { minValue: min })}
      {...(max === undefined ? {} : { maxValue: max })}
      isWheelDisabled
      isRequired={required}
      isDisabled={disabled}
      {...(labelHidden ? { "aria-label": label } : {})}
    >
      {!labelHidden && <Label>{label}</Label>}
      <Group className="field-box">
        <Input className="number-input" />
        {unit && <span className="unit field-unit">{unit}</span>}
      </Group>
      {note && <Text slot="description" className="field-note">{note}</Text>}
    </AriaNumberField>
  );
}
