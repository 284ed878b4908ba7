// Power of two choices: two different backends are drawn by weight, the less loaded one is taken.
// Nearly as even as least connections at the cost of two looks, whatever the size of the pool, and
// threads or balancers that don't see each other's load don't all run to the same backend.
// If both are idle the first drawn is taken, so an idle pool is shared exactly by weight.

import type { Limit } from '../limit.ts'
import type { Random } from '../random.ts'
import { NONE, SCAN_MAX, type Balancer, type PoolBackend, type Tried } from './contract.ts'
import type { LoadView } from './load.ts'

/** After so many draws that hit only tried or full backends, they are looked at one by one. */
const DRAWS_MAX = 16
/** In a big pool, how many of them on one pick; the next pick goes on from there. */
const SEARCH_MAX = 4 * SCAN_MAX

export class TwoChoices implements Balancer {
  readonly #limit: Limit
  readonly #load: LoadView
  readonly #random: Random
  #available: readonly PoolBackend[] = []
  /** Sum of the weights up to and including each position. */
  #upTo = new Float64Array(0)
  #total = 0
  /** All weights alike: a draw is one multiplication. */
  #even = true
  #searchNext = 0

  constructor(limit: Limit, load: LoadView, random: Random) {
    this.#limit = limit
    this.#load = load
    this.#random = random
  }

  rebuild(available: readonly PoolBackend[]): void {
    this.#available = available
    this.#upTo = new Float64Array(available.length)
    this.#even = true
    this.#total = 0
    this.#searchNext = 0
    for (let position = 0; position < available.length; position++) {
      const { weight } = available[position]!
      if (weight !== available[0]!.weight) this.#even = false
      this.#total += weight
      this.#upTo[position] = this.#total
    }
    this.#load.rebuild(available)
  }

  move(from: Int32Array): void {
    this.#load.move(from)
  }

  pick(tried: Tried, nowMs: number): number {
    if (this.#available.length === 0) return NONE
    for (let due = this.#load.refreshDue(nowMs); due > 0; due--) this.#load.refreshNext()
    let first = NONE
    let draws = 0
    for (; draws < DRAWS_MAX; draws++) {
      const position = this.#draw(NONE)
      if (!this.#isAllowed(position, tried)) continue
      first = position
      break
    }
    if (first === NONE) return this.#search(tried)
    if (this.#available.length === 1) return this.#available[first]!.index
    for (; draws < DRAWS_MAX; draws++) {
      const second = this.#draw(first)
      if (this.#isAllowed(second, tried)) return this.#lighter(first, second)
    }
    return this.#available[first]!.index
  }

  changed(_index: number): void {
    // Loads are read on each pick.
  }

  /**
   * Draws a position by weight, any but `other`. Leaving it out of the scale, instead of drawing
   * again until it isn't hit, keeps the draw unbiased and its cost fixed.
   */
  #draw(other: number): number {
    const size = this.#available.length
    if (this.#even) {
      if (other === NONE) return Math.floor(this.#random.next() * size)
      const position = Math.floor(this.#random.next() * (size - 1))
      return position < other ? position : position + 1
    }
    const gap = other === NONE ? 0 : this.#available[other]!.weight
    let point = this.#random.next() * (this.#total - gap)
    if (other !== NONE && point >= this.#upTo[other]! - gap) point += gap
    let low = 0
    let high = size - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#upTo[middle]! > point) high = middle
      else low = middle + 1
    }
    if (low !== other) return low
    // Rounding can land on the very edge of the gap.
    return low + 1 < size ? low + 1 : low - 1
  }

  #isAllowed(position: number, tried: Tried): boolean {
    const { index, base } = this.#available[position]!
    return !tried.has(index) && !this.#limit.reached(base)
  }

  #lighter(first: number, second: number): number {
    const one = this.#available[first]!
    const two = this.#available[second]!
    const loadOne = this.#load.readInFlight(one.index, one.base) + this.#load.penalty(one.index)
    const loadTwo = this.#load.readInFlight(two.index, two.base) + this.#load.penalty(two.index)
    if (loadOne === 0 && loadTwo === 0) return one.index
    return (loadTwo + 1) * one.weight < (loadOne + 1) * two.weight ? two.index : one.index
  }

  #search(tried: Tried): number {
    const size = this.#available.length
    for (let looks = Math.min(size, SEARCH_MAX); looks > 0; looks--) {
      this.#searchNext = this.#searchNext + 1 < size ? this.#searchNext + 1 : 0
      if (this.#isAllowed(this.#searchNext, tried)) {
        return this.#available[this.#searchNext]!.index
      }
    }
    return NONE
  }
}
