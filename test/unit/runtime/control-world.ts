// A world of its own for the control plane: simulated time, backends that behave as told, data
// threads that write the shared rows as the real ones do. Everything repeats from its seed.

import { ManualClock, type Timers } from '../../../src/core/clock.ts'
import type { OutlierPlan, Plan, PoolPlan } from '../../../src/core/plan.ts'
import type { HealthCheckPlan } from '../../../src/core/check-plan.ts'
import { seededRandom, type Random } from '../../../src/core/random.ts'
import {
  BACKEND,
  BACKEND_CELLS,
  CONTROL,
  LATENCY_BOUNDS_S,
  LATENCY_BUCKETS,
  POOL,
  RECENT_ATTEMPTS,
  SharedTable,
  THREAD,
} from '../../../src/core/shared-layout.ts'
import { isSame } from '../../../src/core/same.ts'
import {
  ELIGIBILITY,
  SUSPICION,
  type FreedSlots,
  type PoolSnapshot,
  type Snapshot,
} from '../../../src/core/snapshot.ts'
import type { AdminState, BackendRole, MoveReport, Transition } from '../../../src/core/status.ts'
import type { ProbeRequest, ProbeResult, Prober } from '../../../src/probe/contract.ts'
import type { FailoverOptions } from '../../../src/runtime/control-actives.ts'
import { ControlPlane, type ControlPlaneOptions } from '../../../src/runtime/control-plane.ts'

/** How a simulated backend answers a probe. */
export type ProbeBehaviour = 'pass' | 'refuse' | 'hang' | 'sick' | 'void'
/** How it answers a request: an answer after so many ms, or a fault. */
export type TrafficBehaviour = number | 'refuse' | 'reset' | 'hang' | 'error' | 'cut'

export interface WorldBackend {
  probe: ProbeBehaviour
  traffic: TrafficBehaviour
  /** Time a probe takes. */
  probeMs: number
}

export const CHECK: HealthCheckPlan = {
  check: {
    kind: 'http',
    method: 'GET',
    path: '/health',
    host: null,
    headers: [],
    status: [[200, 299]],
    body: null,
    roles: null,
  },
  port: null,
  intervalMs: 2_000,
  timeoutMs: 1_000,
  fastIntervalMs: 500,
  jitter: 0.1,
  rise: 2,
  fall: 3,
}

export const OUTLIER: OutlierPlan = {
  consecutiveFailures: 5,
  failureRate: 0.5,
  attemptsMin: 20,
  windowMs: 10_000,
  slow: { thresholdMs: 200, factor: 5 },
  silent: { thresholdMs: 300, factor: 5, attempts: 5 },
  ejectMs: 10_000,
  ejectMaxMs: 300_000,
  ejectedMax: 0.5,
  probationSuccesses: 3,
}

/** A pool with the usual defaults and backends a, b, c … */
export function poolPlan(backends: number, changes: Partial<PoolPlan> = {}): PoolPlan {
  return {
    name: 'web',
    index: 0,
    slot: 0,
    mode: 'active-active',
    balance: 'round-robin',
    backends: Array.from({ length: backends }, (_, slot) => ({
      name: slot < 26 ? String.fromCodePoint(97 + slot) : `b${slot}`,
      slot,
      address: { kind: 'tcp', host: '10.0.0.1', port: 8_000 + slot },
      weight: 1,
      zone: null,
      site: -1,
    })),
    sites: [],
    failover: null,
    replicasOf: -1,
    healthCheck: CHECK,
    outlierDetection: OUTLIER,
    minAvailable: 1,
    slowStart: { durationMs: 10_000, from: 0.1 },
    panic: 'refuse',
    retry: null,
    timeouts: {
      connectMs: 1_000,
      responseMs: 30_000,
      totalMs: 60_000,
      idleMs: 300_000,
      tunnelIdleMs: 3_600_000,
      queueMs: 5_000,
    },
    limits: {
      perBackend: 0,
      queue: 1_000,
      connections: { idleMax: 64, idleMs: 4_000, ageMs: 600_000, requestsMax: 10_000 },
    },
    objective: { rtoMs: null, availability: null },
    ...changes,
  }
}

