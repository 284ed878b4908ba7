// The control loop: reads what the data threads wrote, runs the probes that are due, lets
// core/pool-health.ts judge, and publishes what changed. One timer for everything; a suspicion is
// followed up in the turn it comes in. Must never touch a byte of traffic.

import type { Clock, Timers } from '../core/clock.ts'
import type { BackendEvidence } from '../core/evidence.ts'
import { DueQueue } from '../core/due-queue.ts'
import type { Plan, PoolPlan } from '../core/plan.ts'
import type { FailoverEvent } from '../core/failover-contract.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import type { Refusal, Result } from '../core/override-refusal.ts'
import type { AdminWord } from '../core/overrides.ts'
import { PoolHealth, type PoolEffect } from '../core/pool-health.ts'
import type { Random } from '../core/random.ts'
import { isSame } from '../core/same.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { FreedSlots, Snapshot } from '../core/snapshot.ts'
import type { PoolStatus, Transition } from '../core/status.ts'
import type { Prober } from '../probe/contract.ts'
import { ControlActives, type FailoverOptions } from './control-actives.ts'
import { ControlProbes } from './control-probes.ts'
import { BIG_POOL, ControlSnapshots } from './control-snapshots.ts'
import { ControlWatch } from './control-watch.ts'
import { findBackends, refuseLoss, type FoundBackends } from './control-words.ts'
import { PoolProbing } from './pool-probing.ts'
import { SlotMap } from './slot-map.ts'
import { VacantSlots } from './vacant-slots.ts'

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
  /** What pools with an active need, and who has applied which snapshot. */
  readonly failover: FailoverOptions
  /** Rows of the shared memory that were left are zeroed, and can be given to others. */
  onFreed?(slots: FreedSlots): void
  /** What an operator has said of a backend before; `null` if nothing that still holds. */
  readonly recall?: (pool: string, backend: string) => AdminWord | null
}

/** Time between two looks at the rows. */
export const TICK_MS = 100
/** The same for backends under suspicion. */
const SUSPICION_TICK_MS = 25
/** How long a suspicion stays fresh. */
const SUSPICION_FRESH_MS = 1_000
/** Backends looked at in one tick; a bigger park is looked at in turns. */
const LOOKS_PER_TICK = 2_048
/** Thresholds are recomputed this often; a look at a big pool costs more. */
const THRESHOLDS_MS = 200
const THRESHOLDS_BIG_MS = 1_000
/** The first probes are spread over this, or longer at FIRST_PROBES_PER_MS. */
const FIRST_SPREAD_MS = 100
const FIRST_PROBES_PER_MS = 5
/** The loop waits at least this long, so that what is due in one moment shares a turn. */
const WAKE_MIN_MS = 2
/** A stretch in which our loop stood still that is worth a line in the log. */
const STALL_WARN_MS = 500

export class ControlPlane {
  readonly #options: ControlPlaneOptions
  #plan: Plan
  #pools: readonly PoolHealth[]
  readonly #actives: ControlActives
  readonly #vacant: VacantSlots
  readonly #watch: ControlWatch
  readonly #probing: PoolProbing
  readonly #snapshots: ControlSnapshots
  readonly #queue: DueQueue
  readonly #slots: SlotMap
  /** Slots under suspicion, and until when. */
  readonly #suspects = new Map<number, number>()
  #timer: unknown = null
  #running = false
  #tickMs = -Infinity
  #wasReady = false

