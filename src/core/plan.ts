// The compiled, immutable configuration. Plain data only (no class, no function, no RegExp), so
// that a plan can be posted to a data thread, compared and printed.
// `config/compile.ts` is the only maker; every default is filled in there, so nobody else knows any.
// All times are milliseconds, all sizes bytes, all ratios 0…1.

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
  readonly listeners: readonly ListenerPlan[]
  readonly pools: readonly PoolPlan[]
}

export interface RuntimePlan {
  /** Data threads asked for; `auto` is one per core where `reusePort` exists, else one. */
  readonly threads: number | 'auto'
  /** How long a graceful stop may take. */
  readonly drainMs: number
}

export interface AdminPlan {
  readonly address: Address
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

/** A match on a request and what follows from it. */
export interface RoutePlan {
  /** How config and messages name it: its `name`, else `#1`, `#2`, … within its listener. */
  readonly name: string
  readonly match: RouteMatch
  readonly action: RouteAction
  /** Changes the path before it goes to the backend; `null` leaves it byte for byte. */
  readonly rewrite: PathRewrite | null
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
}

/** All given parts must match; an absent part matches everything. */
export interface RouteMatch {
  /** Lower case, without port: exact (`a.example`), or any subdomain (`*.example`). */
  readonly hosts: readonly string[] | null
  /** Matches a path that begins with it at a segment border, or with it literally if it ends in `/`. */
  readonly pathPrefix: string | null
  readonly pathExact: string | null
  /** Upper case. */
  readonly methods: readonly string[] | null
  /** Name in lower case; `value: null` asks only for presence. */
  readonly headers: readonly { readonly name: string; readonly value: string | null }[]
}

export type RouteAction =
  | { readonly kind: 'pool'; readonly pool: number }
  | {
      readonly kind: 'redirect'
      readonly status: 301 | 302 | 303 | 307 | 308
      /** Target; `${path}`-free: the request's path and query are appended if it ends with `*`. */
      readonly location: string
    }
  | {
      readonly kind: 'respond'
      readonly status: number
      readonly body: string
      readonly contentType: string
    }

export type PathRewrite =
  | { readonly kind: 'strip-prefix'; readonly prefix: string }
  | { readonly kind: 'replace-prefix'; readonly prefix: string; readonly replacement: string }

/** `remove` runs before `set`. Names in lower case. */
export interface HeaderChanges {
  readonly set: readonly { readonly name: string; readonly value: string }[]
  readonly remove: readonly string[]
}

export type BalanceKind = 'round-robin' | 'least-connections' | 'random-two'

export interface PoolPlan {
  readonly name: string
  /** Position in `Plan.pools`. */
  readonly index: number
  readonly mode: 'active-active'
  readonly balance: BalanceKind
  readonly backends: readonly BackendPlan[]
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
}

export interface HealthCheckPlan {
  readonly check: HttpCheckPlan | TcpCheckPlan
  /** Port to probe instead of the backend's own; `null` for its own. */
  readonly port: number | null
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Used instead of `intervalMs` while a backend is between up and down. */
  readonly fastIntervalMs: number
  /** Share by which each interval varies, ±. */
  readonly jitter: number
  readonly rise: number
  readonly fall: number
}

export interface HttpCheckPlan {
  readonly kind: 'http'
  readonly method: string
  readonly path: string
  /** Host header; `null` is the backend's `host:port`. */
  readonly host: string | null
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** Accepted statuses, inclusive ranges. */
  readonly status: readonly (readonly [number, number])[]
  /** Must occur in the first 64 KiB of the body. */
  readonly body: string | null
}

export interface TcpCheckPlan {
  readonly kind: 'tcp'
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
