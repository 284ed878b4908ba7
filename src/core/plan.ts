// The compiled, immutable configuration. Plain data only (no class, no function, no RegExp), so
// that a plan can be posted to a data thread, compared and printed.
// `config/compile.ts` is the only maker; every default is filled in there, so nobody else knows any.
// All times are milliseconds, all sizes bytes, all ratios 0…1.
// Health checks, routes and sources of backends have files of their own beside this one.

import type { AlertsPlan } from './alert-contract.ts'
import type { HealthCheckPlan } from './check-plan.ts'
import type { RoutePlan } from './route-plan.ts'
import type { SourcePlan } from './source-plan.ts'

/** Where to listen or to connect. `host: ''` (listeners only) is every address, IPv4 and IPv6. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** The whole configuration of one process. */
export interface Plan {
  readonly runtime: RuntimePlan
  /** `null`: no admin listener. */
  readonly admin: AdminPlan | null
  readonly log: LogPlan
  /** `null`: incidents and availability are not recorded. */
  readonly ledger: LedgerPlan | null
  /** `null`: no exchange is kept, and trace context passes untouched. */
  readonly tracing: TracingPlan | null
  /** Absent: nobody is told of anything. */
  readonly alerts?: AlertsPlan
  readonly listeners: readonly ListenerPlan[]
  readonly pools: readonly PoolPlan[]
  /** The replicas that agree on the active of pools with `agreement: etcd`; `null` if none do. */
  readonly cluster: ClusterPlan | null
  /** `null`: no virtual IP address of keepalived's leads here. */
  readonly keepalived: KeepalivedPlan | null
}

export interface RuntimePlan {
  /** Data threads asked for; `auto` is one per core where `reusePort` exists, else one. */
  readonly threads: number | 'auto'
  /** How long a graceful stop may take. */
  readonly drainMs: number
  /** Directory for what must survive a restart (who is active, epochs); `null` keeps nothing. */
  readonly stateDir: string | null
  /** Read the configuration file again whenever it changes. */
  readonly watch: boolean
}

/** Several Evenkeels that never disagree. The list of replicas is the same in each. */
export interface ClusterPlan {
  /** Keys in etcd begin with `/evenkeel/NAME/`. */
  readonly name: string
  /** Which of `replicas` this process is. */
  readonly replica: string
  readonly replicas: readonly ReplicaPlan[]
  readonly etcd: EtcdPlan
  /** Lease of a replica; the right to send lasts 2/3 of it after each renewal. */
  readonly ttlMs: number
}

export interface ReplicaPlan {
  readonly name: string
  /** Where the other replicas reach its peer port. */
  readonly peer: Address
}

export interface EtcdPlan {
  /** Base addresses such as `https://10.0.0.1:2379`; tried in turn. */
  readonly endpoints: readonly string[]
  readonly login: { readonly user: string; readonly password: string } | null
  /** Contents (PEM), not paths; `null` for plain HTTP or the system's authorities. */
  readonly tls: {
    readonly ca: string | null
    readonly cert: string | null
    readonly key: string | null
  } | null
}

/** A virtual IP address that keepalived holds on one of several Evenkeels. */
export interface KeepalivedPlan {
  /** File that tells keepalived what this Evenkeel is good for; absolute. */
  readonly trackFile: string
  /** The address, without a prefix length. */
  readonly vip: string
  /** How long a stop waits for the address to leave before it drains; 0 does not wait. */
  readonly handoverMs: number
}

export interface AdminPlan {
  readonly address: Address
  /** A second address that has `/metrics`, `/livez` and `/readyz` alone; `null` for none. */
  readonly metrics: Address | null
  /** Asked for on TCP where one of them is set. */
  readonly tokens: { readonly admin: string | null; readonly readOnly: string | null }
  /** PEM texts; `null`: plain HTTP. Who has a certificate of `clientCa` may do everything. */
  readonly tls: {
    readonly cert: string
    readonly key: string
    readonly clientCa: string | null
  } | null
}

/** The record of incidents, moves and availability. */
export interface LedgerPlan {
  /** Absolute; `null` is `ledger.jsonl` in the state directory, or in memory without one. */
  readonly path: string | null
  /** What is older goes. */
  readonly keepMs: number
  /** All its files together. */
  readonly sizeBytesMax: number
}

/** Which exchanges can be looked at afterwards. */
export interface TracingPlan {
  /** How many are kept, of all threads. */
  readonly ring: number
  /** Share of those that are kept though nothing is odd about them. */
  readonly sample: number
  /** An exchange whose response head takes at least this long is kept; `null`: none for that. */
  readonly slowMs: number | null
  /** Take over the trace id of a `traceparent` that a client sends. */
  readonly trustParent: boolean
  /** Write `Evenkeel-Trace` on every response, not just on our own error replies. */
  readonly responseHeader: boolean
  /** Where spans go; `null`: nowhere, and `traceparent` passes untouched. */
  readonly otlp: OtlpPlan | null
}

