import { type ReactNode, useEffect, useId, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./Button";
import { Pager } from "./Pager";
import { Asked, Empty } from "./Panel";
import type { ListView } from "./useListView";

interface Props<T> {
  label: string;
  view: ListView<T>;
  /** What would be here, where there is nothing at all. */
  empty: string;
  /** The one next step there. */
  action?: ReactNode;
  /** What was searched for and not found. */
  none: string;
  children: (nodes: readonly T[], describedBy: string) => ReactNode;
}

/** A page of a list with its states: loading, failed, empty, nothing found, rows with the pager below them. */
export function PagedList<T>({ label, view, empty, action, none, children }: Props<T>) {
  const { t } = useTranslation();
  const range = useId();
  const root = useRef<HTMLDivElement>(null);
  const { query, page, text } = view;
  // Another page begins at its first row.
  const shown = useRef(page);
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    root.current?.closest(".fleet-list, .page-scroll")?.scrollTo({ top: 0 });
  }, [page]);
  return (
    <Asked query={query} what={label}>
      {(data) => {
        if (data.total === 0 && text === "") return <Empty text={empty} action={action} />;
        if (data.total === 0) return <Empty text={none} action={<Button size="small" onClick={() => view.search("")}>{t("list.all")}</Button>} />;
        return (
          <div className={query.behind ? "paged paged-behind" : "paged"} ref={root} aria-busy={query.behind}>
            {children(data.nodes, range)}
            <Pager label={label} id={range} page={data.page} pages={data.pages} total={data.total} shown={data.nodes.length} behind={query.behind} onTurn={view.turn} />
          </div>
        );
      }}
    </Asked>
  );
}