/** A plan with these pools, whose positions follow. */
export function plansOf(...pools: readonly PoolPlan[]): Plan {
  return {
    ...planOf(pools[0]!),
    pools: pools.map((pool, index) => Object.assign({ ...pool }, { index })),
  }
}

export function planOf(pool: PoolPlan): Plan {
  return {
    runtime: { threads: 1, drainMs: 8_000, stateDir: null, watch: false },
    admin: null,
    log: { level: 'info', access: { format: 'off', path: null } },
    listeners: [],
    pools: [pool],
    cluster: null,
    keepalived: null,
    ledger: null,
    tracing: null,
  }
}

interface Attempt {
  backend: number
  sentMs: number
  readonly begunMs: number
  tries: number
  probation: boolean
  ended: boolean
}

interface Event {
  readonly atMs: number
  readonly order: number
  readonly fire: () => void
}

export interface Finished {
  readonly tookMs: number
  readonly ok: boolean
  readonly backend: number
}

export interface WorldOptions {
  readonly threads?: number
  readonly seed?: number
  /** Backends there is room for. */
  readonly slots?: number
  /** What an active-standby pool uses instead of a store of its own and hooks that succeed. */
  readonly failover?: Partial<FailoverOptions>
  /** What operators have said before. */
  readonly recall?: ControlPlaneOptions['recall']
}

export class World {
  readonly clock = new ManualClock(1_000)
  readonly random: Random
  /** The plan in force. Its first pool is the one that gets traffic. */
  plan!: Plan
  /** Address → slot. */
  #slotOf = new Map<string, number>()
  readonly table: SharedTable
  /** By slot. */
  readonly backends: WorldBackend[]
  /** Slots that were left, and are not freed yet. */
  readonly left = new Set<number>()
  /** What was freed, in order. */
  readonly freed: FreedSlots[] = []
  /** What backends say of themselves, if they do. */
  roles: (BackendRole | null)[] = []
  readonly plane: ControlPlane
  readonly threads: WorldThread[]
  readonly snapshots: Snapshot[] = []
  readonly transitions: Transition[] = []
  readonly warnings: string[] = []
  /** Moves that have ended, latest last. */
  readonly moves: MoveReport[] = []
  /** What was said of sites. */
  readonly sites: string[] = []
  /** Probes started: time and backend. */
  readonly probes: { atMs: number; backend: number; timeoutMs: number }[] = []
  /** Requests that ended, as their clients saw it. */
  readonly finished: Finished[] = []
  /** Answers that came cut, or as an error, by slot. */
  readonly spoilt: number[]
  running = 0
  #events: Event[] = []
  #order = 0

  constructor(pool: PoolPlan, options: WorldOptions = {}) {
    const threads = options.threads ?? 1
    this.#take(planOf(pool))
    this.random = seededRandom(options.seed ?? 1)
    this.table = SharedTable.allocate({
      threads,
      listeners: 0,
      pools: 4,
      slots: options.slots ?? pool.backends.length,
    })
    const { slots } = this.table.shape
    this.backends = Array.from({ length: slots }, () => ({ probe: 'pass', traffic: 5, probeMs: 3 }))
    this.spoilt = this.backends.map(() => 0)
    this.threads = Array.from({ length: threads }, (_, index) => new WorldThread(this, index))
    this.plane = new ControlPlane({
      plan: this.plan,
      table: this.table,
      clock: this.clock,
      random: this.random,
      prober: this.prober(),
      timers: this.timers(),
      publish: (snapshot) => {
        this.snapshots.push(snapshot)
        for (const thread of this.threads) {
          this.at(thread.applyMs, () => thread.apply(snapshot))
        }
      },
      onTransition: (transition) => this.transitions.push(transition),
      onWarning: (message) => this.warnings.push(message),
      failover: { ...this.#failover(), ...options.failover },
      ...(options.recall === undefined ? {} : { recall: options.recall }),
      onFreed: (slots) => {
        this.freed.push(slots)
        for (const slot of slots.backends) this.left.delete(slot)
      },
    })
    for (const thread of this.threads) thread.start()
  }

  #failover(): FailoverOptions {
    const soon = (then: (lost: null) => void) => this.at(0.1, () => then(null))
    return {
      store: {
        restore: () => null,
        claim: (_pool, _record, done) => soon(done),
        stopped: (_pool, _epoch, done) => soon(() => done()),
        commit: (_pool, _record, done) => soon(done),
        acknowledge: () => {},
        freeze: () => {},
        save: () => {},
        recover: () => null,
        views: () => {},
        sees: () => 'own',
      },
      wallMs: () => this.nowMs,
      applied: () => {
        const versions = this.threads.filter(({ alive }) => alive).map(({ version }) => version)
        return Math.min(...versions)
      },
      hook: (_plan, _facts, done) => {
        this.at(5, () => done({ ok: true, sentence: 'it worked', output: '', tookMs: 5 }))
      },
      onMove: (_pool, report) => this.moves.push(report),
      onSite: (_pool, { site, kind, reason }) => this.sites.push(`${site} ${kind}: ${reason}`),
      onTurn: () => {},
    }
  }

