import type { ReactNode } from "react";
import { Button, type Key, Label, ListBox, ListBoxItem, Popover, Select as AriaSelect, SelectValue, Text } from "react-aria-components";
import { Icon } from "./Icon";

export interface SelectOption<T extends string> { id: T; label: string; mark?: ReactNode }

interface Props<T extends string> {
  label: string;
  /** The label is said, not drawn: in a toolbar, or in a cell under a head that says it. */
  labelHidden?: boolean;
  options: readonly SelectOption<T>[];
  value: T;
  onChange: (next: T) => void;
  note?: string | undefined;
  placeholder?: string;
  disabled?: boolean;
  autoFocus?: boolean;
}

/** A key of a collection cannot be empty; "nothing chosen" is an option like the others here. */
const NOTHING = "\u2013";
const keyOf = (id: string): Key => (id === "" ? NOTHING : id);

/** One of a list that opens. Arrows, letters, Enter and Escape are react-aria's. */
export function Select<T extends string>({ label, labelHidden = false, options, value, onChange, note, placeholder = NOTHING, disabled = false, autoFocus = false }: Props<T>) {
  const known = options.some((option) => option.id === value);
  const mark = options.find((option) => option.id === value)?.mark;
  return (
    <AriaSelect
      className={labelHidden ? "select" : "select field"}
      value={known ? keyOf(value) : null}
      onChange={(key) => onChange((key === NOTHING ? "" : String(key ?? "")) as T)}
      placeholder={placeholder}
      isDisabled={disabled}
      autoFocus={autoFocus}
      {...(labelHidden ? { "aria-label": label } : {})}
    >
      {!labelHidden && <Label>{label}</Label>}
      <span className="select-box">
        {/* Beside the button, not in it: the digit of a glyph is no part of the button's name. */}
        {mark && <span className="select-mark" aria-hidden="true">{mark}</span>}
        <Button className="select-button">
          <SelectValue className="select-value">{({ defaultChildren, isPlaceholder, selectedText }) => (isPlaceholder ? defaultChildren : selectedText)}</SelectValue>
          <Icon name="chevron" size={12} />
        </Button>
      </span>
      {note && <Text slot="description" className="field-note">{note}</Text>}
      <Popover className="popover" offset={2} containerPadding={8}>
        <ListBox className="list-box">
          {options.map((option) => (
            <ListBoxItem key={option.id} id={keyOf(option.id)} textValue={option.label} className="list-item">
              {option.mark}<span className="fit">{option.label}</span>
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}
