import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailoverStatus, MoveReport } from '../../../src/core/status.ts'
import { failoverFamilies } from '../../../src/observe/failover-families.ts'
import { MoveCounter } from '../../../src/observe/move-counter.ts'

const status: FailoverStatus = {
  state: 'suspect',
  reason: 'a failed a probe',
  sinceMs: 0,
  active: 'a',
  epoch: 7,
  preferred: 'a',
  frozen: null,
  standbys: [
    { name: 'b', ready: true, reason: 'fit' },
    { name: 'c"', ready: false, reason: 'down' },
  ],
  move: null,
  lastMoves: [],
}

const report: MoveReport = {
  kind: 'failover',
  outcome: 'moved',
  from: 'a',
  to: 'b',
  epoch: 7,
  reason: 'a is down',
  by: 'evenkeel',
  at: 0,
  detectionMs: 800,
  moveMs: 200,
  sessions: { at: 0, finished: 0, cut: 0 },
  metObjective: true,
}

/** Series of a metric after some moves, without its `pool` label, as `labels value`. */
function series(name: string, reports: readonly MoveReport[] = [], active = status): string[] {
  const counter = new MoveCounter()
  for (const one of reports) counter.add('db', one)
  counter.add('other', report)
  const family = failoverFamilies.find((one) => one.name === name)!
  const lines: string[] = []
  family.read(
    { labels: 'pool="db"', status: active, moves: counter.of('db') },
    (labels, value, suffix = '') => {
      lines.push(`${suffix}${labels.slice('pool="db"'.length)} ${value}`)
    },
  )
  return lines
}

test('the active is 1 and each standby 0, with nobody active all are 0', () => {
  assert.deepEqual(series('evenkeel_pool_active'), [
    ',backend="a" 1',
    ',backend="b" 0',
    ',backend="c\\"" 0',
  ])
  const standbys = [{ name: 'a', ready: false, reason: '' }, ...status.standbys]
  const nobody = { ...status, active: null, standbys }
  assert.ok(series('evenkeel_pool_active', [], nobody).every((line) => line.endsWith(' 0')))
})

test('state, epoch and the readiness of each standby are shown', () => {
  assert.deepEqual(series('evenkeel_pool_failover_state'), [',state="suspect" 1'])
  assert.deepEqual(series('evenkeel_pool_epoch'), [' 7'])
  assert.deepEqual(series('evenkeel_standby_ready'), [',backend="b" 1', ',backend="c\\"" 0'])
})

test('moves are counted by kind and outcome, and all counters are there from the start', () => {
  assert.equal(series('evenkeel_failovers_total').length, 21)
  assert.ok(series('evenkeel_failovers_total').every((line) => line.endsWith(' 0')))
  const lines = series('evenkeel_failovers_total', [
    report,
    report,
    { ...report, outcome: 'failed' },
    { ...report, kind: 'switchover' },
  ])
  assert.deepEqual(
    lines.filter((line) => !line.endsWith(' 0')),
    [
      ',kind="failover",outcome="moved" 2',
      ',kind="failover",outcome="failed" 1',
      ',kind="switchover",outcome="moved" 1',
    ],
  )
})

test('durations are from the first sign to the first byte, in buckets that add up', () => {
  const lines = series('evenkeel_failover_duration_seconds', [
    report,
    { ...report, detectionMs: 0, moveMs: 50 },
    { ...report, detectionMs: 60_000, moveMs: 1_000 },
  ])
  const labels = ',kind="failover",outcome="moved"'
  assert.deepEqual(lines, [
    ...[
      [0.05, 1],
      [0.1, 1],
      [0.25, 1],
      [0.5, 1],
      [1, 2],
      [2.5, 2],
      [5, 2],
      [10, 2],
      [30, 2],
      [60, 2],
      ['+Inf', 3],
    ].map(([bound, count]) => `_bucket${labels},le="${bound}" ${count}`),
    `_sum${labels} 62.05`,
    `_count${labels} 3`,
  ])
})

test('detection is measured where there was a failure to detect', () => {
  const lines = series('evenkeel_failover_detection_seconds', [
    report,
    { ...report, kind: 'switchover', detectionMs: 0 },
  ])
  assert.deepEqual(lines.slice(-2), ['_sum 0.8', '_count 1'])
})

test('a missed objective is counted, one that was not set is not', () => {
  const missed = [report, { ...report, metObjective: false }, { ...report, metObjective: null }]
  assert.deepEqual(series('evenkeel_failover_objective_missed_total', missed), [' 1'])
})
