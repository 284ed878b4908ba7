// What the control plane asks of whoever runs probes. A prober is thin I/O: it tries once, within a
// time, and says what it saw; what that means for the backend is core/health.ts.

import type { ProbeVerdict } from '../core/health.ts'
import type { Address } from '../core/plan.ts'
import type { CheckPlan } from '../core/check-plan.ts'
import type { BackendRole, Lag } from '../core/status.ts'

export interface ProbeRequest {
  readonly address: Address
  readonly check: CheckPlan
  /** Port to probe instead of the address's own; `null` for its own. */
  readonly port: number | null
  /** For the whole probe, from the connect to the last byte that is looked at. */
  readonly timeoutMs: number
}

export interface ProbeResult {
  /** `void`: a shortage of our own, which says nothing about the backend. */
  readonly verdict: ProbeVerdict
  /** For people: `200 in 3 ms`, `connection refused`, `no answer within 1s`. */
  readonly text: string
  readonly tookMs: number
  /** What the backend says of itself; absent or `null` where it isn't asked or can't tell. */
  readonly role?: BackendRole | null
  readonly lag?: Lag | null
}

export interface Prober {
  /**
   * Runs one probe. `done` is called exactly once, never within this call, and not at all after the
   * returned function has been called, which ends the probe and frees what it holds.
   */
  probe(request: ProbeRequest, done: (result: ProbeResult) => void): () => void
}
