// What a ledger costs when everything flaps: an hour of 1,000 backends that go and come, in simulated
// time, written to a real file as a running process writes it. It tells what it measured; the limits
// it holds are those that docs/ledger.md promises.

import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { IncidentRecord, LedgerRecord } from '../../src/core/ledger-contract.ts'
import { Ledger, LedgerClock } from '../../src/core/ledger.ts'
import { seededRandom } from '../../src/core/random.ts'
import { ReportFold } from '../../src/core/report.ts'
import { ELIGIBILITY } from '../../src/core/snapshot.ts'
import type { Availability } from '../../src/core/status.ts'
import { readLedger, type Damage } from '../../src/observe/ledger-files.ts'
import { writeLine } from '../../src/observe/ledger-lines.ts'
import { LedgerFile } from '../../src/observe/ledger-store.ts'
import { BEGIN, StoryCounters } from '../support/ledger-story.ts'
import { planOf } from '../support/plans.ts'
import { temporaryFolder } from '../support/processes.ts'

const POOLS = 10
const BACKENDS = 100
const HOUR_MS = 3_600_000
/** As in src/runtime/ledger.ts. */
const WRITE_MS = 50
const LOOK_MS = 1_000
const CHECKPOINT_MS = 60_000
const CHECKPOINT_THINGS_MAX = 200
/** Lines at once, and one more every 15 s. */
const LINES_MAX = 1_000 + HOUR_MS / 15_000

const plan = planOf(`
listeners: { web: { bind: ":8080", pool: p0 } }
pools:
${Array.from({ length: POOLS }, (_, pool) => {
  const backends = Array.from({ length: BACKENDS }, (_, i) => `b${i}: "10.0.${pool}.${i + 1}:80"`)
  return `  p${pool}: { healthCheck: { tcp: {} }, backends: { ${backends.join(', ')} } }`
}).join('\n')}
`)

/** One backend: goes and comes every `periodMs`. */
interface Flapper {
  readonly pool: number
  readonly index: number
  readonly periodMs: number
  dueMs: number
  isUp: boolean
  changedMs: number
}

/** @param periods shortest and longest time between two changes of a backend */
async function measure(name: string, [shortest, longest]: readonly [number, number]) {
  const path = join(temporaryFolder(`ledger-${shortest}`), 'ledger.jsonl')
  const random = seededRandom(42)
  const clock = new LedgerClock(BEGIN, 0)
  const counters = new StoryCounters()
  const ledger = new Ledger({ run: 1, clock, read: counters }, plan, 0)
  const start = { kind: 'start', run: 1, at: BEGIN, version: '1', before: 'first' } as const
  let nowMs = 0
  const sums = { verdicts: 0, lines: 0, checkpoints: 0, checkpointBytes: 0, worstMs: 0 }
  const file = new LedgerFile(
    {
      path,
      run: 1,
      keepMs: 400 * 86_400_000,
      bytesMax: 64 * 1_048_576,
      wallMs: () => BEGIN + nowMs,
      failed: (cause) => assert.fail(cause),
      recovered: () => assert.fail('it had not failed'),
      head: () => assert.fail('an hour fills no file'),
    },
    BEGIN,
    [],
  )
  const append = (records: readonly LedgerRecord[]): void => {
    file.append(records)
    sums.lines += records.length
  }
  append([{ ...start, lastAt: null }, ...ledger.pools(0)])
  const flappers = Array.from({ length: POOLS * BACKENDS }, (_, i): Flapper => {
    const periodMs = shortest + random.next() * (longest - shortest)
    const place = { pool: i % POOLS, index: Math.floor(i / POOLS) }
    return { ...place, periodMs, dueMs: random.next() * periodMs, isUp: true, changedMs: 0 }
  })
  /** By `pool/backend`. */
  const downMs = new Map<string, number>()
  const judge = (one: Flapper, from: Availability): void => {
    const pool = plan.pools[one.pool]!
    counters.addPool(pool.slot, { requests: 50, failed: 1 })
    const about = { pool: pool.name, backend: pool.backends[one.index]!.name, available: 50 }
    const to = one.isUp ? 'available' : 'down'
    const transition = { ...about, from, to, reason: 'refused', atMs: nowMs } as const
    const times = { id: ++sums.verdicts, at: BEGIN + nowMs, atMs: nowMs }
    ledger.hear({ kind: 'transition', transition, ...times })
  }
  const count = ({ pool, index, isUp, changedMs }: Flapper): void => {
    const { name, backends } = plan.pools[pool]!
    const key = `${name}/${backends[index]!.name}`
    downMs.set(key, (downMs.get(key) ?? 0) + (isUp ? 0 : nowMs - changedMs))
  }
  const change = (one: Flapper): void => {
    count(one)
    one.isUp = !one.isUp
    one.changedMs = nowMs
    one.dueMs += one.periodMs
    judge(one, one.isUp ? 'down' : 'available')
  }
  for (const one of flappers) judge(one, 'checking')
  ledger.published(
    {
      version: 1,
      pools: plan.pools.map((_, pool) => ({
        pool,
        eligibility: new Uint8Array(BACKENDS).fill(ELIGIBILITY.yes),
        weight: new Float64Array(BACKENDS).fill(1),
        probationThread: new Int8Array(BACKENDS).fill(-1),
        halfAvailable: true,
        epoch: 0,
        holdUntilMs: 0,
      })),
    },
    0,
  )
  while (nowMs < HOUR_MS) {
    nowMs += WRITE_MS
    for (const one of flappers) if (one.dueMs <= nowMs) change(one)
    const startedMs = performance.now()
    if (nowMs % LOOK_MS === 0) ledger.sample(nowMs)
    append(ledger.take(nowMs))
    sums.worstMs = Math.max(sums.worstMs, performance.now() - startedMs)
    if (nowMs % CHECKPOINT_MS !== 0) continue
    const records = [ledger.span(nowMs), ...ledger.open(nowMs, CHECKPOINT_THINGS_MAX)]
    sums.checkpointBytes += Buffer.byteLength(records.map(writeLine).join(''))
    sums.checkpoints++
    await file.checkpoint(records)
  }
  for (const one of flappers) count(one)
  const span = ledger.nextSpan(nowMs)
  append([span])
  const open = ledger.open(nowMs)
  await file.close()
  assert.equal(file.lost, 0)
  const bytes = statSync(path).size
  console.log(
    `${name}: ${sums.verdicts} verdicts, ${sums.lines} lines, ${(bytes / 1e6).toFixed(2)} MB; ` +
      `${sums.checkpoints} checkpoints, ${(sums.checkpointBytes / 1e6).toFixed(2)} MB; ` +
      `longest turn ${sums.worstMs.toFixed(1)} ms`,
  )
  const records: LedgerRecord[] = []
  const damage: Damage = { lines: 0 }
  for await (const record of readLedger(path, damage)) records.push(record)
  assert.equal(damage.lines, 0)
  assert.equal(records.length, sums.lines)
  return { ...sums, bytes, records, open, span, downMs }
}

