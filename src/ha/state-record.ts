// What is kept about a pool with an active, and how it stands in the state file.
// Must never guess: a text that is not exactly a state of a known version is not read as one.

import { z } from 'zod'
import type { MoveReport } from '../core/status.ts'

/** One pool. Backends are named, since their order may change with the configuration. */
export interface PoolRecord {
  /** Who may be sent to; `null` for nobody. */
  readonly active: string | null
  /** The last active. */
  readonly last: string | null
  /** Never falls. */
  readonly epoch: number
  /** A move that was claimed and not committed: either of the two may be the writer. */
  readonly moving: { readonly from: string | null; readonly to: string } | null
  readonly frozen: { readonly by: string; readonly reason: string } | null
  /** Doublings of the hold-down. */
  readonly flaps: number
  /** Latest first. */
  readonly lastMoves: readonly MoveReport[]
}

export type PoolRecords = Readonly<Record<string, PoolRecord>>

/** Format of the file; another one is refused. */
const VERSION = 1

const name = z.string().min(1)
const count = z.int().nonnegative()
const report = z.object({
  kind: z.enum(['first', 'failover', 'failback', 'switchover', 'election']),
  outcome: z.enum(['moved', 'rolled-back', 'failed']),
  from: name.nullable(),
  to: name,
  epoch: count,
  reason: z.string(),
  by: z.string(),
  at: z.number(),
  detectionMs: z.number(),
  moveMs: z.number(),
  sessions: z.object({ at: count, finished: count, cut: count }),
  metObjective: z.boolean().nullable(),
})
const record = z.object({
  active: name.nullable(),
  last: name.nullable(),
  epoch: count,
  moving: z.object({ from: name.nullable(), to: name }).nullable(),
  frozen: z.object({ by: z.string(), reason: z.string() }).nullable(),
  flaps: count,
  lastMoves: z.array(report),
}) satisfies z.ZodType<PoolRecord>
const state = z.object({ version: z.literal(VERSION), pools: z.record(z.string(), record) })

/** The text of a state file. */
export function writeState(pools: PoolRecords): string {
  return `${JSON.stringify({ version: VERSION, pools }, null, 2)}\n`
}

export type ReadState =
  | { readonly kind: 'state'; readonly pools: PoolRecords }
  /** Cut off or scrambled: what a crash of the machine or a full disk can leave. */
  | { readonly kind: 'torn' }
  /** Whole, but not ours, or of another version. */
  | { readonly kind: 'foreign'; readonly why: string }

/** What a state file says. */
export function readState(text: string): ReadState {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: 'torn' }
  }
  const read = state.safeParse(value)
  if (read.success) return { kind: 'state', pools: read.data.pools }
  const { path = [], message = '' } = read.error.issues[0] ?? {}
  if (path[0] === 'version') {
    const found = JSON.stringify((value as { version?: unknown }).version ?? 'none')
    return { kind: 'foreign', why: `its version is ${found}, and this Evenkeel knows ${VERSION}` }
  }
  return { kind: 'foreign', why: `${path.join('.') || 'its content'}: ${message}` }
}

/** Names of pools and backends that are kept, but that the configuration does not have (any more). */
export function strangersIn(
  records: PoolRecords,
  known: ReadonlyMap<string, readonly string[]>,
): string[] {
  return Object.entries(records).flatMap(([pool, { active, last, moving }]) => {
    const backends = known.get(pool)
    if (backends === undefined) {
      return [`the state file remembers pool '${pool}', which is not configured; it is kept there`]
    }
    const named = new Set([active, last, moving?.from, moving?.to])
    return [...named].flatMap((name) =>
      name === null || name === undefined || backends.includes(name)
        ? []
        : [`the state file names backend '${name}' of pool '${pool}', which is not configured`],
    )
  })
}
