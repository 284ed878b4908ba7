// The metrics of pools with an active.

import type { FailoverStatus, MoveKind, MoveReport } from '../core/status.ts'
import type { Emit, Family } from './metric-family.ts'
import { label } from './metric-family.ts'
import type { Histogram, MoveTally } from './move-counter.ts'
import { MOVE_BOUNDS_S } from './move-counter.ts'

/** One pool with an active at the moment of a scrape. */
export interface FailoverSubject {
  /** `pool="db"` */
  readonly labels: string
  readonly status: FailoverStatus
  readonly moves: MoveTally
}

const KINDS: readonly MoveKind[] = [
  'first',
  'resume',
  'failover',
  'failback',
  'switchover',
  'election',
  'follow',
]
const OUTCOMES: readonly MoveReport['outcome'][] = ['moved', 'rolled-back', 'failed']

export const failoverFamilies: readonly Family<FailoverSubject>[] = [
  {
    name: 'evenkeel_pool_active',
    type: 'gauge',
    help: '1 for the active backend of the pool, 0 for each standby; between sites, for the sites.',
    labels: ['pool', 'backend'],
    read: ({ labels, status: { active, standbys } }, emit) => {
      if (active !== null) emit(`${labels},${label('backend', active)}`, 1)
      for (const { name } of standbys) emit(`${labels},${label('backend', name)}`, 0)
    },
  },
  {
    name: 'evenkeel_pool_epoch',
    type: 'gauge',
    help: 'Number that grows with every change of the active.',
    labels: ['pool'],
    read: ({ labels, status }, emit) => emit(labels, status.epoch),
  },
  {
    name: 'evenkeel_pool_failover_state',
    type: 'gauge',
    help: 'Always 1; the label says in which state the failover machine is.',
    labels: ['pool', 'state'],
    read: ({ labels, status }, emit) => emit(`${labels},state="${status.state}"`, 1),
  },
  {
    name: 'evenkeel_standby_ready',
    type: 'gauge',
    help: '1 for each standby that would be taken at once, or once its role allows (`elect: role`).',
    labels: ['pool', 'backend'],
    read: ({ labels, status }, emit) => {
      for (const { name, ready } of status.standbys) {
        emit(`${labels},${label('backend', name)}`, ready ? 1 : 0)
      }
    },
  },
  {
    name: 'evenkeel_failovers_total',
    type: 'counter',
    help: 'Moves of the active that have ended.',
    labels: ['pool', 'kind', 'outcome'],
    // All of them from the start: a counter that appears with its first event hides it from rate().
    read: ({ labels, moves: { moves } }, emit) => {
      for (const kind of KINDS) {
        for (const outcome of OUTCOMES) {
          const found = moves.find((one) => one.kind === kind && one.outcome === outcome)
          const count = found === undefined ? 0 : countOf(found.durations)
          emit(`${labels},kind="${kind}",outcome="${outcome}"`, count)
        }
      }
    },
  },
  {
    name: 'evenkeel_failover_objective_missed_total',
    type: 'counter',
    help: 'Failovers that took longer than `objective.rto`, or failed.',
    labels: ['pool'],
    read: ({ labels, moves }, emit) => emit(labels, moves.missed),
  },
  {
    name: 'evenkeel_failover_duration_seconds',
    type: 'histogram',
    help: 'First sign of the failure, or the order to move, to the first byte for the new active.',
    labels: ['pool', 'kind', 'outcome', 'le'],
    read: ({ labels, moves }, emit) => {
      for (const { kind, outcome, durations } of moves.moves) {
        emitHistogram(`${labels},kind="${kind}",outcome="${outcome}"`, durations, emit)
      }
    },
  },
  {
    name: 'evenkeel_failover_detection_seconds',
    type: 'histogram',
    help: 'First sign of a failure of the active to the decision to move.',
    labels: ['pool', 'le'],
    read: ({ labels, moves }, emit) => emitHistogram(labels, moves.detections, emit),
  },
]

function countOf({ counts }: Histogram): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function emitHistogram(labels: string, histogram: Histogram, emit: Emit): void {
  let count = 0
  MOVE_BOUNDS_S.forEach((bound, i) => {
    count += histogram.counts[i]!
    emit(`${labels},le="${bound}"`, count, '_bucket')
  })
  const total = countOf(histogram)
  emit(`${labels},le="+Inf"`, total, '_bucket')
  emit(labels, histogram.sumS, '_sum')
  emit(labels, total, '_count')
}
