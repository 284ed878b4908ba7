// Every metric of the balancer as a table: name, type, help, labels, and how its series are read
// from the shared memory and the control plane at the moment of a scrape. `docs/metrics.md` lists
// the same names; a test holds the two together.
// Must never keep a count of its own: the rows are the truth, and they cost the data path nothing.

import { FAULTS } from '../core/fault.ts'
import type { Plan } from '../core/plan.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import { BACKEND, LATENCY_BOUNDS_S, LISTENER, POOL, THREAD } from '../core/shared-layout.ts'
import type { BackendStatus, PoolStatus } from '../core/status.ts'

/** What a scrape reads. */
export interface MetricsSource {
  readonly plan: Plan
  readonly table: SharedTable
  readonly version: string
  nowMs(): number
  status(): readonly PoolStatus[]
  threads(): ThreadCounts
  isReady(): boolean
  isDraining(): boolean
  /** Access-log lines lost in the sink, besides those that the threads dropped. */
  lostLines(): number
  /** Changes of availability so far, by `pool`, `backend` and the state they led to. */
  transitions(): readonly TransitionCount[]
}

export interface ThreadCounts {
  readonly asked: number
  readonly running: number
  readonly restarts: number
}

export interface TransitionCount {
  readonly pool: string
  readonly backend: string
  readonly to: string
  readonly count: number
}

/** What all families of one scrape share, so that they agree with each other. */
export interface Scrape {
  readonly source: MetricsSource
  readonly status: readonly PoolStatus[]
}

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
  /** For histograms: the name with its suffix. */
  readonly metricName?: string
}

export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  read(scrape: Scrape): Sample[]
}

const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

function single(value: number): Sample[] {
  return [{ labels: {}, value }]
}

const processFamilies: readonly Family[] = [
  {
    name: 'evenkeel_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say which version runs on which Node.js.',
    labels: ['version', 'node'],
    read: ({ source }) => [
      { labels: { version: source.version, node: process.versions.node }, value: 1 },
    ],
  },
  {
    name: 'evenkeel_ready',
    type: 'gauge',
    help: '1 when /readyz answers 200.',
    labels: [],
    read: ({ source }) => single(source.isReady() ? 1 : 0),
  },
  {
    name: 'evenkeel_draining',
    type: 'gauge',
    help: '1 while the process finishes what it has before it stops.',
    labels: [],
    read: ({ source }) => single(source.isDraining() ? 1 : 0),
  },
  {
    name: 'evenkeel_threads',
    type: 'gauge',
    help: 'Data threads whose listeners are open.',
    labels: [],
    read: ({ source }) => single(source.threads().running),
  },
  {
    name: 'evenkeel_threads_wanted',
    type: 'gauge',
    help: 'Data threads there should be.',
    labels: [],
    read: ({ source }) => single(source.threads().asked),
  },
  {
    name: 'evenkeel_thread_restarts_total',
    type: 'counter',
    help: 'Data threads that failed and were replaced.',
    labels: [],
    read: ({ source }) => single(source.threads().restarts),
  },
  {
    name: 'evenkeel_thread_heartbeat_age_seconds',
    type: 'gauge',
    help: 'Time since the last tick of each data thread; above 1 it is replaced.',
    labels: ['thread'],
    read: ({ source }) =>
      source.table.rows.map((row, thread) => ({
        labels: { thread: String(thread) },
        value: Math.max(0, source.nowMs() - row[THREAD.heartbeatMs]!) / 1000,
      })),
  },
  {
    name: 'evenkeel_thread_connections',
    type: 'gauge',
    help: 'Open client connections of each data thread.',
    labels: ['thread'],
    read: ({ source }) => perThread(source, THREAD.connections),
  },
  {
    name: 'evenkeel_thread_exchanges',
    type: 'gauge',
    help: 'Exchanges and tunnels in progress on each data thread.',
    labels: ['thread'],
    read: ({ source }) => perThread(source, THREAD.exchanges),
  },
  {
    name: 'evenkeel_access_log_dropped_lines_total',
    type: 'counter',
    help: 'Access-log lines not written because the sink was slow or failed.',
    labels: [],
    read: ({ source }) => single(source.table.sum(THREAD.logDropped) + source.lostLines()),
  },
  {
    name: 'evenkeel_faults_total',
    type: 'counter',
    help: 'What went wrong with traffic, by the rows of the fault table (docs/faults.md).',
    labels: ['fault', 'side', 'phase'],
    read: ({ source }) =>
      FAULTS.map(({ code, side, phase, index }) => ({
        labels: { fault: code, side, phase },
        value: source.table.sum(THREAD.faults + index),
      })),
  },
]

