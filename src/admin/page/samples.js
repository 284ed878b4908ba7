// What was counted, second by second, and what follows from it: rates, shares, percentiles. Pure: time
// comes in as a number, so a test can run it without a browser.

/** Seconds that are kept. */
export const KEPT_S = 300
/** Over how many seconds the figures are taken. */
export const WINDOW_S = 5

/** Bounds of the buckets in ms, as docs/metrics.md names them; beyond the last there is no bound. */
const BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]

const NOTHING = { rate: null, failing: null, p50: null, p99: null }

export class Samples {
  /** Per pool: samples, the oldest first. */
  #pools = new Map()

  /** @param seconds monotonic; @param pools of the status */
  add(seconds, pools) {
    const names = new Set(pools.map(({ name }) => name))
    for (const name of this.#pools.keys()) if (!names.has(name)) this.#pools.delete(name)
    for (const pool of pools) {
      const now = sampleOf(seconds, pool)
      const kept = this.#pools.get(pool.name) ?? []
      const last = kept.at(-1)
      // Counters that fell began anew: the process is another one.
      const isNew = last !== undefined && last.requests > now.requests
      const rest = isNew ? [] : kept.filter((one) => seconds - one.seconds <= KEPT_S)
      // Of older ones only the sums are drawn.
      now.figures = figures(rest.at(-WINDOW_S) ?? rest[0], now)
      const old = rest.at(-2 * WINDOW_S)
      if (old !== undefined) old.backends = null
      rest.push(now)
      this.#pools.set(pool.name, rest)
    }
  }

  /** Figures of a pool over the last seconds; `null` where nothing can be said. */
  pool(name) {
    return this.#pools.get(name)?.at(-1)?.figures ?? NOTHING
  }

  /** Figures of a backend: attempts and failures per second, and its share of the pool's. */
  backend(name, backend) {
    const kept = this.#pools.get(name) ?? []
    const last = kept.at(-1)
    const first = before(kept)
    const nothing = { rate: null, failing: null, share: null }
    const from = first?.backends?.get(backend)
    const to = last?.backends?.get(backend)
    if (from === undefined || to === undefined || to.attempts < from.attempts) return nothing
    const seconds = last.seconds - first.seconds
    let sum = 0
    for (const [other, { attempts }] of last.backends) {
      const earlier = first.backends.get(other)
      if (earlier !== undefined) sum += Math.max(0, attempts - earlier.attempts)
    }
    const made = to.attempts - from.attempts
    return {
      rate: made / seconds,
      failing: Math.max(0, to.failures - from.failures) / seconds,
      share: sum === 0 ? null : made / sum,
    }
  }

  /** Columns for a chart: seconds, then requests, failures, p50 and p99 of each. */
  columns(name) {
    const kept = this.#pools.get(name) ?? []
    const columns = [[], [], [], [], []]
    for (const { seconds, figures } of kept) {
      const { rate, failing, p50, p99 } = figures
      const row = [seconds, rate, failing, p50, p99]
      row.forEach((value, i) => columns[i].push(value))
    }
    return columns
  }
}

function sampleOf(seconds, { traffic, backends }) {
  const { requests, failures, latency } = traffic
  const each = backends.map(({ name, attempts, failures }) => [name, { attempts, failures }])
  return { seconds, requests, failures, latency, backends: new Map(each) }
}

/** The sample that the latest is compared to. */
function before(kept) {
  return kept.at(-1 - WINDOW_S) ?? kept[0]
}

function figures(first, last) {
  if (first === undefined || last.seconds <= first.seconds) return NOTHING
  const seconds = last.seconds - first.seconds
  const grown = last.latency.map((count, i) => Math.max(0, count - first.latency[i]))
  return {
    rate: (last.requests - first.requests) / seconds,
    failing: Math.max(0, last.failures - first.failures) / seconds,
    p50: percentile(grown, 0.5),
    p99: percentile(grown, 0.99),
  }
}

/**
 * In ms, interpolated within its bucket; `null` without values.
 * @param counts of each bucket alone
 */
export function percentile(counts, share) {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let wanted = share * total
  for (const [i, count] of counts.entries()) {
    if (wanted <= count && count > 0) {
      const low = i === 0 ? 0 : BOUNDS_MS[i - 1]
      const high = BOUNDS_MS[Math.min(i, BOUNDS_MS.length - 1)]
      return low + ((high - low) * wanted) / count
    }
    wanted -= count
  }
  return BOUNDS_MS.at(-1)
}
