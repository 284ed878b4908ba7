// The words of the failover machine: what it knows, what it hears, what it asks for. The machine
// itself is core/failover.ts (when to move, and where to) and core/switchover.ts (the steps of a
// move); both are pure. `runtime/` executes the effects and answers each with its event.
//
// Members are what one of can be the active: the backends of an active-standby pool, or the tiers of
// sites of an active-active pool. They are in order of preference and named by their index.
//
// A move is always the same steps, whatever its cause; each waits for its answer within a limit:
//   claim  ─► the epoch is raised and the intention made durable (file or etcd); nobody else may move
//   stop   ─► no thread of any replica sends to the old one, its sessions are finished or destroyed
//   fence  ─► hook, if there is one: keeps the old one out for good
//   promote ─► hook, if there is one: makes the target the writer
//   prove  ─► a fresh probe of the target passes, and says `primary` where roles are known
//   commit ─► {active, epoch} made durable
//   start  ─► threads may send to the target, under the new epoch
// So between `stop` and `start` nobody is active, and two never are.

import type { FailoverPlan } from './plan.ts'
import type { BackendRole, FailoverPhase, MoveKind, MoveReport } from './status.ts'

/** What bears on one member, from its checks, its traffic and the operator. */
export interface MemberFacts {
  /** It could serve: admin ready, health up (or unchecked), not ejected, weight above 0. */
  readonly fit: boolean
  /** Its first verdict has come. */
  readonly judged: boolean
  /** Fit, but something about it is doubtful at this moment (a failed probe, silence). */
  readonly doubtful: boolean
  /** Unfit because an operator took it out: leaving it is a planned move. */
  readonly withdrawn: boolean
  /** Its site has enough fit members to be served from. */
  readonly siteHolds: boolean
  /** `null`: not known, or not asked for. */
  readonly role: BackendRole | null
  /** Why it is as it is; for people. */
  readonly reason: string
}

/** A member of the machine, fixed by the plan. */
export interface Member {
  readonly name: string
  /** `auto` is taken by itself, `promoted` only with a promote hook, `manual` only by an operator. */
  readonly takeover: 'auto' | 'promoted' | 'manual'
}

/** What is known about a member, with times. */
export interface MemberState extends MemberFacts {
  /** Monotonic ms since when it is fit without a break; Infinity while it is not. */
  readonly fitSinceMs: number
  /** Since when its site holds without a break; Infinity while it does not. */
  readonly siteSinceMs: number
  /** When it was last left as the active because it failed; −Infinity if it never was. */
  readonly leftMs: number
  /**
   * It and the active were fit together for `readyForMs`, and it has been fit ever since: it can't
   * have missed much. True at a first start.
   */
  readonly fresh: boolean
  /**
   * It called itself the primary beside the active that did, and has not called itself a replica
   * since: what was written to the active meanwhile it does not have.
   */
  readonly rival: boolean
  /** A reload brought it: nobody waits for its first verdict. */
  readonly joined: boolean
}

export type MoveStep =
  | 'claim'
  | 'stop'
  | 'fence'
  | 'promote'
  | 'prove'
  | 'commit'
  /** A planned move that is undone: `commit` for the old active, under the new epoch. */
  | 'roll-back'

/** A move in progress. */
export interface Move {
  readonly kind: MoveKind
  /** −1: nobody was active. */
  readonly from: number
  readonly to: number
  /** The epoch it will have. */
  readonly epoch: number
  readonly step: MoveStep
  readonly reason: string
  readonly by: string
  /** When the failure first showed; the start for planned moves. */
  readonly faultMs: number
  readonly startedMs: number
  /** When the present step is given up. */
  readonly stepUntilMs: number
  /** Until when new requests are held. */
  readonly holdUntilMs: number
  /** Why the target was given up, once the move is being rolled back. */
  readonly failure: string | null
}

/** What the machine is made for: one pool's members and settings. */
export interface FailoverMachine {
  readonly pool: string
  readonly plan: FailoverPlan
  readonly members: readonly Member[]
  /** The health check asks members for their role. */
  readonly asksRole: boolean
}

