import { type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes, useId } from "react";

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
      {error && <span className="field-error" role="alert">{error}</span>}
    </div>
  );
}

export function TextField({ label, note, unit, error, ...rest }: Frame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <Labelled {...{ label, ...(note ? { note } : {}), ...(unit ? { unit } : {}), ...(error ? { error } : {}) }} id={id}>
      <input id={id} autoComplete="off" spellCheck={false} aria-describedby={note ? `${id}-note` : undefined} aria-invalid={error ? true : undefined} {...rest} />
    </Labelled>
  );
}

export function TextArea({ label, note, error, ...rest }: Frame & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <Labelled {...{ label, ...(note ? { note } : {}), ...(error ? { error } : {}) }} id={id}>
      <textarea id={id} rows={3} spellCheck={false} aria-describedby={note ? `${id}-note` : undefined} {...rest} />
    </Labelled>
  );
}

export function CheckField({ label, ...rest }: { label: string } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className="check"><input type="checkbox" {...rest} /> {label}</label>
  );
}
