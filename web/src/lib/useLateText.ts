import { useEffect, useRef, useState } from "react";

const WAIT_MS = 250;

/** The text of a field at once for the eye, and a quarter of a second after the last key for the server. Another `value` from outside is taken over. */
export function useLateText(value: string, onChange: (next: string) => void): [string, (next: string) => void] {
  const [text, setText] = useState(value);
  const [told, setTold] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  if (value !== told) {
    setTold(value);
    setText(value);
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  const set = (next: string) => {
    setText(next);
    clearTimeout(timer.current);
    // An emptied field is meant at once.
    if (next === "") onChange(next);
    else timer.current = setTimeout(() => onChange(next), WAIT_MS);
  };
  return [text, set];
}