/** What outlived a restart. Members by index; −1 for one that is not in the plan any more. */
export interface Restored {
  readonly active: number
  readonly epoch: number
  /**
   * The process ended within a move from `active` to this one. The same as `active`: there was no
   * active then, and nobody else's promotion had been begun. −1: `active` was the active.
   */
  readonly movingTo: number
  readonly frozen: Frozen | null
  readonly pinned: boolean
  /** Which members were fresh. */
  readonly fresh: readonly boolean[]
  /** Which members were rivals. */
  readonly rivals: readonly boolean[]
  /** The name of the last active, if it is not in the plan any more though others from its time are. */
  readonly gone: string | null
}

/** With agreement: what the key says and this replica has yet to do. */
export interface Following {
  readonly epoch: number
  /** Who is the active; within a move: who was. */
  readonly active: number
  /** Within a move: who is to be. */
  readonly to: number
  /** The move is over: `active` may be started once the old one has stopped here. */
  readonly settled: boolean
  readonly stopped: boolean
  /** The epoch under which the old one was told to stop; its answer bears it. */
  readonly stopEpoch: number
  readonly pinned: boolean
}

export interface Frozen {
  readonly by: string
  readonly reason: string
}

/** Everything the machine knows of one pool. Plain data. */
export interface FailoverState {
  /** Derived from the rest at the end of each step, as is `reason`. */
  readonly phase: FailoverPhase
  readonly sinceMs: number
  /** Why it is so and what ends it, without times that go by. */
  readonly reason: string
  readonly members: readonly MemberState[]
  /** Who may be sent to, fit or not; −1 within a move, after a failed one, and before the first. */
  readonly active: number
  /** The last active: who resumes by itself when nobody else may take over. −1: never any. */
  readonly last: number
  /**
   * The last active, if it is not configured any more: who follows it has to have been in step with
   * it. `null`: `last` says, or there never was one.
   */
  readonly gone: string | null
  /** Whose promotion was begun since: `last` may not be the writer any more. −1: nobody's. */
  readonly promotedTo: number
  /** Never falls. May be ahead of `agreedEpoch` by claims that came to nothing. */
  readonly epoch: number
  /** The last one that was claimed here or read in the key: what the key said before it is void. */
  readonly agreedEpoch: number
  /** The one under which an active was last started here. */
  readonly startedEpoch: number
  /** By an operator. */
  readonly frozen: Frozen | null
  /** With agreement: the operator's word on it has not come back in the key yet. */
  readonly freezing: boolean
  /** Whether the replicas can agree; always so without agreement. */
  readonly agreement: { readonly ok: boolean; readonly reason: string }
  /** This replica decides; always true without agreement. */
  readonly leads: boolean
  readonly move: Move | null
  readonly following: Following | null
  /** What the key said while a claim was out; followed if that is lost. */
  readonly heard: Followed | null
  /** Since when the active has not been fit to be it; Infinity while it is. */
  readonly lostMs: number
  /** Since when it has been, without a break; Infinity before its first verdict. */
  readonly holdsSinceMs: number
  /** An operator chose it: no automatic failback until the next move. */
  readonly pinned: boolean
  /** Doublings of the hold-down, and when the last automatic move ended. */
  readonly flaps: number
  readonly lastMoveMs: number
  /** Not before this is an automatic move tried again after one failed. */
  readonly retryMs: number
  /** Automatic moves that failed in a row, and the target of the last of them (−1: none). */
  readonly failures: number
  readonly failedTo: number
  /** The target of a move that another replica, or this process before its end, left unfinished. */
  readonly interruptedTo: number
  /** Members that claim the writer's role at once, by index; empty in peace. */
  readonly conflict: readonly number[]
  /** That no standby is ready has been said. */
  readonly warned: boolean
}

/** What an operator may ask for. */
export type OperatorWord =
  | { readonly verb: 'switchover'; readonly to: number; readonly force: boolean }
  | { readonly verb: 'failback'; readonly force: boolean }
  | { readonly verb: 'freeze' }
  | { readonly verb: 'unfreeze' }

/**
 * With agreement: the key as it stands. `moving`: from `active` to `to`, nobody may send. Said after
 * each change that is seen, in their order, and once more after each `lead`.
 */
export interface Followed {
  readonly kind: 'followed'
  readonly epoch: number
  readonly active: number
  readonly moving: boolean
  readonly to: number
  readonly frozen: Frozen | null
  /** An operator chose the active. Not said: as far as this replica knows. */
  readonly pinned?: boolean
}