function perThread(source: MetricsSource, column: number): Sample[] {
  return source.table.rows.map((row, thread) => ({
    labels: { thread: String(thread) },
    value: row[column]!,
  }))
}

type ListenerColumn = readonly [
  name: string,
  type: 'counter' | 'gauge',
  column: number,
  help: string,
]

const listenerColumns: readonly ListenerColumn[] = [
  ['connections', 'gauge', LISTENER.connections, 'Open client connections.'],
  ['connections_total', 'counter', LISTENER.accepted, 'Client connections accepted.'],
  [
    'connections_refused_total',
    'counter',
    LISTENER.refused,
    'Client connections closed at once because the listener was full.',
  ],
  ['requests_total', 'counter', LISTENER.requests, 'Requests, or tunnels over tcp, begun.'],
]

const listenerFamilies: readonly Family[] = [
  ...listenerColumns.map(([name, type, column, help]): Family => ({
    name: `evenkeel_listener_${name}`,
    type,
    help,
    labels: ['listener'],
    read: ({ source }) =>
      source.plan.listeners.map((listener) => ({
        labels: { listener: listener.name },
        value: source.table.sum(source.table.listenerBase(listener.index) + column),
      })),
  })),
  {
    name: 'evenkeel_listener_responses_total',
    type: 'counter',
    help: 'Answers to clients, by class of status.',
    labels: ['listener', 'class'],
    read: ({ source }) =>
      source.plan.listeners.flatMap((listener) =>
        classes(source.table, source.table.listenerBase(listener.index) + LISTENER.status, {
          listener: listener.name,
        }),
      ),
  },
  {
    name: 'evenkeel_listener_bytes_total',
    type: 'counter',
    help: 'Bytes from (in) and to (out) clients.',
    labels: ['listener', 'direction'],
    read: ({ source: { plan, table } }) =>
      plan.listeners.flatMap(({ name, index }) => [
        {
          labels: { listener: name, direction: 'in' },
          value: table.sum(table.listenerBase(index) + LISTENER.bytesIn),
        },
        {
          labels: { listener: name, direction: 'out' },
          value: table.sum(table.listenerBase(index) + LISTENER.bytesOut),
        },
      ]),
  },
  {
    name: 'evenkeel_listener_request_duration_seconds',
    type: 'histogram',
    help: 'First byte of a request to last byte of its answer.',
    labels: ['listener', 'le'],
    read: ({ source: { plan, table } }) =>
      plan.listeners.flatMap(({ name, index }) => {
        const base = table.listenerBase(index)
        return histogram(
          'evenkeel_listener_request_duration_seconds',
          { listener: name },
          { table, buckets: base + LISTENER.duration, sum: base + LISTENER.durationSumS },
        )
      }),
  },
]

type PoolColumn = readonly [name: string, type: 'counter' | 'gauge', column: number, help: string]

