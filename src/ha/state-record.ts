// What is kept about a pool with an active, and how it stands in the state file.
// Must never guess: a text that is not exactly a state of a known version is not read as one.

import { z } from 'zod'
import type { FailoverRecord } from '../core/failover-record.ts'
import type { MoveKind } from '../core/status.ts'
import type { Content } from './state-dir.ts'
import { readText } from './state-text.ts'

/** Records by the name of their pool. */
export type PoolRecords = Readonly<Record<string, FailoverRecord>>

/** Format of the file; another one is refused. */
const VERSION = 1

const kinds: Readonly<{ [Kind in MoveKind]: Kind }> = {
  first: 'first',
  resume: 'resume',
  failover: 'failover',
  failback: 'failback',
  switchover: 'switchover',
  election: 'election',
  follow: 'follow',
}
const name = z.string().min(1)
const count = z.int().nonnegative()
const report = z.object({
  kind: z.enum(kinds),
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
  epoch: count,
  movingTo: name.nullable(),
  frozen: z.object({ by: z.string(), reason: z.string() }).nullable(),
  pinned: z.boolean(),
  fresh: z.array(name),
  rivals: z.array(name).exactOptional(),
  lastMoves: z.array(report),
}) satisfies z.ZodType<FailoverRecord>
const state = z.object({ version: z.literal(VERSION), pools: z.record(z.string(), record) })

/** The text of a state file. */
export function writeState(pools: PoolRecords): string {
  return `${JSON.stringify({ version: VERSION, pools }, null, 2)}\n`
}

/** What a state file says. */
export function readState(text: string): Content<PoolRecords> {
  const read = readText(text, state, VERSION)
  return read.kind === 'state' ? { ...read, value: read.value.pools } : read
}

/** Names of pools and backends that are kept, but that the configuration does not have (any more). */
export function strangersIn(
  records: PoolRecords,
  known: ReadonlyMap<string, readonly string[]>,
): string[] {
  return Object.entries(records).flatMap(([pool, { active, movingTo }]) => {
    const backends = known.get(pool)
    if (backends === undefined) {
      return [`the state file remembers pool '${pool}', which is not configured; it is kept there`]
    }
    return [...new Set([active, movingTo])].flatMap((name) =>
      name === null || backends.includes(name)
        ? []
        : [`the state file names backend '${name}' of pool '${pool}', which is not configured`],
    )
  })
}