  /** The pool that gets traffic. */
  get pool(): PoolPlan {
    return this.plan.pools[0]!
  }

  /** An operator's word about one backend. */
  setAdmin(
    pool: string,
    backend: string,
    state: AdminState,
    reason: string,
    force = false,
  ): ReturnType<ControlPlane['setAdminStates']> {
    return this.plane.setAdminStates(pool, [backend], { state, reason }, force)
  }

  /** Gives the first pool another plan, with slots as a reload assigns them. @throws if refused */
  reload(changes: Partial<PoolPlan>): this {
    return this.adopt(planOf(this.slotted({ ...this.pool, ...changes })))
  }

  /** What is kept keeps its slot, what is new gets the lowest that nobody has. */
  slotted(pool: PoolPlan): PoolPlan {
    const taken = new Set([...this.left, ...this.slots()])
    const backends = pool.backends.map((backend) => {
      const kept = this.pool.backends.find(
        ({ name, address }) => name === backend.name && isSame(address, backend.address),
      )
      if (kept !== undefined) return { ...backend, slot: kept.slot }
      let slot = 0
      while (taken.has(slot)) slot++
      taken.add(slot)
      return { ...backend, slot }
    })
    return { ...pool, backends }
  }

  /** Adopts a plan as it is. @throws if refused */
  adopt(plan: Plan): this {
    const refusal = this.plane.refusal(plan)
    if (refusal !== null) throw new Error(refusal)
    const before = this.slots()
    this.#take(plan)
    const now = new Set(this.slots())
    for (const slot of before) if (!now.has(slot)) this.left.add(slot)
    this.plane.adopt(plan)
    return this
  }

