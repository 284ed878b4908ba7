// What the control plane knows, as plain data: the answer of `GET /v1/pools`, the table of
// `evenkeel status`, and the events that logs, metrics and the ledger share.

import type { SiteKind } from './plan.ts'
import type { SourcePlan } from './source-plan.ts'

/** Verdict of the health checks. `none`: the pool has no health check. */
export type Health = 'none' | 'checking' | 'up' | 'down'
/** What an operator said. */
export type AdminState = 'ready' | 'drain' | 'maint'
/** What a backend says of itself when its check can ask: who writes, who follows. */
export type BackendRole = 'primary' | 'replica'
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
  /** Fit, but another backend of its active-standby pool is the active. */
  | 'standby'

/** Who changed something while it runs, and why. */
export interface Signature {
  readonly by: string
  /** One line; empty if none was given. */
  readonly reason: string
  /** Wall clock, ms since 1970. */
  readonly at: number
}

/** What operators have changed about a backend while it runs. */
export interface OverrideStatus {
  /** Why it is out; `null` if it is not. */
  readonly admin: (Signature & { readonly state: 'drain' | 'maint' }) | null
  /** `text` is the weight that was asked for: `3`, `50 %`. */
  readonly weight: (Signature & { readonly text: string }) | null
  /** Who added it; `null` for a backend of the configuration, or of its discovery. */
  readonly added: Signature | null
}

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
  /** `null`: the check does not ask for a role, or has had no answer. */
  readonly role: BackendRole | null
  /** How far a replica is behind, where its check can tell. */
  readonly lag: Lag | null
  readonly admin: AdminState
  /** An operator took it out, every data thread knows, and nothing runs on it any more. */
  readonly drained: boolean
  /** `null`: everything is as configured. */
  readonly override: OverrideStatus | null
  readonly traffic: TrafficVerdict
  /** Milliseconds until an ejection ends; `null` unless ejected. */
  readonly ejectedForMs: number | null
  readonly inFlight: number
  readonly attempts: number
  readonly failures: number
}

/** A site of a pool: where it stands, and what it gets. */
export interface SiteStatus {
  readonly name: string
  readonly kind: SiteKind
  /**
   * `active`: served from. `left`: a mirror with too few healthy backends, while others serve.
   * `overflow`: helps the active one. `standby`: could take over, now or in a while. `down`: could
   * not.
   */
  readonly state: 'active' | 'left' | 'overflow' | 'standby' | 'down'
  readonly healthy: number
  readonly total: number
  readonly minHealthy: number
  /** Of new requests, 0…1. */
  readonly share: number
  /** Why it is so; for people. */
  readonly reason: string
}

/** How far a replica is behind. `null`: not known in this unit. */
export interface Lag {
  readonly ms: number | null
  readonly bytes: number | null
}

/** The state machine's states, as docs/active-standby.md names them. */
export type FailoverPhase =
  | 'none'
  | 'steady'
  | 'suspect'
  | 'failing-over'
  | 'switching'
  | 'failback-wait'
  | 'frozen'

export interface FailoverStatus {
  readonly state: FailoverPhase
  /** One sentence: why it is so, and what ends it. */
  readonly reason: string
  readonly sinceMs: number
  /** Name of the active, `null` for none. */
  readonly active: string | null
  readonly epoch: number
  readonly preferred: string
  readonly frozen: { readonly by: string; readonly reason: string } | null
  /** In order of preference, without the active. */
  readonly standbys: readonly StandbyStatus[]
  /** The move in progress. */
  readonly move: MoveStatus | null
  /** Latest first, at most 10. */
  readonly lastMoves: readonly MoveReport[]
}

export interface StandbyStatus {
  readonly name: string
  /** It would be taken at once; where its role decides, as soon as somebody makes it the primary. */
  readonly ready: boolean
  /** Why, or why not (and when, if that is known). */
  readonly reason: string
}

/**
 * `first`: nobody had been active. `resume`: the last active takes up again. `election`: the active
 * follows the writer's role. `follow`: another replica decided.
 */
export type MoveKind =
  | 'first'
  | 'resume'
  | 'failover'
  | 'failback'
  | 'switchover'
  | 'election'
  | 'follow'

export interface MoveStatus {
  readonly kind: MoveKind
  readonly from: string | null
  readonly to: string
  readonly step: string
  readonly forMs: number
}

/** What a move did and cost: the answer to an operator, a log line, a row of the ledger. */
export interface MoveReport {
  readonly kind: MoveKind
  readonly outcome: 'moved' | 'rolled-back' | 'failed'
  readonly from: string | null
  readonly to: string
  readonly epoch: number
  readonly reason: string
  /** Who asked: an operator's name, or `evenkeel`. */
  readonly by: string
  /** Wall clock, ms since 1970, of its end. */
  readonly at: number
  /** From the first sign of the failure to the decision; 0 for a planned move. */
  readonly detectionMs: number
  /** From the decision to the first byte the new active may get. */
  readonly moveMs: number
  /** Sessions on the old active when the move began, and what became of them. */
  readonly sessions: { readonly at: number; readonly finished: number; readonly cut: number }
  /** Against `objective.rto`; `null` without one, or for a planned move. */
  readonly metObjective: boolean | null
}

/** What went through a pool since the start; levels are elsewhere. */
export interface PoolTraffic {
  /** Requests, or tunnels over tcp. */
  readonly requests: number
  /** Of these, those that ended with a fault that was not the client's. */
  readonly failures: number
  /** Attempts after the first. */
  readonly retries: number
  /** Answers by how long their head took: `LATENCY_BUCKETS` counts, each of its own bucket alone. */
  readonly latency: readonly number[]
}

export interface PoolStatus {
  readonly name: string
  readonly mode: string
  readonly balance: string
  readonly available: number
  readonly total: number
  readonly minAvailable: number
  readonly queued: number
  readonly traffic: PoolTraffic
  /** `null` for a pool without an active. */
  readonly failover: FailoverStatus | null
  /** In order of preference; empty for a pool without sites. */
  readonly sites: readonly SiteStatus[]
  readonly backends: readonly BackendStatus[]
  /** Backends of the configuration, or of its discovery, that an operator has removed. */
  readonly removed: readonly (Signature & { readonly name: string })[]
  /** Where further backends come from; absent where the configuration names all of them. */
  readonly discovery?: readonly DiscoveryStatus[]
}

/** A source of members of a pool. */
export interface DiscoveryStatus {
  readonly kind: SourcePlan['kind']
  /** For people: `dns api.internal`. */
  readonly source: string
  /** `waiting`: no good answer yet. `stale`: the last one failed, and what it said before holds. */
  readonly state: 'waiting' | 'ok' | 'stale'
  /** Why it is so; for people. */
  readonly reason: string
  /** Milliseconds since the state last changed. */
  readonly sinceMs: number
  /** Milliseconds since the last good answer; `null` before the first. */
  readonly answeredMs: number | null
  /** Members it told of that are in force. */
  readonly members: number
  /** What its last answer told of that cannot be a backend. */
  readonly refused: number
  /** Answers that were of no use, since the start. */
  readonly failures: number
  /** Answers that changed the members, since the start. */
  readonly changes: number
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
  /** Of a loss: monotonic ms of its first sign in checks and traffic, where there was one before. */
  readonly signMs?: number
}
