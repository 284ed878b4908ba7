// Why backends can't be spared now, in figures and in words. Whether that is so, the pool's own
// verdicts say (core/pool-health.ts); this must never judge.

import type { Availability } from './status.ts'

/** What a pool would be left with. */
export interface Shortage {
  /** Backends that would still take traffic. */
  readonly left: number
  readonly minAvailable: number
  /** Those that take none already, whoever is to blame. */
  readonly out: readonly OutBackend[]
}

export interface OutBackend {
  readonly backend: string
  readonly availability: Availability
  /** One sentence. */
  readonly reason: string
}

/** Why an operator's word was not taken. */
export interface Refusal {
  readonly ok: false
  /** `min-available`: `minAvailable` forbids it. `refused`: it is the active, and nobody could follow. */
  readonly code: 'no-pool' | 'no-backend' | 'min-available' | 'refused'
  /** For people: a sentence or two, without a period at the end. */
  readonly message: string
  /** With `min-available` only. */
  readonly shortage?: Shortage
  /** What there is instead: pools, or backends of the pool. */
  readonly names?: readonly string[]
}

/** Whether an operator's word was taken, and if not, why. */
export type Result = { readonly ok: true } | Refusal

/** How many of those that are out a sentence names. */
const NAMED_MAX = 5

/** `minAvailable` of the pool forbids it. */
export function tooFew(pool: string, shortage: Shortage): Refusal {
  const { left, minAvailable, out } = shortage
  const backends = left === 1 ? '1 available backend' : `${left} available backends`
  const message = `pool '${pool}' would be left with ${backends}, and its minAvailable is ${minAvailable}${outText(out)}`
  return { ok: false, code: 'min-available', message, shortage }
}

function outText(out: readonly OutBackend[]): string {
  if (out.length === 0) return ''
  const named = out.slice(0, NAMED_MAX).map(({ backend, reason }) => `${backend} (${reason})`)
  const more = out.length > NAMED_MAX ? ` and ${out.length - NAMED_MAX} more` : ''
  return `; out already: ${named.join(', ')}${more}`
}

/**
 * It is the active of its pool.
 * @param others why each of the others can't take over
 */
export function lastActive(
  pool: string,
  backend: string,
  others: readonly { readonly name: string; readonly reason: string }[],
): Refusal {
  const why = others.map(({ name, reason }) => `${name} (${reason})`).join(', ')
  const message = `'${backend}' is the active of pool '${pool}', and nobody could take over from it now${why === '' ? '' : `: ${why}`}; switch over first, once that is possible`
  return { ok: false, code: 'refused', message }
}

/** It is the active of its pool, and this replica can't move the pool to another one. */
export function decidedElsewhere(pool: string, backend: string): Refusal {
  const message = `'${backend}' is the active of pool '${pool}', and another replica decides who takes over from it; ask that one first`
  return { ok: false, code: 'refused', message }
}

export function noPool(pool: string, names: readonly string[]): Refusal {
  return { ok: false, code: 'no-pool', message: `there is no pool '${pool}'`, names }
}

export function noBackend(pool: string, backend: string, names: readonly string[]): Refusal {
  const message = `pool '${pool}' has no backend '${backend}'`
  return { ok: false, code: 'no-backend', message, names }
}
