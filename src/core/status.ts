// What the control plane knows, as plain data: the answer of `GET /v1/pools`, the table of
// `evenkeel status`, and the events that logs, metrics and later the ledger share.

/** Verdict of the health checks. `none`: the pool has no health check. */
export type Health = 'none' | 'checking' | 'up' | 'down'
/** What an operator said. */
export type AdminState = 'ready' | 'drain' | 'maint'
/** Verdict of the traffic (outlier detection). */
export type TrafficVerdict = 'ok' | 'ejected' | 'probation'

/** The one verdict, from `core/availability.ts`. */
export type Availability =
  | 'available'
  | 'starting'
  | 'probation'
  | 'checking'
  | 'down'
  | 'ejected'
  | 'drain'
  | 'maint'
  | 'weightless'

export interface BackendStatus {
  readonly name: string
  readonly address: string
  readonly weight: number
  /** Weight in force, after slow start; 0 when no traffic goes there. */
  readonly effectiveWeight: number
  readonly availability: Availability
  /** One sentence for a person: why it is so, and when it ends if that is known. */
  readonly reason: string
  /** Milliseconds since the availability last changed. */
  readonly sinceMs: number
  readonly health: Health
  /** Result of the last probe, e.g. `200 in 3 ms`, `connection refused`; `null` before the first. */
  readonly lastProbe: string | null
  readonly admin: AdminState
  readonly traffic: TrafficVerdict
  /** Milliseconds until an ejection ends; `null` unless ejected. */
  readonly ejectedForMs: number | null
  readonly inFlight: number
  readonly attempts: number
  readonly failures: number
}

export interface PoolStatus {
  readonly name: string
  readonly mode: string
  readonly balance: string
  readonly available: number
  readonly total: number
  readonly minAvailable: number
  readonly queued: number
  readonly backends: readonly BackendStatus[]
}

/** One change of a backend's availability; announced once, so no two readers can disagree. */
export interface Transition {
  readonly pool: string
  readonly backend: string
  readonly from: Availability
  readonly to: Availability
  readonly reason: string
  /** Monotonic. */
  readonly atMs: number
  /** Backends of the pool that take traffic after the change. */
  readonly available: number
}
