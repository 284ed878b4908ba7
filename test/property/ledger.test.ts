// Whatever happens to a pool, in whatever order: lengths add up, nothing is negative, and a ledger
// that was read twice, shuffled, or cut short says the same as far as it says anything.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Counts, IncidentRecord, LedgerRecord } from '../../src/core/ledger-contract.ts'
import { isAmount } from '../../src/core/ledger-contract.ts'
import { Ledger, LedgerClock } from '../../src/core/ledger.ts'
import type { EventBody } from '../../src/core/events.ts'
import { ReportFold } from '../../src/core/report.ts'
import { metOf, ninesOf, quantileOf, shareWithin } from '../../src/core/report-figures.ts'
import { ELIGIBILITY } from '../../src/core/snapshot.ts'
import type { Availability, FailoverPhase } from '../../src/core/status.ts'
import { BEGIN, StoryCounters } from '../support/ledger-story.ts'
import { planOf } from '../support/plans.ts'

const plan = planOf(`
listeners: { web: { bind: ":8080", pool: web } }
pools:
  web:
    minAvailable: 1
    objective: { rto: 2s, availability: 99.9% }
    healthCheck: { tcp: {} }
    backends: { a: "127.0.0.1:1", b: "127.0.0.1:2", c: "127.0.0.1:3" }
`)
const pool = plan.pools[0]!

const verdicts = [
  'available',
  'starting',
  'probation',
  'down',
  'ejected',
  'drain',
  'maint',
] as const
const phases = ['steady', 'suspect', 'failing-over', 'switching', 'none'] as const

type Step =
  | { kind: 'verdict'; backend: number; to: Availability; signMs: number; afterMs: number }
  | { kind: 'serve'; mask: number; afterMs: number }
  | { kind: 'phase'; to: FailoverPhase; afterMs: number }
  | { kind: 'traffic'; requests: number; failed: number; afterMs: number }
  | { kind: 'move'; detectionMs: number; moveMs: number; afterMs: number }
  | { kind: 'look' | 'restart' | 'span' | 'clock'; afterMs: number; by: number }

const afterMs = fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 200_000 }))
const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('verdict' as const),
      backend: fc.nat(2),
      to: fc.constantFrom(...verdicts),
      signMs: fc.nat(5_000),
      afterMs,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('serve' as const), mask: fc.nat(7), afterMs }),
  },
  fc.record({ kind: fc.constant('phase' as const), to: fc.constantFrom(...phases), afterMs }),
  fc.record({
    kind: fc.constant('traffic' as const),
    requests: fc.nat(100),
    failed: fc.nat(100),
    afterMs,
  }),
  fc.record({
    kind: fc.constant('move' as const),
    detectionMs: fc.nat(10_000),
    moveMs: fc.nat(2_000),
    afterMs,
  }),
  fc.record({
    kind: fc.constantFrom('look' as const, 'restart' as const, 'span' as const, 'clock' as const),
    afterMs,
    by: fc.integer({ min: -100_000, max: 100_000 }),
  }),
)

