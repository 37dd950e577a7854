import { useEffect, useState } from "react";

/** A value that follows another one `waitMs` after it has come to rest. */
export function useLateValue<T>(value: T, waitMs: number): T {
  const [late, setLate] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLate(value), waitMs);
    return () => clearTimeout(timer);
  }, [value, waitMs]);
  return late;
}
