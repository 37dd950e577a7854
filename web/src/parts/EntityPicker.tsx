import { type ReactNode, useState } from "react";
import { Button, ComboBox, FieldError, Input, type Key, Label, ListBox, ListBoxItem, Popover, Text } from "react-aria-components";
import { useTranslation } from "react-i18next";
import type { Named } from "../api/types";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { Icon } from "./Icon";
import { type ChoiceList, type ChoiceRow, useChoices } from "./useChoices";

interface Props {
  label: string;
  of: ChoiceList;
  value: Named | null;
  onChange: (next: Named | null) => void;
  note?: string | undefined;
  required?: boolean;
  /** Chosen elsewhere: not offered. */
  without?: readonly string[];
  placeholder?: string;
}

/** One of a list of any length: what is typed is searched for by the server. An emptied field chooses nothing. */
export function EntityPicker({ label, of, value, onChange, note, required = false, without = [], placeholder }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useState(value?.name ?? "");
  // Until something is typed the text is the name of what is chosen, and no search.
  const [typed, setTyped] = useState(false);
  const [open, setOpen] = useState(false);
  const [told, setTold] = useState(value);
  // Chosen elsewhere, or its name has come.
  if (value?.id !== told?.id || (!typed && value?.name !== told?.name)) {
    setTold(value);
    setTyped(false);
    setText(value?.name ?? "");
  }
  const choices = useChoices(of, typed ? text : "", open);
  const rows = choices.rows.filter((row) => !without.includes(row.id));
  const choose = (next: Named | null) => {
    setTyped(false);
    setText(next?.name ?? "");
    setTold(next);
    if (next?.id !== value?.id) onChange(next);
  };
  const type = (next: string) => {
    setText(next);
    setTyped(true);
    if (next === "" && value !== null) {
      setTold(null);
      onChange(null);
    }
  };
  // Also called when the field is left: then with what was chosen before, and the text goes back to its name.
  const take = (key: Key | null) => {
    const row = rows.find((one) => one.id === key);
    if (row) choose({ id: row.id, name: row.name });
    else choose(value !== null && value.id === key ? value : null);
  };
  return (
    <ComboBox className="combo-field field" items={rows} value={value?.id ?? null} onChange={take} inputValue={text} onInputChange={type} onOpenChange={setOpen}
      menuTrigger="focus" allowsEmptyCollection isRequired={required}>
      <Label>{label}</Label>
      <span className="field-box">
        <Input spellCheck="false" autoComplete="off" placeholder={placeholder ?? t("picker.placeholder")} />
        <Button className="combo-button" aria-label={t("picker.show", { list: label })}><Icon name="chevron" size={12} /></Button>
      </span>
      {note && <Text slot="description" className="field-note">{note}</Text>}
      <FieldError className="field-error">{t("field.missing")}</FieldError>
      <Popover className="popover popover-column" offset={2} containerPadding={8}>
        <ListBox<ChoiceRow> className="list-box" renderEmptyState={() => <p className="list-note" role="status">{choices.error ? t("panel.failed", { what: label, message: choices.error.message }) : choices.loading ? t("panel.loading") : t("search.none")}</p>}>
          {(row) => (
            <ListBoxItem id={row.id} textValue={row.name} className="list-item">
              <span className="fit">{row.name}</span>{row.note && <span className="quiet fit">{row.note}</span>}
            </ListBoxItem>
          )}
        </ListBox>
        <Rest shown={choices.rows.length} total={choices.total} />
      </Popover>
    </ComboBox>
  );
}

/** Says that there are more than the list shows. */
function Rest({ shown, total }: { shown: number; total: number }): ReactNode {
  const { t } = useTranslation();
  const language = useLanguage();
  if (total <= shown) return null;
  return <p className="list-note">{t("picker.more", { shown: formatNumber(shown, 0, language), total: formatNumber(total, 0, language) })}</p>;
}
