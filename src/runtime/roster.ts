// What one of can be the active of a pool, as the driver of its failover machine needs to know it:
// the backends of an active-standby pool (backend-roster.ts), or the tiers of sites of an
// active-active one (tier-roster.ts).

import type { Member, MemberFacts } from '../core/failover-contract.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import type { Seat } from '../core/standby-view.ts'
import type { BackendRole, FailoverStatus, PoolStatus, Transition } from '../core/status.ts'
import type { HookBackend } from '../ha/hooks.ts'
import type { ProbeResult } from '../probe/contract.ts'

/** What a fresh look at a member has shown. */
export interface Proof {
  readonly passed: boolean
  readonly role: BackendRole | null
  readonly text: string
}

/** Probes one backend at once; `done` comes within a turn of the control loop. */
export type ProbeBackend = (
  backend: number,
  done: (result: ProbeResult, nowMs: number) => void,
) => void

export interface Roster {
  /** In order of preference. */
  readonly members: readonly Member[]
  /** Members are to be asked for their role. */
  readonly asksRole: boolean
  /** Several backends serve together, so to lose one of them is not to lose the active. */
  readonly isGroup: boolean
  /** What a member is called, in sentences. */
  readonly noun: 'backend' | 'site'
  /** Rows of the backends of each member. */
  readonly slots: readonly (readonly number[])[]
  /** The next one may start while sessions on the old one still finish. */
  readonly overlaps: boolean
  /** Position of the member that a backend belongs to. */
  memberOf(backend: number): number
  /** Position of the member that an operator calls so; −1 if there is none. */
  indexOf(name: string): number
  /** The verdict on a backend may have changed. */
  touched(backend: number, nowMs: number): void
  /** Live traffic to a backend failed or is silent: the first sign of what may become a failover. */
  sign(backend: number, nowMs: number): void
  /** When the present trouble of a member first showed; Infinity without any. */
  signMs(member: number): number
  /** What bears on each member. One that is as before is the same object. */
  facts(nowMs: number): readonly MemberFacts[]
  /** Proves a member by fresh probes of its backends. */
  prove(
    member: number,
    nowMs: number,
    probe: ProbeBackend,
    done: (proof: Proof, nowMs: number) => void,
  ): void
  hookBackend(member: number): HookBackend
  /** The members have been looked at, or another one serves: works out what follows for traffic. */
  arrange(seat: Seat, nowMs: number): void
  /** What the data threads get. */
  dress(base: PoolSnapshot, seat: Seat): PoolSnapshot
  /** What people are shown. */
  dressStatus(base: PoolStatus, seat: Seat, failover: FailoverStatus, nowMs: number): PoolStatus
  /** A backend that is fit without getting anything stands by. */
  dressTransition(transition: Transition, seat: Seat): Transition
}
