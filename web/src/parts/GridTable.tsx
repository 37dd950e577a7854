import type { ReactNode } from "react";
import { Cell, Column, Row, Table, TableBody, TableHeader } from "react-aria-components";

export interface GridColumn { id: string; label: ReactNode; number?: boolean; className?: string }
export interface GridRow { id: string; /** What a screen reader calls the row. */ name: string; cells: readonly ReactNode[]; className?: string }

interface Props { label: string; columns: readonly GridColumn[]; rows: readonly GridRow[]; opened: string; onOpen: (id: string) => void; className?: string }

/** A table whose rows open beside it: arrows move, Enter, Space and a click open, Escape closes. The first column names the row. */
export function GridTable({ label, columns, rows, opened, onOpen, className = "" }: Props) {
  return (
    <Table className={`table ${className}`} aria-label={label} selectionMode="single" selectedKeys={opened === "" ? [] : [opened]} onSelectionChange={(keys) => {
      const [next] = keys === "all" ? [] : [...keys];
      onOpen(next === undefined ? "" : String(next));
    }}>
      <TableHeader>
        {columns.map((column, index) => <Column key={column.id} id={column.id} isRowHeader={index === 0} className={`${column.number ? "number" : ""} ${column.className ?? ""}`}>{column.label}</Column>)}
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
