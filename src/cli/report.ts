// `evenkeel report`: measured availability and what became of it, from a running balancer or from the
// file of its ledger.

import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { MOMENT_HINT, readMoment } from '../core/report-range.ts'
import { ReportFold } from '../core/report.ts'
import type { IncidentRecord } from '../core/ledger-contract.ts'
import { describeFileError } from '../config/environment.ts'
import { type AdminTarget, findAdmin, readAnswer } from './admin-client.ts'
import { outputOption, withAdminOptions } from './admin-options.ts'
import { incidentText } from './report-incident.ts'
import { reportText, type ReportAnswer } from './report-text.ts'
import { EXIT, Failure, put } from './terminal.ts'

type Output = 'text' | 'json' | 'markdown'

interface ReportOptions extends AdminTarget {
  readonly pool?: string
  readonly since: string
  readonly until: string
  readonly incident?: string
  readonly ledger?: string
  readonly output: Output
}

interface IncidentAnswer {
  readonly incident: IncidentRecord
  readonly members: readonly IncidentRecord[]
}

export function reportCommand(finish: (code: number) => void): Command {
  const command = new Command('report')
    .description('Report measured availability, incidents, moves and maintenance.')
    .option('--pool <POOL>', 'only this pool')
    .option('--since <TIME>', 'from when on: 90m, 24h, 30d ago, or a date', '30d')
    .option('--until <TIME>', 'until when', 'now')
    .option('--incident <ID>', 'one incident as a time line')
    .option('--ledger <FILE>', 'read this file of a ledger, e.g. when nothing runs')
  return withAdminOptions(command)
    .addOption(outputOption(['text', 'json', 'markdown']))
    .addHelpText(
      'after',
      `
Times are UTC. What each figure means: docs/ledger.md.

Examples:
  evenkeel report
  evenkeel report --pool web --since 2026-11-01 -o markdown > november.md
  evenkeel report --incident 12-3
  evenkeel report --ledger /var/lib/evenkeel/ledger.jsonl --since 24h`,
    )
    .action(async (options: ReportOptions) => {
      const output =
        options.ledger === undefined ? await fromProcess(options) : await fromFile(options)
      put(output)
      finish(EXIT.ok)
    })
}

async function fromProcess(options: ReportOptions): Promise<string> {
  checkTimes(options, Date.now())
  const address = await findAdmin(options)
  const body = await readAnswer(address, pathOf(options))
  if (options.output === 'json') return body
  return told(options, JSON.parse(body) as ReportAnswer | IncidentAnswer)
}

function pathOf({ incident, pool, since, until }: ReportOptions): string {
  if (incident !== undefined) return `/v1/incidents/${encodeURIComponent(incident)}`
  const query = new URLSearchParams({ since, until, ...(pool === undefined ? {} : { pool }) })
  return `/v1/report?${query.toString()}`
}

async function fromFile(options: ReportOptions): Promise<string> {
  const { ledger: path = '', pool, incident: id } = options
  const nowMs = Date.now()
  const { since, until } = checkTimes(options, nowMs)
  if (!existsSync(path)) throw new Failure(`--ledger ${path}: there is no such file`)
  const { readLedger } = await import('../observe/ledger-files.ts')
  const fold = new ReportFold()
  const damage = { lines: 0 }
  try {
    for await (const record of readLedger(path, damage)) fold.add(record)
  } catch (error) {
    throw new Failure(`--ledger ${path}: ${describeFileError(error)}`)
  }
  if (fold.firstAt === Infinity) throw new Failure(`--ledger ${path}: no record can be read in it`)
  if (id !== undefined) {
    const incident = fold.incident(id)
    if (incident === null)
      throw new Failure(`the ledger has no incident '${id}'; evenkeel report lists them`)
    return formatted(options, { incident, members: fold.members(id) })
  }
  if (pool !== undefined && !fold.poolNames().includes(pool)) {
    const names = fold.poolNames().join(', ')
    throw new Failure(`the ledger knows no pool '${pool}'. There are: ${names}.`)
  }
  const report = fold.report({ since, until }, pool ?? null)
  return formatted(options, { ...report, ledger: { path, damaged: damage.lines } })
}

function checkTimes(options: ReportOptions, nowMs: number): { since: number; until: number } {
  const [since, until] = (['since', 'until'] as const).map((key) => {
    const read = readMoment(options[key], nowMs)
    if (read !== null) return read
    throw new Failure(`--${key} ${options[key]} is no time: ${MOMENT_HINT}`, EXIT.usage)
  }) as [number, number]
  if (since < until) return { since, until: Math.min(until, nowMs) }
  throw new Failure('--since has to be before --until', EXIT.usage)
}

function formatted(options: ReportOptions, answer: ReportAnswer | IncidentAnswer): string {
  return options.output === 'json' ? `${JSON.stringify(answer, null, 2)}\n` : told(options, answer)
}

function told({ output }: ReportOptions, answer: ReportAnswer | IncidentAnswer): string {
  const hand = output === 'markdown' ? 'markdown' : 'text'
  if ('incident' in answer) return incidentText(answer.incident, answer.members, hand)
  return reportText(answer, hand)
}
