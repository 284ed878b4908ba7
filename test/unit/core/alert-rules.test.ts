// What the rules of alerts read off events and the status.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AlertRulePlan, AlertsPlan } from '../../../src/core/alert-contract.ts'
import type { AlertFacts } from '../../../src/core/alert-rules.ts'
import { alertInputsOf, readAlerts } from '../../../src/core/alert-rules.ts'
import { CounterWindow, quantileOf } from '../../../src/core/alert-traffic.ts'
import type { BalancerEvent } from '../../../src/core/events.ts'
import type { BackendStatus, PoolStatus } from '../../../src/core/status.ts'

const rule: AlertRulePlan = {
  forMs: 0,
  clearForMs: 0,
  severity: 'warning',
  notify: ['ops'],
  pools: null,
  above: 0.1,
  clear: 0.05,
  windowMs: 1_000,
  requestsMin: 10,
  quantile: 0.99,
}
const plan: AlertsPlan = {
  notify: {},
  rules: { errorRate: rule, certificateExpiry: { ...rule, above: 86_400_000 } },
  perMinuteMax: 20,
}

function backend(name: string, availability: BackendStatus['availability']): BackendStatus {
  const isFit = availability === 'available'
  const admin = availability === 'maint' || availability === 'drain' ? availability : 'ready'
  const effectiveWeight = isFit ? 1 : 0
  const one = { name, availability, effectiveWeight, admin, reason: 'because', role: null }
  return { ...one, health: 'up' } as unknown as BackendStatus
}

function pool(minAvailable: number, ...backends: BackendStatus[]): PoolStatus {
  const available = backends.filter(({ effectiveWeight }) => effectiveWeight > 0).length
  const size = { available, total: backends.length, minAvailable }
  return { name: 'web', ...size, failover: null, sites: [], backends } as unknown as PoolStatus
}

function read(pools: readonly PoolStatus[], more: Partial<AlertFacts> = {}): string[] {
  const facts: AlertFacts = {
    pools,
    traffic: () => null,
    agreementLost: new Set(),
    certificates: [],
    ledgerFault: null,
    wallMs: 0,
    ...more,
  }
  return readAlerts(facts, plan)
    .filter(({ level }) => level !== 'off')
    .map(({ rule: name, subject, level, silenced }) => {
      return `${name} ${subject} ${level}${silenced === null ? '' : ' silent'}`
    })
}

test('a pool says whether it has nobody, or too few', () => {
  const [up, down] = [backend('a', 'available'), backend('b', 'down')]
  assert.deepEqual(read([pool(1, up, down)]), [])
  assert.deepEqual(read([pool(2, up, down)]), ['poolBelowMin web on'])
  assert.deepEqual(read([pool(1, down)]), ['poolDown web on', 'poolBelowMin web between'])
  assert.deepEqual(read([pool(0)]), ['poolDown web on'])
})

test('what an operator took out is no alarm, but what breaks beside it is', () => {
  const [up, out, down] = [backend('a', 'available'), backend('b', 'maint'), backend('c', 'down')]
  assert.deepEqual(read([pool(2, up, out)]), ['poolBelowMin web on silent'])
  assert.deepEqual(read([pool(3, up, out, down)]), ['poolBelowMin web on'])
  assert.deepEqual(read([pool(0, out)]), ['poolDown web on silent'])
  assert.deepEqual(read([pool(0, out, down)]), ['poolDown web on'])
})

test('the share of failures has two thresholds, and few requests prove nothing', () => {
  const at = (requests: number, failures: number) =>
    read([pool(0, backend('a', 'available'))], {
      traffic: (name) => (name === 'errorRate' ? { requests, failures, latencyMs: null } : null),
    })
  assert.deepEqual(at(100, 11), ['errorRate web on'])
  assert.deepEqual(at(100, 10), ['errorRate web between'])
  assert.deepEqual(at(100, 5), [])
  assert.deepEqual(at(9, 9), [])
})

