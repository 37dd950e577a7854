import { useQuery } from "../api/useQuery";

/** The row that is open beside its list: out of the page that is shown, or asked for alone where the page has it not. */
export function useRow<T extends { id: string }>(document: string, field: string, id: string, shown: readonly T[] | undefined): { row: T | null; reload: () => void } {
  const here = shown?.find((one) => one.id === id);
  const alone = useQuery<Record<string, T | null>>(id !== "" && shown !== undefined && here === undefined ? document : null, { id });
  return { row: here ?? alone.data?.[field] ?? null, reload: alone.reload };
}