/** A collector that takes OTLP over HTTP as JSON. */
export interface OtlpPlan {
  /** The whole URL. */
  readonly endpoint: string
  /** Names in lower case. */
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** `service.name` of all spans. */
  readonly service: string
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
export type AccessLogFormat = 'json' | 'haproxy' | 'combined' | 'off'

export interface LogPlan {
  readonly level: LogLevel
  readonly access: {
    readonly format: AccessLogFormat
    /** File to append to; `null` is standard output. */
    readonly path: string | null
  }
}

export interface ListenerPlan {
  readonly name: string
  /** Position in `Plan.listeners`. */
  readonly index: number
  /** Row of this listener in the shared memory, unique in the process; a reload keeps it. */
  readonly slot: number
  readonly address: Address
  readonly protocol: 'http' | 'tcp'
  /** `http` only; first match wins. Empty for `tcp`. */
  readonly routes: readonly RoutePlan[]
  /** `tcp` only: index of the pool; −1 for `http`. */
  readonly pool: number
  /** CIDR blocks whose X-Forwarded-* we believe and append to. */
  readonly trustForwarded: readonly string[]
  /** Also write RFC 7239 `Forwarded`. */
  readonly forwarded: boolean
  /** Open client connections allowed over all data threads; further ones are closed at once. */
  readonly connectionsMax: number
  /** Largest request head accepted (431 beyond). */
  readonly headBytesMax: number
  /** Longest request target accepted (414 beyond). */
  readonly targetBytesMax: number
  readonly timeouts: {
    /** From the first byte of a request head to its last. */
    readonly requestHeadMs: number
    /** A keep-alive client connection without a request. */
    readonly keepAliveMs: number
  }
}

export type PoolMode = 'active-active' | 'active-standby'

export type BalanceKind = 'round-robin' | 'least-connections' | 'random-two'

export interface PoolPlan {
  readonly name: string
  /** Position in `Plan.pools`. */
  readonly index: number
  /** Row of this pool in the shared memory, unique in the process; a reload keeps it. */
  readonly slot: number
  readonly mode: PoolMode
  readonly balance: BalanceKind
  readonly backends: readonly BackendPlan[]
  /** Where further backends come from at run time; absent: from nowhere. */
  readonly discovery?: DiscoveryPlan
  /** In order of preference; empty if the backends name none. */
  readonly sites: readonly SitePlan[]
  /** How the active changes: of active-standby pools, and of active-active pools with sites. */
  readonly failover: FailoverPlan | null
  /**
   * ≥ 0: this pool is the read side of that active-standby pool. Its backends are the same servers,
   * in the same order, with slots of their own; who may read is the other pool's verdict.
   */
  readonly replicasOf: number
  /** `null`: no health check; backends are up from the start. */
  readonly healthCheck: HealthCheckPlan | null
  readonly outlierDetection: OutlierPlan | null
  /** Backends that ejection and ordinary drains always leave available. */
  readonly minAvailable: number
  readonly slowStart: {
    /** 0 switches slow start off. */
    readonly durationMs: number
    /** Share of the weight at its beginning, 0…1. */
    readonly from: number
  }
  /** What to do when no backend is available. */
  readonly panic: 'refuse' | 'serve'
  readonly retry: RetryPlan | null
  readonly timeouts: PoolTimeouts
  readonly limits: PoolLimits
  readonly objective: {
    readonly rtoMs: number | null
    /** 0…1, e.g. 0.999. */
    readonly availability: number | null
  }
}

export interface BackendPlan {
  readonly name: string
  /**
   * Row of this backend in the shared memory, unique over all pools of the process. Compile numbers
   * from 0; a reload keeps the slots of kept backends.
   */
  readonly slot: number
  readonly address: Address
  /** 0…65535; 0 takes no new traffic. */
  readonly weight: number
  readonly zone: string | null
  /** Position in `PoolPlan.sites`; −1 if the pool has none. */
  readonly site: number
}

/** Where the backends of a pool come from, beside those that the configuration names. */
export interface DiscoveryPlan {
  /** At most one of each kind. */
  readonly sources: readonly SourcePlan[]
  /** Members until a source has answered for the first time. */
  readonly seed: readonly Address[]
  /** An empty answer empties the pool; else what was known before stays. */
  readonly allowEmpty: boolean
  /** Of one source; what is beyond is left out and counted. */
  readonly membersMax: number
  /** CIDR blocks that members may be in; `null`: all but those that can hardly be meant. */
  readonly allow: readonly string[] | null
}

/**
 * What a site is for, after the classes of disaster recovery: `mirror` serves beside the other
 * mirrors (active-active pools only), `hot` takes over by itself, `warm` only with its promote hook
 * and role check, `cold` only when an operator says so.
 */
export type SiteKind = 'mirror' | 'hot' | 'warm' | 'cold'

export interface SitePlan {
  readonly name: string
  readonly kind: SiteKind
  /** With fewer fit backends than this the site is left. */
  readonly minHealthy: number
}

/** How a pool moves between its backends, or its sites. */
export interface FailoverPlan {
  /** Back to the preferred backend: by itself once it was fit for `stableForMs`, by the verb, or never. */
  readonly failback: 'auto' | 'manual' | 'never'
  readonly stableForMs: number
  /** A backend that was left is not returned to for this long, doubling while it flaps. */
  readonly holdDownMs: number
  readonly holdDownMaxMs: number
  /** A standby takes over only after it was fit for so long without a break. */
  readonly readyForMs: number
  /** What happens to the old active's sessions in a planned move; a dead one's are destroyed. */
  readonly sessions: 'drain' | 'destroy'
  /** With `drain`: how long they may take before they are destroyed after all. */
  readonly drainMs: number
  /** How long new requests are held during a move before they are refused; 0 refuses at once. */
  readonly pauseMaxMs: number
  /** How long a target may take to be proven before a planned move is rolled back. */
  readonly proveMs: number
  /** Who is to be active: the most preferred, or the one whose check says `primary`. */
  readonly elect: 'priority' | 'role'
  /** With every backend lost: `stay` waits for the last active, `any` takes whoever is ready. */
  readonly allDown: 'stay' | 'any'
  readonly promote: HookPlan | null
  readonly fence: HookPlan | null
  readonly agreement: 'none' | 'etcd'
  /** A replica further behind serves no reads; `null` is no limit. */
  readonly replicaLag: { readonly ms: number | null; readonly bytes: number | null }
  /** Between sites: what the active ones have no capacity for goes to the next (core/overflow.ts). */
  readonly overflow: boolean
}

/** Something outside that makes a backend the writer, or keeps it from being one. */
export type HookPlan =
  | { readonly kind: 'exec'; readonly command: readonly string[]; readonly timeoutMs: number }
  | {
      readonly kind: 'webhook'
      readonly url: string
      readonly headers: readonly { readonly name: string; readonly value: string }[]
      readonly timeoutMs: number
    }

export interface OutlierPlan {
  readonly consecutiveFailures: number
  /** Share of failed attempts in `windowMs` that ejects. */
  readonly failureRate: number
  readonly attemptsMin: number
  readonly windowMs: number
  /** `null` switches the rule off. */
  readonly slow: { readonly thresholdMs: number; readonly factor: number } | null
  readonly silent: {
    readonly thresholdMs: number
    readonly factor: number
    readonly attempts: number
  } | null
  readonly ejectMs: number
  readonly ejectMaxMs: number
  /** Share of the pool that may be ejected at once. */
  readonly ejectedMax: number
  /** Successes in probation that restore. */
  readonly probationSuccesses: number
}

export interface RetryPlan {
  /** Further attempts after the first. */
  readonly attempts: number
  readonly budget: {
    /** Share of the requests of the last 10 s. */
    readonly ratio: number
    readonly perSecondMin: number
    readonly burst: number
  }
  /** Retry POST and PATCH that carry `Idempotency-Key`. */
  readonly idempotencyKey: boolean
  /** Largest request body kept for a replay. */
  readonly bodyBytesMax: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

export interface PoolTimeouts {
  readonly connectMs: number
  /** Per attempt: request sent to response head. */
  readonly responseMs: number
  /** All attempts together, until a response head has come. */
  readonly totalMs: number
  /** A stream that moves no byte in either direction. */
  readonly idleMs: number
  /** A TCP or upgraded tunnel without a byte. */
  readonly tunnelIdleMs: number
  readonly queueMs: number
}

export interface PoolLimits {
  /** Concurrent exchanges (http) or connections (tcp) on one backend; 0 is no limit. */
  readonly perBackend: number
  /** Waiting requests over all threads; beyond: 503. */
  readonly queue: number
  readonly connections: {
    /** Idle connections kept per backend and thread. */
    readonly idleMax: number
    readonly idleMs: number
    /** A connection older than this is closed after its exchange. */
    readonly ageMs: number
    readonly requestsMax: number
  }
}
