// What an operator may ask about a virtual IP address, and how the answer reads: the words that the
// admin API, the command line and the runtime share.

export interface HandoverRequest {
  /**
   * `stop`: give the address away, finish what runs, end the process. `stay`: give it away and go on.
   * `back`: be ready to have it again.
   */
  readonly wish: 'stop' | 'stay' | 'back'
  /** How long the address may take to leave. */
  readonly timeoutMs: number
}

export interface HandoverReport {
  readonly vip: string
  /** The address was on this node when it was asked for. */
  readonly wasHere: boolean
  /** Until it had left; 0 if it was not here. */
  readonly leftMs: number
  /** Exchanges and tunnels when it had left, and what became of them; `null` unless it stops. */
  readonly exchanges: {
    readonly at: number
    readonly finished: number
    readonly cut: number
  } | null
  /** How long they took. */
  readonly drainMs: number
}

export type HandoverAnswer =
  | { readonly ok: true; readonly message: string; readonly report: HandoverReport }
  /** Nothing has changed; `code` says whether it was never begun or given up. */
  | { readonly ok: false; readonly code: 'refused' | 'failed'; readonly message: string }

/** How long the address may take to leave, if nobody says otherwise; and at most. */
export const HANDOVER_TIMEOUT_MS = 60_000
export const HANDOVER_TIMEOUT_MAX_MS = 3_600_000
