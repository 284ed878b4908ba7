// The control loop: reads what the data threads wrote, runs the probes that are due, lets
// core/pool-health.ts judge, and publishes what changed. One timer for everything; a suspicion is
// followed up in the turn it comes in. Must never touch a byte of traffic.

import type { Clock } from '../core/clock.ts'
import { DueQueue } from '../core/due-queue.ts'
import type { SiteNews } from '../core/events.ts'
import type { HookPlan, Plan } from '../core/plan.ts'
import type { FailoverEffect, FailoverEvent } from '../core/failover-contract.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import { lastActive, noBackend, noPool, tooFew } from '../core/override-refusal.ts'
import type { Refusal, Result } from '../core/override-refusal.ts'
import type { AdminWord } from '../core/overrides.ts'
import { PoolHealth, type PoolEffect } from '../core/pool-health.ts'
import type { Random } from '../core/random.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { PoolSnapshot, Snapshot } from '../core/snapshot.ts'
import type { AdminState, MoveReport, PoolStatus, Transition } from '../core/status.ts'
import type { FailoverStore } from '../ha/failover-store.ts'
import type { HookFacts, HookResult } from '../ha/hooks.ts'
import type { ProbeResult, Prober } from '../probe/contract.ts'
import { ControlProbes } from './control-probes.ts'
import { ControlWatch } from './control-watch.ts'
import { BackendRoster } from './backend-roster.ts'
import { FailoverDriver } from './failover-driver.ts'
import { TierRoster } from './tier-roster.ts'
import { replicaSnapshot, replicaStatus } from '../core/replica-view.ts'

/** Timers as a value, so that a test can run the loop on a clock of its own. */
export interface Timers {
  /** Calls `fire` once in `ms` milliseconds. */
  set(ms: number, fire: () => void): unknown
  clear(handle: unknown): void
}

export interface ControlPlaneOptions {
  readonly plan: Plan
  readonly table: SharedTable
  readonly clock: Clock
  readonly random: Random
  readonly prober: Prober
  readonly timers: Timers
  /** Hands a snapshot to every data thread. Names only the pools that changed. */
  publish(snapshot: Snapshot): void
  /** A backend's availability changed; called before the snapshot that follows from it. */
  onTransition(transition: Transition): void
  onWarning?(message: string, fields: Readonly<Record<string, unknown>>): void
  /** What pools with an active need; required if the plan has one. */
  readonly failover?: FailoverOptions
  /** What an operator has said of a backend before; `null` if nothing that still holds. */
  readonly recall?: (pool: string, backend: string) => AdminWord | null
}

export interface FailoverOptions {
  readonly store: FailoverStore
  /** Wall clock, ms since 1970. */
  wallMs(): number
  /** The lowest snapshot version that a living data thread has applied. */
  applied(): number
  /** Runs a hook; `done` never comes within the call. */
  hook(plan: HookPlan, facts: HookFacts, done: (result: HookResult) => void): void
  onMove(pool: string, report: MoveReport): void
  /** Something happened to a site without a move. */
  onSite(pool: string, news: SiteNews): void
  onTurn(pool: string, effect: Extract<FailoverEffect, { kind: 'turned' }>): void
}

interface FoundBackends {
  readonly ok: true
  readonly health: PoolHealth
  readonly indexes: readonly number[]
}

/** Time between two looks at the rows. */
export const TICK_MS = 100
/** The same for backends under suspicion. */
export const SUSPICION_TICK_MS = 25
/** How long a suspicion stays fresh. */
const SUSPICION_FRESH_MS = 1_000
/** Backends looked at in one tick; a bigger park is looked at in turns. */
const LOOKS_PER_TICK = 2_048
/** Thresholds are recomputed this often; a look at a big pool costs more. */
const THRESHOLDS_MS = 200
const THRESHOLDS_BIG_MS = 1_000
/** Pools bigger than this are looked at and published at a slower pace. */
const BIG_POOL = 256
/** Shortest time between two snapshots of a big pool. */
const BIG_PUBLISH_MS = 5
/** The first probes are spread over this, or longer at FIRST_PROBES_PER_MS. */
const FIRST_SPREAD_MS = 100
const FIRST_PROBES_PER_MS = 5
/** The loop waits at least this long, so that what is due in one moment shares a turn. */
const WAKE_MIN_MS = 2
/** A stretch in which our loop stood still that is worth a line in the log. */
const STALL_WARN_MS = 500

