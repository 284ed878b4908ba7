// What is asked of a running process that is to be followed by a new one, and what became of it.

/** How long the new process may take to be ready, by default. */
export const UPGRADE_TIMEOUT_MS = 30_000
/** The longest that can be asked for. */
export const UPGRADE_TIMEOUT_MAX_MS = 600_000

export interface UpgradeRequest {
  readonly timeoutMs: number
}

/** How a new process took over. */
export interface UpgradeReport {
  /** Process that ran until now, and the one that runs from now on. */
  readonly fromPid: number
  readonly toPid: number
  readonly fromVersion: string
  readonly toVersion: string
  /** From the wish to the moment the new process had everything. */
  readonly tookMs: number
  /** Exchanges and tunnels that the old process still had to finish then. */
  readonly running: number
}

export type UpgradeAnswer =
  | { readonly ok: true; readonly message: string; readonly report: UpgradeReport }
  | { readonly ok: false; readonly code: 'refused' | 'failed'; readonly message: string }