const poolColumns: readonly PoolColumn[] = [
  ['requests_total', 'counter', POOL.requests, 'Requests, or tunnels over tcp, led to the pool.'],
  ['retries_total', 'counter', POOL.retries, 'Attempts after the first.'],
  [
    'rescues_total',
    'counter',
    POOL.rescues,
    'Waiting attempts moved off a backend that went down or was ejected.',
  ],
  [
    'retry_budget_exhausted_total',
    'counter',
    POOL.budgetEmpty,
    'Retries not made because the budget was empty.',
  ],
  ['queue_length', 'gauge', POOL.queued, 'Requests that wait for a free backend.'],
  ['queue_seconds_total', 'counter', POOL.queueSumS, 'Time requests have spent in the queue.'],
  [
    'unknown_outcomes_total',
    'counter',
    POOL.unknownOutcomes,
    'Writes that were sent and got no answer, so that nobody knows whether they took effect.',
  ],
]

const poolFamilies: readonly Family[] = [
  poolGauge('backends', 'Backends of the pool.', (pool) => pool.total),
  poolGauge('available_backends', 'Backends that take traffic.', (pool) => pool.available),
  poolGauge(
    'available_backends_min',
    'Backends that ejection and drains always leave (`minAvailable`).',
    (pool) => pool.minAvailable,
  ),
  ...poolColumns.map(([name, type, column, help]): Family => ({
    name: `evenkeel_pool_${name}`,
    type,
    help,
    labels: ['pool'],
    read: ({ source: { plan, table } }) =>
      plan.pools.map((pool) => ({
        labels: { pool: pool.name },
        value: table.sum(table.poolBase(pool.index) + column),
      })),
  })),
]

function poolGauge(name: string, help: string, value: (pool: PoolStatus) => number): Family {
  return {
    name: `evenkeel_pool_${name}`,
    type: 'gauge',
    help,
    labels: ['pool'],
    read: ({ status }) =>
      status.map((pool) => ({ labels: { pool: pool.name }, value: value(pool) })),
  }
}

type BackendColumn = readonly [
  name: string,
  type: 'counter' | 'gauge',
  column: number,
  help: string,
]

const backendColumns: readonly BackendColumn[] = [
  ['in_flight', 'gauge', BACKEND.inFlight, 'Attempts, or tunnels over tcp, in progress.'],
  ['connections', 'gauge', BACKEND.connections, 'Open connections, idle or in use.'],
  ['idle_connections', 'gauge', BACKEND.idleConnections, 'Open connections kept for reuse.'],
  ['attempts_total', 'counter', BACKEND.attempts, 'Attempts that have ended.'],
  ['failures_total', 'counter', BACKEND.failures, 'Attempts that failed.'],
  ['timeouts_total', 'counter', BACKEND.timeouts, 'Attempts without a response head in time.'],
  ['connects_total', 'counter', BACKEND.connects, 'Connections opened.'],
  ['connect_failures_total', 'counter', BACKEND.connectFailures, 'Connections not opened.'],
  ['connect_seconds_total', 'counter', BACKEND.connectSumS, 'Time spent opening connections.'],
]

