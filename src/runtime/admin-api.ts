// Opens the admin API of a plan over the paths that the parts give it.

import type { Reach } from '../admin/host-check.ts'
import { EventStream } from '../admin/event-stream.ts'
import { AdminServer } from '../admin/server.ts'
import { formatAddress, isLocal } from '../config/address.ts'
import type { Address, AdminPlan } from '../core/plan.ts'
import type { EventLog } from '../observe/event-log.ts'
import type { Log } from '../observe/log.ts'
import type { AdminSource } from './admin-routes.ts'
import { adminRoutes } from './admin-routes.ts'
import { openDoor, type Inherited } from './admin-door.ts'

export interface AdminApiOptions {
  readonly plan: AdminPlan
  /** The socket of the process that this one follows. */
  readonly inherited: Inherited | null
  readonly source: Omit<AdminSource, 'stream'>
  readonly events: EventLog
  readonly log: Log
}

export interface AdminApi {
  /** Where it listens. */
  readonly address: Address
  /** What it listens on, for a process that takes over; `null` if no other process can have it. */
  readonly socket: { readonly fd: number; readonly address: Address } | null
  /** Stops listening, since another process goes on with the socket. Requests under way go on. */
  release(): void
  /** Stops listening and ends all connections. */
  close(): Promise<void>
}

/** Opens it. @throws AddressError when its address is taken */
export async function startAdminApi(options: AdminApiOptions): Promise<AdminApi> {
  const { plan, inherited, source, events, log } = options
  const door = await openDoor(plan.address, inherited)
  const { address } = door
  const reach = reachOf(address)
  if (reach === 'network') {
    log.warn('the admin API can be read by anybody who reaches its address', {
      bind: formatAddress(address),
    })
  }
  const stream = new EventStream({
    events,
    pools: () => source.pools(),
    wallMs: () => Date.now(),
    run: Date.now().toString(36),
  })
  const server = new AdminServer(adminRoutes({ ...source, stream }), reach, {
    failed: (error) => {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
      log.error('the admin API met an error', { cause })
    },
    audit: (news) => events.publish({ kind: 'operator', news }),
  })
  return {
    address: await server.listen(door),
    get socket() {
      return server.socket
    },
    release: () => server.release(),
    close: () => server.close(),
  }
}

function reachOf(address: Address): Reach {
  if (address.kind === 'unix') return 'file'
  return isLocal(address) ? 'loopback' : 'network'
}
