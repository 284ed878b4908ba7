// Rates over a sliding window from counters that only grow: how much of each there was in the last
// `windowMs`, to within a tenth of it. Must never read a clock; every call gets its time.

const PARTS = 10

interface Sample {
  readonly atMs: number
  readonly counts: readonly number[]
}

export class CounterWindow {
  readonly #windowMs: number
  /** Oldest first: the last is the latest, the first the one that differences are taken from. */
  #samples: Sample[] = []

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  get windowMs(): number {
    return this.#windowMs
  }

  /**
   * Takes the counters as they are, and says how much each has grown within the window.
   * @param counts always as many; one that has shrunk belongs to somebody else, and all begins anew
   */
  grown(counts: readonly number[], nowMs: number): readonly number[] {
    const last = this.#samples.at(-1)
    if (last !== undefined && last.counts.some((count, i) => counts[i]! < count)) this.#samples = []
    const partMs = this.#windowMs / PARTS
    const before = this.#samples.at(-2)
    // Between two parts only the latest sample moves on.
    if (before !== undefined && nowMs - before.atMs < partMs) this.#samples.pop()
    this.#samples.push({ atMs: nowMs, counts })
    while (this.#samples.length > 2 && nowMs - this.#samples[1]!.atMs >= this.#windowMs) {
      this.#samples.shift()
    }
    const first = this.#samples[0]!
    return counts.map((count, i) => count - first.counts[i]!)
  }
}

/**
 * One sum over counters of which some come and go: what they counted before they came is no part of
 * it, and what they counted while they were there stays when they go. It never shrinks.
 */
export class CounterSum {
  readonly #sum: number[]
  /** By owner. */
  #last: ReadonlyMap<number, readonly number[]> = new Map()

  /** @param size how many counters each owner has */
  constructor(size: number) {
    this.#sum = Array.from<number>({ length: size }).fill(0)
  }

  /** Takes the counters of all that are there now, by owner, and returns the sum. */
  take(now: ReadonlyMap<number, readonly number[]>): readonly number[] {
    for (const [owner, counts] of now) {
      const last = this.#last.get(owner)
      if (last === undefined) continue
      for (const [i, count] of counts.entries()) {
        // One that has shrunk was cleared, and counts for somebody else.
        this.#sum[i]! += count < last[i]! ? count : count - last[i]!
      }
    }
    this.#last = now
    return [...this.#sum]
  }
}

/**
 * The value that a share of a histogram lies below, within a bucket by proportion, as
 * `histogram_quantile` of Prometheus has it; `null` for an empty one.
 * @param counts one per bucket; the last is what lies beyond all bounds, and counts as the last bound
 */
export function quantileOf(
  counts: readonly number[],
  bounds: readonly number[],
  quantile: number,
): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const rank = quantile * total
  let below = 0
  for (const [i, bound] of bounds.entries()) {
    const count = counts[i]!
    if (below + count >= rank && count > 0) {
      const low = i === 0 ? 0 : bounds[i - 1]!
      return low + ((bound - low) * (rank - below)) / count
    }
    below += count
  }
  return bounds.at(-1)!
}