  constructor(options: ControlPlaneOptions) {
    this.#options = options
    const { plan, table, random, clock, failover } = options
    const nowMs = clock.nowMs()
    const backends = plan.pools.reduce((sum, pool) => sum + pool.backends.length, 0)
    const spreadMs = Math.max(FIRST_SPREAD_MS, backends / FIRST_PROBES_PER_MS)
    this.#plan = plan
    this.#pools = plan.pools.map((pool) => {
      const withinMs = Math.min(spreadMs, pool.healthCheck?.intervalMs ?? 0)
      return new PoolHealth(pool, table, random, nowMs, () => nowMs + random.next() * withinMs)
    })
    this.#actives = new ControlActives(failover, {
      table,
      probe: (pool, index, done) => this.#probing.prove(pool, index, done),
      enter: (work) => this.#turn(work),
      onWarning: (message, fields) => options.onWarning?.(message, fields),
    })
    this.#actives.adopt(this.#pools, new Map(), nowMs)
    const vacant = {
      table,
      applied: () => failover.applied(),
      onFreed: (slots: FreedSlots) => options.onFreed?.(slots),
    }
    this.#vacant = new VacantSlots(vacant, plan)
    this.#snapshots = new ControlSnapshots(this.#actives, this.#vacant, (snapshot) => {
      options.publish(snapshot)
    })
    this.#watch = new ControlWatch(table)
    this.#queue = new DueQueue(table.shape.slots)
    this.#slots = new SlotMap(table.shape.slots, this.#pools)
    this.#probing = new PoolProbing({
      probes: new ControlProbes(options.prober, () => clock.nowMs()),
      watch: this.#watch,
      slots: this.#slots,
      enter: (work) => {
        if (this.#running) this.#turn(work)
      },
    })
    for (const slot of this.#slots.all) {
      this.#recall(slot, nowMs)
      this.#reschedule(slot, nowMs)
    }
  }

  /** By which it judges now. */
  get plan(): Plan {
    return this.#plan
  }

  /**
   * Why a plan can't be adopted at this moment, in a sentence that says what to do; `null` if it can.
   * @param plan with its slots assigned
   */
  refusal(plan: Plan): string | null {
    return this.#actives.refusal(this.#plan, plan)
  }

  /**
   * Judges by this plan from now on, and publishes it with all of its pools in one snapshot before this
   * returns. What has the same slot as before is the same thing and goes on as it was. Ask `refusal`
   * first.
   * @throws Error if it is refused, or its slots contradict those in use; nothing has changed then
   */
  adopt(plan: Plan): void {
    const refusal = this.refusal(plan)
    if (refusal !== null) throw new Error(refusal)
    this.#vacant.adopt(plan)
    this.#turn((nowMs) => this.#adopt(plan, nowMs))
  }

  /** Publishes the first snapshot and begins to probe. */
  start(): void {
    if (this.#running) return
    this.#snapshots.begin(this.#pools, this.#options.clock.nowMs())
    this.#running = true
    this.#turn(() => {})
  }

  /** Ends all probes and timers. Nothing is published any more. */
  stop(): void {
    this.#running = false
    this.#snapshots.stop()
    this.#actives.stop()
    this.#probing.stop()
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
        const pool = this.#slots.poolAt(slot)
        if (pool === null) return
        const index = this.#slots.indexAt(slot)
        this.#suspects.set(slot, nowMs + SUSPICION_FRESH_MS)
        this.#actives.of(pool)?.sign(index, nowMs)
        pool.look(index, nowMs, this.#watch.trusted)
        pool.suspected(index, causes[i]!, nowMs)
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
    return this.#snapshots.current(this.#pools, this.#options.clock.nowMs())
  }

  status(): PoolStatus[] {
    const nowMs = this.#options.clock.nowMs()
    return this.#pools.map((pool) => this.#actives.statusOf(pool, nowMs))
  }

  /** Pools on their way from one active to another. */
  moving(): readonly string[] {
    return this.#actives.moving()
  }

  /** What stands behind the state of a backend; `null` if there is none of that name. */
  evidence(pool: string, backend: string): BackendEvidence | null {
    const found = this.#pools.find(({ plan }) => plan.name === pool)
    return found?.evidence(backend, this.#options.clock.nowMs()) ?? null
  }

  /** The agreement between replicas has something for the failover machine of a pool. */
  hear(pool: string, event: FailoverEvent): void {
    const found = this.#pools.find(({ plan }) => plan.name === pool)
    if (found === undefined) return
    this.#turn((nowMs) => this.#actives.of(found)?.hear(event, nowMs))
  }

  /** An operator's word for a pool with an active. A move is answered once it is over. */
  act(pool: string, request: OperatorRequest): Promise<ActAnswer> {
    return this.#actives.act(pool, request)
  }

  /** Every backend that is checked has had a first verdict. What a reload brings is not waited for. */
  ready(): boolean {
    this.#wasReady ||= this.#pools.every((pool) => pool.ready())
    return this.#wasReady
  }

  /**
   * An operator takes backends of a pool out, or back in: all of them or none.
   * @param force also below the pool's `minAvailable`
   */
  setAdminStates(
    pool: string,
    backends: readonly string[],
    word: AdminWord,
    force: boolean,
  ): Result {
    const found = findBackends(this.#pools, pool, backends)
    if (!found.ok) return found
    const refusal = force || word.state === 'ready' ? null : this.#refuse(found)
    if (refusal !== null) return refusal
    this.#turn((nowMs) => {
      for (const index of found.indexes) found.health.setAdmin(index, word, nowMs)
    })
    return { ok: true }
  }

  /** Whether an operator may take these out of their pool, by whatever means, without force. */
  maySpare(pool: string, backends: readonly string[]): Result {
    const found = findBackends(this.#pools, pool, backends)
    if (!found.ok) return found
    return this.#refuse(found) ?? { ok: true }
  }

  #refuse(found: FoundBackends): Refusal | null {
    return refuseLoss(found, this.#actives.of(found.health), this.#options.clock.nowMs())
  }

  /** What was said of a backend before it was here holds before it gets any traffic. */
  #recall(slot: number, nowMs: number): void {
    const pool = this.#slots.poolAt(slot)!
    const index = this.#slots.indexAt(slot)
    const { name } = pool.plan.backends[index]!
    const word = this.#options.recall?.(pool.plan.name, name) ?? null
    if (word !== null) pool.setAdmin(index, word, nowMs)
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
      const driver = this.#actives.of(pool)
      for (const index of pool.takeTouched()) {
        driver?.touched(index, nowMs)
        this.#reschedule(pool.plan.backends[index]!.slot, nowMs)
      }
    }
    this.#actives.look(nowMs)
    this.#snapshots.look(this.#pools, nowMs)
    this.#arm(nowMs)
  }

  #wake(): void {
    this.#timer = null
    this.#turn((nowMs) => {
      for (let slot = this.#queue.take(nowMs); slot >= 0; slot = this.#queue.take(nowMs)) {
        this.#slots.poolAt(slot)!.due(this.#slots.indexAt(slot), nowMs)
      }
      this.#lookAtSuspects(nowMs)
      if (nowMs - this.#tickMs >= TICK_MS) this.#tick(nowMs)
    })
  }

  #tick(nowMs: number): void {
    this.#tickMs = nowMs
    this.#watch.look(nowMs)
    const { all } = this.#slots
    for (let looks = Math.min(LOOKS_PER_TICK, all.length); looks > 0; looks--) {
      this.#look(this.#slots.next(), nowMs)
    }
    for (const pool of this.#pools) {
      const big = pool.plan.backends.length > BIG_POOL
      pool.refreshThresholds(nowMs, big ? THRESHOLDS_BIG_MS : THRESHOLDS_MS)
      pool.tendProbation(nowMs)
    }
    const freed = this.#vacant.look(nowMs)
    if (freed !== null) this.#snapshots.free(freed)
  }

  #lookAtSuspects(nowMs: number): void {
    if (this.#suspects.size === 0) return
    this.#watch.look(nowMs)
    for (const [slot, untilMs] of this.#suspects) {
      if (nowMs >= untilMs) this.#suspects.delete(slot)
      this.#look(slot, nowMs)
    }
  }

  #look(slot: number, nowMs: number): void {
    this.#slots.poolAt(slot)!.look(this.#slots.indexAt(slot), nowMs, this.#watch.trusted)
  }

  #execute(pool: PoolHealth, effects: readonly PoolEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'transition')
        this.#options.onTransition(this.#actives.dressed(effect.transition, pool))
      else if (effect.kind === 'warning') {
        this.#options.onWarning?.(effect.message, { pool: pool.plan.name })
      } else this.#probing.run(pool, effect)
    }
  }

  #arm(nowMs: number): void {
    if (!this.#running) return
    const tickMs = this.#suspects.size > 0 ? nowMs + SUSPICION_TICK_MS : Infinity
    const activeMs = this.#actives.deadlineMs(nowMs)
    const publishMs = this.#snapshots.dueMs(this.#pools, nowMs)
    const queueMs = this.#queue.nextMs()
    const nextMs = Math.min(this.#tickMs + TICK_MS, tickMs, queueMs, activeMs, publishMs)
    const waitMs = Math.max(WAKE_MIN_MS, Math.min(TICK_MS, nextMs - nowMs))
    if (this.#timer !== null) this.#options.timers.clear(this.#timer)
    this.#timer = this.#options.timers.set(waitMs, () => this.#wake())
    this.#watch.promise(nowMs + waitMs)
  }

  #adopt(plan: Plan, nowMs: number): void {
    this.ready()
    const { table, random } = this.#options
    const left = new Map(this.#pools.map((pool) => [pool.plan.slot, pool]))
    const before = new Map<PoolHealth, PoolPlan>()
    /** Backends whose running probes are void. */
    const stale = new Set(this.#slots.all)
    const known = new Set(this.#slots.all)
    this.#pools = plan.pools.map((next) => {
      const soonMs = () => nowMs + (random.next() * next.backends.length) / FIRST_PROBES_PER_MS
      const pool = left.get(next.slot)
      if (pool === undefined) {
        const made = new PoolHealth(next, table, random, nowMs, soonMs)
        made.holdForVerdicts(nowMs)
        return made
      }
      left.delete(next.slot)
      before.set(pool, pool.plan)
      if (isSame(pool.plan.healthCheck, next.healthCheck)) {
        for (const { slot } of next.backends) stale.delete(slot)
      }
      pool.adopt(next, nowMs, soonMs)
      return pool
    })
    this.#plan = plan
    this.#snapshots.adopt(plan)
    this.#probing.cancel(stale)
    for (const slot of this.#slots.adopt(this.#pools)) {
      this.#queue.set(slot, Infinity)
      this.#suspects.delete(slot)
    }
    for (const slot of this.#slots.all) {
      if (!known.has(slot)) this.#recall(slot, nowMs)
      this.#reschedule(slot, nowMs)
    }
    this.#actives.adopt(this.#pools, before, nowMs)
  }

  #reschedule(slot: number, nowMs: number): void {
    const pool = this.#slots.poolAt(slot)!
    this.#queue.set(slot, pool.deadlineMs(this.#slots.indexAt(slot), nowMs))
  }
}