test('certificates, the ledger and the right to send are looked at', () => {
  const ends = (endsAt: number) => ({ name: 'admin.tls.cert', endsAt, endsOn: '' })
  assert.deepEqual(read([], { certificates: [ends(86_400_000)] }), [])
  const soon = ['certificateExpiry admin.tls.cert on']
  assert.deepEqual(read([], { certificates: [ends(86_399_999)] }), soon)
  assert.deepEqual(read([], { certificates: [ends(-1)] }), soon)
  assert.deepEqual(read([], { ledgerFault: 'ENOSPC' }), ['ledgerFailed  on'])
})

function inputs(body: object): string[] {
  return alertInputsOf({ id: 1, at: 0, atMs: 0, ...body } as BalancerEvent).map((input) => {
    assert.notEqual(input.kind, 'look')
    if (input.kind === 'look') return ''
    const on = input.kind === 'latch' ? ` ${input.isOn}` : ''
    return `${input.kind} ${input.about.rule} ${input.about.subject}${on}`
  })
}

test('a failover is told, a planned move is not, and one that fails is', () => {
  const report = {
    kind: 'failover',
    outcome: 'moved',
    from: 'a',
    to: 'b',
    epoch: 2,
    reason: 'a is down',
    by: 'evenkeel',
    at: 0,
    detectionMs: 900,
    moveMs: 200,
    sessions: { at: 0, finished: 0, cut: 0 },
    metObjective: true,
  }
  const move = (more: object) =>
    inputs({ kind: 'move', pool: 'db', report: { ...report, ...more } })
  assert.deepEqual(move({}), ['moment failover db'])
  assert.deepEqual(move({ kind: 'switchover', metObjective: null }), [])
  assert.deepEqual(move({ outcome: 'failed' }), ['moment moveFailed db'])
  assert.deepEqual(move({ metObjective: false }), [
    'moment failover db',
    'moment objectiveMissed db',
  ])
})

test('a refused reload holds until a good one; what discovery asked for is not meant', () => {
  const config = (outcome: string, source = 'signal') =>
    inputs({ kind: 'config', news: { outcome, source, by: 'kim', message: 'x', version: 'v' } })
  assert.deepEqual(config('refused'), ['latch configRejected  true'])
  assert.deepEqual(config('applied'), ['latch configRejected  false'])
  assert.deepEqual(config('unchanged', 'file'), ['latch configRejected  false'])
  assert.deepEqual(config('reverted', 'timeout'), ['moment configReverted '])
  assert.deepEqual(config('refused', 'discovery'), [])
})

test('a failed thread is told, its replacement is not', () => {
  const thread = (state: string) => inputs({ kind: 'thread', thread: 1, state, message: 'x' })
  assert.deepEqual(thread('failed'), ['moment threadFailed thread 1'])
  assert.deepEqual(thread('replaced'), [])
})

test('a window says how much counters have grown within it, to a tenth', () => {
  const window = new CounterWindow(1_000)
  assert.deepEqual(window.grown([5], 0), [0])
  assert.deepEqual(window.grown([6], 50), [1])
  for (let nowMs = 100; nowMs <= 1_000; nowMs += 100) window.grown([6 + nowMs / 100], nowMs)
  const [grown] = window.grown([17], 1_100)
  assert.ok(grown! >= 10 && grown! <= 12, String(grown))
  assert.deepEqual(window.grown([17], 60_000), [0])
})

test('counters that shrink belong to somebody else', () => {
  const window = new CounterWindow(1_000)
  window.grown([100, 3], 0)
  assert.deepEqual(window.grown([50, 9], 100), [0, 0])
  assert.deepEqual(window.grown([60, 9], 200), [10, 0])
})

test('a quantile lies within its bucket by proportion, as Prometheus has it', () => {
  assert.equal(quantileOf([0, 0, 0], [10, 20], 0.5), null)
  assert.equal(quantileOf([10, 0, 0], [10, 20], 0.5), 5)
  assert.equal(quantileOf([5, 5, 0], [10, 20], 0.75), 15)
  assert.equal(quantileOf([1, 0, 9], [10, 20], 0.99), 20)
})
