// A tournament tree: the least of many changing numbers, in O(log n) per change and O(1) per look.

import { NONE } from './contract.ts'

/** Players are numbered 0 … size − 1; the least key wins, among equal keys the least second key. */
export class Tournament {
  #keys = new Float64Array(0)
  #seconds = new Float64Array(0)
  /** Winner of each match; match 1 is the final, the players stand in the second half. */
  #matches = new Int32Array(0)
  #leaves = 0

  /** Makes room for `size` players, each out of play (key Infinity). */
  reset(size: number): void {
    this.#leaves = 1
    while (this.#leaves < size) this.#leaves *= 2
    if (this.#matches.length < 2 * this.#leaves) {
      this.#keys = new Float64Array(this.#leaves)
      this.#seconds = new Float64Array(this.#leaves)
      this.#matches = new Int32Array(2 * this.#leaves)
    }
    this.#keys.fill(Infinity)
    this.#matches.fill(NONE)
  }

  /** Gives a player new keys; a key of Infinity takes it out of play. */
  set(player: number, key: number, second: number): void {
    const keys = this.#keys
    if (keys[player] === key && (key === Infinity || this.#seconds[player] === second)) return
    keys[player] = key
    this.#seconds[player] = second
    const matches = this.#matches
    let place = this.#leaves + player
    matches[place] = key === Infinity ? NONE : player
    while (place > 1) {
      const winner = this.#better(matches[place]!, matches[place ^ 1]!)
      place >>= 1
      // Above a match that this player neither won nor wins, nothing changes.
      if (matches[place] === winner && winner !== player) return
      matches[place] = winner
    }
  }

  /** The player with the least keys; NONE if all are out. */
  winner(): number {
    return this.#matches[1]!
  }

  key(player: number): number {
    return this.#keys[player]!
  }

  #better(one: number, two: number): number {
    if (one < 0) return two
    if (two < 0) return one
    const difference = this.#keys[one]! - this.#keys[two]!
    if (difference !== 0) return difference < 0 ? one : two
    const second = this.#seconds[one]! - this.#seconds[two]!
    if (second !== 0) return second < 0 ? one : two
    return one < two ? one : two
  }
}
