// The pools of the control plane that have an active: a driver for each, and the read sides that
// follow them. Hands things on; decides nothing.

import type { SiteNews } from '../core/events.ts'
import { successors, whyNotNow } from '../core/failover-adopt.ts'
import type { FailoverEffect, FailoverState } from '../core/failover-contract.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import type { HookPlan, Plan, PoolPlan } from '../core/plan.ts'
import type { PoolHealth } from '../core/pool-health.ts'
import { replicaSnapshot, replicaStatus } from '../core/replica-view.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import type { MoveReport, PoolStatus, Transition } from '../core/status.ts'
import type { FailoverStore } from '../ha/failover-store.ts'
import type { HookFacts, HookResult } from '../ha/hooks.ts'
import type { ProbeResult } from '../probe/contract.ts'
import { BackendRoster } from './backend-roster.ts'
import { FailoverDriver } from './failover-driver.ts'
import type { Roster } from './roster.ts'
import { TierRoster } from './tier-roster.ts'

/** What pools with an active need of the world. */
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

/** What they need of the control loop. */
export interface LoopPorts {
  readonly table: SharedTable
  /** Probes a backend once, beside the schedule. */
  probe(pool: PoolHealth, index: number, done: (result: ProbeResult, nowMs: number) => void): void
  /** Runs something as a turn of the loop. */
  readonly enter: (work: (nowMs: number) => void) => void
  readonly onWarning: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

interface Active {
  readonly driver: FailoverDriver
  readonly roster: BackendRoster | TierRoster
}

export class ControlActives {
  readonly #options: FailoverOptions
  readonly #loop: LoopPorts
  #pools: readonly PoolHealth[] = []
  readonly #actives = new Map<PoolHealth, Active>()
  readonly #readersOf = new Map<PoolHealth, string>()

  constructor(options: FailoverOptions, loop: LoopPorts) {
    this.#options = options
    this.#loop = loop
  }