/** Plays steps. @param clocks whether the wall clock may be set, and may go back over a restart */
function play(steps: readonly Step[], clocks: boolean): { records: LedgerRecord[]; until: number } {
  const records: LedgerRecord[] = []
  let counters = new StoryCounters()
  let nowMs = 0
  let skewMs = 0
  let run = 1
  let id = 0
  let clock = new LedgerClock(BEGIN, 0)
  let ledger = new Ledger({ run, clock, read: counters }, plan, nowMs)
  const begin = () =>
    records.push({
      kind: 'start',
      run,
      at: clock.at(nowMs),
      version: '1',
      before: 'first',
      lastAt: null,
    })
  begin()
  records.push(...ledger.pools(nowMs))
  const hear = (body: EventBody) => {
    ledger.hear({ ...body, id: ++id, at: clock.at(nowMs), atMs: nowMs })
    records.push(...ledger.take(nowMs))
  }
  for (const step of steps) {
    nowMs += step.afterMs
    switch (step.kind) {
      case 'verdict': {
        const backend = pool.backends[step.backend]!.name
        const change = { pool: 'web', backend, from: 'available', to: step.to } as const
        const rest = { reason: 'r', atMs: nowMs, available: 1, signMs: nowMs - step.signMs }
        hear({ kind: 'transition', transition: { ...change, ...rest } })
        break
      }
      case 'serve': {
        const words = pool.backends.map((_, i) =>
          (step.mask >> i) % 2 === 1 ? ELIGIBILITY.yes : ELIGIBILITY.no,
        )
        const rest = { halfAvailable: true, epoch: 0, holdUntilMs: 0 }
        const arrays = { weight: new Float64Array(3), probationThread: new Int8Array(3) }
        const snapshot = { pool: 0, eligibility: Uint8Array.from(words), ...arrays, ...rest }
        ledger.published({ version: 1, pools: [snapshot] }, nowMs)
        break
      }
      case 'phase':
        hear({ kind: 'turn', pool: 'web', from: 'steady', to: step.to, reason: 'r' })
        break
      case 'traffic':
        counters.addPool(pool.slot, { requests: step.requests, failed: step.failed })
        counters.addBackend(pool.backends[0]!.slot, {
          requests: step.requests,
          failed: step.failed,
        })
        break
      case 'move': {
        const sessions = { at: 0, finished: 0, cut: 0 }
        const names = { from: 'a', to: 'b', epoch: 1, reason: 'r', by: 'evenkeel', at: 0 }
        const { detectionMs, moveMs } = step
        const report = {
          kind: 'failover',
          outcome: 'moved',
          ...names,
          detectionMs,
          moveMs,
        } as const
        hear({ kind: 'move', pool: 'web', report: { ...report, sessions, metObjective: null } })
        break
      }
      case 'look':
        ledger.sample(nowMs)
        records.push(...ledger.take(nowMs))
        break
      case 'span':
        records.push(ledger.nextSpan(nowMs))
        break
      case 'clock':
        if (!clocks) break
        skewMs += step.by
        records.push(ledger.nextSpan(nowMs))
        clock.set(BEGIN + 1e9 + nowMs + skewMs, nowMs)
        break
      default: {
        records.push(...ledger.open(nowMs), ledger.nextSpan(nowMs))
        const lastAt = clock.at(nowMs)
        const fold = foldOf(records)
        nowMs += step.afterMs
        if (clocks) skewMs += step.by
        counters = new StoryCounters()
        clock = new LedgerClock(BEGIN + (clocks ? 1e9 : 0) + nowMs + skewMs, nowMs)
        ledger = new Ledger({ run: ++run, clock, read: counters }, plan, nowMs)
        begin()
        ledger.resume(fold.open(), { lastAt, stopped: false }, nowMs)
        records.push(...ledger.take(nowMs))
      }
    }
  }
  records.push(...ledger.open(nowMs), ...ledger.take(nowMs), ledger.nextSpan(nowMs))
  return { records, until: clock.at(nowMs) }
}

function foldOf(records: readonly LedgerRecord[]): ReportFold {
  const fold = new ReportFold()
  for (const record of records) fold.add(record)
  return fold
}

function checkIncident(incident: IncidentRecord): void {
  const { stages, ms, outages, gapMs } = incident
  assert.ok(isAmount(ms) && isAmount(gapMs) && isAmount(incident.leftOutMs))
  assert.equal(stages[0]!.name, 'fault')
  assert.equal(stages[0]!.ms, 0)
  // The phases follow each other without a gap, so together they are as long as the incident.
  let before = 0
  for (const stage of stages) {
    assert.ok(stage.ms >= before, `${stage.name} at ${stage.ms} before ${before}`)
    before = stage.ms
    for (const value of Object.values(stage.counts as Counts & Record<string, number>)) {
      assert.ok(isAmount(value))
    }
  }
  assert.ok(before <= ms)
  let end = 0
  for (const [i, outage] of outages.entries()) {
    const { faultMs, lostMs, backMs } = outage
    assert.ok(faultMs >= 0 && faultMs <= lostMs, JSON.stringify(outage))
    assert.ok(lostMs >= end, 'outages do not overlap')
    assert.ok(backMs === null ? i === outages.length - 1 : backMs >= lostMs)
    end = backMs ?? ms
    assert.ok(end <= ms + 1)
  }
  if (!incident.open) assert.ok(outages.every(({ backMs }) => backMs !== null))
}

test('stages, outages and lengths of incidents are in order, whatever happens and whatever the clock', () => {
  fc.assert(
    fc.property(fc.array(stepOf, { maxLength: 60 }), fc.boolean(), (steps, clocks) => {
      const { records } = play(steps, clocks)
      for (const record of records) {
        if (record.kind === 'incident') checkIncident(record)
        else if (record.kind === 'window') assert.ok(isAmount(record.ms))
      }
    }),
    { numRuns: 300 },
  )
})

