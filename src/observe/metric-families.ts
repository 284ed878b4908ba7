// Every metric of the balancer as a table: name, type, help, labels, and how its series are read
// from the shared memory and the control plane at the moment of a scrape. `docs/metrics.md` lists
// the same names; a test holds the two together.
// Must never keep a count of its own: the rows are the truth, and they cost the data path nothing.

import { FAULTS } from '../core/fault.ts'
import type { Plan } from '../core/plan.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import { LISTENER, POOL, THREAD } from '../core/shared-layout.ts'
import type { PoolStatus } from '../core/status.ts'
import type { AlertSubjects } from './alert-families.ts'
import { alertFamilies } from './alert-families.ts'
import type { TransitionCount } from './backend-families.ts'
import { backendFamilies } from './backend-families.ts'
import type { ConfigSubject } from './config-families.ts'
import { configFamilies } from './config-families.ts'
import { failoverFamilies } from './failover-families.ts'
import type { Family } from './metric-family.ts'
import { label } from './metric-family.ts'
import type { MoveTally } from './move-counter.ts'
import { discoveryFamilies } from './discovery-families.ts'
import { columns, emitClasses, emitHistogram, type RecordSubject } from './record-families.ts'
import { siteFamilies } from './site-families.ts'

/** What a scrape reads. */
export interface MetricsSource {
  /** The one in force; `status` is of the same. */
  plan(): Plan
  readonly table: SharedTable
  readonly version: string
  nowMs(): number
  status(): readonly PoolStatus[]
  threads(): ThreadCounts
  isReady(): boolean
  isDraining(): boolean
  /** The virtual IP address that keepalived holds here or elsewhere; `null` if there is none. */
  virtualIp(): VirtualIpFacts | null
  config(): ConfigSubject
  alerts(): AlertSubjects
  /** Access-log lines lost in the sink, besides those that the threads dropped. */
  lostLines(): number
  /** What became of the exchanges that were to go to a collector. */
  spans(): { readonly exported: number; readonly dropped: number }
  /** Requests that the admin API has answered, by status. */
  adminAnswers(): ReadonlyMap<number, number>
  readonly transitions: TransitionCounts
  readonly moves: MoveTallies
}

export interface TransitionCounts {
  /** Changes of availability of a backend so far, by what it became. */
  of(pool: string, backend: string): readonly TransitionCount[]
  /** Forgets the backends that are not in the plan any more. */
  keep(plan: Plan): void
}

export interface MoveTallies {
  /** Moves of the active of a pool so far. */
  of(pool: string): MoveTally
  /** Forgets the pools that are not in the plan any more. */
  keep(plan: Plan): void
}

export interface VirtualIpFacts {
  readonly vip: string
  /** It is on this node. */
  readonly isHere: boolean
  /** This node is ready to have it. */
  readonly isOffered: boolean
}

export interface ThreadCounts {
  readonly asked: number
  readonly running: number
  readonly restarts: number
}

/** What the families of the process read. */
export interface ProcessSubject {
  readonly source: MetricsSource
}

/** One pool at the moment of a scrape. */
export interface PoolSubject extends RecordSubject {
  readonly status: PoolStatus
}

export const processFamilies: readonly Family<ProcessSubject>[] = [
  {
    name: 'evenkeel_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say which version runs on which Node.js.',
    labels: ['version', 'node'],
    read: ({ source }, emit) => {
      emit(`${label('version', source.version)},${label('node', process.versions.node)}`, 1)
    },
  },
  single('evenkeel_ready', 'gauge', '1 when /readyz answers 200.', (source) =>
    source.isReady() ? 1 : 0,
  ),
  single(
    'evenkeel_draining',
    'gauge',
    '1 while the process finishes what it has before it stops.',
    (source) => (source.isDraining() ? 1 : 0),
  ),
  {
    name: 'evenkeel_vip_here',
    type: 'gauge',
    help: 'With keepalived: 1 while the virtual IP address is on this node. More than one in a group: they do not hear each other.',
    labels: ['vip'],
    read: ({ source }, emit) => {
      const facts = source.virtualIp()
      if (facts !== null) emit(label('vip', facts.vip), facts.isHere ? 1 : 0)
    },
  },
  {
    name: 'evenkeel_vip_offered',
    type: 'gauge',
    help: 'With keepalived: 1 while this node is ready to have the virtual IP address, 0 while it is not or gives it away.',
    labels: ['vip'],
    read: ({ source }, emit) => {
      const facts = source.virtualIp()
      if (facts !== null) emit(label('vip', facts.vip), facts.isOffered ? 1 : 0)
    },
  },
  single(
    'evenkeel_threads',
    'gauge',
    'Data threads whose listeners are open, without those that are being ended.',
    (source) => source.threads().running,
  ),
  single(
    'evenkeel_threads_wanted',
    'gauge',
    'Data threads there should be.',
    (source) => source.threads().asked,
  ),
  single(
    'evenkeel_thread_restarts_total',
    'counter',
    'Data threads that failed and were replaced.',
    (source) => source.threads().restarts,
  ),
  perThread(
    'evenkeel_thread_heartbeat_age_seconds',
    'Time since the last tick of each data thread; above 1 it is replaced.',
    (row, source) => Math.max(0, source.nowMs() - row[THREAD.heartbeatMs]!) / 1000,
  ),
  perThread(
    'evenkeel_thread_connections',
    'Open client connections of each data thread.',
    (row) => row[THREAD.connections]!,
  ),
  perThread(
    'evenkeel_thread_exchanges',
    'Exchanges and tunnels in progress on each data thread.',
    (row) => row[THREAD.exchanges]!,
  ),
  single(
    'evenkeel_access_log_dropped_lines_total',
    'counter',
    'Access-log lines not written because the sink was slow or failed.',
    (source) => source.table.sum(THREAD.logDropped) + source.lostLines(),
  ),
  single(
    'evenkeel_traces_dropped_total',
    'counter',
    'Exchanges that were to be kept for a trace, and were not for want of room.',
    (source) => source.table.sum(THREAD.tracesDropped),
  ),
  single(
    'evenkeel_otlp_exported_traces_total',
    'counter',
    'Exchanges that a collector has taken as spans.',
    (source) => source.spans().exported,
  ),
  single(
    'evenkeel_otlp_dropped_traces_total',
    'counter',
    'Exchanges that no collector has taken: it was away or too slow, or refused them.',
    (source) => source.spans().dropped,
  ),
  {
    name: 'evenkeel_admin_requests_total',
    type: 'counter',
    help: 'Requests answered by the admin API; 401 are those with a wrong token or none.',
    labels: ['code'],
    read: ({ source }, emit) => {
      for (const [code, count] of source.adminAnswers()) emit(`code="${code}"`, count)
    },
  },
  {
    name: 'evenkeel_faults_total',
    type: 'counter',
    help: 'What went wrong with traffic, by the rows of the fault table (docs/faults.md).',
    labels: ['fault', 'side', 'phase'],
    read: ({ source }, emit) => {
      for (const { code, side, phase, index } of FAULTS) {
        const labels = `fault="${code}",side="${side}",phase="${phase}"`
        emit(labels, source.table.sum(THREAD.faults + index))
      }
    },
  },
]

