// The sums of a pool over its backends, kept in step as each of them changes, so that a big pool costs
// no more than a small one.

import { isAvailable, isInPlay } from './availability.ts'
import type { BackendHealth } from './backend-health.ts'
import { BREAKER } from './breaker.ts'

/** Bits of `BackendHealth.counted`: which of the sums it is part of. */
const COUNTED = { available: 1, inPlay: 2, ejected: 4, meant: 8, serving: 16 } as const

export class PoolTally {
  /** Takes ordinary traffic: available or starting. */
  available = 0
  /** Ready, fit and with weight: the traffic's verdict alone decides. */
  inPlay = 0
  /** Of those in play: ejected or in probation. */
  ejected = 0
  /** Meant to serve by config and operator. */
  meant = 0
  /** Gets new requests, if it is fit to. */
  serving = 0

  /** Keeps the sums in step with one backend. */
  count(backend: BackendHealth, nowMs: number): void {
    const inPlay = isInPlay(backend.circumstances(nowMs))
    this.#set(
      backend,
      backend.serves
        ? COUNTED.serving |
            (isAvailable(backend.availability) ? COUNTED.available : 0) |
            (inPlay ? COUNTED.inPlay : 0) |
            (inPlay && backend.breaker.state !== BREAKER.closed ? COUNTED.ejected : 0) |
            (backend.admin === 'ready' && backend.plan.weight > 0 ? COUNTED.meant : 0)
        : 0,
    )
  }

  /** It is gone. */
  drop(backend: BackendHealth): void {
    this.#set(backend, 0)
  }

  /** Whether it is one of `ejected`. */
  isEjected(backend: BackendHealth): boolean {
    return (backend.counted & COUNTED.ejected) !== 0
  }

  #set(backend: BackendHealth, now: number): void {
    const before = backend.counted
    backend.counted = now
    const grown = (bit: number) => Number((now & bit) !== 0) - Number((before & bit) !== 0)
    this.available += grown(COUNTED.available)
    this.inPlay += grown(COUNTED.inPlay)
    this.ejected += grown(COUNTED.ejected)
    this.meant += grown(COUNTED.meant)
    this.serving += grown(COUNTED.serving)
  }
}