/** Whatever was written of it last can be told as a story from beginning to end. */
function assertWhole(one: IncidentRecord): void {
  const times = one.stages.map(({ ms }) => ms)
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
    one.id,
  )
  assert.equal(times[0], 0)
  assert.ok(one.ms >= times.at(-1)!, one.id)
  assert.equal(one.stages[0]!.name, 'fault')
  if (!one.open) assert.equal(one.stages.at(-1)!.name, 'recovered')
}

for (const [name, periods] of [
  ['every 1 to 10 s', [1_000, 10_000]],
  ['every 1 to 3 min', [60_000, 180_000]],
] as const) {
  test(`an hour of 1,000 backends that change ${name} keeps to the limit, and incidents whole`, async () => {
    const { bytes, records, open, lines, span, downMs } = await measure(name, periods)
    // Besides incidents: the start, each pool, and the span of the hour.
    assert.ok(lines <= LINES_MAX + POOLS + 2, `${lines} lines`)
    assert.ok(bytes < 10e6, `${bytes} bytes`)
    const last = new Map<string, IncidentRecord>()
    for (const record of records) {
      if (record.kind !== 'incident') continue
      assert.ok((last.get(record.id)?.rev ?? 0) < record.rev, record.id)
      last.set(record.id, record)
    }
    for (const one of last.values()) assertWhole(one)
    const fold = new ReportFold()
    for (const record of [...records, ...open]) fold.add(record)
    // What the file and the memory of the process tell together is over when it is.
    const going = new Set(open.filter((one) => one.open).map(({ id }) => id))
    assert.deepEqual(
      fold.open().filter(({ id }) => !going.has(id)),
      [],
    )
    console.log(
      `  ${last.size} incidents told, ${going.size} of those that go on, ${span.leftOut} left out`,
    )
    // The time is exact, however little of it is told.
    for (const [pool, { times, backends }] of Object.entries(span.pools)) {
      assert.equal(
        times.reduce((sum, ms) => sum + ms, 0),
        HOUR_MS,
        pool,
      )
      for (const [backend, [up, down]] of Object.entries(backends)) {
        assert.equal(up + down, HOUR_MS, backend)
        assert.equal(down, downMs.get(`${pool}/${backend}`), backend)
      }
    }
  })
}