function single(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  value: (source: MetricsSource) => number,
): Family<ProcessSubject> {
  return { name, type, help, labels: [], read: ({ source }, emit) => emit('', value(source)) }
}

function perThread(
  name: string,
  help: string,
  value: (row: Float64Array, source: MetricsSource) => number,
): Family<ProcessSubject> {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['thread'],
    read: ({ source }, emit) => {
      source.table.rows.forEach((row, thread) => emit(`thread="${thread}"`, value(row, source)))
    },
  }
}

export const listenerFamilies: readonly Family<RecordSubject>[] = [
  ...columns(
    'evenkeel_listener',
    ['listener'],
    [
      ['connections', 'gauge', LISTENER.connections, 'Open client connections.'],
      ['connections_total', 'counter', LISTENER.accepted, 'Client connections accepted.'],
      [
        'connections_refused_total',
        'counter',
        LISTENER.refused,
        'Client connections closed at once because the listener was full.',
      ],
      ['requests_total', 'counter', LISTENER.requests, 'Requests, or tunnels over tcp, begun.'],
    ],
  ),
  {
    name: 'evenkeel_listener_responses_total',
    type: 'counter',
    help: 'Answers to clients, by class of status.',
    labels: ['listener', 'class'],
    read: (subject, emit) => emitClasses(subject, LISTENER.status, emit),
  },
  {
    name: 'evenkeel_listener_bytes_total',
    type: 'counter',
    help: 'Bytes from (in) and to (out) clients.',
    labels: ['listener', 'direction'],
    read: ({ table, labels, base }, emit) => {
      emit(`${labels},direction="in"`, table.sum(base + LISTENER.bytesIn))
      emit(`${labels},direction="out"`, table.sum(base + LISTENER.bytesOut))
    },
  },
  {
    name: 'evenkeel_listener_request_duration_seconds',
    type: 'histogram',
    help: 'First byte of a request to last byte of its answer.',
    labels: ['listener', 'le'],
    read: (subject, emit) =>
      emitHistogram(subject, { buckets: LISTENER.duration, sum: LISTENER.durationSumS }, emit),
  },
]

export const poolFamilies: readonly Family<PoolSubject>[] = [
  poolGauge('backends', 'Backends of the pool.', (pool) => pool.total),
  poolGauge('available_backends', 'Backends that take traffic.', (pool) => pool.available),
  poolGauge(
    'available_backends_min',
    'Backends that ejection and drains always leave (`minAvailable`).',
    (pool) => pool.minAvailable,
  ),
  ...columns<PoolSubject>(
    'evenkeel_pool',
    ['pool'],
    [
      [
        'requests_total',
        'counter',
        POOL.requests,
        'Requests, or tunnels over tcp, led to the pool.',
      ],
      [
        'failures_total',
        'counter',
        POOL.failed,
        "Requests and tunnels that ended with a fault that was not the client's.",
      ],
      ['retries_total', 'counter', POOL.retries, 'Attempts after the first.'],
      [
        'rescues_total',
        'counter',
        POOL.rescues,
        'Waiting attempts moved off a backend that went down or was ejected.',
      ],
      [
        'moved_attempts_total',
        'counter',
        POOL.moved,
        'Attempts taken off the old active in a move, to be made again elsewhere.',
      ],
      [
        'cut_sessions_total',
        'counter',
        POOL.cut,
        'Exchanges and tunnels that ended because their backend ceased to be the active.',
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
    ],
  ),
]

function poolGauge(
  name: string,
  help: string,
  value: (pool: PoolStatus) => number,
): Family<PoolSubject> {
  return {
    name: `evenkeel_pool_${name}`,
    type: 'gauge',
    help,
    labels: ['pool'],
    read: ({ labels, status }, emit) => emit(labels, value(status)),
  }
}

/** What is the same for every family: for the documentation and its test. */
export type FamilyHead = Omit<Family<never>, 'read'>

/** All families, in the order of a scrape. */
export const FAMILIES: readonly FamilyHead[] = [
  ...processFamilies,
  ...configFamilies,
  ...alertFamilies,
  ...listenerFamilies,
  ...poolFamilies,
  ...failoverFamilies,
  ...siteFamilies,
  ...discoveryFamilies,
  ...backendFamilies,
]
