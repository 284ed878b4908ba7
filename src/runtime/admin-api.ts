// Opens the admin API of a plan over the paths that the parts give it.

import type { Reach } from '../admin/host-check.ts'
import { EventStream } from '../admin/event-stream.ts'
import type { AdminEvents } from '../admin/carry-out.ts'
import type { Route } from '../admin/route.ts'
import type { Door } from '../admin/server.ts'
import { AdminServer } from '../admin/server.ts'
import { isLocal } from '../config/address.ts'
import type { OperatorNews } from '../core/events.ts'
import type { Address, AdminPlan } from '../core/plan.ts'
import type { EventLog } from '../observe/event-log.ts'
import type { Log } from '../observe/log.ts'
import type { AdminSource } from './admin-routes.ts'
import { adminRoutes } from './admin-routes.ts'
import { openDoor, type Inherited } from './admin-door.ts'
import type { SharedOut } from './upgrade-sockets.ts'

export interface AdminApiOptions {
  readonly plan: AdminPlan
  /** The sockets of the process that this one follows. */
  readonly inherited: Pick<SharedOut, 'admin' | 'metrics'>
  readonly source: Omit<AdminSource, 'stream'>
  readonly events: EventLog
  readonly log: Log
}

export interface AdminApi {
  /** Where it listens. */
  readonly address: Address
  /** What it listens on, for a process that takes over, as far as another process can have it. */
  sockets(): readonly Inherited[]
  /** Stops listening, since another process goes on with the sockets. Requests under way go on. */
  release(): void
  /** How many requests were answered so far, by status. */
  answered(): ReadonlyMap<number, number>
  /** Stops listening and ends all connections. */
  close(): Promise<void>
}

/** Opens it. @throws AddressError when its address is taken */
export async function startAdminApi(options: AdminApiOptions): Promise<AdminApi> {
  const { plan, inherited, source, events, log } = options
  const door = await openDoor(plan.address, inherited.admin, 'the admin API')
  const { address } = door
  const reach = reachOf(address)
  const stream = new EventStream({
    events,
    pools: () => source.pools(),
    wallMs: () => Date.now(),
    run: Date.now().toString(36),
  })
  const routes = adminRoutes({ ...source, stream })
  const voices = {
    failed: (error: unknown) => {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
      log.error('the admin API met an error', { cause })
    },
    audit: (news: OperatorNews) => events.publish({ kind: 'operator', news }),
    stranger: strangers(events),
  }
  const server = new AdminServer(routes, { reach, tokens: plan.tokens, tls: plan.tls }, voices)
  const bound = await server.listen(door)
  const servers = [server]
  const { metrics } = plan
  try {
    if (metrics !== null) {
      const second = await openDoor(metrics, inherited.metrics, 'the metrics')
      servers.push(await openMetrics(second, routes, voices))
    }
  } catch (error) {
    // Nobody else knows of it yet.
    await server.close()
    throw error
  }
  return {
    address: bound,
    answered: () => server.answered(),
    sockets: () => servers.flatMap(({ socket }) => socket ?? []),
    release: () => servers.forEach((one) => one.release()),
    close: async () => void (await Promise.all(servers.map((one) => one.close()))),
  }
}

const METRICS_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz', '/metrics'])

/** The paths that probes and scrapes ask for, and nothing else, for everybody. */
async function openMetrics(
  door: Door,
  routes: readonly Route[],
  voices: AdminEvents,
): Promise<AdminServer> {
  const access = {
    reach: reachOf(door.address),
    anyHost: true,
    tokens: { admin: null, readOnly: null },
    tls: null,
  }
  const few = routes.filter(({ path }) => METRICS_PATHS.has(path))
  const server = new AdminServer(few, access, voices)
  await server.listen(door)
  return server
}

/** How often those who are turned away are told of, ms. */
const STRANGERS_MS = 10_000

/** Tells of those who are turned away, but not of each: they could fill the log. */
function strangers(events: EventLog): (from: string, isWrong: boolean) => void {
  let untold = 0
  let toldMs = -Infinity
  return (from, isWrong) => {
    untold++
    const nowMs = performance.now()
    if (nowMs - toldMs < STRANGERS_MS) return
    const message = isWrong
      ? 'somebody with a wrong token or certificate was turned away from the admin API'
      : 'somebody without a token was turned away from the admin API'
    events.publish({ kind: 'warning', message, fields: { from, times: untold } })
    toldMs = nowMs
    untold = 0
  }
}

function reachOf(address: Address): Reach {
  if (address.kind === 'unix') return 'file'
  return isLocal(address) ? 'loopback' : 'network'
}