const backendFamilies: readonly Family[] = [
  backendGauge('available', '1 if the backend takes traffic.', ({ effectiveWeight }) =>
    effectiveWeight > 0 ? 1 : 0,
  ),
  backendGauge('up', '1 unless health checks say down or have not spoken yet.', ({ health }) =>
    health === 'up' || health === 'none' ? 1 : 0,
  ),
  backendGauge(
    'weight',
    'Weight in force, after slow start.',
    (backend) => backend.effectiveWeight,
  ),
  {
    name: 'evenkeel_backend_state',
    type: 'gauge',
    help: 'Always 1; the label says which availability the backend has now.',
    labels: ['pool', 'backend', 'state'],
    read: ({ status }) =>
      status.flatMap((pool) =>
        pool.backends.map((backend) => ({
          labels: { pool: pool.name, backend: backend.name, state: backend.availability },
          value: 1,
        })),
      ),
  },
  {
    name: 'evenkeel_backend_transitions_total',
    type: 'counter',
    help: 'Changes of availability, by what it became; `to="ejected"` counts ejections.',
    labels: ['pool', 'backend', 'to'],
    read: ({ source }) =>
      source.transitions().map(({ pool, backend, to, count }) => ({
        labels: { pool, backend, to },
        value: count,
      })),
  },
  ...backendColumns.map(([name, type, column, help]): Family => ({
    name: `evenkeel_backend_${name}`,
    type,
    help,
    labels: ['pool', 'backend'],
    read: (scrape) =>
      eachBackend(scrape, (labels, base) => [
        { labels, value: scrape.source.table.sum(base + column) },
      ]),
  })),
  {
    name: 'evenkeel_backend_responses_total',
    type: 'counter',
    help: 'Responses of the backend, by class of status.',
    labels: ['pool', 'backend', 'class'],
    read: (scrape) =>
      eachBackend(scrape, (labels, base) =>
        classes(scrape.source.table, base + BACKEND.status, labels),
      ),
  },
  {
    name: 'evenkeel_backend_bytes_total',
    type: 'counter',
    help: 'Bytes to and from the backend.',
    labels: ['pool', 'backend', 'direction'],
    read: (scrape) =>
      eachBackend(scrape, (labels, base) => [
        {
          labels: { ...labels, direction: 'to' },
          value: scrape.source.table.sum(base + BACKEND.bytesTo),
        },
        {
          labels: { ...labels, direction: 'from' },
          value: scrape.source.table.sum(base + BACKEND.bytesFrom),
        },
      ]),
  },
  {
    name: 'evenkeel_backend_response_duration_seconds',
    type: 'histogram',
    help: 'Request sent to response head.',
    labels: ['pool', 'backend', 'le'],
    read: (scrape) =>
      eachBackend(scrape, (labels, base) =>
        histogram('evenkeel_backend_response_duration_seconds', labels, {
          table: scrape.source.table,
          buckets: base + BACKEND.response,
          sum: base + BACKEND.responseSumS,
        }),
      ),
  },
]

function backendGauge(name: string, help: string, value: (b: BackendStatus) => number): Family {
  return {
    name: `evenkeel_backend_${name}`,
    type: 'gauge',
    help,
    labels: ['pool', 'backend'],
    read: ({ status }) =>
      status.flatMap((pool) =>
        pool.backends.map((backend) => ({
          labels: { pool: pool.name, backend: backend.name },
          value: value(backend),
        })),
      ),
  }
}

function eachBackend(
  { source: { plan, table } }: Scrape,
  read: (labels: Labels, base: number) => Sample[],
): Sample[] {
  return plan.pools.flatMap((pool) =>
    pool.backends.flatMap((backend) =>
      read({ pool: pool.name, backend: backend.name }, table.backendBase(backend.slot)),
    ),
  )
}

function classes(table: SharedTable, base: number, labels: Labels): Sample[] {
  return CLASSES.map((name, i) => ({
    labels: { ...labels, class: name },
    value: table.sum(base + i),
  }))
}

/** The rows count each bucket by itself; the exposition wants them added up. */
function histogram(
  name: string,
  labels: Labels,
  cells: { readonly table: SharedTable; readonly buckets: number; readonly sum: number },
): Sample[] {
  const { table, buckets, sum } = cells
  let count = 0
  const samples: Sample[] = LATENCY_BOUNDS_S.map((bound, i) => {
    count += table.sum(buckets + i)
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: count }
  })
  count += table.sum(buckets + LATENCY_BOUNDS_S.length)
  samples.push(
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: table.sum(sum) },
    { metricName: `${name}_count`, labels, value: count },
  )
  return samples
}

/** All families, in the order of a scrape and of the documentation. */
export const FAMILIES: readonly Family[] = [
  ...processFamilies,
  ...listenerFamilies,
  ...poolFamilies,
  ...backendFamilies,
]
