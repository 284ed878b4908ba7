// `evenkeel status`: the pools and backends of a running balancer, and why each is as it is.

import { Command, Option } from 'commander'
import type { BackendStatus, PoolStatus } from '../core/status.ts'
import { type AdminTarget, findAdmin, readAdmin } from './admin-client.ts'
import { table } from './table.ts'
import type { Color } from './terminal.ts'
import { EXIT, Failure, paint, put, wantsColor } from './terminal.ts'

interface StatusOptions extends AdminTarget {
  readonly output: 'text' | 'json'
}

export function statusCommand(finish: (code: number) => void): Command {
  return new Command('status')
    .description('Show the pools and backends of a running balancer, and why they are so.')
    .argument('[POOL]', 'only this pool')
    .option('-c, --config <FILE>', 'configuration that says where its admin API is')
    .option('--admin <ADDR>', 'address of its admin API, such as 127.0.0.1:9900 or unix:/path')
    .addOption(
      new Option('-o, --output <FORMAT>', 'form of the result')
        .choices(['text', 'json'])
        .default('text'),
    )
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
  const path = name === undefined ? '/v1/pools' : `/v1/pools/${encodeURIComponent(name)}`
  const reply = await readAdmin(address, path)
  if (reply.status !== 200) throw new Failure(explain(reply.body))
  if (options.output === 'json') {
    put(reply.body)
    return
  }
  const answer = JSON.parse(reply.body) as PoolStatus | { pools: readonly PoolStatus[] }
  const pools = 'pools' in answer ? answer.pools : [answer]
  put(formatPools(pools, wantsColor(process.stdout)))
}

function explain(body: string): string {
  try {
    const { detail, pools } = JSON.parse(body) as { detail: string; pools?: readonly string[] }
    return pools === undefined ? detail : `${detail} There are: ${pools.join(', ')}.`
  } catch {
    return `the admin API answered what is not understood: ${body.slice(0, 200)}`
  }
}

/** The pools as text for people. */
export function formatPools(pools: readonly PoolStatus[], color: boolean): string {
  return pools.map((pool) => formatPool(pool, color)).join('\n')
}

const HEAD = [
  'BACKEND',
  'ADDRESS',
  'STATE',
  'SINCE',
  'WEIGHT',
  'IN FLIGHT',
  'ATTEMPTS',
  'FAILED',
  'LAST PROBE',
  'REASON',
]
const NUMBERS = new Set([3, 4, 5, 6, 7])
const AFTER_NUMBERS = 8

function formatPool(pool: PoolStatus, color: boolean): string {
  const count = `${pool.available} of ${pool.total} available`
  const tint = pool.available === pool.total ? 'green' : pool.available === 0 ? 'red' : 'yellow'
  const queued = pool.queued > 0 ? `, ${pool.queued} queued` : ''
  const title = `${paint(pool.name, 'bold', color)} (${pool.mode}, ${pool.balance}): ${paint(count, tint, color)}${queued}`
  const rows = [[...HEAD], ...pool.backends.map((backend) => cells(backend, color))]
  if (pool.backends.some(({ role }) => role !== null)) {
    const roles = ['ROLE', ...pool.backends.map(roleText)]
    roles.forEach((role, i) => rows[i]!.splice(AFTER_NUMBERS, 0, role))
  }
  return `${[title, ...table(rows, NUMBERS).map((line) => `  ${line}`)].join('\n')}\n`
}

function cells(backend: BackendStatus, color: boolean): string[] {
  return [
    backend.name,
    backend.address,
    paint(backend.availability, tints[backend.availability], color),
    formatAge(backend.sinceMs),
    String(Math.round(backend.effectiveWeight * 100) / 100),
    String(backend.inFlight),
    String(backend.attempts),
    String(backend.failures),
    backend.lastProbe ?? '-',
    backend.reason,
  ]
}

/** `primary`, `replica`, `replica, 3s behind`; `-` where it isn't known. */
function roleText({ role, lag }: BackendStatus): string {
  if (role === null) return '-'
  const ms = lag?.ms ?? 0
  const bytes = lag?.bytes ?? 0
  if (ms >= 1_000) return `${role}, ${formatAge(ms)} behind`
  if (bytes === 0) return role
  const kibibytes = Math.ceil(bytes / 1024)
  const size = kibibytes < 1024 ? `${kibibytes} KiB` : `${Math.ceil(kibibytes / 1024)} MiB`
  return `${role}, ${size} behind`
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

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** `12s`, `3m`, `5h`, `2d`: the largest unit that fits. */
export function formatAge(ms: number): string {
  for (const [unit, size] of UNITS) if (ms >= size) return `${Math.floor(ms / size)}${unit}`
  return '0s'
}
