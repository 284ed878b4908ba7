// How long to wait before a further attempt.

import type { Random } from './random.ts'

/**
 * Milliseconds to wait before a further attempt: uniform between 0 and a ceiling that starts at
 * `minMs` and doubles up to `maxMs` ("full jitter": of all ways to spread retries the one with the
 * least work for a backend that comes back).
 * @param attempt number of the further attempt, from 1
 */
export function backoffMs(attempt: number, minMs: number, maxMs: number, random: Random): number {
  return random.next() * Math.min(maxMs, minMs * 2 ** (attempt - 1))
}
