// What the control plane tells the data threads: which backends may get traffic, with what weight.
// A snapshot is complete for each pool it names, so the last one wins and none has to be replayed.

import type { Address, Plan } from './plan.ts'
import type { TraceRecord } from './trace.ts'

/** What a data thread may do with a backend. */
export const ELIGIBILITY = {
  /** No new attempts. Waiting replayable attempts are rescued, idle connections closed. */
  no: 0,
  /** In the rotation. */
  yes: 1,
  /** One live request at a time, by the thread named in `probationThread` only. */
  probation: 2,
  /** No new attempts, but what runs may finish (admin state `drain`, weight 0). */
  finish: 3,
  /**
   * No new attempts, and everything that runs is destroyed before the snapshot is acknowledged: the
   * old active of an active-standby pool. Replayable attempts without a response byte go elsewhere.
   */
  cut: 4,
} as const
export type Eligibility = (typeof ELIGIBILITY)[keyof typeof ELIGIBILITY]

/** One pool, arrays parallel to `PoolPlan.backends`. */
export interface PoolSnapshot {
  readonly pool: number
  /** An `Eligibility` each. */
  readonly eligibility: Uint8Array
  /** Effective weight each: configured weight × slow-start share; > 0 wherever eligible. */
  readonly weight: Float64Array
  /** Thread that may send the probation request; −1 where there is none. */
  readonly probationThread: Int8Array
  /** At least half of the pool is available: certain retries are then not charged. */
  readonly halfAvailable: boolean
  /** Number of the present active's reign, sent to HTTP backends as `Evenkeel-Epoch`; 0 for none. */
  readonly epoch: number
  /** While nothing is eligible, new requests wait until this (monotonic ms) instead of a 503; 0: no. */
  readonly holdUntilMs: number
  /**
   * On a read side: position of the active of the pool it belongs to. What goes to it needs that
   * pool's right to send, like a write; what goes to the others needs none. −1 or absent: nobody.
   */
  readonly active?: number
}

export interface Snapshot {
  /** Grows by one with each snapshot; threads write it to THREAD.appliedVersion once applied. */
  readonly version: number
  readonly pools: readonly PoolSnapshot[]
  /**
   * A reload: this plan holds from here on, and `pools` names every pool of it. What a thread kept
   * (same listener address and protocol, same backend address under the same names) goes on without
   * a break. Positions in `pools` are those of this plan.
   */
  readonly plan?: Plan
  /**
   * Rows that nobody uses any more: each thread zeroes its own records there before it acknowledges,
   * so that they can be given to others.
   */
  readonly freed?: FreedSlots
  /** A move waits until every thread has applied it: one that takes longer than 250 ms is ended. */
  readonly isAwaited?: boolean
}

/** Rows of the shared memory whose owners are gone. */
export interface FreedSlots {
  readonly listeners: readonly number[]
  readonly pools: readonly number[]
  readonly backends: readonly number[]
}

/** Facts that make a data thread call for attention at once instead of at the next look. */
export const SUSPICION = {
  /** A connect was refused, reset, unreachable or timed out. */
  connect: 1,
  /** A connection was reset or closed before a response byte. */
  reset: 2,
  /** A response was cut, malformed or a counted 5xx. */
  failure: 4,
  /** Waiting attempts crossed the silent or slow threshold. */
  silence: 8,
  /** An attempt reached its response timeout. */
  timeout: 16,
  /** A probation request ended. */
  probation: 32,
} as const

/** A listening socket of this process. */
export interface OpenSocket {
  /** The listener's name. */
  readonly listener: string
  readonly fd: number
  /** As the configuration says it, but with the port that the kernel chose. */
  readonly address: Address
}

/** Messages from a data thread to the control plane. */
export type DataMessage =
  | { readonly kind: 'ready' }
  /** Parallel arrays: backend slots and the `SUSPICION` bits gathered since the last message. */
  | {
      readonly kind: 'suspect'
      readonly slots: readonly number[]
      readonly causes: readonly number[]
    }
  /** Access-log lines, each ending in a newline. */
  | { readonly kind: 'access'; readonly lines: string }
  /** Exchanges that are kept. */
  | { readonly kind: 'traces'; readonly traces: readonly TraceRecord[] }
  | {
      readonly kind: 'log'
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }
  /** A listener could not be opened, or failed later. */
  | { readonly kind: 'listen-failed'; readonly listener: string; readonly message: string }
  /**
   * The listeners of a reload's plan are open, and those it leaves out are closed; but for those that
   * a `listen-failed` since the last such message has named.
   */
  | { readonly kind: 'adopted'; readonly version: number }
  /** Answer to `tell-sockets`: what the thread listens on now. */
  | { readonly kind: 'sockets'; readonly sockets: readonly OpenSocket[] }
  /** All exchanges are done, answer to `drain`. */
  | { readonly kind: 'drained' }

/** Messages from the control plane to a data thread. */
export type ControlMessage =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  /** Open the listeners. Comes after the first snapshot. */
  | { readonly kind: 'listen' }
  /**
   * Stop accepting, `Connection: close` on answers, finish what runs, then say `drained`. With
   * `isHandedOver` another process goes on accepting on the same sockets.
   */
  | { readonly kind: 'drain'; readonly isHandedOver?: boolean }
  /** Say `sockets`. */
  | { readonly kind: 'tell-sockets' }
  /** Access-log lines of this many characters have been taken by the sink. */
  | { readonly kind: 'access-taken'; readonly characters: number }
  /** This many of `traces` have arrived. */
  | { readonly kind: 'traces-taken'; readonly count: number }
  /** End everything at once. */
  | { readonly kind: 'close' }