test('up, down, maintenance and unknown time add up to the time looked at, and no share is above 1', () => {
  fc.assert(
    fc.property(fc.array(stepOf, { maxLength: 40 }), (steps) => {
      const { records, until } = play(steps, false)
      const report = foldOf(records).report({ since: 0, until }, null)
      assert.equal(report.since, BEGIN)
      for (const one of report.pools.flatMap((found) => [found, ...found.backends])) {
        const { upMs, downMs, maintenanceMs, unknownMs, availability, counts, success } = one
        const sum = upMs + downMs + maintenanceMs + unknownMs
        assert.ok(Math.abs(sum - (until - report.since)) <= records.length * 2, `${sum}`)
        for (const ms of [upMs, downMs, maintenanceMs, unknownMs]) assert.ok(isAmount(ms))
        if (availability !== null) assert.ok(availability >= 0 && availability <= 1)
        if (success !== null) assert.ok(success >= 0 && success <= 1)
        assert.ok(isAmount(counts.requests) && isAmount(counts.failed))
      }
    }),
    { numRuns: 200 },
  )
})

test('a span has as much time as went by, for the pool and for each of its backends', () => {
  fc.assert(
    fc.property(fc.array(stepOf, { maxLength: 40 }), fc.boolean(), (steps, clocks) => {
      for (const record of play(steps, clocks).records) {
        if (record.kind !== 'span') continue
        const { times, backends } = record.pools['web']!
        assert.ok(Math.abs(sumOf(times) - record.ms) <= 4)
        for (const row of Object.values(backends)) {
          assert.ok(Math.abs(sumOf(row.slice(0, 4)) - record.ms) <= 4)
        }
      }
    }),
    { numRuns: 200 },
  )
})

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

test('a ledger that is read in another order, or with lines twice, says the same', () => {
  fc.assert(
    fc.property(fc.array(stepOf, { maxLength: 30 }), fc.integer(), (steps, seed) => {
      const { records, until } = play(steps, false)
      const mixed = [...records, ...records]
        .map((record, i) => ({ record, rank: Math.imul(i + 1, seed | 1) % 1_009 }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ record }) => record)
      const report = foldOf(records).report({ since: 0, until }, null)
      assert.deepEqual(
        withoutOrder(foldOf(mixed).report({ since: 0, until }, null)),
        withoutOrder(report),
      )
    }),
    { numRuns: 100 },
  )
})

// What began in the same millisecond has no order of its own.
function withoutOrder(report: unknown): unknown {
  const { incidents, windows, actions, ...rest } = report as Record<string, unknown[]>
  const sorted = [incidents, windows, actions].map((list) =>
    list!.map((one) => JSON.stringify(one)).sort(),
  )
  return { rest: JSON.stringify(rest), sorted }
}

test('shares of a stretch and its rest add up to the whole', () => {
  const time = fc.integer({ min: 0, max: 1_000_000 })
  fc.assert(
    fc.property(time, time, time, (at, length, cut) => {
      const toAt = at + length
      const before = shareWithin(at, toAt, { since: 0, until: cut })
      const after = shareWithin(at, toAt, { since: cut, until: 10_000_000 })
      assert.ok(Math.abs(before + after - 1) < 1e-9)
    }),
  )
})

test('a quantile is one of the values, and grows with its share', () => {
  const values = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1 })
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(values, share, share, (list, one, other) => {
      const low = quantileOf(list, Math.min(one, other))!
      const high = quantileOf(list, Math.max(one, other))!
      assert.ok(list.includes(low) && list.includes(high) && low <= high)
    }),
  )
})

test('nines never promise more than was measured', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (availability) => {
      const nines = ninesOf(availability)
      if (nines === null) assert.equal(availability, 1)
      else assert.ok(1 - availability <= 10 ** -nines * (1 + 1e-5))
    }),
  )
})

test('an objective is missed as soon as it can not be met any more, and met only at the end', () => {
  const ms = fc.integer({ min: 0, max: 10_000 })
  fc.assert(
    fc.property(ms, ms, ms, fc.boolean(), (faultMs, length, objectiveMs, isOver) => {
      const known = { incident: '1-1', at: 0, lostMs: faultMs, gapMs: 0, objectiveMs }
      const end = faultMs + length
      const met = metOf({ ...known, faultMs, backMs: isOver ? end : null, knownMs: end })
      if (length > objectiveMs) assert.equal(met, false)
      else assert.equal(met, isOver ? true : null)
    }),
  )
})
