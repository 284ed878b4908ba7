// The words of the agreement between replicas: what one replica knows, what it hears, and
// what it wants done. The machine is core/agreement.ts; `ha/` executes the effects and answers each
// with its event. Everything here is plain data.
//
// In etcd, under `/evenkeel/CLUSTER/`:
//   members/REPLICA  leased: which process it is, what it has acknowledged, how it sees the backends
//   holder           leased: who decides
//   pools/POOL       lasting: who is the active, under which epoch, and whether a move is under way

import type { FailoverEvent, Frozen } from './failover-contract.ts'

/** What the machine is made for. */
export interface AgreementSetup {
  readonly replica: string
  /** All of them, this one included; the same list in each, so nobody has to learn it. */
  readonly replicas: readonly string[]
  /** Lease of a replica. */
  readonly ttlMs: number
  /** Names this process among all that ever had the replica's name. */
  readonly incarnation: string
  readonly pools: readonly AgreedPool[]
}

export interface AgreedPool {
  readonly name: string
  /** What can be the active, in the order of the failover machine. */
  readonly members: readonly string[]
}

/** An epoch with the claim that raised it: two claims of one epoch can only come of a lost etcd. */
export interface Reign {
  readonly epoch: number
  readonly id: string
}

/** The value of `pools/POOL`. Members by name: replicas may differ in their configuration. */
export interface PoolKey extends Reign {
  /** Who is the active; within a move: who was. */
  readonly active: string | null
  /** Within a move: who is to be. */
  readonly to: string | null
  readonly moving: boolean
  readonly frozen: Frozen | null
  /** An operator chose the active. */
  readonly pinned: boolean
  /** The replica that wrote it. */
  readonly by: string
}

/** The value of `members/REPLICA`. */
export interface MemberKey {
  readonly incarnation: string
  /** Another process of the same name had the key when this one took it. */
  readonly replaced: boolean
  /** By replica: which process of that name it has seen registered. */
  readonly greets: Readonly<Record<string, string>>
  /** By pool: nothing of it goes out under an earlier epoch, nor ever will. */
  readonly acks: Readonly<Record<string, Reign>>
  /** By pool: the highest epoch it knows of, also from before it was started. */
  readonly seen: Readonly<Record<string, number>>
  /** By pool: whether each member can serve, as far as this replica sees; `null`: not known. */
  readonly views: Readonly<Record<string, readonly (boolean | null)[]>>
  /** By pool: what its configuration says, to be compared. */
  readonly plans: Readonly<Record<string, string>>
}

/** The value of `holder`. */
export interface HolderKey {
  readonly replica: string
  readonly incarnation: string
}

/** A key of etcd as the mirror tells it: `value: null` when it is gone. */
export interface KeyChange {
  /** Below the cluster's prefix. */
  readonly key: string
  readonly value: string | null
  readonly createRevision: number
  readonly modRevision: number
  readonly lease: string | null
}

/** What is to be written into a pool's key, and which event answers. */
export type Writing =
  | { readonly kind: 'claim'; readonly epoch: number }
  | { readonly kind: 'commit'; readonly epoch: number }
  | { readonly kind: 'freeze' }
  | { readonly kind: 'recover' }

export interface AgreedPoolState {
  /** The key as last mirrored or written from here; `null`: there is none. */
  readonly key: PoolKey | null
  readonly modRevision: number
  /** The revision of the key that the mirror has shown: everything before it is known. */
  readonly mirroredRevision: number
  /** What the failover machine was last told, in this life; `null`: nothing yet. */
  readonly known: PoolKey | null
  /** The highest epoch known from anywhere. */
  readonly seen: number
  /** The failover machine may have let the last key pass, within a move of its own: say it again. */
  readonly isUntold: boolean
  /**
   * etcd was set back while we had no right, so we may have missed an epoch: nothing goes on before
   * this time, nor before all others have said what they know. −Infinity: no doubt.
   */
  readonly doubtMs: number
  /** What was known when it was set back: a later epoch was begun by somebody without doubt. */
  readonly doubtEpoch: number
  readonly ack: Reign | null
  readonly views: readonly (boolean | null)[]
  /** Until when data threads may send; the last word given. */
  readonly rightMs: number
  /** No right before this, unless all others have greeted us. −Infinity: that is over. */
  readonly joinMs: number
  readonly leads: boolean
  readonly ok: boolean
  readonly reason: string
  readonly writing: Writing | null
  /** A commit that waits until nobody can send under an earlier epoch. */
  readonly commit: Pick<PoolKey, 'epoch' | 'active' | 'pinned'> | null
  /** The epoch for which `stopped` was said. */
  readonly stoppedEpoch: number
  /** An operator's word that is not in the key yet, and under which holder's key it was said. */
  readonly freeze: { readonly frozen: Frozen | null; readonly holder: number } | null
  /** The last answer of the other replicas while etcd is away: `null` when all confirmed. */
  readonly unconfirmed: string | null
}

