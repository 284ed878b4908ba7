// The keys of Active-Standby: how the active of a pool changes, the hooks of a change, and sites.
// A default that depends on another key is said in words here and computed in compile-failover.ts.

import { z } from 'zod'
import { duration, either, flag, integer, map, named, size, text, word } from './leaf.ts'
import { execSchema, headersSchema, webhookSchema } from './schema-outgoing.ts'
import { accept, day, hour, minute, type Reading, readDuration, readSize, refuse } from './units.ts'

const tebibyte = 1024 ** 4

export interface LagLimit {
  readonly ms: number | null
  readonly bytes: number | null
}

// `10s` or `16MiB`: the unit tells which.
function readLag(text: string): Reading<LagLimit> {
  if (text.endsWith('B')) {
    const bytes = readSize(text)
    return bytes.ok ? accept({ ms: null, bytes: bytes.value }) : bytes
  }
  if (/^\d+$/.test(text)) return refuse(`"${text}" has no unit`, `write ${text}s, or ${text}MiB`)
  const ms = readDuration(text)
  return ms.ok ? accept({ ms: ms.value, bytes: null }) : ms
}

const lagMap = map({
  time: duration(0, day).optional().describe('At most this time behind.'),
  bytes: size(0, tebibyte).optional().describe('At most this many bytes behind.'),
})

const hook = map(
  {
    exec: execSchema,
    webhook: webhookSchema.describe('URL that gets a POST with what happens as JSON.'),
    headers: headersSchema.describe('webhook only. Further headers of the request.'),
    timeout: duration(10, 10 * minute)
      .prefault('30s')
      .describe('How long it may take; then it has failed.'),
  },
  'a hook: a map with exec or webhook',
)

/** `failover` of a pool. */
export const failoverSchema = map({
  failback: word(['auto', 'manual', 'never'])
    .optional()
    .describe(
      'Back to the preferred one: auto after stableFor, manual by an operator, never not even then. Absent: manual; auto between the sites of an active-active pool.',
    ),
  stableFor: duration(0, day)
    .prefault('30s')
    .describe('failback: auto only. How long the preferred one must have been fit.'),
  holdDown: duration(0, hour)
    .prefault('2s')
    .describe(
      'No return to one that was left within this time, and no move off a living active; doubles while it flaps. Never prolongs an outage.',
    ),
  maxHoldDown: duration(0, day).prefault('10m').describe('The longest hold-down.'),
  readyFor: duration(0, hour)
    .prefault('10s')
    .describe('A standby takes over only after it was fit for so long without a break.'),
  sessions: word(['drain', 'destroy'])
    .optional()
    .describe(
      'Sessions on the old active in a planned move: drain lets them finish, destroy cuts them. Absent: destroy if a tcp listener leads to the pool, else drain.',
    ),
  drain: duration(0, hour)
    .optional()
    .describe('sessions: drain only. How long they may take. Absent: as long as pauseMax.'),
  pauseMax: duration(0, 10 * minute)
    .optional()
    .describe(
      'How long new requests are held during a move. 0 refuses them at once. Absent: 1s, and the timeouts of the hooks on top, at most 30s.',
    ),
  proveWithin: duration(10, 10 * minute)
    .prefault('5s')
    .describe('How long the new active may take to pass a fresh probe; then the move is undone.'),
  elect: word(['priority', 'role'])
    .prefault('priority')
    .describe(
      'Who is to be active: priority is the first in the list that is ready, role is the one whose check says it is the primary.',
    ),
  allDown: word(['stay', 'any'])
    .optional()
    .describe(
      'With every backend lost: stay waits for the last active, any takes the first that is ready. Absent: stay; any between the sites of an active-active pool.',
    ),
  promote: hook.optional().describe('Makes a backend the writer before it gets traffic.'),
  fence: hook.optional().describe('Keeps the old active out before another one is made active.'),
  agreement: word(['none', 'etcd'])
    .prefault('none')
    .describe('etcd: several Evenkeels agree on the active, by way of cluster.'),
  replicaLag: either('a duration, a size, or a map with time and bytes', [
    text('a duration or a size', readLag, { type: 'string' }),
    lagMap.transform(({ time, bytes }): LagLimit => ({ ms: time ?? null, bytes: bytes ?? null })),
  ])
    .optional()
    .describe('For role: replica. A replica further behind serves no reads: 10s, 16MiB, or both.'),
  overflow: flag()
    .optional()
    .describe(
      'Between sites of an active-active pool: what the serving site has no capacity for goes to the next hot ones. Absent: true.',
    ),
})

const siteClasses = ['mirror', 'hot', 'warm', 'cold'] as const
const site = map({
  class: word(siteClasses)
    .prefault('hot')
    .describe(
      'mirror serves beside the other mirrors (active-active only), hot takes over by itself, warm only with its promote hook, cold only when an operator says so.',
    ),
  minHealthy: integer(1, 100_000)
    .prefault(1)
    .describe('With fewer healthy backends than this the site is left.'),
})

/** `sites` of a pool. */
export const sitesSchema = either('a list of names, or a map from names to sites', [
  z.array(text('a name')),
  named(
    either('a class, or a map with class and minHealthy', [
      word(siteClasses).transform((kind) => site.parse({ class: kind })),
      site,
    ]),
    'a map from names to sites',
  ),
])

export type FailoverTree = z.output<typeof failoverSchema>
export type HookTree = z.output<typeof hook>
export type SitesTree = z.output<typeof sitesSchema>
