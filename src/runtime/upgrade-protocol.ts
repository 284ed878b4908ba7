// What the running process (the predecessor) and the one that is to follow it (the successor) say to
// each other, over the channel that Node opens between a process and its child. Both sides may be of
// different versions: a message that isn't known is ignored, and what is added later is optional.
//
//   predecessor              successor
//     estate  ------------->           what it inherits
//             <-------------  loaded   the configuration is right; may I have the state?
//     state-free ---------->           the state directory, if any, is yours for the time being
//             <-------------  ready    backends are judged, I (can) accept
//     yours   ------------->           I accept no more, and decide nothing any more
//             <-------------  taken    I have everything
//             <-------------  fence    send nothing to this pool any more; answered by `fenced`

import type { Member } from '../core/membership.ts'
import type { Address } from '../core/plan.ts'
import type { Memory } from './upgrade-state.ts'

/** Tells a process that it is a successor. */
export const SUCCESSOR_VARIABLE = 'EVENKEEL_SUCCESSOR'
/** Names the program that a process starts as its successor, instead of itself. */
export const BINARY_VARIABLE = 'EVENKEEL_BINARY'

/** A listening socket that is handed over. */
export interface HeritableSocket {
  /** In the process that gets it. */
  readonly fd: number
  /** Name of the listener; `null` for the admin API and its metrics. */
  readonly listener: string | null
  /** As the configuration says it, but with the port that the kernel chose. */
  readonly address: Address
  /** Further sockets can be bound to the address, so that every thread has one (SO_REUSEPORT). */
  readonly isShared: boolean
  /** A service manager opened it: its name says whose it is. */
  readonly isActivated: boolean
}

/** What a successor gets. */
export interface Estate {
  readonly pid: number
  readonly version: string
  readonly sockets: readonly HeritableSocket[]
  /** Pools with a backend available: they are to have one in the successor, too, before it serves. */
  readonly available: readonly string[]
  /** An operator has sent the virtual IP address away, and not yet back. */
  readonly isAway: boolean
  /** By pool: what its sources of members have told, which may be silent just now. */
  readonly members?: readonly (readonly [pool: string, members: readonly Member[]])[]
}

export type PredecessorMessage =
  | { readonly kind: 'estate'; readonly estate: Estate }
  | { readonly kind: 'state-free'; readonly memory: Memory | null }
  | { readonly kind: 'yours' }
  | { readonly kind: 'fenced'; readonly pool: string }

export type SuccessorMessage =
  | { readonly kind: 'loaded'; readonly version: string }
  /** @property isServing it accepts connections already */
  | { readonly kind: 'ready'; readonly isServing: boolean }
  | { readonly kind: 'taken' }
  /** Why it is not ready yet. */
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'fence'; readonly pool: string }
  /** It ends; the message is for the operator. */
  | { readonly kind: 'failed'; readonly message: string }