export class ControlPlane {
  readonly #options: ControlPlaneOptions
  readonly #pools: readonly PoolHealth[]
  /** Per pool; `null` for those without an active. */
  readonly #drivers: readonly (FailoverDriver | null)[]
  readonly #readersOf = new Map<PoolHealth, string>()
  readonly #watch: ControlWatch
  readonly #probes: ControlProbes
  readonly #queue: DueQueue
  /** Slot → pool and position in it; −1 where a slot is unused. */
  readonly #poolOf: Int32Array
  readonly #indexOf: Int32Array
  /** All slots in use, in the order they are looked at. */
  readonly #slots: Int32Array
  #cursor = 0
  /** Slots under suspicion, and until when. */
  readonly #suspects = new Map<number, number>()
  readonly #publishedMs: Float64Array
  #version = 1
  #timer: unknown = null
  #running = false
  #tickMs = -Infinity

  constructor(options: ControlPlaneOptions) {
    this.#options = options
    const { plan, table, random, clock } = options
    const nowMs = clock.nowMs()
    const backends = plan.pools.flatMap((pool) => pool.backends)
    const spreadMs = Math.max(FIRST_SPREAD_MS, backends.length / FIRST_PROBES_PER_MS)
    this.#pools = plan.pools.map((pool) => {
      const withinMs = Math.min(spreadMs, pool.healthCheck?.intervalMs ?? 0)
      return new PoolHealth(pool, table, random, nowMs, () => nowMs + random.next() * withinMs)
    })
    this.#drivers = this.#pools.map((pool) => this.#makeDriver(pool, nowMs))
    this.#watch = new ControlWatch(table)
    this.#probes = new ControlProbes(options.prober, () => clock.nowMs())
    this.#queue = new DueQueue(table.shape.slots)
    this.#poolOf = new Int32Array(table.shape.slots).fill(-1)
    this.#indexOf = new Int32Array(table.shape.slots).fill(-1)
    this.#slots = Int32Array.from(backends, (backend) => backend.slot)
    this.#publishedMs = new Float64Array(plan.pools.length).fill(-Infinity)
    this.#recall(nowMs)
    for (const pool of plan.pools) {
      pool.backends.forEach((backend, index) => {
        this.#poolOf[backend.slot] = pool.index
        this.#indexOf[backend.slot] = index
        this.#reschedule(backend.slot, nowMs)
      })
    }
  }

  /** Publishes the first snapshot and begins to probe. */
  start(): void {
    if (this.#running) return
    this.#options.publish(this.current())
    this.#running = true
    this.#turn(() => {})
  }

  /** Ends all probes and timers. Nothing is published any more. */
  stop(): void {
    this.#running = false
    for (const driver of this.#drivers) driver?.stop()
    this.#probes.stop()
    if (this.#timer !== null) this.#options.timers.clear(this.#timer)
    this.#timer = null
  }

  /**
   * A data thread calls for attention. What follows from it is published before this returns.
   * @param slots backends
   * @param causes `SUSPICION` bits, parallel to `slots`
   */
  suspect(slots: readonly number[], causes: readonly number[]): void {
    this.#turn((nowMs) => {
      this.#watch.look(nowMs)
      slots.forEach((slot, i) => {
        const pool = this.#poolAt(slot)
        if (pool === null) return
        this.#suspects.set(slot, nowMs + SUSPICION_FRESH_MS)
        this.#drivers[pool.plan.index]?.sign(this.#indexOf[slot]!, nowMs)
        pool.look(this.#indexOf[slot]!, nowMs, this.#watch.trusted)
        pool.suspected(this.#indexOf[slot]!, causes[i]!, nowMs)
      })
    })
  }

  /** A data thread is gone and its row was cleared: what only it could do is given to another. */
  threadDown(thread: number): void {
    this.#turn((nowMs) => {
      for (const pool of this.#pools) pool.threadDown(thread, nowMs)
    })
  }

  /** All pools as they were last published: what a new thread needs. */
  current(): Snapshot {
    this.#publish(
      this.#pools.filter((pool) => pool.changed),
      this.#options.clock.nowMs(),
    )
    return { version: this.#version, pools: this.#pools.map((pool) => this.#snapshotOf(pool)) }
  }

  status(): PoolStatus[] {
    const nowMs = this.#options.clock.nowMs()
    return this.#pools.map((pool) => {
      const driver = this.#drivers[pool.plan.index]!
      const own = pool.status(nowMs)
      if (driver !== null) return driver.status(own, nowMs)
      return pool.plan.replicasOf < 0 ? own : replicaStatus(own, this.#readers(pool))
    })
  }

  /** The agreement between replicas has something for the failover machine of a pool. */
  hear(pool: string, event: FailoverEvent): void {
    const index = this.#pools.findIndex(({ plan }) => plan.name === pool)
    if (index >= 0) this.#turn((nowMs) => this.#drivers[index]?.hear(event, nowMs))
  }

  /** An operator's word for a pool with an active. A move is answered once it is over. */
  async act(pool: string, request: OperatorRequest): Promise<ActAnswer> {
    const found = this.#pools.find(({ plan }) => plan.name === pool)
    if (found === undefined) {
      const names = this.#pools.map(({ plan }) => plan.name)
      return { ok: false, code: 'no-pool', message: `There is no pool '${pool}'.`, names }
    }
    const driver = this.#drivers[found.plan.index]!
    if (driver !== null) return driver.act(request)
    const message = `Pool '${pool}' is ${found.plan.mode}: it has no active to move.`
    return { ok: false, code: 'not-standby', message, names: [] }
  }

  /** Every backend that is checked has had a first verdict. */
  ready(): boolean {
    return this.#pools.every((pool) => pool.ready())
  }

  /**
   * An operator takes a backend out, or back in.
   * @param force also below the pool's `minAvailable`
   */
  setAdminState(
    pool: string,
    backend: string,
    state: AdminState,
    reason: string,
    force = false,
  ): Result {
    return this.setAdminStates(pool, [backend], { state, reason }, force)
  }

  /** The same for several backends of a pool: for all of them or none. */
  setAdminStates(
    pool: string,
    backends: readonly string[],
    word: AdminWord,
    force: boolean,
  ): Result {
    const found = this.#find(pool, backends)
    if (!found.ok) return found
    const { health, indexes } = found
    const nowMs = this.#options.clock.nowMs()
    const refusal = force || word.state === 'ready' ? null : this.#refuse(health, indexes, nowMs)
    if (refusal !== null) return refusal
    this.#turn((nowMs) => {
      for (const index of indexes) health.setAdmin(index, word, nowMs)
    })
    return { ok: true }
  }

  /** Whether an operator may take these out of their pool, by whatever means, without force. */
  maySpare(pool: string, backends: readonly string[]): Result {
    const found = this.#find(pool, backends)
    if (!found.ok) return found
    const nowMs = this.#options.clock.nowMs()
    return this.#refuse(found.health, found.indexes, nowMs) ?? { ok: true }
  }

  /** What was said of backends before they were here holds before they get any traffic. */
  #recall(nowMs: number): void {
    const { recall } = this.#options
    if (recall === undefined) return
    for (const pool of this.#pools) {
      pool.plan.backends.forEach(({ name }, index) => {
        const word = recall(pool.plan.name, name)
        if (word !== null) pool.setAdmin(index, word, nowMs)
      })
    }
  }

  #find(pool: string, backends: readonly string[]): FoundBackends | Refusal {
    const health = this.#pools.find(({ plan }) => plan.name === pool)
    if (health === undefined) {
      return noPool(
        pool,
        this.#pools.map(({ plan }) => plan.name),
      )
    }
    const names = health.plan.backends.map(({ name }) => name)
    const unknown = backends.find((name) => !names.includes(name))
    if (unknown !== undefined) return noBackend(pool, unknown, names)
    return { ok: true, health, indexes: backends.map((name) => names.indexOf(name)) }
  }

  #refuse(health: PoolHealth, indexes: readonly number[], nowMs: number): Refusal | null {
    const { name, index, backends } = health.plan
    const driver = this.#drivers[index] ?? null
    const active = indexes.find((one) => driver !== null && !driver.mayLose(one, indexes))
    if (driver !== null && active !== undefined) {
      const { failover } = driver.status(health.status(nowMs), nowMs)
      return lastActive(name, backends[active]!.name, failover?.standbys ?? [])
    }
    const shortage = health.shortageWithout(indexes, nowMs)
    return shortage === null ? null : tooFew(name, shortage)
  }

  /** Everything that happens happens in a turn: facts first, then conclusions, then the word. */
  #turn(facts: (nowMs: number) => void): void {
    const nowMs = this.#options.clock.nowMs()
    const lateMs = this.#watch.turn(nowMs)
    if (lateMs >= STALL_WARN_MS) {
      this.#options.onWarning?.(
        'The control plane stood still; its probes of that time are void.',
        {
          ms: Math.round(lateMs),
        },
      )
    }
    facts(nowMs)
    for (const pool of this.#pools) {
      pool.settle(nowMs)
      this.#execute(pool, pool.takeEffects())
      const driver = this.#drivers[pool.plan.index]
      for (const index of pool.takeTouched()) {
        driver?.touched(index, nowMs)
        this.#reschedule(pool.plan.backends[index]!.slot, nowMs)
      }
    }
    for (const driver of this.#drivers) driver?.look(nowMs)
    this.#lookAtReaders()
    this.#publish(
      this.#pools.filter((pool) => pool.changed && !this.#mustWait(pool, nowMs)),
      nowMs,
    )
    this.#arm(nowMs)
  }

  #wake(): void {
    this.#timer = null
    this.#turn((nowMs) => {
      for (let slot = this.#queue.take(nowMs); slot >= 0; slot = this.#queue.take(nowMs)) {
        this.#poolAt(slot)!.due(this.#indexOf[slot]!, nowMs)
      }
      this.#lookAtSuspects(nowMs)
      if (nowMs - this.#tickMs >= TICK_MS) this.#tick(nowMs)
    })
  }

  #tick(nowMs: number): void {
    this.#tickMs = nowMs
    this.#watch.look(nowMs)
    const looks = Math.min(LOOKS_PER_TICK, this.#slots.length)
    for (let i = 0; i < looks; i++) {
      const slot = this.#slots[this.#cursor]!
      this.#cursor = (this.#cursor + 1) % this.#slots.length
      this.#poolAt(slot)!.look(this.#indexOf[slot]!, nowMs, this.#watch.trusted)
    }
    for (const pool of this.#pools) {
      const big = pool.plan.backends.length > BIG_POOL
      pool.refreshThresholds(nowMs, big ? THRESHOLDS_BIG_MS : THRESHOLDS_MS)
      pool.tendProbation(nowMs)
    }
  }

  #lookAtSuspects(nowMs: number): void {
    if (this.#suspects.size === 0) return
    this.#watch.look(nowMs)
    for (const [slot, untilMs] of this.#suspects) {
      if (nowMs >= untilMs) this.#suspects.delete(slot)
      this.#poolAt(slot)!.look(this.#indexOf[slot]!, nowMs, this.#watch.trusted)
    }
  }

  #execute(pool: PoolHealth, effects: readonly PoolEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'transition')
        this.#options.onTransition(this.#dressed(effect.transition, pool))
      else if (effect.kind === 'warning') {
        this.#options.onWarning?.(effect.message, { pool: pool.plan.name })
      } else this.#probe(pool, effect)
    }
  }

  #probe(pool: PoolHealth, effect: Extract<PoolEffect, { kind: 'probe' }>): void {
    const { index, timeoutMs, suspicion } = effect
    const { check, port } = pool.plan.healthCheck!
    const { address } = pool.plan.backends[index]!
    this.#probes.run({
      request: { address, check, port, timeoutMs },
      suspicion,
      done: ({ verdict, text, tookMs, role = null, lag = null }, startedMs) => {
        if (!this.#running) return
        this.#turn((nowMs) => {
          const stalled = this.#watch.stalledSince(startedMs, timeoutMs)
          pool.probed(index, { verdict, text, tookMs, suspicion, stalled, role, lag }, nowMs)
        })
      },
    })
  }

  #publish(pools: readonly PoolHealth[], nowMs: number): void {
    if (!this.#running || pools.length === 0) return
    const version = ++this.#version
    for (const pool of pools) {
      this.#publishedMs[pool.plan.index] = nowMs
      pool.published(version)
      this.#drivers[pool.plan.index]?.published(version)
    }
    this.#options.publish({ version, pools: pools.map((pool) => this.#snapshotOf(pool)) })
  }

  /** A snapshot of a big pool is big itself: many changes at a time go in one. */
  #mustWait(pool: PoolHealth, nowMs: number): boolean {
    const { backends, index } = pool.plan
    return backends.length > BIG_POOL && nowMs < this.#publishedMs[index]! + BIG_PUBLISH_MS
  }

  #arm(nowMs: number): void {
    if (!this.#running) return
    const tickMs = this.#suspects.size > 0 ? nowMs + SUSPICION_TICK_MS : Infinity
    let nextMs = Math.min(this.#tickMs + TICK_MS, tickMs, this.#queue.nextMs())
    for (const driver of this.#drivers) {
      if (driver !== null) nextMs = Math.min(nextMs, driver.deadlineMs(nowMs))
    }
    if (this.#pools.some((pool) => pool.changed)) nextMs = Math.min(nextMs, nowMs + BIG_PUBLISH_MS)
    const waitMs = Math.max(WAKE_MIN_MS, Math.min(TICK_MS, nextMs - nowMs))
    if (this.#timer !== null) this.#options.timers.clear(this.#timer)
    this.#timer = this.#options.timers.set(waitMs, () => this.#wake())
    this.#watch.promise(nowMs + waitMs)
  }

  #makeDriver(pool: PoolHealth, nowMs: number): FailoverDriver | null {
    const { failover, table } = this.#options
    const { name, mode, failover: plan } = pool.plan
    if (plan === null) return null
    if (failover === undefined) throw new Error('a pool with an active needs `failover`')
    const ports = {
      ...failover,
      table,
      probe: (index: number, done: (result: ProbeResult, nowMs: number) => void) => {
        this.#proveBackend(pool, index, done)
      },
      enter: (work: (nowMs: number) => void) => this.#turn(work),
      onWarning: (message: string, fields: Readonly<Record<string, unknown>>) => {
        this.#options.onWarning?.(message, fields)
      },
    }
    const roster =
      mode === 'active-standby'
        ? new BackendRoster(pool)
        : new TierRoster(pool, (news) => failover.onSite(name, news), nowMs)
    return new FailoverDriver(pool, roster, ports, nowMs)
  }

  /** A probe beside the schedule, whose result counts like any other. */
  #proveBackend(
    pool: PoolHealth,
    index: number,
    done: (result: ProbeResult, nowMs: number) => void,
  ): void {
    const { check, port, timeoutMs } = pool.plan.healthCheck!
    const { address } = pool.plan.backends[index]!
    this.#probes.run({
      request: { address, check, port, timeoutMs },
      suspicion: true,
      done: (result) => {
        if (!this.#running) return
        this.#turn((nowMs) => {
          pool.probed(index, { ...result, suspicion: true, stalled: false }, nowMs)
          done(result, nowMs)
        })
      },
    })
  }

  /** What the data threads get: with an active, only that one; on the read side, its replicas. */
  #snapshotOf(pool: PoolHealth): PoolSnapshot {
    const { plan } = pool
    const own = pool.snapshot()
    const driver = this.#drivers[plan.index]!
    if (driver !== null) return driver.dress(own)
    if (plan.replicasOf < 0) return own
    return replicaSnapshot(own, this.#readers(pool))
  }

  #readers(pool: PoolHealth): readonly number[] {
    return this.#drivers[pool.plan.replicasOf]!.readers()
  }

  /** Read sides follow the verdicts of the pools whose servers they share. */
  #lookAtReaders(): void {
    for (const pool of this.#pools) {
      if (pool.plan.replicasOf < 0) continue
      const readers = this.#readers(pool).join(' ')
      if (this.#readersOf.get(pool) === readers) continue
      this.#readersOf.set(pool, readers)
      pool.changed = true
    }
  }

  /** A backend that is fit without being the active stands by. */
  #dressed(transition: Transition, pool: PoolHealth): Transition {
    const driver = this.#drivers[pool.plan.index]!
    return driver === null ? transition : driver.dressTransition(transition)
  }

  #reschedule(slot: number, nowMs: number): void {
    this.#queue.set(slot, this.#poolAt(slot)!.deadlineMs(this.#indexOf[slot]!, nowMs))
  }

  #poolAt(slot: number): PoolHealth | null {
    const pool = this.#poolOf[slot] ?? -1
    return pool < 0 ? null : this.#pools[pool]!
  }
}
