// Smooth weighted round robin. Each turn pays every backend its weight and costs the chosen one the
// total of the weights; a backend is *ready* when it has credit, and of the ready ones the one goes
// first whose credit would be the first to reach a whole turn (earliest deadline first). So after
// any number of picks each backend is within one pick of its exact share, for any weights
// (R. Tijdeman, The chairman assignment problem, 1980); nginx's rule, which takes the largest
// credit, gives the same shares in longer runs.
//
// Credits are not touched on each turn: credit = weight × turn − debt, and only the chosen one's
// debt changes. Up to SCAN_MAX backends are looked at one by one; above, two heaps give the very
// same sequence: `pending` by the turn that makes a backend ready, `ready` by its deadline.
// Must never save up turns for a backend that is at its limit: it would get a burst once it frees.

import type { Limit } from '../limit.ts'
import { NONE, SCAN_MAX, Tried, moved, type Balancer, type PoolBackend } from './contract.ts'
import { IdHeap } from './heap.ts'

/** Keeps weight × turn exact for whole weights: 2²⁰ turns × 65535 × 2¹⁴ backends < 2⁵³. */
const TURNS_MAX = 2 ** 20
/** How many parked backends are looked at again on each pick. */
const PARKED_LOOKS = 16
const NOBODY = new Tried()

export class RoundRobin implements Balancer {
  readonly #limit: Limit
  readonly #offset: number
  readonly #scanMax: number
  #available: readonly PoolBackend[] = []
  /** The indexes of the available ones, ascending. */
  #order = new Int32Array(0)
  #total = 0
  #turn = 0
  // By index in the pool.
  #weight: Float64Array
  #debt: Float64Array
  #base: Int32Array
  #ready: IdHeap
  #pending: IdHeap
  /** Backends found at their limit, out of both heaps until they have room again. */
  #parked: Int32Array
  /** Place of a backend in `#parked`, −1 if it isn't there. */
  #parkedAt: Int32Array
  #parkedCount = 0
  #parkedNext = 0
  /** Backends an exchange has tried, out of the heaps during one pick. */
  readonly #held = new Int32Array(16)

  /**
   * @param size backends in the pool, available or not
   * @param offset where in the cycle this thread begins, 0…1
   * @param scanMax up to so many available backends are scanned
   */
  constructor(size: number, limit: Limit, offset: number, scanMax = SCAN_MAX) {
    this.#limit = limit
    this.#offset = offset
    this.#scanMax = scanMax
    this.#weight = new Float64Array(size)
    this.#debt = new Float64Array(size)
    this.#base = new Int32Array(size)
    this.#ready = new IdHeap(size)
    this.#pending = new IdHeap(size)
    this.#parked = new Int32Array(size)
    this.#parkedAt = new Int32Array(size).fill(-1)
  }

