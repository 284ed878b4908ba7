import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LedgerRecord, PoolSpan } from '../../../src/core/ledger-contract.ts'
import { NO_COUNTS } from '../../../src/core/ledger-contract.ts'
import { ReportFold } from '../../../src/core/report.ts'

const HOUR = 3_600_000
const whole = { since: 0, until: 3 * HOUR }

function pool(at: number, name: string, backends: readonly string[]): LedgerRecord {
  const aims = { rtoMs: null, availability: null }
  return { kind: 'pool', at, pool: name, mode: 'active-active', ...aims, backends }
}

function span(n: number, pools: Readonly<Record<string, PoolSpan>>): LedgerRecord {
  const at = (n - 1) * HOUR
  return { kind: 'span', run: 1, n, at, toAt: at + HOUR, ms: HOUR, pools, leftOut: 0 }
}

function upSpan(backends: PoolSpan['backends'] = {}): PoolSpan {
  return { times: [HOUR, 0, 0, 0], counts: NO_COUNTS, backends }
}

function backendsOf(records: readonly LedgerRecord[], name = 'web') {
  const fold = new ReportFold()
  for (const record of records) fold.add(record)
  const found = fold.report(whole, name).pools[0]!
  return Object.fromEntries(found.backends.map((one) => [one.name, one]))
}

test('a backend that was added later was not up before it was there', () => {
  const { a, b } = backendsOf([
    pool(0, 'web', ['a']),
    span(1, { web: upSpan() }),
    pool(1.5 * HOUR, 'web', ['a', 'b']),
    span(2, { web: upSpan({ b: [0, HOUR / 2, 0, 0, 0, 0] }) }),
    span(3, { web: upSpan() }),
  ])
  assert.equal(a!.upMs, 3 * HOUR)
  assert.equal(b!.upMs, HOUR)
  assert.equal(b!.downMs, HOUR / 2)
  assert.equal(b!.availability, 2 / 3)
})

test('a backend that was away for a while was not up meanwhile, whatever the order of the records', () => {
  const records = [
    pool(0, 'web', ['a', 'b']),
    span(1, { web: upSpan() }),
    pool(HOUR + 1, 'web', ['a']),
    span(2, { web: upSpan() }),
    pool(2 * HOUR + 1, 'web', ['a', 'b']),
    pool(2 * HOUR + 2, 'web', ['a', 'b']),
    span(3, { web: upSpan({ b: [HOUR - 1, 0, 0, 0, 0, 0] }) }),
  ]
  for (const order of [records, records.toReversed()]) {
    assert.equal(backendsOf(order)['b']!.upMs, 2 * HOUR - 1)
  }
})

test('time before the first record of a pool belongs to those that it then had', () => {
  const { a } = backendsOf([span(1, { web: upSpan() }), pool(2 * HOUR, 'web', ['a'])])
  assert.equal(a!.upMs, HOUR)
})

test('names that every object has are names like any other', () => {
  const found = backendsOf(
    [
      pool(0, 'constructor', ['toString']),
      span(1, { web: upSpan() }),
      span(2, { constructor: upSpan() }),
    ],
    'constructor',
  )
  assert.equal(found['toString']!.upMs, HOUR)
})

test('a report of a backend that has flapped for weeks takes a moment', () => {
  const fold = new ReportFold()
  const count = 20_000
  const every = Math.floor((3 * HOUR) / count)
  for (const record of [pool(0, 'web', ['a']), span(1, { web: upSpan() })]) fold.add(record)
  for (let i = 0; i < count; i++) {
    const at = i * every
    const outages = [0, 1, 2].map((ms) => {
      return { at: at + ms, faultMs: ms, lostMs: ms, backMs: ms + 1, gapMs: 0 }
    })
    const about = { id: `1-${i}`, rev: 1, pool: 'web', backend: 'a', parent: null, at }
    const lengths = { ms: 5, gapMs: 0, leftOutMs: 0, stagesLeftOut: 0, outagesLeftOut: 0 }
    const state = { trouble: 'down', cause: '', open: false, relapses: 2, rtoMs: null } as const
    const lists = { stages: [], outages, moves: [], actions: [] }
    fold.add({ kind: 'incident', ...about, ...lengths, ...state, ...lists })
  }
  const startMs = performance.now()
  const [found] = fold.report(whole, 'web').pools
  const tookMs = performance.now() - startMs
  assert.equal(found!.backends[0]!.failures, 3 * count)
  // A hundred times as long, when each incident had the list of all before it copied.
  assert.ok(tookMs < 2_000, `${Math.round(tookMs)} ms`)
})

test('a report begins where its records do, though each file names the start of its process', () => {
  const fold = new ReportFold()
  const start = { run: 1, version: '1', before: 'first', lastAt: null } as const
  fold.add({ kind: 'start', at: 0, ...start })
  assert.equal(fold.firstAt, 0)
  fold.add(pool(2 * HOUR, 'web', ['a']))
  fold.add(span(3, { web: upSpan() }))
  const { since, notRunningMs, pools } = fold.report(whole, null)
  assert.deepEqual([since, notRunningMs, pools[0]!.unknownMs], [2 * HOUR, 0, 0])
})

test('how much comes from hours that lie in the stretch only in part is told', () => {
  const fold = new ReportFold()
  fold.add(pool(0, 'web', ['a']))
  for (const n of [1, 2, 3]) fold.add(span(n, { web: upSpan() }))
  const partialOf = (since: number, until: number) => fold.report({ since, until }, null).partialMs
  assert.equal(partialOf(0, 3 * HOUR), 0)
  assert.equal(partialOf(0, 3 * HOUR - 1), 0)
  assert.equal(partialOf(HOUR / 2, 3 * HOUR), HOUR / 2)
  assert.equal(partialOf(2.75 * HOUR, 3 * HOUR), HOUR / 4)
})