/** Another replica, as far as it bears on moves. */
export interface OtherReplica {
  readonly name: string
  readonly isConfigured: boolean
  readonly member: MemberKey | null
  /** While its key is absent: it may still be sending until then. */
  readonly goneMs: number
  /** A process that had its name before may still be sending until then. */
  readonly replacedMs: number
  /** It may live on a confirmation of ours until then, unless it is registered as `confirmed`. */
  readonly confirmMs: number
  /** Which process of that name had it; `null`: none in this life. */
  readonly confirmed: string | null
}

/** A question to all other replicas: may I go on without etcd? */
export interface Round {
  readonly id: number
  readonly sentMs: number
  readonly asked: Readonly<Record<string, Reign>>
  /** Who has not answered yet. */
  readonly waiting: readonly string[]
  /** By pool: the first no, as a sentence. */
  readonly refusals: Readonly<Record<string, string>>
}

/** A question of another replica that waits for what our own etcd says. */
export interface Question {
  readonly id: number
  readonly from: string
  readonly incarnation: string
  readonly pools: Readonly<Record<string, Reign>>
  /** Answered then at the latest. */
  readonly untilMs: number
}

/** Everything one replica knows. */
export interface AgreementState {
  readonly lease: string | null
  /** How often etcd was set back: what it answered before that is void. */
  readonly era: number
  /** The mirror has shown everything once. */
  readonly hasRead: boolean
  /** Revision of our own member key; 0: there is none. `null`: a put has an unknown outcome. */
  readonly ownRevision: number | null
  /** Our member key as the mirror shows it, whoever's it is. */
  readonly mirroredOwn: { readonly revision: number; readonly incarnation: string | null } | null
  /** Our member key as it is in etcd under the present lease; `null`: it is not there. */
  readonly registered: MemberKey | null
  /** This process has once been registered. */
  readonly wasRegistered: boolean
  /** When it first was, it took the key from another process. */
  readonly hasReplaced: boolean
  /** Another process has taken our name since. */
  readonly isUsurped: boolean
  readonly holder: (HolderKey & { readonly createRevision: number }) | null
  readonly busy: {
    readonly grant: boolean
    /** A full one was begun while we were registered. */
    readonly cycle: 'bare' | 'full' | null
    readonly put: boolean
    readonly campaign: boolean
  }
  /** When the next cycle begins, and before when nothing else is tried again. */
  readonly cycleMs: number
  readonly retryMs: number
  readonly campaignMs: number
  /** When the last cycle was begun that renewed the lease and read all keys; −Infinity: none. */
  readonly renewedMs: number
  /** The last word of etcd was a failure; its sentence. */
  readonly failing: boolean
  readonly trouble: string
  readonly round: Round | null
  readonly roundMs: number
  readonly rounds: number
  readonly questions: readonly Question[]
  readonly startedMs: number
  readonly hasLeft: boolean
  readonly pools: readonly AgreedPoolState[]
  readonly others: readonly OtherReplica[]
}

