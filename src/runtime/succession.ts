// What a balancer has to do with the process before it: the sockets and the state that it inherits,
// and the order in which it takes over. Without one it simply starts.

import type { Member } from '../core/membership.ts'
import type { Plan } from '../core/plan.ts'
import type { PoolStatus } from '../core/status.ts'
import type { Agreement } from '../ha/agreement.ts'
import type { FailoverStore } from '../ha/failover-store.ts'
import type { Log } from '../observe/log.ts'
import type { KeptState } from './kept-state.ts'
import type { BalancerOptions } from './running-balancer.ts'
import type { Predecessor } from './upgrade-predecessor.ts'
import type { Rights } from './upgrade-rights.ts'
import type { SharedOut } from './upgrade-sockets.ts'
import { closeUnwanted, fromServiceManager, shareOut } from './upgrade-sockets.ts'
import { afterPredecessor, LendableState } from './upgrade-state.ts'
import { agreedOf } from './upgrade-wiring.ts'
import { packageVersion } from './version.ts'

export class Succession {
  /** Sockets that listen already. */
  readonly shares: SharedOut
  readonly #plan: Plan
  readonly #predecessor: Predecessor | null
  #kept: LendableState | null = null

  /** @param threads how many data threads there will be */
  constructor(plan: Plan, threads: number, options: BalancerOptions) {
    const { predecessor = null, activated = [] } = options
    this.#plan = plan
    this.#predecessor = predecessor
    const given = predecessor?.estate.sockets ?? fromServiceManager(plan, activated)
    this.shares = shareOut(plan, given, threads)
  }

  /** Whether the process before has sent the virtual IP address away; `null` if there is none. */
  get wasAway(): boolean | null {
    return this.#predecessor?.estate.isAway ?? null
  }

  /** What discovery had found in the process before, by pool. */
  get found(): ReadonlyMap<string, readonly Member[]> {
    return new Map(this.#predecessor?.estate.members ?? [])
  }

  /** Opens what survives a restart, once nobody else has it open. @throws StateFileError */
  async openKept(open: () => Promise<KeptState>): Promise<LendableState> {
    const memory = (await this.#predecessor?.loaded(packageVersion())) ?? null
    this.#kept = new LendableState(await open(), memory, open)
    return this.#kept
  }

  /** The store as this process may use it while the other one is still there. */
  storeOf(store: FailoverStore): FailoverStore {
    if (this.#predecessor === null) return store
    const exclusive = this.#plan.pools.filter(({ mode }) => mode === 'active-standby')
    return afterPredecessor(store, this.#predecessor, (pool) =>
      exclusive.some(({ name }) => name === pool),
    )
  }

  /** The process before, if it still finishes something, sends nothing to the backends of a pool any more. */
  async fence(pool: string): Promise<void> {
    await this.#predecessor?.fence(pool)
  }

  /** This process ends, and whoever follows it could not reach the one before: that must not send on. */
  leave(): void {
    for (const { name, mode } of this.#plan.pools) {
      if (mode === 'active-standby') void this.fence(name)
    }
  }

  /** Does at once what must wait if another process is doing it still. */
  async unlessFollowing(work: () => Promise<void> | undefined): Promise<void> {
    if (this.#predecessor === null) await work()
  }

  /** Several sockets can be bound to the address of a listener. */
  isShared(listener: string): boolean {
    return !this.shares.alone.includes(listener)
  }

  /** The backends are judged here: waits until this process can do as well as the other. */
  async prove(
    agreement: Agreement | null,
    rights: Rights,
    status: () => readonly PoolStatus[],
  ): Promise<void> {
    const predecessor = this.#predecessor
    if (predecessor === null) return
    const agreed = agreedOf(this.#plan)
    // The reads of such a pool may be its active's, too.
    const { pools } = this.#plan
    const names = pools
      .filter((pool) => agreed.includes(pool) || agreed.includes(pools[pool.replicasOf]!))
      .map(({ name }) => name)
    await predecessor.untilAsGood(status, names)
    if (agreement === null) return
    // One replica is one process: the old one leaves before this one joins. New connections wait in
    // the kernel meanwhile.
    await predecessor.giveWay(false)
    await agreement.start()
    await predecessor.untilGranted(() => rights.areGranted(agreed))
  }

  /** Connections are accepted here: has the other process stop, and does what it did. */
  async takeOver(work: () => Promise<void>, log: Log): Promise<void> {
    if (this.#predecessor === null) return
    await this.#predecessor.giveWay(true)
    const failure = (await this.#kept?.keepMemory()) ?? null
    if (failure !== null) log.error(failure)
    await work()
    closeUnwanted(this.shares)
  }
}
