// Randomness as a value: balancers, jitter and backoff draw from an injected generator, so that a
// seed repeats a run exactly.

/** A source of uniform numbers. */
export interface Random {
  /** The next number in [0, 1). */
  next(): number
}

/**
 * A small fast generator (mulberry32) for simulations and for the balancers, where a seed must
 * repeat a run. Not for secrets.
 * @param seed any integer; the same seed gives the same sequence
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0
  return {
    next(): number {
      state = (state + 0x6d2b79f5) | 0
      let t = Math.imul(state ^ (state >>> 15), 1 | state)
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
      return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
    },
  }
}
