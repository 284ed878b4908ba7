// The figures of core/objective-detection.ts against the real control plane in its simulated world:
// never exceeded, whatever the moment of the failure, and not far above what can happen.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { byChecks, byTraffic, PACE, total } from '../../src/core/objective-detection.ts'
import { STORE_MS } from '../../src/core/objective-move.ts'
import { assessObjective } from '../../src/core/objective.ts'
import type { FailoverPlan, OutlierPlan, PoolPlan } from '../../src/core/plan.ts'
import type { HealthCheckPlan } from '../../src/core/check-plan.ts'
import { seededRandom } from '../../src/core/random.ts'
import { BACKEND } from '../../src/core/shared-layout.ts'
import { SUPERVISION_LIMITS, SUPERVISION_TICK_MS } from '../../src/runtime/supervision.ts'
import { TICK_MS } from '../../src/runtime/control-plane.ts'
import { CHECK, OUTLIER, poolPlan, World } from '../unit/runtime/control-world.ts'
import { FAILOVER_DEFAULTS } from '../support/failover-machine.ts'

const behaviours = { process: 'refuse', hung: 'hang' } as const
type Kind = keyof typeof behaviours
const kinds = ['process', 'hung'] as const

/** Breaks `b` of two idle backends at a random moment; how long it takes until it is down. */
function detectIdle(kind: Kind, check: HealthCheckPlan, seed: number): number {
  const random = seededRandom(seed)
  const world = new World(poolPlan(2, { healthCheck: check }), { seed })
  // Slow probes are given more time, up to the whole timeout.
  for (const backend of world.backends) backend.probeMs = 1 + random.next() * 0.9 * check.timeoutMs
  world.begin(300 + check.timeoutMs)
  world.run((1 + random.next()) * 2 * check.intervalMs)
  assert.equal(world.states(), 'a available, b available')
  world.transitions.length = 0
  const brokenMs = world.nowMs
  world.break(1, behaviours[kind], behaviours[kind])
  world.run(2 * total(byChecks('hung', check)))
  assert.deepEqual(
    world.transitions.map(({ backend, to }) => `${backend} ${to}`),
    ['b down'],
  )
  return world.transitions[0]!.atMs - brokenMs
}

interface Shares {
  readonly intervalMs: number
  /** Of the interval, in percent. */
  readonly timeout: number
  readonly fast: number
  readonly jitter: number
  readonly fall: number
}

const anyShares: fc.Arbitrary<Shares> = fc.record({
  intervalMs: fc.integer({ min: 50, max: 5000 }),
  timeout: fc.integer({ min: 1, max: 100 }),
  fast: fc.integer({ min: 1, max: 100 }),
  jitter: fc.integer({ min: 0, max: 50 }),
  fall: fc.integer({ min: 1, max: 6 }),
})

function checkOf({ intervalMs, timeout, fast, jitter, fall }: Shares): HealthCheckPlan {
  const part = (percent: number) => Math.max(10, Math.round((intervalMs * percent) / 100))
  const [timeoutMs, fastIntervalMs] = [part(timeout), part(fast)]
  return { ...CHECK, intervalMs, timeoutMs, fastIntervalMs, jitter: jitter / 100, fall }
}

for (const kind of kinds) {
  test(`checks alone find a backend whose failure is '${kind}' within the computed time, whatever the settings`, () => {
    fc.assert(
      fc.property(anyShares, fc.nat(), (shares, seed) => {
        const check = checkOf(shares)
        const boundMs = total(byChecks(kind, check))
        const tookMs = detectIdle(kind, check, seed)
        assert.ok(tookMs <= boundMs, `${tookMs} ms, computed ${boundMs} ms`)
      }),
      { numRuns: 200 },
    )
  })
}

const checks: readonly (readonly [string, Partial<HealthCheckPlan>])[] = [
  ['the defaults', {}],
  ['fall 1', { fall: 1 }],
  ['short ones', { intervalMs: 1000, timeoutMs: 500, fall: 2 }],
  ['a timeout above the fast interval', { fastIntervalMs: 100, timeoutMs: 2000, fall: 4 }],
  ['no jitter', { jitter: 0, fall: 5 }],
  ['long ones', { intervalMs: 10_000, timeoutMs: 3000 }],
]

