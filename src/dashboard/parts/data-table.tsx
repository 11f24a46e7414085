/** A table that can be sorted by its columns. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { go } from "../state/route.ts";
import { count } from "./words.ts";

export interface Column<T> {
  /** What the address calls it. */
  key: string;
  name: string;
  /** What it means, where its name does not tell. */
  title?: string;
  cell: (row: T) => ComponentChildren;
  /** Without it nobody can sort by this column. Null comes last either way. */
  sortBy?: (row: T) => number | string | null;
  /** Stands at the right, and the largest come first. */
  isNumber?: boolean;
}

interface DataTableProps<T> {
  /** Says what the rows are; read out with the table. */
  caption: string;
  /** The first column names the row. Columns and rows that are the same as before are not gone through again. */
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  /** A column's key, with "-" before it for the largest first; where a table keeps it itself, what it begins with. */
  sort?: string;
  /** For whoever keeps the order, in the address for example. */
  onSort?: (sort: string) => void;
  /** Where a row leads: its first cell is the link, and a click anywhere on it does the same. */
  linkOf?: (row: T) => string;
  /** What the link says to those who do not see the row. */
  linkTitle?: (row: T) => string;
  rowClass?: (row: T) => string;
  /** Whose row comes first in any order. */
  isFirst?: (row: T) => boolean;
  /** So many are drawn before somebody asks for more. */
  pageSize?: number;
}

const PAGE = 100;

