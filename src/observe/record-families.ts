// Families whose values stand in the shared memory: one cell each, or a row of cells for classes of
// status and for histograms.

import type { SharedTable } from '../core/shared-layout.ts'
import { LATENCY_BOUNDS_S } from '../core/shared-layout.ts'
import type { Emit, Family } from './metric-family.ts'

/** A record of the shared memory at the moment of a scrape. */
export interface RecordSubject {
  readonly table: SharedTable
  /** `listener="web"` */
  readonly labels: string
  /** First cell of its record. */
  readonly base: number
}

const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

type Column = readonly [name: string, type: 'counter' | 'gauge', column: number, help: string]

/** Families that show one cell of a record each. */
export function columns<S extends RecordSubject>(
  prefix: string,
  labels: readonly string[],
  rows: readonly Column[],
): Family<S>[] {
  return rows.map(([name, type, column, help]) => ({
    name: `${prefix}_${name}`,
    type,
    help,
    labels,
    read: ({ table, labels, base }, emit) => emit(labels, table.sum(base + column)),
  }))
}

/** One series for each class of status. @param column of the first class */
export function emitClasses(
  { table, labels, base }: RecordSubject,
  column: number,
  emit: Emit,
): void {
  CLASSES.forEach((name, i) => emit(`${labels},class="${name}"`, table.sum(base + column + i)))
}

/** The rows count each bucket by itself; the exposition wants them added up. */
export function emitHistogram(
  { table, labels, base }: RecordSubject,
  columns: { readonly buckets: number; readonly sum: number },
  emit: Emit,
): void {
  let count = 0
  LATENCY_BOUNDS_S.forEach((bound, i) => {
    count += table.sum(base + columns.buckets + i)
    emit(`${labels},le="${bound}"`, count, '_bucket')
  })
  count += table.sum(base + columns.buckets + LATENCY_BOUNDS_S.length)
  emit(`${labels},le="+Inf"`, count, '_bucket')
  emit(labels, table.sum(base + columns.sum), '_sum')
  emit(labels, count, '_count')
}
