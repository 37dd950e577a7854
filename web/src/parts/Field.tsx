import { type FormEvent, type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes, useId, useState } from "react";
import { useTranslation } from "react-i18next";

interface Frame { label: string; note?: string; unit?: string; error?: string | null }

function Labelled({ label, note, unit, error, id, children }: Frame & { id: string; children: ReactNode }) {
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <span className="field-box">
        {children}
        {unit && <span className="unit field-unit">{unit}</span>}
      </span>
      {note && <span className="field-note" id={`${id}-note`}>{note}</span>}
      {error && <span className="field-error" role="alert" id={`${id}-error`}>{error}</span>}
    </div>
  );
}

type Control = HTMLInputElement | HTMLTextAreaElement;

/** What the browser finds wrong when the form is sent, in our words and below the field, until the next key. */
function useOwnError(given: string | null | undefined) {
  const { t } = useTranslation();
  const [found, setFound] = useState<string | null>(null);
  const words = (control: Control): string => {
    const { validity } = control;
    if (validity.valueMissing) return t("field.missing");
    if (validity.tooShort) return t("field.tooShort", { count: control.minLength });
    if (validity.typeMismatch && control.type === "email") return t("field.email");
    return control.validationMessage;
  };
  const onInvalid = (event: FormEvent<Control>) => {
    const control = event.currentTarget;
    // The browser's own bubble stays away; its other duty, to lead to the first wrong field, is done here.
    event.preventDefault();
    setFound(words(control));
    if (control.form?.querySelector(":is(input, textarea):invalid") === control) control.focus();
  };
  return { error: found ?? given ?? null, onInvalid, clear: () => setFound(null) };
}

function describedBy(id: string, note: string | undefined, error: string | null): string | undefined {
  return [note && `${id}-note`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
}

export function TextField({ label, note, unit, error: given, onChange, ...rest }: Frame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  const { error, onInvalid, clear } = useOwnError(given);
  return (
    <Labelled {...{ label, ...(note ? { note } : {}), ...(unit ? { unit } : {}), ...(error ? { error } : {}) }} id={id}>
      <input id={id} autoComplete="off" spellCheck={false} aria-describedby={describedBy(id, note, error)} aria-invalid={error ? true : undefined} {...rest}
        onInvalid={onInvalid} onChange={(event) => { clear(); onChange?.(event); }} />
    </Labelled>
  );
}

export function TextArea({ label, note, error: given, onChange, ...rest }: Frame & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  const { error, onInvalid, clear } = useOwnError(given);
  return (
    <Labelled {...{ label, ...(note ? { note } : {}), ...(error ? { error } : {}) }} id={id}>
      <textarea id={id} rows={3} spellCheck={false} aria-describedby={describedBy(id, note, error)} aria-invalid={error ? true : undefined} {...rest}
        onInvalid={onInvalid} onChange={(event) => { clear(); onChange?.(event); }} />
    </Labelled>
  );
}

export function CheckField({ label, ...rest }: { label: string } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className="check"><input type="checkbox" {...rest} /> {label}</label>
  );
}
