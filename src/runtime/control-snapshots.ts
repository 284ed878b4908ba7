// What the data threads are told: which pools go into which snapshot, and under which version.

import type { Plan } from '../core/plan.ts'
import type { PoolHealth } from '../core/pool-health.ts'
import type { FreedSlots, Snapshot } from '../core/snapshot.ts'
import type { ControlActives } from './control-actives.ts'
import type { VacantSlots } from './vacant-slots.ts'

/** Pools bigger than this are looked at and published at a slower pace. */
export const BIG_POOL = 256
/** Shortest time between two snapshots of a big pool. */
const BIG_PUBLISH_MS = 5

export class ControlSnapshots {
  readonly #actives: ControlActives
  readonly #vacant: VacantSlots
  readonly #hand: (snapshot: Snapshot) => void
  readonly #publishedMs = new WeakMap<PoolHealth, number>()
  /** A plan that the data threads have not been told of; `null`: none. */
  #untold: Plan | null = null
  #version = 1
  #isOpen = false

  /** @param hand gives a snapshot to every data thread */
  constructor(actives: ControlActives, vacant: VacantSlots, hand: (snapshot: Snapshot) => void) {
    this.#actives = actives
    this.#vacant = vacant
    this.#hand = hand
  }

  /** Goes with the next one, which has all pools. */
  adopt(plan: Plan): void {
    this.#untold = plan
  }

  /** Publishes the first one, and from now on what changes. */
  begin(pools: readonly PoolHealth[], nowMs: number): void {
    const told = this.#untold === null ? {} : { plan: this.#untold }
    this.#untold = null
    this.#hand({ ...this.current(pools, nowMs), ...told })
    this.#isOpen = true
  }

  /** Nothing is published any more. */
  stop(): void {
    this.#isOpen = false
  }

  /** All pools as they were last published, which is now for those that have changed. */
  current(pools: readonly PoolHealth[], nowMs: number): Snapshot {
    const changed = pools.filter((pool) => pool.changed)
    this.#publish(pools, changed, nowMs)
    return { version: this.#version, pools: pools.map((pool) => this.#actives.snapshotOf(pool)) }
  }

  /** Publishes what has changed, if it need not wait. */
  look(pools: readonly PoolHealth[], nowMs: number): void {
    const changed = pools.filter((pool) => pool.changed && !this.#mustWait(pool, nowMs))
    this.#publish(pools, changed, nowMs)
  }

  /** When to look again at the latest. */
  dueMs(pools: readonly PoolHealth[], nowMs: number): number {
    return pools.some((pool) => pool.changed) ? nowMs + BIG_PUBLISH_MS : Infinity
  }

  /** Each thread is to zero its part of these. */
  free(freed: FreedSlots): void {
    this.#send({ pools: [], freed })
  }

  #publish(all: readonly PoolHealth[], changed: readonly PoolHealth[], nowMs: number): void {
    const plan = this.#untold
    const pools = plan === null ? changed : all
    if (!this.#isOpen || (plan === null && pools.length === 0)) return
    this.#untold = null
    let isAwaited = false
    for (const pool of pools) {
      this.#publishedMs.set(pool, nowMs)
      pool.published(this.#version + 1)
      if (this.#actives.of(pool)?.published(this.#version + 1) === true) isAwaited = true
    }
    const news = { pools: pools.map((pool) => this.#actives.snapshotOf(pool)), isAwaited }
    this.#send(plan === null ? news : { ...news, plan })
  }

  #send(news: Omit<Snapshot, 'version'>): void {
    if (!this.#isOpen) return
    const version = ++this.#version
    if (news.plan !== undefined || news.freed !== undefined) this.#vacant.published(version)
    this.#hand({ version, ...news })
  }

  /** A snapshot of a big pool is big itself: many changes at a time go in one. */
  #mustWait(pool: PoolHealth, nowMs: number): boolean {
    if (pool.plan.backends.length <= BIG_POOL) return false
    return nowMs < (this.#publishedMs.get(pool) ?? -Infinity) + BIG_PUBLISH_MS
  }
}
