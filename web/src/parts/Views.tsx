import type { ReactNode } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";

export interface View<T extends string> { id: T; label: string; count?: ReactNode }

interface Props<T extends string> { value: T; onChange: (next: T) => void; children: ReactNode }

/** Views of one page behind tabs. It draws no box: bar and panel lie in the grid of the page. */
export function Views<T extends string>({ value, onChange, children }: Props<T>) {
  return <Tabs className="views" selectedKey={value} onSelectionChange={(key) => onChange(String(key) as T)}>{children}</Tabs>;
}

export function ViewList<T extends string>({ label, views }: { label: string; views: readonly View<T>[] }) {
  return (
    <TabList className="tabs" aria-label={label}>
      {views.map((view) => (
        <Tab key={view.id} id={view.id} className="tab">
          {view.label}{view.count !== undefined && <span className="count">{view.count}</span>}
        </Tab>
      ))}
    </TabList>
  );
}

/** The panel of the view that is chosen. */
export function ViewPanel({ of, className, children }: { of: string; className: string; children: ReactNode }) {
  return <TabPanel id={of} className={className}>{children}</TabPanel>;
}
