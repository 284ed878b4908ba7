// The breaker of one backend: what its traffic said about it.
//   closed ──eject──► open ──time is over──► half-open (probation) ──enough successes──► closed
//                      ▲                          │
//                      └────────one failure───────┘   each time twice as long, up to a maximum
// It only keeps the state; whether a backend deserves to be ejected is core/outlier.ts, whether it
// may be (floors and caps) is core/pool-health.ts. Number fields only, no allocation.

export const BREAKER = {
  /** Traffic flows. */
  closed: 0,
  /** Ejected: no traffic until `untilMs`. */
  open: 1,
  /** Probation: one live request at a time. */
  halfOpen: 2,
} as const
export type BreakerState = (typeof BREAKER)[keyof typeof BREAKER]

/** What a call changed. */
export const BREAKER_STEP = { none: 0, probation: 1, restored: 2, ejected: 3 } as const
export type BreakerStep = (typeof BREAKER_STEP)[keyof typeof BREAKER_STEP]

export interface BreakerPlan {
  /** Length of the first ejection. */
  readonly ejectMs: number
  readonly ejectMaxMs: number
  readonly probationSuccesses: number
}

/** Jitter makes an ejection up to this share longer, so that several balancers don't return at once. */
const EJECT_JITTER = 0.1
/** Each stretch of this many `ejectMs` without an ejection halves the next one again. */
const DECAY_FACTOR = 6

export class Breaker {
  state: BreakerState = BREAKER.closed
  /** End of the ejection; meaningful only while open. */
  untilMs = 0
  /** Times in a row, less the ones lived down: the next ejection lasts `ejectMs × 2^ejections`. */
  ejections = 0
  /** When `state` last changed. */
  sinceMs: number
  /** Probation requests that succeeded so far. */
  successes = 0
  #plan: BreakerPlan

  constructor(plan: BreakerPlan, nowMs: number) {
    this.#plan = plan
    this.sinceMs = nowMs
  }

  /** Other lengths from now on; what runs goes on as it was begun. */
  adopt(plan: BreakerPlan): void {
    this.#plan = plan
  }

  /** Probation requests that have to succeed. */
  get successesNeeded(): number {
    return this.#plan.probationSuccesses
  }

  /**
   * Opens, from any state. `jitter` is a random number in [0, 1).
   * @returns how long, in milliseconds
   */
  eject(nowMs: number, jitter: number): number {
    if (this.state === BREAKER.closed) this.#liveDown(nowMs)
    const { ejectMs, ejectMaxMs } = this.#plan
    const lengthMs = Math.min(
      ejectMaxMs,
      ejectMs * 2 ** this.ejections * (1 + EJECT_JITTER * jitter),
    )
    // Past the maximum a higher power would only take longer to live down.
    if (ejectMs * 2 ** this.ejections < ejectMaxMs) this.ejections++
    this.state = BREAKER.open
    this.untilMs = nowMs + lengthMs
    this.sinceMs = nowMs
    return lengthMs
  }

  /** Goes from open to half-open once the time is over. */
  tick(nowMs: number): BreakerStep {
    if (this.state !== BREAKER.open || nowMs < this.untilMs) return BREAKER_STEP.none
    this.state = BREAKER.halfOpen
    this.sinceMs = nowMs
    this.successes = 0
    return BREAKER_STEP.probation
  }

  /** The outcome of one probation request; ignored in any other state. */
  observe(success: boolean, nowMs: number, jitter: number): BreakerStep {
    if (this.state !== BREAKER.halfOpen) return BREAKER_STEP.none
    if (!success) {
      this.eject(nowMs, jitter)
      return BREAKER_STEP.ejected
    }
    if (++this.successes < this.#plan.probationSuccesses) return BREAKER_STEP.none
    this.close(nowMs)
    return BREAKER_STEP.restored
  }

  /**
   * Closes without probation: the health checks went down and came up over the ejection, or the
   * pool's floor needs the backend. The multiplier stays and is lived down from now.
   */
  close(nowMs: number): void {
    this.state = BREAKER.closed
    this.sinceMs = nowMs
    this.successes = 0
  }

  /** Takes an ejection back as if it had not been (it was a dependency's failure). */
  revoke(nowMs: number): void {
    this.close(nowMs)
    this.ejections = Math.max(0, this.ejections - 1)
  }

  #liveDown(nowMs: number): void {
    const lived = Math.floor((nowMs - this.sinceMs) / (DECAY_FACTOR * this.#plan.ejectMs))
    this.ejections = Math.max(0, this.ejections - lived)
  }
}
