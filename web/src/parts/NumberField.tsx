import { useEffect, useRef } from "react";
import { FieldError, Group, Input, Label, NumberField as AriaNumberField, Text } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useLanguage } from "../i18n/useLanguage";
import { decimalMark } from "../lib/format";

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

/**
 * Point and comma both mean the decimal mark: the field writes no groups, and a mark that was dropped would make 49 of 4.9.
 * Answers what to write instead of the character that was typed; null where it is fine.
 */
export function markFor(typed: string | null, mark: string): string | null {
  return (typed === "." || typed === ",") && typed !== mark ? mark : null;
}

/** A number with its unit, typed with the decimal mark of the language. Arrows step; the wheel does not, because a page is scrolled with it. */
export function NumberField({ label, labelHidden = false, value, onChange, unit, note, min, max, whole = false, required = false, disabled = false }: Props) {
  const { t } = useTranslation();
  const mark = decimalMark(useLanguage());
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    const onBeforeInput = (event: InputEvent) => {
      const instead = markFor(event.data, mark);
      if (instead === null) return;
      event.preventDefault();
      event.stopPropagation();
      // The one way to type for somebody that keeps the caret and the undo steps of the field.
      queueMicrotask(() => document.execCommand("insertText", false, instead));
    };
    element?.addEventListener("beforeinput", onBeforeInput, { capture: true });
    return () => element?.removeEventListener("beforeinput", onBeforeInput, { capture: true });
  }, [mark]);
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
      <Group className="field-box" ref={box}>
        <Input className="number-input" />
        {unit && <span className="unit field-unit">{unit}</span>}
      </Group>
      {note && <Text slot="description" className="field-note">{note}</Text>}
      <FieldError className="field-error">{({ validationDetails, validationErrors }) => (validationDetails.valueMissing ? t("field.missing") : validationErrors.join(" "))}</FieldError>
    </AriaNumberField>
  );
}
