import type { RefObject } from "react";
import { Button, Input, SearchField } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useLateText } from "../lib/useLateText";
import { Icon } from "./Icon";

interface Props { label: string; value: string; onChange: (next: string) => void; keyCap?: string; inputRef?: RefObject<HTMLInputElement | null> }

/** A filter of the list beside it. Escape and the cross empty it. */
export function SearchBox({ label, value, onChange, keyCap, inputRef }: Props) {
  const { t } = useTranslation();
  return (
    <SearchField className="search-box" aria-label={label} value={value} onChange={onChange}>
      <Icon name="search" size={14} />
      <Input {...(inputRef ? { ref: inputRef } : {})} placeholder={label} />
      {value === "" ? keyCap && <kbd className="key-cap">{keyCap}</kbd> : <Button className="icon-button" aria-label={t("search.clear")}><Icon name="close" size={12} /></Button>}
    </SearchField>
  );
}

/** The same where the server searches: it is asked when the typing rests. */
export function ServerSearchBox({ value, onChange, ...rest }: Props) {
  const [text, setText] = useLateText(value, onChange);
  return <SearchBox {...rest} value={text} onChange={setText} />;
}
