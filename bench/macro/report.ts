// The bench's table, as Markdown that also reads well in a terminal.

import type { Case } from './cases.ts'
import { median } from './measure.ts'
import type { Row } from './run-case.ts'

export interface Measured {
  readonly case: Case
  readonly rows: readonly Row[]
}

const begin = '<!-- bench:begin (written by npm run bench -- --out) -->'
const end = '<!-- bench:end -->'

/** One table per case kind would hide pairs; so: one table, a block of rows per case. */
export function renderTable(measured: readonly Measured[], reference: string): string {
  const rows = [
    [
      'case',
      'proxy',
      'CPU/request',
      'ratio',
      'req/s',
      'p50 ms',
      'p99 ms',
      'busy',
      'MiB',
      'failures',
    ],
  ]
  for (const { case: which, rows: caseRows } of measured.filter(isRequests)) {
    const base = caseRows.find((row) => row.proxy === reference)?.cpuMicros ?? Number.NaN
    caseRows.forEach((row, index) =>
      rows.push([index === 0 ? which.title : '', ...cells(row, base)]),
    )
  }
  const idle = [['case', 'proxy', 'KiB/connection', 'CPU ms/s', 'MiB', 'failures']]
  for (const { case: which, rows: caseRows } of measured.filter((one) => !isRequests(one))) {
    caseRows.forEach((row, index) =>
      idle.push([
        index === 0 ? which.title : '',
        row.proxy,
        number(row.idleKib, 2),
        number(row.idleCpuMs, 0),
        number(row.memoryMib, 0),
        row.note === '' ? row.failures || 'none' : row.note,
      ]),
    )
  }
  return [rows, idle]
    .filter((table) => table.length > 1)
    .map(alignTable)
    .join('\n\n')
}

/** A sentence about a machine that was not ours alone; empty if it was. */
export function describeSharing(measured: readonly Measured[]): string {
  const shares = measured.flatMap(({ rows }) => rows.map((row) => row.others))
  const share = median(shares.filter((others) => !Number.isNaN(others)))
  if (!(share > 0.05)) return ''
  const percent = Math.round(share * 100)
  return `Other processes used ${percent} % of the proxies' core meanwhile: times are worse than on a quiet machine, and ratios vary by a tenth or more.`
}

/** Puts the generated text between the markers; what stands around them stays. */
export function replaceSection(document: string, generated: string): string {
  const from = document.indexOf(begin)
  const to = document.indexOf(end)
  const section = `${begin}\n\n${generated}\n\n${end}`
  if (from < 0 || to < from) return `${document.trimEnd()}\n\n${section}\n`.trimStart()
  return document.slice(0, from) + section + document.slice(to + end.length)
}

function isRequests(measured: Measured): boolean {
  return measured.case.kind === 'requests'
}

function cells(row: Row, base: number): string[] {
  if (row.note !== '') return [row.proxy, '–', '–', '–', '–', '–', '–', '–', row.note]
  return [
    row.proxy,
    time(row.cpuMicros),
    number(row.cpuMicros / base, 2),
    number(row.perSecond, row.perSecond < 1_000 ? 1 : 0),
    number(row.p50Ms, 2),
    number(row.p99Ms, 2),
    Number.isNaN(row.busy) ? '–' : `${Math.round(row.busy * 100)} %`,
    number(row.memoryMib, 0),
    row.failures || 'none',
  ]
}

/** A time in its natural unit; a dash if it was not measured. */
export function time(micros: number): string {
  if (Number.isNaN(micros)) return '–'
  return micros < 10_000 ? `${micros.toFixed(1)} µs` : `${(micros / 1_000).toFixed(2)} ms`
}

/** A number; a dash if it was not measured. */
export function number(value: number, digits: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(digits)
}

/** Rows of cells as a Markdown table; the first two columns and the last are text. */
export function alignTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const isText = (column: number): boolean => column < 2 || column === widths.length - 1
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => '-'.repeat(width + 1) + (isText(column) ? '-' : ':')).join('|')}|`
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}
