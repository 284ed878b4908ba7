// What a program asks of a balancer, and what it can do with one that runs.

import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import type { Address, Plan } from '../core/plan.ts'
import type { ReloadAnswer, ReloadWish } from '../core/reload.ts'
import type { PoolStatus, Transition } from '../core/status.ts'
import type { UpgradeAnswer, UpgradeRequest } from '../core/upgrade.ts'
import type { ConfigOrigin } from '../config/origin.ts'
import type { ActivatedSocket } from '../listen/inherit.ts'
import type { Log } from '../observe/log.ts'
import type { Predecessor } from './upgrade-predecessor.ts'

export interface BalancerOptions {
  /** Run the data plane in the calling thread: the same code, without threads to watch. */
  readonly inProcess?: boolean
  /** Where it tells what it does; by default nowhere. */
  readonly log?: Log
  /** Module whose `DataPlane` the data threads run instead of the real one. */
  readonly dataPlaneModule?: URL
  /** Where the plan was read from, to be read again. */
  readonly origin?: ConfigOrigin
  /** Called when an operator has handed the virtual IP address over and everything is finished. */
  readonly handedOver?: () => void
  /** The process that this one follows; what listens there goes on listening here. */
  readonly predecessor?: Predecessor | null
  /** Sockets that a service manager has opened for it. */
  readonly activated?: readonly ActivatedSocket[]
  /** Called when some of these are lost: the service manager gives them again at the next start. */
  readonly socketsLost?: () => void
  /** Called when another process has taken over and this one may end, with this exit code. */
  readonly replaced?: (code: number) => void
}

/** A balancer that takes traffic. */
export interface RunningBalancer {
  /** Where it listens, in the order of the plan's listeners. */
  readonly addresses: readonly Address[]
  /** `null` if the plan has no admin API. */
  readonly adminAddress: Address | null
  /** All pools and backends, as the admin API shows them. */
  status(): readonly PoolStatus[]
  /** Carries out what an operator asks of a pool with an active; resolves when that is over. */
  act(pool: string, request: OperatorRequest): Promise<ActAnswer>
  /** Calls `listener` on every change of a backend's availability; returns how to stop that. */
  onTransition(listener: (transition: Transition) => void): () => void
  /** Starts a new process and gives way to it; resolves when it has taken over, or has failed. */
  upgrade(request: UpgradeRequest): Promise<UpgradeAnswer>
  /** Goes over to another plan, or says why not. */
  reload(plan: Plan, by?: string): Promise<ReloadAnswer>
  /** Reads its own configuration again, or takes one as text. */
  configure(wish: ReloadWish): Promise<ReloadAnswer>
  /** Goes on in new log files, after a rotation. */
  reopenLogs(): void
  /**
   * Stops accepting, finishes what runs within the plan's drain time, and closes. Resolves to how
   * many exchanges had to be cut.
   */
  drain(): Promise<number>
  /** Ends everything at once. */
  close(): Promise<void>
}
