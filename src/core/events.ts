// Everything worth telling, once: log, metrics, event stream, ledger and alerts all read these events,
// so they can't disagree. Plain data; who publishes and who listens is observe/event-log.ts.

import type { FailoverPhase, MoveReport, Transition } from './status.ts'

/** What happened to a site of a pool without a move. */
export interface SiteNews {
  readonly site: string
  readonly kind: 'left' | 'returned' | 'overflow' | 'relieved'
  readonly reason: string
}

/** An operator's word that reached the balancer, and what became of it. */
export interface OperatorNews {
  /** `switchover`, `drain`, `reload` …: what was asked for. */
  readonly verb: string
  /** `null`: it is about the process, not a pool. */
  readonly pool: string | null
  readonly backend: string | null
  /** Further wishes, such as `to` or `force`; small and plain. */
  readonly wishes: Readonly<Record<string, unknown>>
  readonly by: string
  /** Address of the client, or `unix socket`, `signal`. */
  readonly from: string
  readonly reason: string
  /** `done`, or the code of the refusal. */
  readonly outcome: string
  readonly message: string
  readonly tookMs: number
}

/** A configuration was applied, refused or taken back. */
export interface ConfigNews {
  readonly outcome: 'applied' | 'unchanged' | 'refused' | 'reverted' | 'confirmed'
  /** What asked for it: `signal`, `api`, `file`, `discovery`, `override`, `timeout`. */
  readonly source: string
  readonly by: string
  /** One sentence. */
  readonly message: string
  /** Hash of the configuration that is in force now. */
  readonly version: string
}

/** Members of a pool that come from elsewhere. */
export interface DiscoveryNews {
  readonly pool: string
  /** For people: `dns api.internal`, `file /etc/backends.json`. */
  readonly source: string
  readonly state: 'changed' | 'failed' | 'recovered'
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly message: string
}

export type EventBody =
  | { readonly kind: 'transition'; readonly transition: Transition }
  | { readonly kind: 'move'; readonly pool: string; readonly report: MoveReport }
  | {
      readonly kind: 'turn'
      readonly pool: string
      readonly from: FailoverPhase
      readonly to: FailoverPhase
      readonly reason: string
    }
  | { readonly kind: 'site'; readonly pool: string; readonly news: SiteNews }
  | { readonly kind: 'operator'; readonly news: OperatorNews }
  | { readonly kind: 'config'; readonly news: ConfigNews }
  | { readonly kind: 'discovery'; readonly news: DiscoveryNews }
  /** An operator took a backend out, and now nothing runs on it any more. */
  | {
      readonly kind: 'drained'
      readonly pool: string
      readonly backend: string
      /** From the word to the end of the last exchange. */
      readonly tookMs: number
      /** Exchanges that had to be cut. */
      readonly cut: number
    }
  /** The control plane warns of something; `fields` name the pool where it has one. */
  | {
      readonly kind: 'warning'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }
  | {
      readonly kind: 'thread'
      readonly thread: number
      readonly state: 'failed' | 'stuck' | 'replaced' | 'looping'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }
  | {
      readonly kind: 'process'
      readonly state: 'running' | 'draining' | 'stopped' | 'replaced'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }

export type EventKind = EventBody['kind']

/** An event as it was published. */
export type BalancerEvent = EventBody & {
  /** Grows by one with each event of this process. */
  readonly id: number
  /** Wall clock, ms since 1970. */
  readonly at: number
  /** Monotonic ms. */
  readonly atMs: number
}
