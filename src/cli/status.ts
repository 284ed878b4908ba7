// `evenkeel status`: the pools and backends of a running balancer, and why each is as it is.

import { Command } from 'commander'
import type { BackendStatus, PoolStatus } from '../core/status.ts'
import { type AdminTarget, findAdmin, poolPath, readAnswer } from './admin-client.ts'
import { outputOption, withAdminOptions } from './admin-options.ts'
import { formatAge } from './age.ts'
import { pendingLine } from './status-config.ts'
import { activeOf, failoverLines } from './status-failover.ts'
import { overrideLines } from './status-overrides.ts'
import { discoveryLines } from './status-discovery.ts'
import { siteLines } from './status-sites.ts'
import { table } from './table.ts'
import type { Color } from './terminal.ts'
import { EXIT, paint, harmless, put, wantsColor } from './terminal.ts'

interface StatusOptions extends AdminTarget {
  readonly output: 'text' | 'json'
}

export function statusCommand(finish: (code: number) => void): Command {
  const command = new Command('status')
    .description('Show the pools and backends of a running balancer, and why they are so.')
    .argument('[POOL]', 'only this pool')
  return withAdminOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  evenkeel status
  evenkeel status web --admin 127.0.0.1:9900
  evenkeel status -o json | jq -r '.pools[].backends[] | select(.availability != "available").name'`,
    )
    .action(async (pool: string | undefined, options: StatusOptions) => {
      await status(pool, options)
      finish(EXIT.ok)
    })
}

async function status(name: string | undefined, options: StatusOptions): Promise<void> {
  const address = await findAdmin(options)
  const path = name === undefined ? '/v1/pools' : poolPath(name)
  const body = await readAnswer(address, path)
  if (options.output === 'json') {
    put(body)
    return
  }
  const answer = JSON.parse(body, harmless) as PoolStatus | { pools: readonly PoolStatus[] }
  const pools = 'pools' in answer ? answer.pools : [answer]
  put(await pendingLine(address))
  put(formatPools(pools, Date.now(), wantsColor(process.stdout)))
}

/** The pools as text for people. `nowMs` is wall clock. */
export function formatPools(pools: readonly PoolStatus[], nowMs: number, color: boolean): string {
  return pools.map((pool) => formatPool(pool, nowMs, color)).join('\n')
}

interface Column {
  readonly title: string
  readonly isNumber?: boolean
  cell(backend: BackendStatus, color: boolean): string
}

const columns: readonly Column[] = [
  { title: 'BACKEND', cell: ({ name }) => name },
  { title: 'ADDRESS', cell: ({ address }) => address },
  {
    title: 'STATE',
    cell: ({ availability, drained }, color) =>
      paint(drained ? 'drained' : availability, tints[availability], color),
  },
  { title: 'SINCE', isNumber: true, cell: ({ sinceMs }) => formatAge(sinceMs) },
  {
    title: 'WEIGHT',
    isNumber: true,
    cell: ({ effectiveWeight }) => String(Math.round(effectiveWeight * 100) / 100),
  },
  { title: 'IN FLIGHT', isNumber: true, cell: ({ inFlight }) => String(inFlight) },
  { title: 'ATTEMPTS', isNumber: true, cell: ({ attempts }) => String(attempts) },
  { title: 'FAILED', isNumber: true, cell: ({ failures }) => String(failures) },
  { title: 'ROLE', cell: roleOf },
  { title: 'LAST PROBE', cell: ({ lastProbe }) => lastProbe ?? '-' },
  { title: 'REASON', cell: ({ reason }) => reason },
]

/** `primary`, `replica`, `replica, 3s behind`; `-` where it isn't known. */
function roleOf({ role, lag }: BackendStatus): string {
  if (role === null) return '-'
  const ms = lag?.ms ?? 0
  const bytes = lag?.bytes ?? 0
  if (ms >= 1_000) return `${role}, ${formatAge(ms)} behind`
  if (bytes === 0) return role
  const kibibytes = Math.ceil(bytes / 1024)
  const size = kibibytes < 1024 ? `${kibibytes} KiB` : `${Math.ceil(kibibytes / 1024)} MiB`
  return `${role}, ${size} behind`
}

function formatPool(pool: PoolStatus, nowMs: number, color: boolean): string {
  const { name, mode, balance, queued, failover, sites, backends, discovery } = pool
  // One of its backends at a time is available by design, so a count would say nothing.
  const isStandby = failover !== null && mode === 'active-standby'
  const kind = isStandby ? mode : `${mode}, ${balance}`
  const active = failover === null ? [] : [activeOf(failover, color)]
  const state = isStandby ? active : [countOf(pool, color), ...active]
  const waiting = queued > 0 ? `, ${queued} queued` : ''
  const title = `${paint(name, 'bold', color)} (${kind}): ${state.join(', ')}${waiting}`
  const why = failover === null ? [] : failoverLines(failover, nowMs, color)
  const tables = [
    ...discoveryLines(discovery, color),
    ...siteLines(sites, color),
    ...(backends.length > 0 ? backendTable(backends, color) : []),
  ]
  const lines = [...why, ...tables, ...overrideLines(pool, nowMs)].map((line) => `  ${line}`)
  return `${[title, ...lines].join('\n')}\n`
}

function backendTable(backends: readonly BackendStatus[], color: boolean): string[] {
  const asksRole = backends.some(({ role }) => role !== null)
  const shown = columns.filter(({ title }) => title !== 'ROLE' || asksRole)
  const numbers = new Set(shown.flatMap(({ isNumber }, i) => (isNumber === true ? [i] : [])))
  const head = shown.map(({ title }) => title)
  const rows = backends.map((backend) => shown.map((column) => column.cell(backend, color)))
  return table([head, ...rows], numbers)
}

function countOf({ available, total, backends }: PoolStatus, color: boolean): string {
  // Who stands by, on the read side or in another site, is as he should be.
  const isWell = backends.every(({ availability }) => tints[availability] === 'green')
  const tint = available === 0 ? 'red' : isWell ? 'green' : 'yellow'
  return paint(`${available} of ${total} available`, tint, color)
}

const tints: Readonly<Record<BackendStatus['availability'], Color>> = {
  available: 'green',
  starting: 'green',
  probation: 'yellow',
  checking: 'yellow',
  down: 'red',
  ejected: 'red',
  drain: 'yellow',
  maint: 'yellow',
  weightless: 'yellow',
  standby: 'green',
}
