// A data thread's view of one pool: which backends may get traffic and which one gets the next
// attempt. Owns no verdict: it takes over what a snapshot says, and pays on that transition so that
// a pick doesn't. Must never read a clock or touch a socket.

import { LeastConnections } from './balancer/least-connections.ts'
import { FULL, NONE, PoolBackend, Tried, type Balancer } from './balancer/contract.ts'
import { LoadView } from './balancer/load.ts'
import { RoundRobin } from './balancer/round-robin.ts'
import { TwoChoices } from './balancer/two-choices.ts'
import { fault, type Fault } from './fault.ts'
import { Limit } from './limit.ts'
import type { BackendPlan, PoolPlan } from './plan.ts'
import type { Random } from './random.ts'
import { BACKEND, type SharedTable } from './shared-layout.ts'
import { ELIGIBILITY, type Eligibility, type PoolSnapshot } from './snapshot.ts'

/** A probation request that finds no replayable exchange takes any one after so long. */
const PROBATION_WAIT_MS = 1_000
const NOBODY = new Tried()

export class Pool {
  /** Parallel to `PoolPlan.backends`. */
  backends: readonly PoolBackend[] = []
  /** Backends in the rotation, ascending by index; replaced as a whole by `apply`. */
  available: readonly PoolBackend[] = []
  /** At least half of the pool is available: some retries are then not charged. */
  halfAvailable = false
  readonly limit: Limit
  #plan: PoolPlan
  readonly #table: SharedTable
  readonly #thread: number
  readonly #row: Float64Array
  readonly #random: Random
  #balancer: Balancer
  #probation: readonly PoolBackend[] = []

  /** @param thread number of this data thread: its row in the table */
  constructor(plan: PoolPlan, table: SharedTable, thread: number, random: Random) {
    this.#plan = plan
    this.#table = table
    this.#thread = thread
    this.#row = table.rows[thread]!
    this.#random = random
    this.limit = new Limit(table, plan.limits.perBackend)
    this.backends = plan.backends.map((backend, index) => this.#make(backend, index))
    this.#balancer = this.#makeBalancer()
  }

  /**
   * Goes on by a new plan of the same pool. Backends with slots it has known go on as they are, in
   * their new positions; the others begin as not eligible. Returns where each old position is now,
   * −1 for those that are gone; `null` if none has changed.
   * @param back backends that an earlier plan had left out, by slot
   */
  adopt(plan: PoolPlan, back: ReadonlyMap<number, PoolBackend>): Int32Array | null {
    const before = this.backends
    const kind = this.#plan.balance
    this.#plan = plan
    this.limit.perBackend = plan.limits.perBackend
    const { from, to } = moves(before, plan)
    for (const gone of before) gone.index = NONE
    this.backends = plan.backends.map((backend, index) => {
      const known = before[from[index]!] ?? back.get(backend.slot)
      if (known === undefined) return this.#make(backend, index)
      known.plan = backend
      known.index = index
      return known
    })
    for (const gone of before) if (gone.index === NONE) retire(gone)
    const isSame = to.length === from.length && to.every((now, index) => now === index)
    if (plan.balance !== kind) this.#balancer = this.#makeBalancer()
    else if (!isSame) this.#balancer.move(from)
    this.#sort()
    return isSame ? null : to
  }

  /** Takes backends of its own out of the rotation: nobody is to begin there any more. */
  retire(backends: readonly PoolBackend[] = this.backends): void {
    for (const backend of backends) retire(backend)
    this.#sort()
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
    this.halfAvailable = snapshot.halfAvailable
    this.#sort()
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
  begin({ base, index }: PoolBackend): void {
    this.#row[base + BACKEND.inFlight]! += 1
    this.#balancer.changed(index)
  }

  /** Counts an attempt out again; exactly once per `begin`, also when a reload came between. */
  end({ base, index }: PoolBackend): void {
    this.#row[base + BACKEND.inFlight]! -= 1
    if (index !== NONE) this.#balancer.changed(index)
  }

  #areAllTried(tried: Tried): boolean {
    if (tried.count < this.available.length) return false
    for (const { index } of this.available) if (!tried.has(index)) return false
    return true
  }

  #make(backend: BackendPlan, index: number): PoolBackend {
    return new PoolBackend(backend, index, this.#table.backendBase(backend.slot))
  }

  #makeBalancer(): Balancer {
    const table = this.#table
    const size = this.backends.length
    const offset = this.#thread / table.shape.threads
    const { balance } = this.#plan
    if (balance === 'round-robin') return new RoundRobin(size, this.limit, offset)
    const load = new LoadView(table, size)
    if (balance === 'random-two') return new TwoChoices(this.limit, load, this.#random)
    return new LeastConnections(size, this.limit, load, offset)
  }

  #sort(): void {
    this.available = this.backends.filter(
      ({ eligibility, weight }) => eligibility === ELIGIBILITY.yes && weight > 0,
    )
    this.#probation = this.backends.filter(({ onProbationHere }) => onProbationHere)
    this.#balancer.rebuild(this.available)
  }
}

/** Why a pool has nobody to send to. */
export function nobody({ mode }: PoolPlan): Fault {
  return fault(mode === 'active-standby' ? 'no-active' : 'no-backend')
}

/** Where each backend of a new plan was before, and where each of before is now; −1 is nowhere. */
function moves(
  before: readonly PoolBackend[],
  plan: PoolPlan,
): { readonly from: Int32Array; readonly to: Int32Array } {
  const places = new Map(before.map(({ slot }, place) => [slot, place]))
  const from = Int32Array.from(plan.backends, ({ slot }) => places.get(slot) ?? NONE)
  const to = new Int32Array(before.length).fill(NONE)
  for (let index = 0; index < from.length; index++) {
    if (from[index] !== NONE) to[from[index]!] = index
  }
  return { from, to }
}

function retire(backend: PoolBackend): void {
  backend.eligibility = ELIGIBILITY.no
  backend.onProbationHere = false
}
