// A process upgrade put in its place: what of a running balancer is handed over, and what it gives up
// when another process takes over.

import type { Agreement } from '../ha/agreement.ts'
import type { EventLog } from '../observe/event-log.ts'
import type { Log } from '../observe/log.ts'
import type { Clock } from '../core/clock.ts'
import type { Member } from '../core/membership.ts'
import type { Plan } from '../core/plan.ts'
import { THREAD, type SharedTable } from '../core/shared-layout.ts'
import type { ConfigStatus } from '../core/reload.ts'
import { formatAddress } from '../core/address-text.ts'
import type { AdminApi } from './admin-api.ts'
import type { ControlPlane } from './control-plane.ts'
import type { DataPlanes } from './data-planes.ts'
import type { Succession } from './succession.ts'
import type { HeritableSocket } from './upgrade-protocol.ts'
import type { Rights } from './upgrade-rights.ts'
import { placeRefusal, startSuccessor } from './upgrade-start.ts'
import type { RunningLedger } from './ledger.ts'
import type { LendableState } from './upgrade-state.ts'
import { Upgrader } from './upgrade.ts'
import type { VirtualIp } from './virtual-ip.ts'

export interface UpgradeParts {
  readonly version: string
  readonly log: Log
  readonly clock: Clock
  readonly table: SharedTable
  readonly planes: DataPlanes
  readonly kept: LendableState
  readonly events: EventLog
  readonly rights: Rights
  readonly agreement: Agreement | null
  readonly vip: VirtualIp | null
  readonly ledger: RunningLedger | null
  admin(): AdminApi | null
  readonly control: Pick<ControlPlane, 'plan' | 'status' | 'moving'>
  /** It is a part of another program. */
  readonly isEmbedded: boolean
  /** It serves, and is not about to stop. */
  isRunning(): boolean
  /** What discovery has found, by pool. */
  found(): ReadonlyMap<string, readonly Member[]>
  /** Where the configuration stands. */
  config(): Pick<ConfigStatus, 'etag' | 'pending'>
  readonly past: Succession
  /** The threads have sockets of their own on one address. */
  readonly reusePort: boolean
  /** Stops accepting and finishes what runs; resolves when that is over. */
  retire(): Promise<unknown>
  /** The process may end, with this exit code. */
  end(code: number): void
}

export function makeUpgrader(parts: UpgradeParts): Upgrader {
  const { clock, log, kept, table, rights, vip, agreement, control } = parts
  const isAway = (): boolean => vip?.isAway ?? false
  let told = { etag: '', isAway: false }
  return new Upgrader({
    version: parts.version,
    nowMs: () => clock.nowMs(),
    info: (message, fields) => log.info(message, fields),
    error: (message, fields) => log.error(message, fields),
    audit: (news) => parts.events.publish({ kind: 'operator', news }),
    refusal: () => {
      if (parts.isEmbedded) return 'A balancer that is part of another program is replaced with it.'
      if (!parts.isRunning()) return 'This process is starting, or about to stop.'
      // The new process would know nothing of a trial.
      if (parts.config().pending !== null) return 'A configuration waits for: evenkeel confirm.'
      return placeRefusal(process.pid, process.env)
    },
    moving: () => control.moving(),
    missed: () => {
      if (parts.config().etag !== told.etag) return 'The configuration was changed meanwhile.'
      if (isAway() !== told.isAway)
        return 'The virtual IP address was given away or back meanwhile.'
      const [pool] = control.moving()
      if (pool !== undefined) return `Pool '${pool}' has to move its active.`
      return kept.isMissed ? 'An operator has changed something meanwhile.' : null
    },
    estate: async () => {
      told = { etag: parts.config().etag, isAway: isAway() }
      return {
        pid: process.pid,
        version: parts.version,
        sockets: await socketsOf(parts),
        available: control
          .status()
          .filter(({ available }) => available > 0)
          .map(({ name }) => name),
        isAway: told.isAway,
        members: [...parts.found()],
      }
    },
    lend: async () => {
      await kept.lend()
      return kept.memory
    },
    takeBack: () => kept.takeBack(),
    leaveFree: () => kept.giveUp('Evenkeel is stopping'),
    giveWay: async () => {
      void parts.retire().then(() => parts.past.leave())
      kept.giveUp()
      vip?.release()
      parts.admin()?.release()
      // Its successor goes on in the same file.
      await parts.ledger?.close()
      if (agreement === null) return
      // As after a stop: the lease goes back once no thread can send any more, and not before.
      await rights.revoke(agreedOf(control.plan).map(({ slot }) => slot))
      await agreement.stop()
    },
    fence: async (name) => {
      const pool = control.plan.pools.find((one) => one.name === name)
      const own = pool === undefined ? undefined : rights.revoke([pool.slot])
      // After two upgrades in a row there may be three of us.
      await Promise.all([own, parts.past.fence(name)])
    },
    running: () => table.sum(THREAD.exchanges),
    end: (code) => parts.end(code),
    start: startSuccessor,
  })
}

/** Pools whose replicas agree. */
export function agreedOf({ pools }: Plan): Plan['pools'] {
  return pools.filter(({ failover }) => failover?.agreement === 'etcd')
}

async function socketsOf(parts: UpgradeParts): Promise<HeritableSocket[]> {
  const { past, reusePort } = parts
  const { activated } = past.shares
  const sockets = await parts.planes.sockets()
  const found: HeritableSocket[] = sockets.map(({ listener, fd, address }) => {
    const isShared = address.kind === 'tcp' && reusePort && past.isShared(listener)
    return { listener, fd, address, isShared, isActivated: activated.includes(listener) }
  })
  const given = [past.shares.admin, past.shares.metrics]
  for (const { fd, address } of parts.admin()?.sockets() ?? []) {
    const where = formatAddress(address)
    const isActivated = given.some(
      (one) => one?.isActivated === true && formatAddress(one.address) === where,
    )
    found.push({ listener: null, fd, address, isShared: false, isActivated })
  }
  return found
}
