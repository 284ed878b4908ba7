// How much may be written: what flaps must fill neither the disk nor the time of whoever reads. What
// is not written now is written later, as it is then; only what has ended, was never written and finds
// no room for long is left out, and counted.

import type { Incident } from './ledger-incident.ts'
import type { MaintenanceWindow } from './ledger-window.ts'

/** Lines that may be written at once, and how long one more takes to be earned. */
const BURST = 1_000
const EARN_MS = 15_000
/** Of these so many are kept for pools, moves and operators. */
const RESERVED = 300
/** Shortest time between two writings of something that goes on; doubles with each writing. */
const AGAIN_MS = 1_000
const AGAIN_MAX_MS = 60_000
/** What waits to be written, when more of it is left out. */
const WAITING_MAX = 2_000

/** A token bucket. */
export class Pace {
  #tokens = BURST
  #earnedMs = -Infinity

  /** @param weighty of a pool, an operator or a move: these are never kept waiting by backends */
  take(weighty: boolean, nowMs: number): boolean {
    if (this.#earnedMs === -Infinity) this.#earnedMs = nowMs
    const earned = Math.floor((nowMs - this.#earnedMs) / EARN_MS)
    if (earned > 0) {
      this.#tokens = Math.min(BURST, this.#tokens + earned)
      this.#earnedMs += earned * EARN_MS
    }
    if (this.#tokens <= (weighty ? 0 : RESERVED)) return false
    this.#tokens--
    return true
  }
}

type Thing = Incident | MaintenanceWindow

/** What has changed and is to be written. */
export class Outbox {
  readonly #things = new Set<Thing>()
  readonly #writtenMs = new WeakMap<Thing, { atMs: number; times: number }>()
  /** What was left out for good. */
  leftOut = 0

  touch(thing: Thing): void {
    this.#things.add(thing)
  }

  get size(): number {
    return this.#things.size
  }

  /** What has ended, and is not written as that. */
  get ended(): readonly Thing[] {
    return [...this.#things].filter(({ open }) => !open)
  }

  /** What may be written now; those of pools first, then the ends of what was told of already. */
  take(pace: Pace, nowMs: number): Thing[] {
    const due = [...this.#things].filter((thing) => this.#isDue(thing, nowMs))
    const weighty = due.filter(({ backend }) => backend === null)
    const light = due.filter(({ backend }) => backend !== null)
    const ends = light.filter((thing) => this.#isEnd(thing))
    const rest = light.filter((thing) => !this.#isEnd(thing))
    const taken: Thing[] = []
    for (const thing of [...weighty, ...ends, ...rest]) {
      if (!pace.take(thing.backend === null, nowMs)) continue
      this.#things.delete(thing)
      const times = (this.#writtenMs.get(thing)?.times ?? 0) + 1
      this.#writtenMs.set(thing, { atMs: nowMs, times })
      taken.push(thing)
    }
    this.#trim()
    return taken
  }

  /** Without it, what was written of the thing would go on for ever. */
  #isEnd(thing: Thing): boolean {
    return !thing.open && this.#writtenMs.has(thing)
  }

  #isDue(thing: Thing, nowMs: number): boolean {
    const written = this.#writtenMs.get(thing)
    if (!thing.open || written === undefined) return true
    const waitMs = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** (written.times - 1))
    return nowMs - written.atMs >= waitMs
  }

  #trim(): void {
    if (this.#things.size <= WAITING_MAX) return
    for (const thing of this.#things) {
      if (this.#things.size <= WAITING_MAX) break
      if (thing.open || this.#isEnd(thing)) continue
      this.#things.delete(thing)
      this.leftOut++
    }
  }
}
