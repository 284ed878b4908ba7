// A data thread's view of one pool: which backends may get traffic and which one gets the next
// attempt. Owns no verdict: it takes over what a snapshot says, and pays on that transition so that
// a pick doesn't. Must never read a clock or touch a socket.

import { LeastConnections } from './balancer/least-connections.ts'
import { FULL, NONE, PoolBackend, Tried, type Balancer } from './balancer/contract.ts'
import { LoadView } from './balancer/load.ts'
import { RoundRobin } from './balancer/round-robin.ts'
import { TwoChoices } from './balancer/two-choices.ts'
import { Limit } from './limit.ts'
import type { PoolPlan } from './plan.ts'
import type { Random } from './random.ts'
import { BACKEND, type SharedTable } from './shared-layout.ts'
import { ELIGIBILITY, type Eligibility, type PoolSnapshot } from './snapshot.ts'

/** A probation request that finds no replayable exchange takes any one after so long. */
const PROBATION_WAIT_MS = 1_000
const NOBODY = new Tried()

export class Pool {
  readonly plan: PoolPlan
  readonly backends: readonly PoolBackend[]
  /** Backends in the rotation, ascending by index; replaced as a whole by `apply`. */
  available: readonly PoolBackend[] = []
  /** At least half of the pool is available (DESIGN §7: some retries are then not charged). */
  halfAvailable = false
  readonly limit: Limit
  readonly #thread: number
  readonly #row: Float64Array
  readonly #balancer: Balancer
  #probation: readonly PoolBackend[] = []

  /** @param thread number of this data thread: its row in the table */
  constructor(plan: PoolPlan, table: SharedTable, thread: number, random: Random) {
    this.plan = plan
    this.backends = plan.backends.map(
      (backend, index) => new PoolBackend(backend, index, table.backendBase(backend.slot)),
    )
    this.limit = new Limit(table, plan.limits.perBackend)
    this.#thread = thread
    this.#row = table.rows[thread]!
    this.#balancer = makeBalancer(plan, table, this.limit, thread / table.shape.threads, random)
  }

  /** Takes over eligibility and weights in one go; the balancer keeps what it knows. */
  apply(snapshot: PoolSnapshot): void {
    for (const backend of this.backends) {
      const { index } = backend
      backend.eligibility = snapshot.eligibility[index] as Eligibility
      backend.weight = snapshot.weight[index]!
      const here =
        backend.eligibility === ELIGIBILITY.probation &&
        snapshot.probationThread[index] === this.#thread
      if (here && !backend.onProbationHere) backend.probationWaitMs = -1
      backend.onProbationHere = here
    }
    this.available = this.backends.filter(
      ({ eligibility, weight }) => eligibility === ELIGIBILITY.yes && weight > 0,
    )
    this.#probation = this.backends.filter(({ onProbationHere }) => onProbationHere)
    this.halfAvailable = snapshot.halfAvailable
    this.#balancer.rebuild(this.available)
  }

  /**
   * The backend for the next attempt, as an index into `backends`, and counts it as its turn.
   * NONE (−1): nothing is available. FULL (−2): there are backends, but all that may be taken are at
   * their limit, so the request queues. Backends in `tried` are left out as long as another one is
   * available, even if that one is full. Above SCAN_MAX available backends FULL may last a few picks
   * longer than room that another thread made.
   */
  pick(tried: Tried, nowMs: number): number {
    const available = this.available
    if (available.length < 2) {
      if (available.length === 0) return NONE
      const only = available[0]!
      return this.limit.reached(only.base) ? FULL : only.index
    }
    const avoid = tried.count === 0 || this.#areAllTried(tried) ? NOBODY : tried
    const index = this.#balancer.pick(avoid, nowMs)
    return index === NONE ? FULL : index
  }

  /**
   * A backend on probation that waits for its one live request, −1 if there is none; ask before
   * `pick`. A request that can't be replayed is given only after a second without a better one.
   */
  pickProbation(replayable: boolean, nowMs: number): number {
    for (const backend of this.#probation) {
      if (this.#row[backend.base + BACKEND.probing]! > 0) {
        backend.probationWaitMs = nowMs
        continue
      }
      if (backend.probationWaitMs < 0) backend.probationWaitMs = nowMs
      if (!replayable && nowMs - backend.probationWaitMs <= PROBATION_WAIT_MS) continue
      if (this.limit.reached(backend.base)) continue
      backend.probationWaitMs = nowMs
      return backend.index
    }
    return NONE
  }

  /** Attempts and tunnels in progress on a backend, over all data threads. */
  inFlight(backend: PoolBackend): number {
    return this.limit.inFlight(backend.base)
  }

  /** Counts an attempt in on this thread's gauge, and lets the balancer know at once. */
  begin(index: number): void {
    this.#row[this.backends[index]!.base + BACKEND.inFlight]! += 1
    this.#balancer.changed(index)
  }

  /** Counts an attempt out again; exactly once per `begin`. */
  end(index: number): void {
    this.#row[this.backends[index]!.base + BACKEND.inFlight]! -= 1
    this.#balancer.changed(index)
  }

  #areAllTried(tried: Tried): boolean {
    if (tried.count < this.available.length) return false
    for (const { index } of this.available) if (!tried.has(index)) return false
    return true
  }
}

function makeBalancer(
  plan: PoolPlan,
  table: SharedTable,
  limit: Limit,
  offset: number,
  random: Random,
): Balancer {
  const size = plan.backends.length
  if (plan.balance === 'round-robin') return new RoundRobin(size, limit, offset)
  const load = new LoadView(table, size)
  if (plan.balance === 'random-two') return new TwoChoices(limit, load, random)
  return new LeastConnections(size, limit, load, offset)
}
