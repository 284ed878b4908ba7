// Where the kept exchanges of all data threads meet: the ring that is asked afterwards.

import type { TraceSource } from '../admin/trace-routes.ts'
import type { TracingPlan } from '../core/plan.ts'
import type { TraceRecord } from '../core/trace.ts'
import { TraceRing } from '../observe/trace-ring.ts'

/** This many of a thread's traces have arrived. */
export type TracesTaken = (thread: number, count: number) => void

export class Traces implements TraceSource {
  readonly #taken: TracesTaken
  #ring: TraceRing | null = null

  constructor(plan: TracingPlan | null, taken: TracesTaken) {
    this.#taken = taken
    this.follow(plan)
  }

  /** `null`: switched off. */
  get ring(): TraceRing | null {
    return this.#ring
  }

  /** Goes on by another plan; what is kept stays as far as there is room. */
  follow(plan: TracingPlan | null): void {
    if (plan === null) this.#ring = null
    else if (this.#ring === null) this.#ring = new TraceRing(plan.ring)
    else this.#ring.resize(plan.ring)
  }

  /** Takes those of a data thread. */
  take(thread: number, traces: readonly TraceRecord[]): void {
    for (const trace of traces) this.#ring?.add(trace)
    this.#taken(thread, traces.length)
  }
}
