import { Button, ComboBox, FieldError, Input, Label, ListBox, ListBoxItem, Popover } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { Icon } from "./Icon";

interface Props { label: string; options: readonly { id: string; note?: string }[]; value: string; onChange: (next: string) => void; required?: boolean; open: string }

/** A text that is usually one of a list, and may be another. `open` names the button that shows the list. */
export function ComboField({ label, options, value, onChange, required = false, open }: Props) {
  const { t } = useTranslation();
  return (
    <ComboBox className="combo-field field" allowsCustomValue inputValue={value} onInputChange={onChange} isRequired={required} menuTrigger="focus">
      <Label>{label}</Label>
      <span className="field-box">
        <Input className="mono" spellCheck="false" />
        <Button className="combo-button" aria-label={open}><Icon name="chevron" size={12} /></Button>
      </span>
      <FieldError className="field-error">{t("field.missing")}</FieldError>
      <Popover className="popover" offset={2}>
        <ListBox className="list-box">
          {options.map((option) => (
            <ListBoxItem key={option.id} id={option.id} textValue={option.id} className="list-item">
              <span className="mono">{option.id}</span>{option.note && <span className="quiet fit">{option.note}</span>}
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