  rebuild(available: readonly PoolBackend[]): void {
    const isFirst = this.#weight.every((weight) => weight === 0)
    const lag = this.#lags(available)
    let total = 0
    let sum = 0
    for (const backend of available) {
      total += backend.weight
      sum += lag[backend.index]!
    }
    // Who left took its credit or debt along; the rest share it by weight, so that credits sum to 0.
    let worst = 0
    for (const { index, weight } of available) {
      lag[index]! -= (weight / total) * sum
      worst = Math.max(worst, Math.abs(lag[index]!))
    }
    const scale = worst >= 1 ? 0.999 / worst : 1
    this.#weight.fill(0)
    for (const { index, weight, base } of available) {
      this.#weight[index] = weight
      this.#debt[index] = -lag[index]! * scale * total
      this.#base[index] = base
    }
    this.#available = available
    this.#order = Int32Array.from(available, ({ index }) => index)
    this.#total = total
    this.#turn = 0
    this.#fillHeaps()
    // Threads that start together would all begin with the same backends.
    const skip = isFirst ? Math.floor(this.#offset * available.length) : 0
    for (let i = 0; i < skip; i++) this.pick(NOBODY, 0)
  }

  move(from: Int32Array): void {
    const size = from.length
    this.#weight = moved(this.#weight, from, 0)
    this.#debt = moved(this.#debt, from, 0)
    this.#base = new Int32Array(size)
    this.#ready = new IdHeap(size)
    this.#pending = new IdHeap(size)
    this.#parked = new Int32Array(size)
    this.#parkedAt = new Int32Array(size)
  }

  pick(tried: Tried, _nowMs: number): number {
    const index =
      this.#available.length <= this.#scanMax ? this.#scan(tried) : this.#takeFirst(tried)
    if (this.#turn > TURNS_MAX) this.#rebase()
    return index
  }

  changed(index: number): void {
    if (this.#parkedAt[index]! >= 0 && !this.#limit.reached(this.#base[index]!)) {
      this.#unpark(index)
    }
  }

  #scan(tried: Tried): number {
    const weights = this.#weight
    const debts = this.#debt
    const order = this.#order
    const total = this.#total
    const turn = this.#turn + 1
    const anyTried = tried.count > 0
    const anyLimit = this.#limit.perBackend > 0
    let ready: number = NONE
    let deadline = Infinity
    let pending: number = NONE
    let release = Infinity
    for (let i = 0; i < order.length; i++) {
      const index = order[i]!
      const weight = weights[index]!
      const debt = debts[index]!
      if (weight * turn > debt) {
        const mine = (debt + total) / weight
        if (mine >= deadline || (anyTried && tried.has(index))) continue
        if (anyLimit && this.#limit.reached(this.#base[index]!)) {
          debts[index] = weight * turn
          continue
        }
        ready = index
        deadline = mine
      } else if (ready === NONE) {
        const mine = debt / weight
        if (mine >= release || (anyTried && tried.has(index))) continue
        if (anyLimit && this.#limit.reached(this.#base[index]!)) continue
        pending = index
        release = mine
      }
    }
    if (ready !== NONE) {
      debts[ready]! += total
      this.#turn = turn
      return ready
    }
    if (pending === NONE) return NONE
    // Those whose turn it is can't take it, so time moves on to the next one who can.
    debts[pending]! += total
    this.#turn = Math.max(turn, release)
    return pending
  }

  #takeFirst(tried: Tried): number {
    let turn = this.#turn + 1
    this.#lookAtParked()
    const ready = this.#ready
    const pending = this.#pending
    while (pending.size > 0 && this.#isReady(pending.first(), turn)) {
      const index = pending.pop()
      ready.push(index, this.#deadline(index))
    }
    let held = 0
    let chosen = NONE
    while (chosen === NONE && ready.size + pending.size > 0) {
      const index = ready.size > 0 ? ready.pop() : pending.pop()
      if (tried.has(index)) this.#held[held++] = index
      else if (this.#limit.reached(this.#base[index]!)) this.#park(index)
      else chosen = index
    }
    if (chosen !== NONE) {
      turn = Math.max(turn, this.#debt[chosen]! / this.#weight[chosen]!)
      this.#debt[chosen]! += this.#total
      this.#turn = turn
      this.#insert(chosen)
    }
    for (let i = 0; i < held; i++) this.#insert(this.#held[i]!)
    return chosen
  }

  #isReady(index: number, turn: number): boolean {
    return this.#weight[index]! * turn > this.#debt[index]!
  }

  #deadline(index: number): number {
    return (this.#debt[index]! + this.#total) / this.#weight[index]!
  }

  #insert(index: number): void {
    if (this.#isReady(index, this.#turn)) this.#ready.push(index, this.#deadline(index))
    else this.#pending.push(index, this.#debt[index]! / this.#weight[index]!)
  }

  #park(index: number): void {
    this.#parkedAt[index] = this.#parkedCount
    this.#parked[this.#parkedCount++] = index
  }

  #unpark(index: number): void {
    const place = this.#parkedAt[index]!
    const last = this.#parked[--this.#parkedCount]!
    this.#parked[place] = last
    this.#parkedAt[last] = place
    this.#parkedAt[index] = -1
    this.#debt[index] = Math.max(this.#debt[index]!, this.#weight[index]! * this.#turn)
    this.#insert(index)
  }

  /** Other threads free backends without a word, so parked ones are looked at in turn. */
  #lookAtParked(): void {
    const idle = this.#ready.size + this.#pending.size === 0
    let looks = Math.min(this.#parkedCount, idle ? 4 * PARKED_LOOKS : PARKED_LOOKS)
    for (; looks > 0; looks--) {
      if (this.#parkedNext >= this.#parkedCount) this.#parkedNext = 0
      const index = this.#parked[this.#parkedNext]!
      if (this.#limit.reached(this.#base[index]!)) this.#parkedNext++
      else this.#unpark(index)
    }
  }

  /**
   * How many picks each backend is behind (+) or ahead (−) of its share, by index. Newcomers of
   * equal weight begin spread over one turn: they keep their order, and a thousand of them don't
   * become ready in one and the same pick.
   */
  #lags(available: readonly PoolBackend[]): Float64Array {
    const lag = new Float64Array(this.#weight.length)
    const alike = new Map<number, number>()
    for (const { index, weight } of available) {
      if (this.#weight[index] === 0) alike.set(weight, (alike.get(weight) ?? 0) + 1)
    }
    const seen = new Map<number, number>()
    for (const { index, weight } of available) {
      const known = this.#weight[index]!
      if (known > 0) {
        lag[index] = (known * this.#turn - this.#debt[index]!) / this.#total
        continue
      }
      const before = seen.get(weight) ?? 0
      lag[index] = 0.5 - (before + 0.5) / alike.get(weight)!
      seen.set(weight, before + 1)
    }
    return lag
  }

  #fillHeaps(): void {
    this.#ready.size = 0
    this.#pending.size = 0
    this.#parkedAt.fill(-1)
    this.#parkedCount = 0
    if (this.#available.length <= this.#scanMax) return
    for (const { index } of this.#available) this.#insert(index)
  }

  #rebase(): void {
    for (const { index, weight } of this.#available) this.#debt[index]! -= weight * this.#turn
    this.#turn = 0
    this.#fillHeaps()
  }
}
