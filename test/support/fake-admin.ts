// The real admin API over a source that a test makes up.

import { after } from 'node:test'
import { EventStream } from '../../src/admin/event-stream.ts'
import type { AdminAccess } from '../../src/admin/server.ts'
import { AdminServer } from '../../src/admin/server.ts'
import type { Reach } from '../../src/admin/host-check.ts'
import type { OperatorNews } from '../../src/core/events.ts'
import type { HandoverAnswer, HandoverRequest } from '../../src/core/handover.ts'
import type { Address } from '../../src/core/plan.ts'
import type { ActAnswer, OperatorRequest } from '../../src/core/operator.ts'
import type { OverrideAnswer, OverrideRequest } from '../../src/core/override-request.ts'
import type { ReloadAnswer, ReloadWish } from '../../src/core/reload.ts'
import type { PoolStatus } from '../../src/core/status.ts'
import { EventLog } from '../../src/observe/event-log.ts'
import { openDoor } from '../../src/runtime/admin-door.ts'
import { adminRoutes } from '../../src/runtime/admin-routes.ts'
import { planOf } from './embedded.ts'

export interface FakeAdmin {
  readonly address: Address
  /** `host:port` of a TCP address. */
  readonly host: string
  /** What was asked for, latest last. */
  readonly asked: { readonly pool: string; readonly request: OperatorRequest }[]
  readonly audit: OperatorNews[]
  readonly errors: unknown[]
  readonly events: EventLog
  /** Who was turned away. */
  readonly strangers: string[]
  answered(): ReadonlyMap<number, number>
  /** How the next requests are answered. */
  answer: (pool: string, request: OperatorRequest) => ActAnswer | Promise<ActAnswer>
  pools: readonly PoolStatus[]
  readonly handovers: HandoverRequest[]
  handoverAnswer: HandoverAnswer
  close(): Promise<void>
  /** Changes of backends, latest last. */
  readonly changes: OverrideRequest[]
  changeAnswer: (request: OverrideRequest) => OverrideAnswer
  /** Reloads, latest last. */
  readonly reloads: ReloadWish[]
  reloadAnswer: ReloadAnswer
}

/** Starts it; it ends with the test file. */
export async function startFakeAdmin(
  reach: Reach = 'loopback',
  address: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 },
  access: Partial<AdminAccess> = {},
): Promise<FakeAdmin> {
  const audit: OperatorNews[] = []
  const handovers: HandoverRequest[] = []
  const errors: unknown[] = []
  const strangers: string[] = []
  const asked: { pool: string; request: OperatorRequest }[] = []
  const changes: OverrideRequest[] = []
  const reloads: ReloadWish[] = []
  const source = {
    version: () => ({ version: '0', node: '0', pid: 1, uptimeSeconds: 0, threads: 1 }),
    pools: () => fake.pools,
    readiness: () => ({ ready: true, reason: 'ready' }),
    metrics: () => ({ contentType: 'text/plain', scrape: async () => Buffer.alloc(0) }),
    act: async (pool: string, request: OperatorRequest) => {
      asked.push({ pool, request })
      return fake.answer(pool, request)
    },
    ledger: null,
    traces: { ring: null },
    explain: () => ({ ok: false as const, message: 'nothing to explain', listeners: [] }),
    evidence: () => null,
    transitions: () => [],
    handOver: async (request: HandoverRequest) => {
      handovers.push(request)
      return fake.handoverAnswer
    },
    reload: {
      status: { version: 'v1', etag: '"v1-0"', source: null, last: null, pending: null },
      reload: async (wish: ReloadWish) => {
        reloads.push(wish)
        return fake.reloadAnswer
      },
      confirm: (by: string) => ({ ok: by !== 'late', message: `asked by ${by}` }),
      revert: async (by: string) => ({ ok: by !== 'late', message: `asked by ${by}` }),
    },
    configured: () =>
      planOf({
        listeners: { web: { bind: ':80', pool: 'web' } },
        pools: { web: { backends: ['10.0.0.1:80'] } },
      }),
    overrides: {
      all: [],
      change: async (request: OverrideRequest) => {
        changes.push(request)
        return fake.changeAnswer(request)
      },
    },
    upgrade: async () => ({ ok: false, code: 'refused', message: 'Not now.' }) as const,
    alerts: {
      answer: () => ({ alerts: [], targets: [], rules: [] }),
      test: async () => ({ kind: 'no-target', targets: ['ops'] }) as const,
    },
  }
  const events = new EventLog({
    wallMs: () => 1_000,
    nowMs: () => 0,
    failed: (error) => errors.push(error),
    kept: 5,
  })
  const stream = new EventStream({
    events,
    pools: () => fake.pools,
    wallMs: () => 1_000,
    run: 'run',
    heartbeatMs: 50,
    statusMs: 20,
  })
  const open = { tokens: { admin: null, readOnly: null }, tls: null }
  const server = new AdminServer(
    adminRoutes({ ...source, stream }),
    { ...open, reach, ...access },
    {
      failed: (error) => errors.push(error),
      audit: (news) => audit.push(news),
      stranger: (from, isWrong) => strangers.push(`${from} ${isWrong ? 'wrong' : 'none'}`),
    },
  )
  const bound = await server.listen(await openDoor(address, null, 'the admin API'))
  after(() => server.close())
  const fake: FakeAdmin = {
    address: bound,
    host: bound.kind === 'tcp' ? `${bound.host}:${bound.port}` : '',
    asked,
    audit,
    errors,
    strangers,
    answered: () => server.answered(),
    events,
    answer: () => ({ ok: true, message: 'done', report: null }),
    pools: [],
    handovers,
    changes,
    reloads,
    reloadAnswer: {
      outcome: 'unchanged',
      message: 'the configuration is what it was',
      version: 'v1',
      changes: null,
      leaving: [],
      drainMs: 8_000,
      warnings: [],
      revertsInMs: null,
    },
    changeAnswer: () => ({ ok: true, message: 'Done.', kept: true }),
    handoverAnswer: { ok: false, code: 'refused', message: 'Not now.' },
    close: () => server.close(),
  }
  return fake
}