  #take(plan: Plan): void {
    this.plan = plan
    const all = plan.pools.flatMap(({ backends }) => backends)
    this.#slotOf = new Map(all.map(({ address, slot }) => [JSON.stringify(address), slot]))
  }

  /** Slots of all backends of the plan. */
  slots(): number[] {
    return this.plan.pools.flatMap(({ backends }) => backends.map(({ slot }) => slot))
  }

  /** Starts the control plane and lets it find its backends. */
  begin(ms = 300): this {
    this.plane.start()
    this.run(ms)
    return this
  }

  get nowMs(): number {
    return this.clock.nowMs()
  }

  at(inMs: number, fire: () => void): Event {
    const event = { atMs: this.nowMs + inMs, order: this.#order++, fire }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#events[middle]!
      if (other.atMs > event.atMs || (other.atMs === event.atMs && other.order > event.order)) {
        low = middle + 1
      } else high = middle
    }
    this.#events.splice(low, 0, event)
    return event
  }

  /** Lets `ms` milliseconds pass. */
  run(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const next = this.#events.at(-1)
      if (next === undefined || next.atMs > endMs) break
      this.#events.pop()
      this.clock.advance(Math.max(0, next.atMs - this.nowMs))
      next.fire()
    }
    this.clock.advance(endMs - this.nowMs)
  }

  /** Lets time pass while nothing runs: what was due meanwhile fires late. */
  stall(ms: number): void {
    this.clock.advance(ms)
  }

  /** Requests at an even rate over all threads, for `ms` milliseconds. */
  load(perSecond: number, ms: number): void {
    const gapMs = 1_000 / perSecond
    let next = 0
    for (let at = gapMs; at <= ms; at += gapMs) {
      const thread = this.threads[next++ % this.threads.length]!
      this.at(at, () => thread.request())
    }
    this.run(ms)
  }

  /** One client that sends its next request when the last is answered, for `ms` milliseconds. */
  sequence(ms: number): void {
    const endMs = this.nowMs + ms
    for (let next = 0; this.nowMs < endMs; next++) {
      const answers = this.finished.length
      this.threads[next % this.threads.length]!.request()
      while (this.finished.length === answers) this.run(1)
    }
  }

  /** Breaks a backend for probes and traffic. */
  break(index: number, probe: ProbeBehaviour, traffic: TrafficBehaviour): void {
    this.backends[index] = { ...this.backends[index]!, probe, traffic }
  }

  heal(index: number): void {
    this.break(index, 'pass', 5)
  }

  /** The sentence about a backend. */
  why(index: number): string {
    return this.plane.status()[0]!.backends[index]!.reason
  }

  /** `a available, b down …` */
  states(): string {
    return this.plane
      .status()[0]!
      .backends.map(({ name, availability }) => `${name} ${availability}`)
      .join(', ')
  }

  /** Readable transitions since the last call, times relative to `fromMs`. */
  transcript(fromMs: number): string[] {
    return this.transitions
      .splice(0)
      .map(
        ({ backend, from, to, atMs }) => `${Math.round(atMs - fromMs)} ${backend}: ${from} → ${to}`,
      )
  }

  timers(): Timers {
    return {
      set: (ms, fire) => this.at(ms, fire),
      clear: (handle) => {
        const index = this.#events.indexOf(handle as Event)
        if (index >= 0) this.#events.splice(index, 1)
      },
    }
  }

  prober(): Prober {
    return {
      probe: (request, done) => {
        const backend = this.#slotOf.get(JSON.stringify(request.address))!
        this.probes.push({ atMs: this.nowMs, backend, timeoutMs: request.timeoutMs })
        const event = this.#answerProbe(backend, request, done)
        return () => this.timers().clear(event)
      },
    }
  }

  #answerProbe(index: number, request: ProbeRequest, done: (result: ProbeResult) => void): Event {
    const { probe, probeMs } = this.backends[index]!
    const texts = {
      pass: `200 in ${probeMs} ms`,
      refuse: 'connection refused',
      hang: `no answer within ${request.timeoutMs} ms`,
      sick: 'status 503, expected 200-299',
      void: 'out of file descriptors',
    }
    const verdict = probe === 'pass' || probe === 'void' ? probe : 'fail'
    const late = probe === 'hang' || probeMs >= request.timeoutMs
    if (late) {
      const result = { verdict: 'fail', text: texts.hang, tookMs: request.timeoutMs } as const
      return this.at(request.timeoutMs, () => done(result))
    }
    const tookMs = probe === 'refuse' ? 0.2 : probeMs
    return this.at(tookMs, () => {
      done({ verdict, text: texts[probe], tookMs, role: this.roles[index] ?? null })
    })
  }
}

/** A data thread as the control plane sees it. */
export class WorldThread {
  readonly index: number
  readonly row: Float64Array
  readonly #world: World
  /** The pool as this thread has it. */
  #plan: PoolPlan
  #positions = new Map<number, number>()
  #pool: PoolSnapshot | null = null
  #attempts: Attempt[] = []
  #next: number
  #tickMs = 0
  alive = true
  /** How long a snapshot takes to get here. */
  applyMs = 0.2

  constructor(world: World, index: number) {
    this.#world = world
    this.index = index
    this.row = world.table.rows[index]!
    this.#plan = world.pool
    this.#take(world.pool)
    this.#next = index
  }