export function DataTable<T>({ columns, rows, pageSize = PAGE, ...props }: DataTableProps<T>) {
  const { caption, keyOf, linkOf, linkTitle, rowClass, isFirst } = props;
  const id = useId();
  const body = useRef<HTMLTableSectionElement>(null);
  const own = useSignal(props.sort ?? "");
  const shown = useSignal(pageSize);
  const region = useScrollRegion(id);
  const sort = props.onSort ? (props.sort ?? "") : own.value;
  const inOrder = useMemo(() => pin(sortRows(rows, columns, sort), isFirst), [rows, columns, sort]);
  const drawn = useSteadyOrder(inOrder, shown.value, keyOf, sort, body);
  const choose = (next: string) => {
    own.value = next;
    props.onSort?.(next);
  };

  return (
    <div class="table-box">
      <div class="table-scroll" {...region}>
        <table class="data-table">
          <caption id={id} class="hidden">
            {caption}
          </caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <Heading key={column.key} column={column} sort={sort} onSort={choose} />
              ))}
            </tr>
          </thead>
          <tbody ref={body}>
            {drawn.map((row) => {
              const link = linkOf?.(row);
              return (
                <tr
                  key={keyOf(row)}
                  class={[rowClass?.(row), link === undefined ? "" : "row-linked"].filter(Boolean).join(" ")}
                  onClick={link === undefined ? undefined : (event) => follow(event, link)}
                >
                  {columns.map(({ key, cell, isNumber }, index) =>
                    index === 0 ? (
                      <th key={key} scope="row">
                        {link === undefined ? (
                          cell(row)
                        ) : (
                          <a href={link} data-item title={linkTitle?.(row)}>
                            {cell(row)}
                          </a>
                        )}
                      </th>
                    ) : (
                      <td key={key} class={isNumber ? "number" : undefined}>
                        {cell(row)}
                      </td>
                    ),
                  )}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {rows.length > drawn.length && (
        <p class="more">
          <button type="button" onClick={() => (shown.value += 5 * pageSize)}>
            Show more ({count(rows.length - drawn.length)} are not shown)
          </button>
        </p>
      )}
    </div>
  );
}

interface HeadingProps<T> {
  column: Column<T>;
  sort: string;
  onSort: (sort: string) => void;
}

function Heading<T>({ column: { key, name, title, sortBy, isNumber }, sort, onSort }: HeadingProps<T>) {
  const isUp = sort === key;
  const isDown = sort === `-${key}`;
  const first = isNumber ? `-${key}` : key;
  const other = isNumber ? key : `-${key}`;
  return (
    <th
      scope="col"
      class={isNumber ? "number" : undefined}
      aria-sort={isUp ? "ascending" : isDown ? "descending" : undefined}
      title={title}
    >
      {sortBy ? (
        <button type="button" onClick={() => onSort(sort === first ? other : first)}>
          {name}
          <span class="sort-mark" aria-hidden="true">
            {isUp ? "↑" : isDown ? "↓" : ""}
          </span>
        </button>
      ) : (
        name
      )}
    </th>
  );
}

export function sortRows<T>(rows: readonly T[], columns: readonly Column<T>[], sort: string): readonly T[] {
  const isDown = sort.startsWith("-");
  const key = isDown ? sort.slice(1) : sort;
  const sortBy = columns.find((column) => column.key === key)?.sortBy;
  if (!sortBy) return rows;
  // Of 5,000 paths a collator would take three frames.
  const valued = rows.map((row) => ({ row, value: lowered(sortBy(row)) }));
  valued.sort(({ value: left }, { value: right }) => {
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    const order = left < right ? -1 : Number(left > right);
    return isDown ? -order : order;
  });
  return valued.map(({ row }) => row);
}

function pin<T>(rows: readonly T[], isFirst?: (row: T) => boolean): readonly T[] {
  if (!isFirst) return rows;
  return [...rows.filter(isFirst), ...rows.filter((row) => !isFirst(row))];
}

function lowered(value: number | string | null): number | string | null {
  return typeof value === "string" ? value.toLowerCase() : value;
}

/** A click on a row is one on its link, but not where there is another link, nor where text was marked to be copied. */
function follow({ target }: MouseEvent, link: string): void {
  if (target instanceof Element && target.closest("a, button, input")) return;
  if (getSelection()?.isCollapsed === false) return;
  go(link);
}

/**
 * New figures must not move a row from under a pointer, nor away from the focus; another order is what was asked for.
 * @returns the rows that are drawn
 */
function useSteadyOrder<T>(
  rows: readonly T[],
  limit: number,
  keyOf: (row: T) => string,
  sort: string,
  body: { current: HTMLElement | null },
): readonly T[] {
  const last = useRef<{ sort: string; keys: readonly string[] }>({ sort, keys: [] });
  const isHeld = last.current.sort === sort && body.current?.matches(":hover, :focus-within") === true;
  const drawn = (isHeld ? inPlace(rows, last.current.keys, keyOf) : rows).slice(0, limit);
  last.current = { sort, keys: drawn.map(keyOf) };
  return drawn;
}

/** Rows with these keys first, in the keys' order; then the others in theirs. */
function inPlace<T>(rows: readonly T[], keys: readonly string[], keyOf: (row: T) => string): readonly T[] {
  const places = new Map(keys.map((key, index) => [key, index]));
  const held: T[] = [];
  const others: T[] = [];
  for (const row of rows) {
    const place = places.get(keyOf(row));
    if (place === undefined) others.push(row);
    else held[place] = row;
  }
  // Of rows that are gone, places are left over.
  return [...held.filter((row) => row !== undefined), ...others];
}

/** What is wider than its place scrolls in it, and then the keyboard has to get there too. */
function useScrollRegion(labelId: string) {
  const ref = useRef<HTMLDivElement>(null);
  const isWider = useSignal(false);
  useLayoutEffect(() => {
    const element = ref.current;
    const table = element?.firstElementChild;
    if (!element || !table) return;
    const observer = new ResizeObserver(() => {
      isWider.value = element.scrollWidth > element.clientWidth + 1;
    });
    observer.observe(element);
    observer.observe(table);
    return () => observer.disconnect();
  }, []);
  const props = { tabIndex: 0, role: "region" as const, "aria-labelledby": labelId };
  return { ref, ...(isWider.value ? props : {}) };
}
