import type { ButtonHTMLAttributes, ReactNode } from "react";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: "primary" | "outlined" | "plain";
  size?: "small" | "medium" | "large";
  /** The key that does the same; printed on the button. */
  keyCap?: string;
  /** Why it cannot be pressed now: drawn dashed, said on hover and to a screen reader. */
  unavailable?: string | null | undefined;
  children: ReactNode;
}

export function Button({ kind = "outlined", size = "medium", keyCap, unavailable, children, className = "", onClick, ...rest }: Props) {
  const off = unavailable !== undefined && unavailable !== null;
  return (
    <button
      type="button"
      {...rest}
      className={`button button-${kind} button-${size} ${off ? "button-off" : ""} ${className}`}
      aria-disabled={off || undefined}
      aria-description={off ? unavailable : undefined}
      title={off ? unavailable : rest.title}
      aria-keyshortcuts={keyCap?.replace(" ", "+")}
      onClick={(event) => {
        if (off) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {children}
      {keyCap && <kbd className="key-cap">{keyCap}</kbd>}
    </button>
  );
}
