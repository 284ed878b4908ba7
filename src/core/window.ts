// A sliding count of successes and failures: a ring of time buckets. A stretch without any event
// costs nothing: buckets that time has passed over are emptied when the next event comes.
// Must never read a clock; every call gets its time.

/** Successes and failures of the last `windowMs`, to within one bucket (a tenth of the window). */
export class RateWindow {
  readonly #bucketMs: number
  readonly #successes: Float64Array
  readonly #failures: Float64Array
  /** Number of the newest bucket, counted from the origin of time. */
  #newest = 0
  #successSum = 0
  #failureSum = 0

  constructor(windowMs: number, buckets = 10) {
    this.#bucketMs = windowMs / buckets
    this.#successes = new Float64Array(buckets)
    this.#failures = new Float64Array(buckets)
  }

  /** Counts outcomes that came at `nowMs`. Time must not go back between calls. */
  add(successes: number, failures: number, nowMs: number): void {
    this.#advance(nowMs)
    const bucket = this.#newest % this.#successes.length
    this.#successes[bucket]! += successes
    this.#failures[bucket]! += failures
    this.#successSum += successes
    this.#failureSum += failures
  }

  /** Outcomes within the window. */
  attempts(nowMs: number): number {
    this.#advance(nowMs)
    return this.#successSum + this.#failureSum
  }

  /** Failures within the window. */
  failures(nowMs: number): number {
    this.#advance(nowMs)
    return this.#failureSum
  }

  /** Forgets everything. */
  clear(): void {
    this.#successes.fill(0)
    this.#failures.fill(0)
    this.#successSum = 0
    this.#failureSum = 0
  }

  #advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.#bucketMs)
    if (bucket <= this.#newest) return
    const size = this.#successes.length
    if (bucket - this.#newest >= size) {
      if (this.#successSum + this.#failureSum > 0) this.clear()
    } else {
      for (let passed = this.#newest + 1; passed <= bucket; passed++) {
        const slot = passed % size
        this.#successSum -= this.#successes[slot]!
        this.#failureSum -= this.#failures[slot]!
        this.#successes[slot] = 0
        this.#failures[slot] = 0
      }
    }
    this.#newest = bucket
  }
}
