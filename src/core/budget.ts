// The retry budget: how many further attempts a pool may make, so that retries can't multiply an
// overload. One per pool and data thread. A token bucket whose rate follows the traffic: a share of
// the requests of the last 10 s, at least a fixed rate, with a burst.

/** Seconds of traffic the rate looks back on; one counter each. */
const WINDOW_S = 10

export interface BudgetLimits {
  /** Retries per request, of the last 10 s. */
  readonly ratio: number
  /** Retries per second allowed however little traffic there is. */
  readonly perSecondMin: number
  /** Retries that may come at once after a quiet time. */
  readonly burst: number
}

export class RetryBudget {
  readonly #threads: number
  #ratio = 0
  #perMsMin = 0
  #burst = 0
  readonly #requests = new Float64Array(WINDOW_S)
  #inWindow = 0
  /** Second that the newest counter stands for. */
  #second = -Infinity
  #tokens = 0
  #filledMs = -Infinity

  /** @param threads data threads that share floor and burst evenly */
  constructor(limits: BudgetLimits, threads: number) {
    this.#threads = threads
    this.adopt(limits)
  }

  /** Takes over the limits of a new plan. What was spent stays spent. */
  adopt(limits: BudgetLimits): void {
    const before = this.#burst
    this.#ratio = limits.ratio
    this.#perMsMin = limits.perSecondMin / this.#threads / 1_000
    // A bucket that can't hold one token would never give one.
    this.#burst = limits.burst > 0 ? Math.max(1, limits.burst / this.#threads) : 0
    this.#tokens = before === 0 ? this.#burst : Math.min(this.#tokens, this.#burst)
  }

  /** Counts a request (not its retries). */
  deposit(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    if (second > this.#second) this.#roll(second, nowMs)
    this.#requests[second % WINDOW_S]! += 1
    this.#inWindow++
  }

  /** May one retry be made now? If so it is charged. */
  withdraw(nowMs: number): boolean {
    this.#fill(nowMs)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Tokens in the bucket, for display. */
  available(nowMs: number): number {
    this.#fill(nowMs)
    return Math.floor(this.#tokens)
  }

  #fill(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    if (second > this.#second) this.#roll(second, nowMs)
    else this.#earn(nowMs)
  }

  #earn(nowMs: number): void {
    const elapsed = nowMs - this.#filledMs
    if (elapsed <= 0) return
    this.#filledMs = nowMs
    const perMs = Math.max(this.#perMsMin, (this.#ratio * this.#inWindow) / (WINDOW_S * 1_000))
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * perMs)
  }

  /** Earns up to now at the old rate, then drops the seconds that left the window. */
  #roll(second: number, nowMs: number): void {
    if (this.#filledMs === -Infinity) this.#filledMs = nowMs
    this.#earn(nowMs)
    const passed = Math.min(WINDOW_S, second - this.#second)
    for (let i = 0; i < passed; i++) {
      const place = (second + WINDOW_S - i) % WINDOW_S
      this.#inWindow -= this.#requests[place]!
      this.#requests[place] = 0
    }
    this.#second = second
  }
}
