// A report as text or Markdown: the same sections and tables, in two hands.

import type { IncidentRecord, WindowRecord } from '../core/ledger-contract.ts'
import { countsOf, downtimeOf, type PoolReport, type Report } from '../core/report.ts'
import { recoveryOf, type ErrorBudget } from '../core/report-figures.ts'
import { table } from './table.ts'
import { lengthText, ninesText, shareText, timeText } from './report-words.ts'

/** Where a report comes from. */
interface ReportSource {
  /** `null`: kept in memory only. */
  readonly path: string | null
  /** Lines that could not be read. */
  readonly damaged: number
}

export interface ReportAnswer extends Report {
  readonly ledger: ReportSource
}

export type Hand = 'text' | 'markdown'

/** Rows of a table, the first one the head; `right`: columns of numbers. */
interface Grid {
  readonly rows: readonly (readonly string[])[]
  readonly right: readonly number[]
}

const INCIDENTS_MAX = 20
const BACKENDS_MAX = 50
const LIST_MAX = 50

/** The whole report. */
export function reportText(report: ReportAnswer, hand: Hand): string {
  const { since, until } = report
  const title = `Availability from ${timeText(since)} to ${timeText(until)}`
  const parts = [
    heading(title, 1, hand),
    lines(aboutLines(report), hand),
    ...report.pools.flatMap((pool) => poolParts(pool, hand)),
    ...incidentParts(report.incidents, hand),
    ...windowParts(report.windows, hand),
    ...actionParts(report, hand),
  ]
  return `${parts.join('\n\n')}\n`
}

export function heading(text: string, level: number, hand: Hand): string {
  if (hand === 'markdown') return `${'#'.repeat(level)} ${text}`
  return level === 1 ? `${text}\n${'='.repeat(text.length)}` : text
}

/** Sentences: one a line, in Markdown a list. */
export function lines(list: readonly string[], hand: Hand): string {
  return list
    .map((line) => (hand === 'markdown' ? `- ${cell(line)}` : `  ${printable(line)}`))
    .join('\n')
}

export function grid({ rows, right }: Grid, hand: Hand): string {
  if (hand === 'text') {
    const plain = rows.map((row) => row.map(printable))
    return table(plain, new Set(right))
      .map((line) => `  ${line}`)
      .join('\n')
  }
  const [head = [], ...body] = rows.map((row) => `| ${row.map(cell).join(' | ')} |`)
  const rule = rows[0]!.map((_, i) => (right.includes(i) ? '--:' : '---'))
  return [head, `| ${rule.join(' | ')} |`, ...body].join('\n')
}

