// What every source of members is, and what it is given. A source asks, watches and waits; what its
// words mean for the pool is decided elsewhere (core/membership-source.ts).

import type { Clock, Timers } from '../core/clock.ts'
import type { SourceWord } from '../core/membership-source.ts'
import type { Random } from '../core/random.ts'

export interface Source {
  start(): void
  /** Ends everything it has under way. It says nothing any more. */
  stop(): void
}

/** Who hears a source, and what it lives on. */
export interface SourceHost {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** `unsure`: the source should be asked again soon. */
  tell(word: SourceWord): { readonly unsure: boolean }
}

const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 30_000

/**
 * How long to wait after a failure: 1 s to 30 s, doubling, and spread over its upper half so that
 * many that lost one server don't come back to it together.
 * @param failures in a row, from 1
 */
export function retryMs(failures: number, random: Random): number {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(10, failures - 1))
  return ceiling / 2 + (random.next() * ceiling) / 2
}