  #take(plan: PoolPlan): void {
    this.#plan = plan
    this.#positions = new Map(plan.backends.map(({ slot }, position) => [slot, position]))
  }

  start(): void {
    this.#world.at(this.index, () => this.tick())
  }

  /** The snapshot it has applied. */
  get version(): number {
    return this.row[THREAD.appliedVersion]!
  }

  /** What it may do with a backend. */
  eligibility(slot: number): number {
    const position = this.#positions.get(slot)
    if (position === undefined || this.#pool === null) return ELIGIBILITY.no
    return this.#pool.eligibility[position]!
  }

  /** The cell of a backend. */
  cell(backend: number, column: number): number {
    return this.#world.table.backendBase(backend) + column
  }

  add(backend: number, column: number, value = 1): void {
    this.row[this.cell(backend, column)]! += value
  }

  apply(snapshot: Snapshot): void {
    if (!this.alive) return
    const before = this.#world.backends.map((_, slot) => this.eligibility(slot))
    if (snapshot.plan !== undefined) this.#take(snapshot.plan.pools[0]!)
    this.#pool = snapshot.pools.find(({ pool }) => pool === 0) ?? this.#pool
    for (const slot of snapshot.freed?.backends ?? []) {
      this.row.fill(0, this.cell(slot, 0), this.cell(slot, BACKEND_CELLS))
    }
    this.row[THREAD.appliedVersion] = snapshot.version
    for (const attempt of this.#attempts.filter(({ ended }) => !ended)) {
      // What runs on a backend that is gone may finish.
      if (!this.#positions.has(attempt.backend)) continue
      const now = this.eligibility(attempt.backend)
      const isOut = now === ELIGIBILITY.no || now === ELIGIBILITY.cut
      if (now !== before[attempt.backend] && isOut) {
        this.#leave(attempt)
        this.#send(attempt)
      }
    }
    this.#attempts = this.#attempts.filter(({ ended }) => !ended)
  }

  tick(): void {
    if (!this.alive) return
    const world = this.#world
    this.#tickMs = world.nowMs
    this.row[THREAD.heartbeatMs] = world.nowMs
    const slots: number[] = []
    world.backends.forEach((_, backend) => {
      const control = world.table.controlBase(backend)
      const slowMs = world.table.control[control + CONTROL.slowMs]!
      const silentMs = world.table.control[control + CONTROL.silentMs]!
      const waiting = this.#attempts.filter((a) => !a.ended && a.backend === backend)
      const ages = waiting.map(({ sentMs }) => world.nowMs - sentMs)
      const slow = ages.filter((age) => age > slowMs).length
      const silent = ages.filter((age) => age > silentMs).length
      const wanted = world.pool.outlierDetection?.silent?.attempts ?? Infinity
      if (silent >= wanted || slow * 2 >= RECENT_ATTEMPTS) slots.push(backend)
      this.row[this.cell(backend, BACKEND.waitingSlow)] = slow
      this.row[this.cell(backend, BACKEND.waitingSilent)] = silent
      this.row[this.cell(backend, BACKEND.oldestWaitMs)] =
        waiting.length === 0 ? 0 : Math.min(...waiting.map(({ sentMs }) => sentMs))
    })
    if (slots.length > 0) this.suspect(slots, SUSPICION.silence)
    world.at(50, () => this.tick())
  }

  suspect(slots: readonly number[], cause: number): void {
    const causes = slots.map(() => cause)
    this.#world.at(0.1, () => this.#world.plane.suspect(slots, causes))
  }

  /** A client's GET. */
  request(): void {
    if (!this.alive) return
    const { nowMs } = this.#world
    this.row[this.#world.table.poolBase(this.#plan.slot) + POOL.requests]!++
    this.#world.running++
    const fresh = { backend: -1, sentMs: nowMs, begunMs: nowMs }
    this.#send({ ...fresh, tries: 0, probation: false, ended: false })
  }

  #pick(not: number): { backend: number; probation: boolean } {
    const { eligibility, probationThread } = this.#pool!
    const { backends } = this.#plan
    for (const [position, { slot }] of backends.entries()) {
      if (eligibility[position] !== ELIGIBILITY.probation) continue
      if (probationThread[position] !== this.index) continue
      if (this.row[this.cell(slot, BACKEND.probing)]! > 0 || slot === not) continue
      return { backend: slot, probation: true }
    }
    let fallback = -1
    for (let i = 0; i < backends.length; i++) {
      const position = this.#next++ % backends.length
      if (eligibility[position] !== ELIGIBILITY.yes) continue
      const { slot } = backends[position]!
      if (slot !== not) return { backend: slot, probation: false }
      fallback = slot
    }
    return { backend: fallback, probation: false }
  }

  #send(attempt: Attempt): void {
    const world = this.#world
    const { backend, probation } = this.#pick(attempt.backend)
    if (backend < 0) {
      this.#finish(attempt, false)
      return
    }
    attempt.backend = backend
    attempt.probation = probation
    attempt.sentMs = world.nowMs
    attempt.ended = false
    const { traffic } = world.backends[backend]!
    this.add(backend, BACKEND.waiting)
    this.add(backend, BACKEND.inFlight)
    if (probation) this.add(backend, BACKEND.probing)
    if (!this.#attempts.includes(attempt)) this.#attempts.push(attempt)
    const tries = ++attempt.tries
    const later = (ms: number, then: () => void) =>
      world.at(ms, () => {
        if (this.alive && !attempt.ended && attempt.tries === tries) then()
      })
    if (traffic === 'hang') later(world.pool.timeouts.responseMs, () => this.#timeOut(attempt))
    else if (traffic === 'refuse') later(0.3, () => this.#fail(attempt, 1, SUSPICION.connect))
    else if (traffic === 'reset') later(1, () => this.#fail(attempt, 3, SUSPICION.reset))
    else if (traffic === 'error' || traffic === 'cut') {
      later(2, () => {
        world.spoilt[backend]!++
        this.#byte(attempt)
        this.#fail(attempt, 1, SUSPICION.failure)
      })
    } else later(traffic, () => this.#succeed(attempt))
  }

  #leave(attempt: Attempt): void {
    attempt.ended = true
    this.add(attempt.backend, BACKEND.waiting, -1)
    this.add(attempt.backend, BACKEND.inFlight, -1)
    if (attempt.probation) this.add(attempt.backend, BACKEND.probing, -1)
  }

  #byte(attempt: Attempt): void {
    this.row[this.cell(attempt.backend, BACKEND.lastByteMs)] = this.#tickMs
    const tookMs = this.#world.nowMs - attempt.sentMs
    const count = this.row[this.cell(attempt.backend, BACKEND.recentCount)]!
    this.row[this.cell(attempt.backend, BACKEND.recent + (count % RECENT_ATTEMPTS))] = tookMs
    this.add(attempt.backend, BACKEND.recentCount)
    let bucket = 0
    while (bucket < LATENCY_BUCKETS - 1 && tookMs / 1_000 > LATENCY_BOUNDS_S[bucket]!) bucket++
    this.add(attempt.backend, BACKEND.response + bucket)
  }

  #succeed(attempt: Attempt): void {
    this.#byte(attempt)
    this.#leave(attempt)
    this.add(attempt.backend, BACKEND.attempts)
    this.add(attempt.backend, BACKEND.successes)
    this.row[this.cell(attempt.backend, BACKEND.streak)] = 0
    if (attempt.probation) {
      this.add(attempt.backend, BACKEND.probationSuccesses)
      this.suspect([attempt.backend], SUSPICION.probation)
    }
    this.#finish(attempt, true)
  }

  #timeOut(attempt: Attempt): void {
    this.add(attempt.backend, BACKEND.timeouts)
    this.#fail(attempt, 1, SUSPICION.timeout)
  }

  #fail(attempt: Attempt, weight: number, cause: number): void {
    this.#leave(attempt)
    this.add(attempt.backend, BACKEND.attempts)
    this.add(attempt.backend, BACKEND.failures)
    this.add(attempt.backend, BACKEND.streak, weight)
    if (attempt.probation) this.add(attempt.backend, BACKEND.probationFailures)
    this.suspect([attempt.backend], cause | (attempt.probation ? SUSPICION.probation : 0))
    if (attempt.tries < 3) this.#send(attempt)
    else this.#finish(attempt, false)
  }

  #finish(attempt: Attempt, ok: boolean): void {
    attempt.ended = true
    const world = this.#world
    world.running--
    world.finished.push({ tookMs: world.nowMs - attempt.begunMs, ok, backend: attempt.backend })
    if (this.#attempts.length > 64) this.#attempts = this.#attempts.filter((a) => !a.ended)
  }

  /** Dies: its row is cleared, and what it held is gone. */
  die(): void {
    this.alive = false
    for (const attempt of this.#attempts) attempt.ended = true
    this.#attempts = []
    this.row.fill(0)
    this.#world.plane.threadDown(this.index)
  }

  /** A new thread takes its place. */
  revive(): void {
    this.alive = true
    this.#take(this.#world.pool)
    this.apply(this.#world.plane.current())
    this.tick()
  }
}