// What others wrote must not become markup: reasons come from operators and servers.
function cell(text: string): string {
  return printable(text).replace(/[\\|<>&`*_[\]#]/g, (one) => `\\${one}`)
}

/** Without control characters: a terminal would obey them. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]+/gu, ' ')
}

/** Less of a report than this is not worth a line. */
const PARTIAL_SHARE = 0.05

// --- sections ----------------------------------------------------------------------------------

function aboutLines(report: ReportAnswer): string[] {
  const { since, until, notRunningMs, partialMs, runs, ledger, leftOut } = report
  const list = [`Times are UTC; this looks at ${lengthText(until - since)}.`]
  if (ledger.path === null) {
    list.push('Kept in memory only: set runtime.stateDir to keep it over a restart.')
  }
  if (notRunningMs >= 1) {
    list.push(`Evenkeel did not run for ${lengthText(notRunningMs)} of that: counted as unknown.`)
  }
  if (partialMs > PARTIAL_SHARE * (until - since)) {
    list.push(
      `${lengthText(partialMs)} are a part of an hour: times and requests of that hour count in proportion, incidents do not.`,
    )
  }
  const killed = runs.filter(({ before }) => before === 'killed').length
  if (killed > 0)
    list.push(`It ended without a word before ${killed} of its ${runs.length} starts.`)
  if (ledger.damaged > 0) list.push(`${ledger.damaged} damaged lines of the ledger were skipped.`)
  if (leftOut > 0) list.push(`${leftOut} records were too many to be written.`)
  return list
}

function poolParts(pool: PoolReport, hand: Hand): string[] {
  return [
    heading(`Pool ${pool.name} (${pool.mode}): ${verdict(pool)}`, 2, hand),
    lines(poolLines(pool), hand),
    grid(backendGrid(pool), hand),
  ]
}

function verdict({ availability, nines, objective, metAvailability }: PoolReport): string {
  if (availability === null) return 'nothing is known'
  const words = nines === null ? '' : ` (${ninesText(nines)} nines)`
  const measured = `${shareText(availability)} available${words}`
  if (objective.availability === null) return measured
  const met = metAvailability === true ? 'met' : 'missed'
  return `${measured}, objective ${shareText(objective.availability)} ${met}`
}

function poolLines(pool: PoolReport): string[] {
  const { upMs, downMs, maintenanceMs, unknownMs, counts, success, budget, rto } = pool
  const list = [
    `up ${lengthText(upMs)}, down ${lengthText(downMs)}, maintenance ${lengthText(maintenanceMs)}, unknown ${lengthText(unknownMs)}`,
  ]
  if (budget !== null) list.push(budgetLine(budget))
  if (counts.requests > 0) {
    const { requests, failed, retried, rescued, unknown } = counts
    list.push(
      `requests ${requests}, failed ${failed} (${shareText(success)} did not), retried ${retried}, rescued ${rescued}, writes of unknown outcome ${unknown}`,
    )
  }
  list.push(
    `outages ${pool.failures}, mean time to restore ${lengthText(pool.mttrMs)}, between failures ${lengthText(pool.mtbfMs)}`,
  )
  if (rto.maxMs !== null) {
    const { rtoMs } = pool.objective
    const objective =
      rtoMs === null
        ? 'no objective'
        : `objective ${lengthText(rtoMs)}: ${rto.met} met, ${rto.missed} missed`
    list.push(
      `recovery time: half within ${lengthText(rto.p50Ms)}, longest ${lengthText(rto.maxMs)}; ${objective}`,
    )
  } else if (rto.missed > 0) {
    list.push(`recovery time: objective ${lengthText(pool.objective.rtoMs)} missed, not over yet`)
  }
  const moves = Object.entries(pool.moves).map(([kind, number]) => `${kind} ${number}`)
  if (moves.length > 0) list.push(`moves: ${moves.join(', ')}`)
  return list
}

function budgetLine({ allowedMs, spentMs, left }: ErrorBudget): string {
  const rest = left >= 0 ? `${shareText(left)} left` : 'overspent'
  return `error budget ${lengthText(allowedMs)}, spent ${lengthText(spentMs)}: ${rest}`
}

function backendGrid({ backends }: PoolReport): Grid {
  const head = [
    'BACKEND',
    'AVAILABLE',
    'NINES',
    'DOWN',
    'MAINTENANCE',
    'UNKNOWN',
    'FAILURES',
    'MTTR',
    'MTBF',
    'ATTEMPTS',
    'FAILED',
  ]
  const rows = backends
    .slice(0, BACKENDS_MAX)
    .map((backend) => [
      backend.name,
      shareText(backend.availability),
      ninesText(backend.nines),
      lengthText(backend.downMs),
      lengthText(backend.maintenanceMs),
      lengthText(backend.unknownMs),
      String(backend.failures),
      lengthText(backend.mttrMs),
      lengthText(backend.mtbfMs),
      String(backend.counts.requests),
      String(backend.counts.failed),
    ])
  const more = backends.length - rows.length
  if (more > 0) rows.push([`and ${more} better ones`])
  return { rows: [head, ...rows], right: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }
}

function incidentParts(incidents: readonly IncidentRecord[], hand: Hand): string[] {
  if (incidents.length === 0) return [heading('No incidents', 2, hand)]
  const shown = incidents.slice(0, INCIDENTS_MAX)
  const count = shown.length < incidents.length ? `${shown.length} of ${incidents.length}` : ''
  const title = `Incidents, worst first${count === '' ? '' : ` (${count})`}`
  const head = ['ID', 'WHERE', 'FIRST SIGN', 'LASTED', 'NO SERVICE', 'RTO', 'FAILED', 'CAUSE']
  const rows = shown.map((incident) => [
    incident.id,
    placeOf(incident),
    timeText(incident.at),
    `${lengthText(incident.ms)}${incident.open ? ', open' : ''}`,
    lengthText(downtimeOf(incident)),
    rtoText(incident),
    String(countsOf(incident).failed),
    incident.cause,
  ])
  const more = 'One of them as a time line: evenkeel report --incident ID'
  return [
    heading(title, 2, hand),
    grid({ rows: [head, ...rows], right: [3, 4, 5, 6] }, hand),
    lines([more], hand),
  ]
}

/** The longest time from first sign to service in a pool's incident, against its objective. */
export function rtoText({ backend, outages, rtoMs }: IncidentRecord): string {
  if (backend !== null || outages.length === 0) return '-'
  if (outages.some(({ backMs }) => backMs === null)) return 'open'
  // Those that operators have taken out of its count ended without service.
  const recoveries = outages.flatMap((outage) => recoveryOf(outage) ?? [])
  if (recoveries.length === 0) return '-'
  const longest = Math.max(...recoveries)
  const atMost = outages.some(({ gapMs }) => gapMs > 0) ? '≤ ' : ''
  const word = rtoMs === null ? '' : longest <= rtoMs ? ' met' : ' missed'
  return `${atMost}${lengthText(longest)}${word}`
}

/** `web`, `web/a`. */
export function placeOf({ pool, backend }: { pool: string; backend: string | null }): string {
  return backend === null ? pool : `${pool}/${backend}`
}

function windowParts(windows: readonly WindowRecord[], hand: Hand): string[] {
  if (windows.length === 0) return []
  const head = ['WHERE', 'WHAT', 'BEGAN', 'LASTED', 'BY', 'REASON']
  const rows = windows
    .slice(-LIST_MAX)
    .map((window) => [
      placeOf(window),
      window.what,
      timeText(window.at),
      `${lengthText(window.ms)}${window.open ? ', open' : ''}`,
      window.by === '' ? '-' : window.by,
      window.reason,
    ])
  const title = 'Maintenance and planned moves (counted neither as up nor as down)'
  return [heading(title, 2, hand), grid({ rows: [head, ...rows], right: [3] }, hand)]
}

function actionParts({ actions }: Report, hand: Hand): string[] {
  if (actions.length === 0) return []
  const head = ['TIME', 'WHERE', 'WHAT', 'BY', 'OUTCOME', 'REASON']
  const rows = actions
    .slice(-LIST_MAX)
    .map(({ at, pool, backend, verb, by, outcome, reason }) => [
      timeText(at),
      pool === null ? '-' : placeOf({ pool, backend }),
      verb,
      by,
      outcome,
      reason,
    ])
  return [heading('What was done', 2, hand), grid({ rows: [head, ...rows], right: [] }, hand)]
}
