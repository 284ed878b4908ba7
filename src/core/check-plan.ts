// How backends are probed, in the compiled configuration (core/plan.ts): the schedule of their
// checks and what each protocol asks. Plain data, as the plan is.

export interface HealthCheckPlan {
  readonly check: CheckPlan
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

export type CheckPlan =
  | HttpCheckPlan
  | TcpCheckPlan
  | RedisCheckPlan
  | PostgresCheckPlan
  | MysqlCheckPlan

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
  /**
   * Paths whose 2xx says which role the backend has (Patroni: `/primary`, `/replica?lag=10MB`);
   * asked after `path` has passed. `null`: the role is not asked for.
   */
  readonly roles: { readonly primary: string; readonly replica: string | null } | null
}

export interface TcpCheckPlan {
  readonly kind: 'tcp'
  /** After the connect, in this order; empty only connects. */
  readonly steps: readonly TcpCheckStep[]
}

/** Bytes as latin1 text. */
export type TcpCheckStep =
  | { readonly kind: 'send'; readonly bytes: string }
  /** These bytes must occur in what has come since the last step, within the first 64 KiB. */
  | { readonly kind: 'expect'; readonly bytes: string }

/** The servers' own protocols: alive is who answers the question for its role. */
export interface RedisCheckPlan {
  readonly kind: 'redis'
  readonly user: string | null
  readonly password: string | null
}

export interface PostgresCheckPlan {
  readonly kind: 'postgres'
  readonly user: string
  readonly password: string | null
  readonly database: string
}

export interface MysqlCheckPlan {
  readonly kind: 'mysql'
  readonly user: string
  readonly password: string | null
}