  /**
   * These are the pools from now on; those that were there before go on as they were.
   * @param before the last plan of each of those
   */
  adopt(
    pools: readonly PoolHealth[],
    before: ReadonlyMap<PoolHealth, PoolPlan>,
    nowMs: number,
  ): void {
    this.#pools = pools
    const present = new Set(pools)
    for (const [pool, { driver }] of this.#actives) {
      if (present.has(pool)) continue
      driver.stop()
      this.#actives.delete(pool)
    }
    for (const pool of this.#readersOf.keys()) if (!present.has(pool)) this.#readersOf.delete(pool)
    for (const pool of pools) {
      if (pool.plan.failover === null) continue
      const active = this.#actives.get(pool)
      const roster = this.#rosterOf(pool, active?.roster ?? null, nowMs)
      const driver = active?.driver ?? this.#makeDriver(pool, roster, nowMs)
      active?.driver.adopt(roster, successors(before.get(pool)!, pool.plan))
      this.#actives.set(pool, { driver, roster })
    }
  }

  /** Why a plan can't be taken now; `null` if it can. */
  refusal(current: Plan, next: Plan): string | null {
    return whyNotNow(current, next, (name) => {
      const pool = this.#pools.find(({ plan }) => plan.name === name)
      return pool === undefined ? null : (this.of(pool)?.state ?? null)
    })
  }

  /** The driver of a pool; `null` if it has no active. */
  of(pool: PoolHealth): FailoverDriver | null {
    return this.#actives.get(pool)?.driver ?? null
  }

  /** Pools on their way from one active to another. */
  moving(): readonly string[] {
    const isMoving = ({ phase }: FailoverState) => phase === 'failing-over' || phase === 'switching'
    return [...this.#actives].flatMap(([{ plan }, { driver }]) =>
      isMoving(driver.state) ? [plan.name] : [],
    )
  }

  stop(): void {
    for (const { driver } of this.#actives.values()) driver.stop()
  }

  /** Once in every turn of the loop, after the pools have settled. */
  look(nowMs: number): void {
    for (const { driver } of this.#actives.values()) driver.look(nowMs)
    // Read sides follow the verdicts of the pools whose servers they share.
    for (const pool of this.#pools) {
      if (pool.plan.replicasOf < 0) continue
      const { sending, draining, cutting, holdUntilMs } = this.#sourceOf(pool).seat
      const seat = [sending, draining, cutting, holdUntilMs]
      const state = [...this.#readers(pool), 'and', ...seat].join(' ')
      if (this.#readersOf.get(pool) === state) continue
      this.#readersOf.set(pool, state)
      pool.changed = true
    }
  }

  /** When to look again, if nothing happens. */
  deadlineMs(nowMs: number): number {
    let nextMs = Infinity
    for (const { driver } of this.#actives.values()) {
      nextMs = Math.min(nextMs, driver.deadlineMs(nowMs))
    }
    return nextMs
  }

  /** What the data threads get: with an active, only that one; on the read side, its replicas. */
  snapshotOf(pool: PoolHealth): PoolSnapshot {
    const own = pool.snapshot()
    const driver = this.of(pool)
    if (driver !== null) return driver.dress(own)
    if (pool.plan.replicasOf < 0) return own
    const { seat } = this.#sourceOf(pool)
    return replicaSnapshot(own, pool.plan.backends, this.#readers(pool), seat)
  }

  statusOf(pool: PoolHealth, nowMs: number): PoolStatus {
    const own = pool.status(nowMs)
    const driver = this.of(pool)
    if (driver !== null) return driver.status(own, nowMs)
    if (pool.plan.replicasOf < 0) return own
    const { state } = this.#sourceOf(pool)
    return replicaStatus(own, this.#readers(pool), state.active)
  }

  /** A backend that is fit without being the active stands by. */
  dressed(transition: Transition, pool: PoolHealth): Transition {
    return this.of(pool)?.dressTransition(transition) ?? transition
  }

  /** An operator's word for a pool with an active. A move is answered once it is over. */
  async act(name: string, request: OperatorRequest): Promise<ActAnswer> {
    const pool = this.#pools.find(({ plan }) => plan.name === name)
    if (pool === undefined) {
      const names = this.#pools.map(({ plan }) => plan.name)
      return { ok: false, code: 'no-pool', message: `There is no pool '${name}'.`, names }
    }
    const driver = this.of(pool)
    if (driver !== null) return driver.act(request)
    const instead = request.verb === 'switchover' ? ' Drain a backend to take it out.' : ''
    const message = `Pool '${name}' is ${pool.plan.mode}: it has no active to move.${instead}`
    return { ok: false, code: 'not-standby', message, names: [] }
  }

  #readers(pool: PoolHealth): readonly number[] {
    return this.#sourceOf(pool).readers()
  }

  /** Of the pool whose read side this is. */
  #sourceOf(pool: PoolHealth): FailoverDriver {
    return this.of(this.#pools[pool.plan.replicasOf]!)!
  }

  #rosterOf(
    pool: PoolHealth,
    before: BackendRoster | TierRoster | null,
    nowMs: number,
  ): BackendRoster | TierRoster {
    if (pool.plan.mode === 'active-standby') {
      const index = this.#pools.indexOf(pool)
      const reads = this.#pools.find(({ plan }) => plan.replicasOf === index)?.plan ?? null
      return new BackendRoster(pool, reads, before instanceof BackendRoster ? before : null)
    }
    const tell = (news: SiteNews) => this.#options.onSite(pool.plan.name, news)
    return new TierRoster(pool, tell, nowMs, before instanceof TierRoster ? before : null)
  }

  #makeDriver(pool: PoolHealth, roster: Roster, nowMs: number): FailoverDriver {
    const { table, enter, onWarning } = this.#loop
    const probe = (index: number, done: (result: ProbeResult, nowMs: number) => void) => {
      this.#loop.probe(pool, index, done)
    }
    const ports = { ...this.#options, table, probe, enter, onWarning }
    return new FailoverDriver(pool, roster, ports, nowMs)
  }
}