for (const [title, changes] of checks) {
  test(`the computed time is at most a fifth above what happens: ${title}`, () => {
    for (const kind of kinds) {
      const check = { ...CHECK, ...changes }
      const boundMs = total(byChecks(kind, check))
      let worstMs = 0
      for (let seed = 1; seed <= 40; seed++) {
        worstMs = Math.max(worstMs, detectIdle(kind, check, seed))
      }
      assert.ok(worstMs <= boundMs && worstMs >= boundMs / 1.2, `${worstMs} of ${boundMs} ms`)
    }
  })
}

/**
 * Breaks `b` of two backends in use, a moment after it was asked on some other suspicion; how long
 * it takes from the first request that meets it.
 */
function detectInUse(
  kind: Kind,
  check: HealthCheckPlan,
  outlierDetection: OutlierPlan | null,
  seed: number,
): number | null {
  const random = seededRandom(seed)
  const gapMs = 1000 / [200, 20, 5][seed % 3]!
  const pool = poolPlan(2, { healthCheck: check, outlierDetection })
  const world = new World(pool, { seed, threads: 2 }).begin()
  let next = 0
  const request = () => {
    world.threads[next++ % 2]!.request()
    world.run(gapMs)
  }
  const requests = (count: number) => Array.from({ length: count }, request)
  requests(20 + Math.floor(random.next() * 20))
  const asked = world.probes.length
  world.break(1, 'pass', 'reset')
  for (let i = 0; i < 40 && world.probes.length === asked; i++) request()
  world.heal(1)
  world.run(random.next() * check.fastIntervalMs)
  if (world.states() !== 'a available, b available') return null
  world.transitions.length = 0
  world.break(1, behaviours[kind], behaviours[kind])
  let metMs = Infinity
  const waits = () =>
    world.threads.some((thread) => thread.row[thread.cell(1, BACKEND.waiting)]! > 0)
  const untilMs = world.nowMs + 10_000
  while (world.transitions.length === 0 && world.nowMs < untilMs) {
    world.threads[next++ % 2]!.request()
    if (waits()) metMs = Math.min(metMs, world.nowMs)
    world.run(gapMs)
  }
  const [first] = world.transitions
  assert.equal(first?.backend, 'b')
  // It may have been the checks that found it, before any request did.
  return metMs === Infinity ? null : first.atMs - metMs
}

for (const kind of kinds) {
  for (const fastIntervalMs of [200, 500, 1000]) {
    test(`live traffic gives '${kind}' away within the computed time, and in not much less (fastInterval ${fastIntervalMs})`, () => {
      const check = { ...CHECK, fastIntervalMs }
      let worstMs = 0
      let boundMs = 0
      for (const outlier of [OUTLIER, null]) {
        boundMs = total(byTraffic(kind, poolPlan(2, { outlierDetection: outlier }), check, false))
        for (let seed = 1; seed <= 30; seed++) {
          const tookMs = detectInUse(kind, check, outlier, seed) ?? 0
          assert.ok(tookMs <= boundMs, `seed ${seed}: ${tookMs} ms, computed ${boundMs} ms`)
          worstMs = Math.max(worstMs, tookMs)
        }
      }
      assert.ok(worstMs >= boundMs / 1.2, `${worstMs} of ${boundMs} ms`)
    })
  }
}

const failover: FailoverPlan = {
  ...FAILOVER_DEFAULTS,
  readyForMs: 1000,
  sessions: 'destroy',
  proveMs: 2000,
}
const hook = (timeoutMs: number) => ({ kind: 'exec', command: ['x'], timeoutMs }) as const
const redis = { ...CHECK, check: { kind: 'redis', user: null, password: null } } as const

/** What a slow world may take of its time: everything answers within its limit, and late. */
interface Slowness {
  /** Share of the limit, 0…1. */
  readonly store: number
  readonly thread: number
  readonly hook: number
  readonly proof: number
}

