// Which inherited socket becomes which listener's, and which thread accepts on it.
// No socket that a listener wants is left out, however many threads there are: connections that the
// kernel has queued on a socket are lost when nobody accepts on it any more.

import { closeSync } from 'node:fs'
import type { Address, ListenerPlan, Plan } from '../core/plan.ts'
import type { ActivatedSocket } from '../listen/inherit.ts'
import type { OpenSocket } from '../core/snapshot.ts'
import type { HeritableSocket } from './upgrade-protocol.ts'

export interface SharedOut {
  /** The plan with the ports that inherited sockets have in place of 0. */
  readonly plan: Plan
  /** By thread. */
  readonly inherited: readonly (readonly OpenSocket[])[]
  /** Listeners whose socket can't be shared, so that the first thread alone has them. */
  readonly alone: readonly string[]
  /** Listeners, by name, whose sockets came from a service manager. */
  readonly activated: readonly string[]
  /** Listeners, by name, that need no socket of their own. */
  readonly settled: ReadonlySet<string>
  /** Socket of the admin API. */
  readonly admin: HeritableSocket | null
  /** That of `admin.metrics`. */
  readonly metrics: HeritableSocket | null
  /** What nobody wants. */
  readonly unwanted: readonly HeritableSocket[]
}

/** @param threads how many data threads there will be */
export function shareOut(
  plan: Plan,
  sockets: readonly HeritableSocket[],
  threads: number,
): SharedOut {
  const left = new Set(sockets)
  const inherited: OpenSocket[][] = Array.from({ length: threads }, () => [])
  const alone: string[] = []
  const activated: string[] = []
  const settled = new Set<string>()
  const listeners = plan.listeners.map((listener) => {
    const own = [...left].filter((socket) => isFor(listener, socket))
    const [first] = own
    if (first === undefined) return listener
    for (const socket of own) left.delete(socket)
    const isShared = own.every((socket) => socket.isShared)
    if (!isShared && first.address.kind === 'tcp') alone.push(listener.name)
    for (const [i, { fd, address }] of own.entries()) {
      inherited[isShared ? i % threads : 0]!.push({ listener: listener.name, fd, address })
    }
    settled.add(listener.name)
    if (first.isActivated) activated.push(listener.name)
    return { ...listener, address: first.address }
  })
  const admin = adminSocket(plan.admin?.address ?? null, left)
  if (admin !== null) left.delete(admin)
  const metrics = adminSocket(plan.admin?.metrics ?? null, left)
  if (metrics !== null) left.delete(metrics)
  return {
    plan: { ...plan, listeners },
    inherited,
    alone,
    activated,
    settled,
    admin,
    metrics,
    unwanted: [...left],
  }
}

/** Sockets of a service manager, as if a process before had them. */
export function fromServiceManager(
  plan: Plan,
  activated: readonly ActivatedSocket[],
): HeritableSocket[] {
  return activated.map(({ fd, name, address }) => {
    const where = JSON.stringify(address)
    const same = activated.filter((other) => JSON.stringify(other.address) === where)
    const isAdmin = name === 'admin' && plan.listeners.every((listener) => listener.name !== name)
    return {
      fd,
      listener: isAdmin ? null : name,
      address,
      // Several sockets are bound to one address only with SO_REUSEPORT (`ReusePort=yes`).
      isShared: same.length > 1,
      isActivated: true,
    }
  })
}

/** What nobody wants is closed: a connection to it would wait for ever. */
export function closeUnwanted({ unwanted }: SharedOut): void {
  for (const { fd } of unwanted) closeSync(fd)
}

// With port 0 for both, that of the admin API comes first.
function adminSocket(
  wanted: Address | null,
  sockets: Iterable<HeritableSocket>,
): HeritableSocket | null {
  if (wanted === null) return null
  for (const socket of sockets) {
    if (socket.listener !== null) continue
    if (socket.isActivated || isSame(wanted, socket.address, true)) return socket
  }
  return null
}

/**
 * The same address; with port 0, which means any, the same name decides. A socket of a service manager
 * that has the name of a listener is that listener's wherever it listens: the unit decides.
 */
function isFor(listener: ListenerPlan, socket: HeritableSocket): boolean {
  if (socket.listener === null) return false
  const isNamed = listener.name === socket.listener
  if (isNamed && socket.isActivated) return true
  return isSame(listener.address, socket.address, isNamed)
}

function isSame(wanted: Address, has: Address, isAnyPortRight: boolean): boolean {
  if (wanted.kind === 'unix' || has.kind === 'unix') {
    return wanted.kind === 'unix' && has.kind === 'unix' && wanted.path === has.path
  }
  if (everywhere(wanted.host) !== everywhere(has.host)) return false
  return wanted.port === has.port || (wanted.port === 0 && isAnyPortRight)
}

/** No host is every address, which a dual-stack socket shows as `::`. */
function everywhere(host: string): string {
  return host === '' ? '::' : host
}
