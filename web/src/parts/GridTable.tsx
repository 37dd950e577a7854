import type { ReactNode } from "react";
import { Cell, Column, Row, type SortDescriptor, Table, TableBody, TableHeader } from "react-aria-components";
import type { ListOrder } from "../api/types";
import { Icon } from "./Icon";

export interface GridColumn { id: string; label: ReactNode; number?: boolean; className?: string }
export interface GridRow { id: string; /** What a screen reader calls the row. */ name: string; cells: readonly ReactNode[]; className?: string }

interface Props {
  label: string;
  /** Which rows of how many these are. */
  describedBy?: string;
  columns: readonly GridColumn[];
  rows: readonly GridRow[];
  opened: string;
  onOpen: (id: string) => void;
  className?: string;
  /** The first column is what the server orders by; its head turns the order round. */
  order?: ListOrder;
  onSort?: (order: ListOrder) => void;
}

/** A table whose rows open beside it: arrows move, Enter, Space and a click open, Escape closes. The first column names the row. */
export function GridTable({ label, describedBy, columns, rows, opened, onOpen, className = "", order, onSort }: Props) {
  const named = columns[0]?.id ?? "";
  const sorted: SortDescriptor | null = order === "NAME" ? { column: named, direction: "ascending" } : order === "NAME_DESCENDING" ? { column: named, direction: "descending" } : null;
  return (
    <Table className={`table ${className}`} aria-label={label} {...(describedBy ? { "aria-describedby": describedBy } : {})} selectionMode="single" selectedKeys={opened === "" ? [] : [opened]}
      onSelectionChange={(keys) => {
        const [next] = keys === "all" ? [] : [...keys];
        onOpen(next === undefined ? "" : String(next));
      }}
      {...(sorted ? { sortDescriptor: sorted } : {})} {...(onSort ? { onSortChange: () => onSort(order === "NAME" ? "NAME_DESCENDING" : "NAME") } : {})}>
      <TableHeader>
        {columns.map((column, index) => (
          <Column key={column.id} id={column.id} isRowHeader={index === 0} allowsSorting={index === 0 && onSort !== undefined} className={`${column.number ? "number" : ""} ${column.className ?? ""}`}>
            {({ sortDirection }) => <>{column.label}{sortDirection && <span className={`sorted sorted-${sortDirection}`}><Icon name="chevron" size={12} /></span>}</>}
          </Column>
        ))}
      </TableHeader>
      <TableBody>
        {rows.map((row) => (
          <Row key={row.id} id={row.id} textValue={row.name} className={`${row.id === opened ? "row-open" : ""} ${row.className ?? ""}`}>
            {row.cells.map((cell, index) => <Cell key={columns[index]?.id ?? index} className={`${columns[index]?.number ? "number" : ""} ${columns[index]?.className ?? ""}`}>{index === 0 ? <b>{cell}</b> : cell}</Cell>)}
          </Row>
        ))}
      </TableBody>
    </Table>
  );
}