export type AgreementEvent =
  | { readonly kind: 'due' }
  | { readonly kind: 'granted'; readonly lease: string }
  | { readonly kind: 'grant-failed'; readonly reason: string }
  /** `ttlMs: 0`: there is no such lease any more; `null`: there was none to renew. */
  | { readonly kind: 'cycled'; readonly sentMs: number; readonly ttlMs: number | null }
  | { readonly kind: 'cycle-failed'; readonly reason: string }
  /** `revision: 0`: somebody else had changed the key. */
  | {
      readonly kind: 'member-put'
      readonly era: number
      readonly lease: string
      readonly member: MemberKey
      readonly revision: number
    }
  /** `isLeaseGone`: etcd knows no such lease. */
  | {
      readonly kind: 'member-failed'
      readonly lease: string
      readonly isLeaseGone: boolean
      readonly reason: string
    }
  /** Who won shows in the mirror. */
  | { readonly kind: 'campaigned' }
  /** `revision: 0`: a condition did not hold. */
  | {
      readonly kind: 'wrote'
      readonly era: number
      readonly pool: number
      readonly value: PoolKey
      readonly revision: number
    }
  /** Nobody knows whether it was written. */
  | { readonly kind: 'write-failed'; readonly pool: number; readonly reason: string }
  /**
   * In order, and each once. `isAnew`: etcd holds an older state than it did, or is another one, and
   * this is all there is.
   */
  | {
      readonly kind: 'changed'
      readonly changes: readonly KeyChange[]
      readonly isAnew: boolean
    }
  /** Another replica asks to be confirmed. Answered with `answer`. */
  | {
      readonly kind: 'asked'
      readonly id: number
      readonly from: string
      readonly incarnation: string
      readonly pools: Readonly<Record<string, Reign>>
    }
  /** Answers to `ask`: by pool `null` for yes, or why not. */
  | {
      readonly kind: 'answered'
      readonly round: number
      readonly replica: string
      readonly pools: Readonly<Record<string, string | null>>
    }
  | {
      readonly kind: 'unanswered'
      readonly round: number
      readonly replica: string
      readonly reason: string
    }
  // From the failover machine of a pool, through its shell.
  | {
      readonly kind: 'claim'
      readonly pool: number
      readonly epoch: number
      /** Who is the active, or was last. */
      readonly active: string | null
      readonly to: string | null
      readonly pinned: boolean
    }
  | {
      readonly kind: 'commit'
      readonly pool: number
      readonly epoch: number
      readonly active: string | null
      readonly pinned: boolean
    }
  | { readonly kind: 'acknowledge'; readonly pool: number; readonly epoch: number }
  | { readonly kind: 'freeze'; readonly pool: number; readonly frozen: Frozen | null }
  /** An operator takes the present state for good although etcd has lost a later one. */
  | { readonly kind: 'recover'; readonly pool: number }
  | {
      readonly kind: 'views'
      readonly pool: number
      readonly members: readonly (boolean | null)[]
    }
  /** The data plane has stopped for good. */
  | { readonly kind: 'leave' }

export type AgreementEffect =
  | { readonly kind: 'grant' }
  /** Renew the lease, if there is one, and read all keys: one answer for both. */
  | { readonly kind: 'cycle'; readonly lease: string | null }
  /** If the key still has this revision (0: is absent). */
  | {
      readonly kind: 'put-member'
      readonly era: number
      readonly lease: string
      readonly member: MemberKey
      readonly ifRevision: number
    }
  /** If nobody holds it. */
  | { readonly kind: 'campaign'; readonly lease: string; readonly holder: HolderKey }
  /** If the key still has this revision and the holder's key is still the one created then. */
  | {
      readonly kind: 'write'
      readonly era: number
      readonly pool: number
      readonly value: PoolKey
      readonly ifRevision: number
      readonly ifHolder: number
    }
  | { readonly kind: 'revoke'; readonly lease: string }
  | {
      readonly kind: 'ask'
      readonly round: number
      readonly replica: string
      readonly pools: Readonly<Record<string, Reign>>
    }
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly pools: Readonly<Record<string, string | null>>
    }
  /** Data threads may send in this pool until then (monotonic). */
  | { readonly kind: 'right'; readonly pool: number; readonly untilMs: number }
  /** For the pool's failover machine. */
  | { readonly kind: 'tell'; readonly pool: number; readonly event: FailoverEvent }
  /** For the log: something an operator should look at. */
  | { readonly kind: 'warning'; readonly reason: string }

export interface AgreementStep {
  readonly state: AgreementState
  readonly effects: readonly AgreementEffect[]
  /** When to send `due`; Infinity if nothing is planned. */
  readonly deadlineMs: number
}