export type FailoverEvent =
  | Followed
  | { readonly kind: 'member'; readonly index: number; readonly facts: MemberFacts }
  | {
      readonly kind: 'operator'
      readonly word: OperatorWord
      readonly reason: string
      readonly by: string
    }
  /** Answer to `claim`. `lost`: somebody else has moved it, or nothing could be written. */
  | { readonly kind: 'claimed'; readonly epoch: number }
  | { readonly kind: 'claim-lost'; readonly epoch: number; readonly reason: string }
  /** Answer to `stop`: no thread, here or in another replica, sends to it any more. */
  | { readonly kind: 'stopped'; readonly epoch: number }
  /** Answers to `fence` and `promote`. */
  | {
      readonly kind: 'hooked'
      readonly epoch: number
      readonly hook: 'fence' | 'promote'
      readonly failure: string | null
    }
  /** Answer to `prove`: a probe begun after it was asked for has ended. May come more than once. */
  | {
      readonly kind: 'proved'
      readonly epoch: number
      readonly passed: boolean
      readonly role: BackendRole | null
      readonly text: string
    }
  /** Answers to `commit`. */
  | { readonly kind: 'committed'; readonly epoch: number }
  | { readonly kind: 'commit-lost'; readonly epoch: number; readonly reason: string }
  /** With agreement: this replica decides from now on, or no longer. */
  | { readonly kind: 'lead'; readonly leads: boolean }
  /** With agreement: whether the replicas can agree at all; frozen while they can't. */
  | { readonly kind: 'agreement'; readonly ok: boolean; readonly reason: string }
  /** The deadline has come. */
  | { readonly kind: 'due' }

export type FailoverEffect =
  | {
      readonly kind: 'claim'
      readonly epoch: number
      readonly from: number
      readonly to: number
      readonly reason: string
    }
  /**
   * `holdUntilMs`: new requests wait until then; 0 refuses them. With agreement it is asked for in
   * every move: here nobody may be sent to, but other replicas have to acknowledge the epoch.
   */
  | {
      readonly kind: 'stop'
      readonly epoch: number
      readonly index: number
      readonly sessions: 'drain' | 'destroy'
      readonly drainUntilMs: number
      readonly holdUntilMs: number
    }
  | {
      readonly kind: 'hook'
      readonly epoch: number
      readonly hook: 'fence' | 'promote'
      readonly from: number
      readonly to: number
      readonly reason: string
    }
  /** Probe it now and again until it passes or the step ends. */
  | { readonly kind: 'prove'; readonly epoch: number; readonly index: number }
  | { readonly kind: 'commit'; readonly epoch: number; readonly active: number }
  /** Threads may send to it. Also says so after a roll-back, for the old active. */
  | { readonly kind: 'start'; readonly epoch: number; readonly index: number }
  /** With agreement: this replica sends to nobody under an epoch below this one. */
  | { readonly kind: 'acknowledge'; readonly epoch: number }
  /** Nobody is active and no move runs: what waits is refused. */
  | { readonly kind: 'release' }
  /**
   * A move has ended, which is worth keeping like what `save` says. Times and sessions are filled in
   * by the shell that measured them.
   */
  | {
      readonly kind: 'ended'
      readonly move: Move
      readonly outcome: MoveReport['outcome']
      readonly reason: string
    }
  /** The state changed: once per change, for log, metric and ledger. */
  | {
      readonly kind: 'turned'
      readonly from: FailoverPhase
      readonly to: FailoverPhase
      readonly reason: string
    }
  | { readonly kind: 'warning'; readonly reason: string }
  /** Something that is worth keeping over a restart has changed: what `reignOf` says, and more. */
  | { readonly kind: 'save' }
  /**
   * With agreement: an operator's freeze holds for all replicas. Written again until it is, for as
   * long as this one decides.
   */
  | { readonly kind: 'freeze'; readonly frozen: Frozen | null }
  /** Answer to `operator`. */
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly reason: string }

export interface FailoverStep {
  readonly state: FailoverState
  readonly effects: readonly FailoverEffect[]
  /** When to send `due`; Infinity if nothing is planned. */
  readonly deadlineMs: number
}
