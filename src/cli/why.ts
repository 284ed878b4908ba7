// `evenkeel why`: the evidence behind the state of a backend, or of a whole pool.

import { Command } from 'commander'
import type { BackendCase } from '../admin/why-routes.ts'
import type { TrafficEvidence } from '../core/evidence.ts'
import type { PoolStatus } from '../core/status.ts'
import { type AdminTarget, findAdmin, poolPath, readAnswer } from './admin-client.ts'
import { outputOption, withAdminOptions } from './admin-options.ts'
import { formatAge } from './age.ts'
import { failoverLines } from './status-failover.ts'
import { table } from './table.ts'
import { EXIT, paint, harmless, put, wantsColor } from './terminal.ts'

interface WhyOptions extends AdminTarget {
  readonly output: 'text' | 'json'
}

export function whyCommand(finish: (code: number) => void): Command {
  const command = new Command('why')
    .description('Show the evidence behind the state of a pool or a backend.')
    .argument('<POOL[/BACKEND]>', 'such as web or web/a')
  return withAdminOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  evenkeel why web/a
  evenkeel why postgres
  evenkeel why web/a -o json | jq '.probes[0]'`,
    )
    .action(async (subject: string, options: WhyOptions) => {
      await why(subject, options)
      finish(EXIT.ok)
    })
}

async function why(subject: string, options: WhyOptions): Promise<void> {
  const address = await findAdmin(options)
  const slash = subject.indexOf('/')
  const pool = slash < 0 ? subject : subject.slice(0, slash)
  const color = wantsColor(process.stdout)
  if (slash >= 0) {
    const body = await readAnswer(address, poolPath(pool, subject.slice(slash + 1)))
    const text = formatCase(pool, JSON.parse(body, harmless) as BackendCase, Date.now(), color)
    put(options.output === 'json' ? body : text)
    return
  }
  const status = JSON.parse(await readAnswer(address, poolPath(pool)), harmless) as PoolStatus
  const cases: BackendCase[] = []
  for (const { name } of status.backends) {
    const body = await readAnswer(address, poolPath(pool, name))
    cases.push(JSON.parse(body, harmless) as BackendCase)
  }
  if (options.output === 'json') {
    put(`${JSON.stringify({ pool: status, backends: cases }, null, 2)}\n`)
    return
  }
  const texts = cases.map((one) => formatCase(pool, one, Date.now(), color))
  put(`${[...poolLines(status, color), ''].join('\n')}\n${texts.join('\n')}`)
}

function poolLines(pool: PoolStatus, color: boolean): readonly string[] {
  const { name, available, total, minAvailable, queued, failover } = pool
  const waiting = queued > 0 ? `, ${queued} requests wait` : ''
  const head = `${name}: ${available} of ${total} available, at least ${minAvailable} wanted${waiting}`
  return failover === null ? [head] : [head, ...failoverLines(failover, Date.now(), color)]
}

/** One backend's case. `nowMs` is wall clock. */
function formatCase(
  pool: string,
  { status, probes, traffic, next, transitions }: BackendCase,
  nowMs: number,
  color: boolean,
): string {
  const { name, address, availability, reason, sinceMs, inFlight, attempts, failures } = status
  const lines = [
    `${paint(`${pool}/${name}`, 'bold', color)} ${address} has been ${availability} for ${formatAge(sinceMs)}: ${reason}`,
    ...next.map((line) => `  next     ${line}`),
  ]
  const rows = probes.map(({ agoMs, verdict, text, tookMs, suspicion }) => [
    `${formatAge(agoMs)} ago`,
    paint(verdict, verdict === 'pass' ? 'green' : verdict === 'fail' ? 'red' : 'dim', color),
    `${Math.round(tookMs)} ms`,
    suspicion ? `${text} (asked for by doubt in live traffic)` : text,
  ])
  lines.push(...titled('probes', table(rows, new Set([0, 2]))))
  lines.push(
    `  traffic  ${inFlight} in progress; ${attempts} attempts, ${failures} failed since the start`,
    ...(traffic === null ? [] : trafficLines(traffic)),
  )
  const past = transitions.map(({ at, from, to, reason: why }) => [
    `${formatAge(Math.max(0, nowMs - at))} ago`,
    `${from} → ${to}`,
    why,
  ])
  lines.push(...titled('history', table(past, new Set([0]))))
  return `${lines.join('\n')}\n`
}

function trafficLines(traffic: TrafficEvidence): string[] {
  const { streak, attempts, failures, windowMs, waiting, oldestWaitMs, slowMs, silentMs } = traffic
  const lines = [`           ${streak} failures in a row`]
  if (windowMs > 0) {
    lines[0] += `; ${failures} of ${attempts} failed in the last ${windowMs / 1_000} s`
  }
  if (waiting > 0 && oldestWaitMs !== null) {
    lines.push(
      `           ${waiting} wait for an answer, the oldest for ${Math.round(oldestWaitMs)} ms`,
    )
  }
  const limits = [
    ...(slowMs === null ? [] : [`slow beyond ${Math.round(slowMs)} ms`]),
    ...(silentMs === null ? [] : [`silent beyond ${Math.round(silentMs)} ms`]),
  ]
  if (limits.length > 0) lines.push(`           here an answer is ${limits.join(', ')}`)
  return lines
}

/** Lines with a title before the first. */
function titled(title: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `  ${(i === 0 ? title : '').padEnd(9)}${line}`)
}
