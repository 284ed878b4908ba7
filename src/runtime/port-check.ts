// Before the data threads listen, each address is bound once without `reusePort` and released: with
// it, a second program would silently share our port instead of meeting an error. Also clears away
// unix socket files that nobody listens on any more, and settles port 0 on one port for all threads.

import { lstat, unlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Address, ListenerPlan, Plan } from '../core/plan.ts'
import { overlap } from '../config/address.ts'
import { formatAddress } from '../core/address-text.ts'
import { findOccupant } from './occupant.ts'

/** An address that can't be listened on, with the reason in words for the operator. */
export class AddressError extends Error {
  override readonly name = 'AddressError'
}

/**
 * Makes sure that every listener's address is free, and returns the plan with port 0 replaced by
 * the port that was found.
 * @param settled listeners that have a socket already, by name
 * @throws AddressError naming the listener, the address and, where visible, who has it
 */
export async function settleAddresses(
  plan: Plan,
  settled: ReadonlySet<string> = new Set(),
): Promise<Plan> {
  const listeners = []
  for (const listener of plan.listeners) {
    if (settled.has(listener.name)) {
      listeners.push(listener)
      continue
    }
    const address = await settleAddress(listener.address, `listener '${listener.name}'`)
    listeners.push({ ...listener, address })
  }
  return { ...plan, listeners }
}

/**
 * The same for a listener that is new to a running process. What its other listeners have is ours:
 * nobody else can have it, and they may be about to let it go.
 * @throws AddressError
 */
export async function settleListener(
  listener: ListenerPlan,
  running: readonly ListenerPlan[],
): Promise<ListenerPlan> {
  const isOurs = running.some(({ address }) => overlap(address, listener.address))
  if (isOurs) return listener
  const address = await settleAddress(listener.address, `listener '${listener.name}'`)
  return { ...listener, address }
}

/** The same for one address. @throws AddressError */
export async function settleAddress(address: Address, who: string): Promise<Address> {
  if (address.kind === 'unix') await clearStaleSocket(address.path, who)
  const server = createServer()
  try {
    return await new Promise<Address>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listenOptions(address), () => {
        const bound = server.address()
        const port = typeof bound === 'object' && bound !== null ? bound.port : 0
        resolve(address.kind === 'unix' ? address : { ...address, port })
      })
    })
  } catch (error) {
    throw await explain(error as NodeJS.ErrnoException, address, who)
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
}

/** What `net.Server.listen` needs for an address. */
function listenOptions(address: Address): { path: string } | { host: string; port: number } {
  return address.kind === 'unix'
    ? { path: address.path }
    : { host: address.host, port: address.port }
}

/** Removes the socket files that dead processes have left at the plan's addresses. */
export async function clearStaleSockets(plan: Plan): Promise<void> {
  for (const { name, address } of plan.listeners) {
    if (address.kind === 'unix') await clearStaleSocket(address.path, `listener '${name}'`)
  }
}

/**
 * Removes a socket file that a dead process left behind; leaves anything else alone.
 * @throws AddressError if somebody listens there, or if it is no socket
 */
async function clearStaleSocket(path: string, who: string): Promise<void> {
  const found = await lstat(path).catch(() => null)
  if (found === null) return
  if (!found.isSocket()) {
    throw new AddressError(`${who} can't listen on unix:${path}: a file that is no socket is there`)
  }
  if (await isListening(path)) {
    throw new AddressError(`${who} can't listen on unix:${path}: another program listens there`)
  }
  await unlink(path)
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // Anything but a refusal (a full queue, no permission) means that somebody may be there.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}

async function explain(
  error: NodeJS.ErrnoException,
  address: Address,
  who: string,
): Promise<AddressError> {
  const prefix = `${who} can't listen on ${formatAddress(address)}:`
  switch (error.code) {
    case 'EADDRINUSE': {
      const occupant = address.kind === 'tcp' ? await findOccupant(address.port) : null
      const by = occupant === null ? 'another program' : `${occupant.program} (pid ${occupant.pid})`
      return new AddressError(`${prefix} the port is taken by ${by}`)
    }
    case 'EADDRNOTAVAIL':
      return new AddressError(`${prefix} no interface of this machine has that address`)
    case 'EACCES':
      return new AddressError(
        `${prefix} permission denied` +
          (address.kind === 'tcp' && address.port < 1024
            ? ' (ports below 1024 need CAP_NET_BIND_SERVICE or net.ipv4.ip_unprivileged_port_start)'
            : ''),
      )
    case undefined:
    default:
      return new AddressError(`${prefix} ${error.message}`)
  }
}
