// Runs the probes the control plane asks for: so many at a time, the rest in order; suspicion goes
// first. Knows nothing of what a result means.

import type { ProbeRequest, ProbeResult, Prober } from '../probe/contract.ts'

/** Scheduled probes in flight at most. Each is a socket and a few kilobytes. */
export const PROBES_MAX = 256

export interface ProbeJob {
  /** Row of the backend: whose probe it is. */
  readonly slot: number
  readonly request: ProbeRequest
  /** Comes beside the schedule, at once and past the limit. */
  readonly suspicion: boolean
  /** `startedMs`: when the prober was really asked. */
  done(result: ProbeResult, startedMs: number): void
}

export class ControlProbes {
  readonly #prober: Prober
  readonly #nowMs: () => number
  /** What ends each that runs. */
  readonly #running = new Map<() => void, ProbeJob>()
  #waiting: ProbeJob[] = []
  #nextWaiting = 0
  #scheduled = 0

  constructor(prober: Prober, nowMs: () => number) {
    this.#prober = prober
    this.#nowMs = nowMs
  }

  run(job: ProbeJob): void {
    if (!job.suspicion && this.#scheduled >= PROBES_MAX) this.#waiting.push(job)
    else this.#start(job)
  }

  /** Ends all probes; none reports any more. */
  stop(): void {
    this.#waiting = []
    this.#nextWaiting = 0
    for (const cancel of this.#running.keys()) cancel()
    this.#running.clear()
    this.#scheduled = 0
  }

  /** Ends the probes of these backends; none of them reports any more. */
  cancel(slots: ReadonlySet<number>): void {
    this.#waiting = this.#waiting.slice(this.#nextWaiting).filter(({ slot }) => !slots.has(slot))
    this.#nextWaiting = 0
    for (const [cancel, job] of this.#running) {
      if (!slots.has(job.slot)) continue
      this.#running.delete(cancel)
      if (!job.suspicion) this.#scheduled--
      cancel()
    }
    this.#startWaiting()
  }

  #start(job: ProbeJob): void {
    const startedMs = this.#nowMs()
    if (!job.suspicion) this.#scheduled++
    const cancel = this.#prober.probe(job.request, (result) => {
      this.#running.delete(cancel)
      if (!job.suspicion) this.#scheduled--
      job.done(result, startedMs)
      this.#startWaiting()
    })
    this.#running.set(cancel, job)
  }

  #startWaiting(): void {
    while (this.#scheduled < PROBES_MAX && this.#nextWaiting < this.#waiting.length) {
      this.#start(this.#waiting[this.#nextWaiting++]!)
    }
    if (this.#nextWaiting === this.#waiting.length || this.#nextWaiting >= 1_024) {
      this.#waiting = this.#waiting.slice(this.#nextWaiting)
      this.#nextWaiting = 0
    }
  }
}
