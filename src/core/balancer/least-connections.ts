// Least connections: the least (load + 1) ÷ weight, load being the attempts in progress over all
// data threads plus the penalty for recent failures (load.ts). Ties go in turn, by weight; and all
// idle backends tie if the best one is idle, so that light traffic still reaches each of them by its
// weight (the bare formula would send it all to the heaviest).
// Up to SCAN_MAX available backends are looked at on each pick; above, two tournament trees keep the
// order, corrected by this thread's own begins and ends at once and by the other threads' in slices.

import type { Limit } from '../limit.ts'
import { NONE, SCAN_MAX, moved, type Balancer, type PoolBackend, type Tried } from './contract.ts'
import type { LoadView } from './load.ts'
import { Tournament } from './tournament.ts'

export class LeastConnections implements Balancer {
  readonly #limit: Limit
  readonly #load: LoadView
  readonly #offset: number
  readonly #scanMax: number
  #available: readonly PoolBackend[] = []
  // By position among the available ones.
  #order = new Int32Array(0)
  #bases = new Int32Array(0)
  #weights = new Float64Array(0)
  /** Virtual time: the turn of the latest pick. */
  #now = 0
  /** When the next turn of each backend is, in virtual time; one turn takes 1 ÷ weight. By index. */
  #due: Float64Array
  /** Position among the available ones, −1 if it isn't. By index. */
  #position: Int32Array
  /** By (load + 1) ÷ weight, then by turn. */
  readonly #byScore = new Tournament()
  /** The idle ones, by turn. */
  readonly #idle = new Tournament()

  /**
   * @param size backends in the pool, available or not
   * @param offset where in the rotation this thread begins, 0…1
   * @param scanMax up to so many available backends are scanned
   */
  constructor(
    size: number,
    limit: Limit,
    load: LoadView,
    offset: number,
    scanMax: number = SCAN_MAX,
  ) {
    this.#limit = limit
    this.#load = load
    this.#offset = offset
    this.#scanMax = scanMax
    this.#due = new Float64Array(size)
    this.#position = new Int32Array(size).fill(-1)
  }

  rebuild(available: readonly PoolBackend[]): void {
    let total = 0
    for (const { weight } of available) total += weight
    let before = 0
    for (const { index, weight } of available) {
      const phase = (before + weight / 2) / total + this.#offset
      before += weight
      // Newcomers begin spread over one turn. One that stays keeps its turn, but a turn that was far
      // off for a low weight comes sooner with a higher one.
      if (this.#position[index]! < 0) this.#due[index] = this.#now + (phase % 1) / weight
      else this.#due[index] = Math.min(this.#due[index]!, this.#now + 1 / weight)
    }
    this.#position.fill(-1)
    for (let position = 0; position < available.length; position++) {
      this.#position[available[position]!.index] = position
    }
    this.#available = available
    this.#order = Int32Array.from(available, ({ index }) => index)
    this.#bases = Int32Array.from(available, ({ base }) => base)
    this.#weights = Float64Array.from(available, ({ weight }) => weight)
    this.#load.rebuild(available)
    if (available.length <= this.#scanMax) return
    this.#byScore.reset(available.length)
    this.#idle.reset(available.length)
    for (const { index } of available) this.changed(index)
  }

  move(from: Int32Array): void {
    this.#due = moved(this.#due, from, 0)
    this.#position = moved(this.#position, from, NONE)
    this.#load.move(from)
  }

  pick(tried: Tried, nowMs: number): number {
    const big = this.#available.length > this.#scanMax
    for (let due = this.#load.refreshDue(nowMs); due > 0; due--) {
      const position = this.#load.refreshNext()
      if (big) this.#place(position)
    }
    const index = big ? this.#takeWinner(tried) : this.#scan(tried)
    if (index === NONE) return NONE
    const weight = this.#available[this.#position[index]!]!.weight
    this.#now = Math.max(this.#now, this.#due[index]!)
    this.#due[index] = this.#now + 1 / weight
    if (big) this.#place(this.#position[index]!)
    return index
  }

  changed(index: number): void {
    const position = this.#position[index]!
    if (position >= 0 && this.#available.length > this.#scanMax) this.#place(position)
  }

  #scan(tried: Tried): number {
    const order = this.#order
    const bases = this.#bases
    const weights = this.#weights
    const load = this.#load
    const anyTried = tried.count > 0
    const anyFailed = load.anyFailed
    const max = this.#limit.perBackend > 0 ? this.#limit.perBackend : Infinity
    let best: number = NONE
    let bestScore = Infinity
    let bestDue = Infinity
    let bestIsIdle = false
    let idle: number = NONE
    let idleDue = Infinity
    for (let i = 0; i < order.length; i++) {
      const index = order[i]!
      let busy = load.inFlight(bases[i]!)
      if (busy >= max || (anyTried && tried.has(index))) continue
      if (anyFailed) busy += load.penalty(index)
      const score = (busy + 1) / weights[i]!
      const due = this.#due[index]!
      if (score < bestScore || (score === bestScore && due < bestDue)) {
        best = index
        bestScore = score
        bestDue = due
        bestIsIdle = busy === 0
      }
      if (busy === 0 && due < idleDue) {
        idle = index
        idleDue = due
      }
    }
    return bestIsIdle ? idle : best
  }

  /** The winner by what the trees know, checked against what is so now. */
  #takeWinner(tried: Tried): number {
    let chosen: number = NONE
    while (chosen === NONE && this.#byScore.winner() !== NONE) {
      const best = this.#byScore.winner()
      if (!this.#stands(best, tried)) continue
      const position = this.#idle.key(best) === Infinity ? best : this.#idle.winner()
      if (position === best || this.#stands(position, tried)) chosen = this.#order[position]!
    }
    for (let i = 0; i < tried.count; i++) this.changed(tried.at(i))
    return chosen
  }

  /** May the winner have it? If not, the trees have learned so. */
  #stands(position: number, tried: Tried): boolean {
    if (tried.has(this.#order[position]!)) {
      this.#byScore.set(position, Infinity, 0)
      this.#idle.set(position, Infinity, 0)
      return false
    }
    const key = this.#byScore.key(position)
    this.#place(position)
    return this.#byScore.key(position) <= key
  }

  /** Puts a backend where its present load belongs. */
  #place(position: number): void {
    const { index, base, weight } = this.#available[position]!
    const inFlight = this.#load.readInFlight(index, base)
    const max = this.#limit.perBackend
    if (max > 0 && inFlight >= max) {
      this.#byScore.set(position, Infinity, 0)
      this.#idle.set(position, Infinity, 0)
      return
    }
    const load = inFlight + this.#load.penalty(index)
    const due = this.#due[index]!
    this.#byScore.set(position, (load + 1) / weight, due)
    this.#idle.set(position, load === 0 ? due : Infinity, 0)
  }
}
