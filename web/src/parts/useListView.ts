import { useCallback, useMemo } from "react";
import type { ListName } from "../api/documents";
import type { ListOrder } from "../api/types";
import { type ListQuery, useListPage } from "../api/useListPage";
import { changeQuery, useAddress } from "../lib/router";

export const ORDERS: ListOrder[] = ["NAME", "NAME_DESCENDING", "CREATED_DESCENDING", "CREATED"];

interface ListAddress {
  text: string;
  search: (next: string) => void;
  /** Counted from 0. */
  page: number;
  turn: (page: number) => void;
  order: ListOrder;
  sort: (order: ListOrder) => void;
}

export interface ListView<T> extends ListAddress { query: ListQuery<T> }

/** What the address says of a list: its search in `name`, its page from 1 in `page`, its order in `order`. Turning a page is a step that one goes back from. */
export function useListAddress(): ListAddress {
  const { query } = useAddress();
  return useMemo(() => {
    const params = new URLSearchParams(query);
    const given = Number(params.get("page") ?? 1);
    return {
      text: params.get("name") ?? "",
      search: (name: string) => changeQuery({ name, page: null }),
      page: Number.isSafeInteger(given) && given > 0 ? given - 1 : 0,
      turn: (page: number) => changeQuery({ page: page === 0 ? null : String(page + 1) }, { step: true }),
      order: ORDERS.find((one) => one === params.get("order")) ?? "NAME",
      sort: (order: ListOrder) => changeQuery({ order: order === "NAME" ? null : order, page: null }),
    };
  }, [query]);
}

/** A list of the server as the address says it. `filterOf` makes the arguments that narrow it out of the search. */
export function useListView<T>(list: ListName, filterOf: (text: string) => object, everyMs?: number): ListView<T> {
  const address = useListAddress();
  const beyond = useCallback((last: number) => changeQuery({ page: last <= 0 ? null : String(last + 1) }), []);
  const query = useListPage<T>(list, { ...filterOf(address.text) }, address.order, address.page, beyond, everyMs);
  return { ...address, query };
}