/** Breaks the active; how long it takes until the move has ended. */
function failOver(pool: PoolPlan, kind: Kind, seed: number, slow: Slowness): number {
  const random = seededRandom(seed)
  const { promote, fence, proveMs } = pool.failover!
  const hooksMs = { promote: promote?.timeoutMs ?? 0, fence: fence?.timeoutMs ?? 0 }
  const later = (inMs: number, then: () => void) => world.at(inMs, then)
  const store = (then: (lost: null) => void) => later(slow.store * STORE_MS.file, () => then(null))
  const isAsked = pool.healthCheck!.check.kind === 'redis'
  const becomePrimary = () => {
    world.roles[1] = 'primary'
  }
  const world: World = new World(pool, {
    seed,
    failover: {
      store: {
        restore: () => null,
        claim: (_pool, _record, done) => store(done),
        stopped: (_pool, _epoch, done) => later(0.1, () => done()),
        commit: (_pool, _record, done) => store(done),
        acknowledge: () => {},
        freeze: () => {},
        save: () => {},
        recover: () => null,
        views: () => {},
        sees: () => 'own',
      },
      hook: (_plan, facts, done) => {
        const result = { ok: true, sentence: '', output: '', tookMs: 0 }
        later(slow.hook * hooksMs[facts.hook], () => done(result))
        // Promoted, it takes its time to say so: less what the last probe and its pause may take.
        if (facts.hook === 'promote' && isAsked) {
          later(slow.hook * hooksMs.promote + slow.proof * (proveMs - 110), becomePrimary)
        }
      },
    },
  })
  if (isAsked) world.roles = ['primary', 'replica']
  for (const backend of world.backends) backend.probeMs = 0.9 * pool.healthCheck!.timeoutMs
  world.begin(pool.healthCheck!.timeoutMs + 12_000 + random.next() * 4000)
  assert.equal(world.states(), 'a available, b standby')
  const brokenMs = world.nowMs
  world.break(0, behaviours[kind], behaviours[kind])
  world.threads[0]!.applyMs = slow.thread * (PACE.acknowledgeMs + PACE.superviseMs)
  const before = world.moves.length
  world.transitions.length = 0
  while (world.moves.length === before && world.nowMs < brokenMs + 60_000) {
    world.run(1)
    // Without a hook somebody else promotes, no later than the old one is down.
    if (isAsked && promote === null && world.transitions.length > 0) becomePrimary()
  }
  const move = world.moves.at(-1)!
  assert.equal(move.outcome, 'moved')
  assert.equal(move.to, 'b')
  return world.nowMs - brokenMs
}

const pools: readonly (readonly [string, Partial<FailoverPlan>, Partial<PoolPlan>])[] = [
  ['a bare one', {}, {}],
  ['one with hooks', { fence: hook(3000), promote: hook(2000) }, {}],
  ['one whose standby is promoted and says so', { promote: hook(2000) }, { healthCheck: redis }],
  ['one elected by its role', { elect: 'role' }, { healthCheck: redis }],
]

for (const [title, changes, more] of pools) {
  test(`a failover ends within the computed time, and in not much less: ${title}`, () => {
    const plan = { mode: 'active-standby', failover: { ...failover, ...changes }, ...more } as const
    const pool = poolPlan(2, plan)
    for (const kind of kinds) {
      const report = assessObjective(pool, { tcp: false, remembers: true, ttlMs: null })
      const one = report.cases.find((each) => each.kind === kind)!
      const boundMs = one.detectionMs! + report.moveMs
      let worstMs = 0
      for (let seed = 1; seed <= 24; seed++) {
        const random = seededRandom(seed + 1000)
        const share = () => (seed % 4 === 0 ? random.next() : 1)
        const slow = { store: share(), thread: share(), hook: share(), proof: share() }
        const tookMs = failOver(pool, kind, seed, slow)
        assert.ok(tookMs <= boundMs, `seed ${seed}: ${tookMs} ms, computed ${boundMs} ms`)
        worstMs = Math.max(worstMs, tookMs)
      }
      assert.ok(worstMs >= boundMs / 1.4, `${kind}: ${worstMs} of ${boundMs} ms`)
    }
  })
}

test('the paces are those of the real loops', () => {
  assert.equal(PACE.lookMs, TICK_MS)
  assert.equal(PACE.acknowledgeMs, SUPERVISION_LIMITS.acknowledgeMs)
  assert.equal(PACE.superviseMs, SUPERVISION_TICK_MS)
})
