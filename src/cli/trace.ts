// `evenkeel trace`: what became of an exchange, attempt by attempt, after it is over.

import { Command } from 'commander'
import type { ToldTrace } from '../admin/trace-routes.ts'
import { escapeText } from '../observe/access-log.ts'
import { type AdminTarget, findAdmin, readAnswer } from './admin-client.ts'
import { outputOption, withAdminOptions } from './admin-options.ts'
import { table } from './table.ts'
import { EXIT, Failure, paint, put, say, wantsColor } from './terminal.ts'

interface TraceOptions extends AdminTarget {
  readonly last: string
  readonly errors?: boolean
  readonly pool?: string
  readonly output: 'text' | 'json'
}

export function traceCommand(finish: (code: number) => void): Command {
  const command = new Command('trace')
    .description('Show what became of requests that failed, were retried, slow, or sampled.')
    .argument('[ID]', 'trace id (its first 6 digits do), or the X-Request-Id of the client')
    .option('--last <COUNT>', 'the latest, at most this many', '20')
    .option('--errors', 'only those that failed')
    .option('--pool <POOL>', 'only those of this pool')
  return withAdminOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
An error reply of Evenkeel's own carries the id: Evenkeel-Trace.

Examples:
  evenkeel trace --last 20 --errors
  evenkeel trace 4bf92f3577b34da6a3ce929d0e0e4736
  evenkeel trace --pool web -o json | jq '.traces[].attempts'`,
    )
    .action(async (id: string | undefined, options: TraceOptions) => {
      await trace(id, options)
      finish(EXIT.ok)
    })
}

async function trace(id: string | undefined, options: TraceOptions): Promise<void> {
  const { last, errors, pool, output } = options
  if (!/^[1-9]\d{0,2}$|^1000$/.test(last)) {
    throw new Failure(`--last ${last} is no number from 1 to 1000`, EXIT.usage)
  }
  const query = new URLSearchParams({ last, errors: String(errors === true) })
  if (pool !== undefined) query.set('pool', pool)
  const path =
    id === undefined ? `/v1/traces?${query.toString()}` : `/v1/traces/${encodeURIComponent(id)}`
  const body = await readAnswer(await findAdmin(options), path)
  if (output === 'json') {
    put(body)
    return
  }
  const { traces, found } = JSON.parse(body) as { traces: readonly ToldTrace[]; found?: number }
  const color = wantsColor(process.stdout)
  if (id !== undefined) {
    const shown = traces.slice(0, Number(last))
    put(shown.map((one) => traceText(one, color)).join('\n'))
    // A client that always sends the same id has many.
    const rest = (found ?? traces.length) - shown.length
    if (rest > 0) say(`and ${rest} earlier ones`)
    return
  }
  if (traces.length > 0) put(`${listText(traces, color).join('\n')}\n`)
  else say(`nothing is kept${errors === true ? ' that failed' : ''}`)
}

/** A line each, the latest first. */
export function listText(traces: readonly ToldTrace[], color: boolean): readonly string[] {
  const rows = traces.map((one) => [
    new Date(one.at).toISOString(),
    one.id.slice(0, 12),
    paint(one.keptFor, one.keptFor === 'error' ? 'red' : 'yellow', color),
    outcomeOf(one, color),
    span(one.totalMs),
    one.pool ?? '-',
    one.attempts.map(({ backend }) => backend).join(' → ') || '-',
    requestOf(one),
  ])
  return table(rows, new Set([4]))
}

/** The whole story of one. */
export function traceText(one: ToldTrace, color: boolean): string {
  const place = [`listener ${one.listener}`]
  if (one.route !== null) place.push(`route ${one.route}`)
  if (one.pool !== null) place.push(`pool ${one.pool}`)
  const lines = [
    `${paint(one.id, 'bold', color)} ${requestOf(one)}: ${outcomeOf(one, color)} after ${span(one.totalMs)}; kept because ${because[one.keptFor]}`,
    `  at       ${new Date(one.at).toISOString()}, from ${one.client === '' ? 'a unix socket' : one.client}, ${place.join(', ')}, thread ${one.thread}`,
  ]
  if (one.requestId !== null) lines.push(`  request  X-Request-Id ${escapeText(one.requestId)}`)
  if (one.sentence !== null) lines.push(`  fault    ${one.fault}: ${one.sentence}`)
  if (one.queueMs >= 0) lines.push(`  queue    waited ${span(one.queueMs)} for a backend`)
  if (one.headMs >= 0) {
    lines.push(`  answer   began after ${span(one.headMs)}; ${one.bytesOut} bytes in all`)
  }
  const rows = one.attempts.map((attempt) => [
    `#${attempt.number}`,
    `+${span(attempt.startMs)}`,
    attempt.backend,
    attempt.fault === null
      ? paint(attempt.status === 0 ? 'ok' : String(attempt.status), 'green', color)
      : paint(
          attempt.status === 0 ? attempt.fault : `${attempt.fault} ${attempt.status}`,
          'red',
          color,
        ),
    attempt.reused ? 'open connection' : named('connect', attempt.connectMs),
    named('response', attempt.responseMs),
    `in all ${span(attempt.ms)}`,
  ])
  const told = table(rows, new Set([1]))
  lines.push(...told.map((line, i) => `  ${(i === 0 ? 'attempts' : '').padEnd(9)}${line}`))
  if (rows.length === 0) lines.push('  attempts none: it never came to a backend')
  return `${lines.join('\n')}\n`
}

const because = {
  error: 'it failed',
  retried: 'it was retried',
  slow: 'it was slow',
  sampled: 'it was drawn as a sample',
} as const

function requestOf({ protocol, method, host, target, listener }: ToldTrace): string {
  if (protocol === 'tcp') return `tcp ${listener}`
  // What could not be read has no parts.
  if (method === '') return 'bad request'
  // An absolute target names its host itself.
  return escapeText(`${method} ${target.startsWith('/') ? host : ''}${target}`)
}

function outcomeOf({ status, fault, keptFor }: ToldTrace, color: boolean): string {
  const words = [status === 0 ? '' : String(status), fault ?? ''].filter((word) => word !== '')
  return paint(words.join(' ') || 'ok', keptFor === 'error' ? 'red' : 'green', color)
}

function named(what: string, ms: number): string {
  return ms < 0 ? '' : `${what} ${span(ms)}`
}

function span(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}
