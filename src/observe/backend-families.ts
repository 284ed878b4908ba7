// The metrics of backends: how each one is judged, and what the data threads counted of it.

import { BACKEND } from '../core/shared-layout.ts'
import type { BackendStatus } from '../core/status.ts'
import type { Family } from './metric-family.ts'
import { columns, emitClasses, emitHistogram, type RecordSubject } from './record-families.ts'

export interface TransitionCount {
  readonly to: string
  readonly count: number
}

/** One backend at the moment of a scrape. */
export interface BackendSubject extends RecordSubject {
  readonly status: BackendStatus
  /** What it became so far, and how often. */
  readonly transitions: readonly TransitionCount[]
}

const BACKEND_LABELS = ['pool', 'backend'] as const

export const backendFamilies: readonly Family<BackendSubject>[] = [
  backendGauge('available', '1 if the backend takes traffic.', ({ effectiveWeight }) =>
    effectiveWeight > 0 ? 1 : 0,
  ),
  backendGauge('up', '1 unless health checks say down or have not spoken yet.', ({ health }) =>
    health === 'up' || health === 'none' ? 1 : 0,
  ),
  backendGauge('weight', 'Weight in force, after slow start.', (status) => status.effectiveWeight),
  {
    name: 'evenkeel_backend_state',
    type: 'gauge',
    help: 'Always 1; the label says which availability the backend has now.',
    labels: [...BACKEND_LABELS, 'state'],
    read: ({ labels, status }, emit) => emit(`${labels},state="${status.availability}"`, 1),
  },
  {
    name: 'evenkeel_backend_transitions_total',
    type: 'counter',
    help: 'Changes of availability, by what it became; `to="ejected"` counts ejections.',
    labels: [...BACKEND_LABELS, 'to'],
    read: ({ labels, transitions }, emit) => {
      for (const { to, count } of transitions) emit(`${labels},to="${to}"`, count)
    },
  },
  ...columns<BackendSubject>('evenkeel_backend', BACKEND_LABELS, [
    ['in_flight', 'gauge', BACKEND.inFlight, 'Attempts, or tunnels over tcp, in progress.'],
    ['connections', 'gauge', BACKEND.connections, 'Open connections, idle or in use.'],
    ['idle_connections', 'gauge', BACKEND.idleConnections, 'Open connections kept for reuse.'],
    ['attempts_total', 'counter', BACKEND.attempts, 'Attempts that have ended.'],
    ['failures_total', 'counter', BACKEND.failures, 'Attempts that failed.'],
    ['timeouts_total', 'counter', BACKEND.timeouts, 'Attempts without a response head in time.'],
    ['connects_total', 'counter', BACKEND.connects, 'Connections opened.'],
    ['connect_failures_total', 'counter', BACKEND.connectFailures, 'Connections not opened.'],
    ['connect_seconds_total', 'counter', BACKEND.connectSumS, 'Time spent opening connections.'],
  ]),
  {
    name: 'evenkeel_backend_responses_total',
    type: 'counter',
    help: 'Responses of the backend, by class of status.',
    labels: [...BACKEND_LABELS, 'class'],
    read: (subject, emit) => emitClasses(subject, BACKEND.status, emit),
  },
  {
    name: 'evenkeel_backend_bytes_total',
    type: 'counter',
    help: 'Bytes to and from the backend.',
    labels: [...BACKEND_LABELS, 'direction'],
    read: ({ table, labels, base }, emit) => {
      emit(`${labels},direction="to"`, table.sum(base + BACKEND.bytesTo))
      emit(`${labels},direction="from"`, table.sum(base + BACKEND.bytesFrom))
    },
  },
  {
    name: 'evenkeel_backend_response_duration_seconds',
    type: 'histogram',
    help: 'Request sent to response head.',
    labels: [...BACKEND_LABELS, 'le'],
    read: (subject, emit) =>
      emitHistogram(subject, { buckets: BACKEND.response, sum: BACKEND.responseSumS }, emit),
  },
]

function backendGauge(
  name: string,
  help: string,
  value: (status: BackendStatus) => number,
): Family<BackendSubject> {
  return {
    name: `evenkeel_backend_${name}`,
    type: 'gauge',
    help,
    labels: BACKEND_LABELS,
    read: ({ labels, status }, emit) => emit(labels, value(status)),
  }
}
