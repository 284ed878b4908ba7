// An accepting socket. Gives each new connection's raw handle to its owner, without the net.Socket
// that Node would make for it (half of the cost of a connection). Must know nothing of protocols.

import fs from 'node:fs'
import net from 'node:net'
import { formatAddress } from '../core/address-text.ts'
import type { Address } from '../core/plan.ts'
import { SocketName } from './socket-name.ts'

/** Connections the kernel holds for us until we accept them; it cuts this to net.core.somaxconn. */
const BACKLOG = 4_096

/** A raw handle of Node; `proxy/socket.ts` makes a channel of it. */
export interface AcceptedHandle {
  close(): void
}

/** Who gets the connections. */
export interface ListenerOwner {
  /** Called for each connection, synchronously. */
  onAccept(handle: AcceptedHandle): void
  /** The kernel refused to hand over a connection, e.g. because no file descriptor is left. */
  onError(message: string): void
}

export interface ListenerOptions {
  readonly address: Address
  /** Several threads listen on the same address and the kernel spreads connections (Node ≥ 22.12). */
  readonly reusePort: boolean
  /**
   * Descriptors of sockets that listen on the address already, from the process before this one:
   * they are accepted from, all of them, instead of opening one.
   */
  readonly inherited?: readonly number[]
  readonly owner: ListenerOwner
}

/** `fd` and `reusePort` are missing in the type definitions of the oldest Node we run on. */
type Where = net.ListenOptions & { readonly fd?: number; readonly reusePort?: boolean }

interface ServerHandle {
  readonly fd?: number
  onconnection?: (status: number, handle?: AcceptedHandle) => void
}

export class Listener {
  /** A reload may hand an open socket to another owner. */
  owner: ListenerOwner
  private readonly servers: net.Server[] = []
  /** Without the owner: the first one must not live as long as the socket. */
  private readonly options: Omit<ListenerOptions, 'owner'>
  private name: SocketName | null = null

  constructor(options: ListenerOptions) {
    const { owner, ...rest } = options
    this.options = rest
    this.owner = owner
  }

  /** Opens the socket, or none. Rejects with a sentence that names the address and the cause. */
  async open(): Promise<void> {
    try {
      await this.openAll()
    } catch (error) {
      // What has the name of a unix socket is somebody else's.
      this.close(true)
      throw error
    }
  }

  private async openAll(): Promise<void> {
    const { address, reusePort, inherited = [] } = this.options
    if (address.kind === 'unix') this.name = new SocketName(address.path, inherited.length > 0)
    if (inherited.length > 0) {
      for (const fd of inherited) await this.listen({ fd })
      return
    }
    if (address.kind === 'tcp') {
      await this.listen({ host: address.host, port: address.port, reusePort })
      return
    }
    await this.listen({ path: this.name!.bindPath })
    try {
      this.name!.settle()
    } catch (error) {
      throw new Error(listenError(address, error as NodeJS.ErrnoException), { cause: error })
    }
  }

  /** Where it listens: tells the port the kernel chose for port 0. */
  get address(): Address {
    const address = this.servers[0]?.address() ?? null
    if (address === null || typeof address === 'string') return this.options.address
    return { kind: 'tcp', host: address.address, port: address.port }
  }

  /**
   * Descriptors of its sockets, for a process that takes over. None if the end of this process would
   * take the name of the socket with it.
   */
  get descriptors(): readonly number[] {
    if (this.name?.isLasting === false) return []
    return this.servers.flatMap((server) => handleOf(server)?.fd ?? [])
  }

  /**
   * Stops accepting. Connections that were accepted are not touched.
   * @param isHandedOver another process accepts on these sockets: a unix socket keeps its name
   */
  close(isHandedOver = false): void {
    for (const server of this.servers) server.close()
    if (!isHandedOver) this.name?.remove()
    this.name = null
  }

  private listen(where: Where): Promise<void> {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      // Only where the handle of the server could not be taken over.
      const inner = socket as unknown as { _handle: AcceptedHandle | null }
      const handle = inner._handle
      inner._handle = null
      socket.destroy()
      if (handle !== null) this.owner.onAccept(handle)
    })
    this.servers.push(server)
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        reject(new Error(listenError(this.options.address, error)))
      })
      server.listen({ ...where, backlog: BACKLOG }, () => {
        server.removeAllListeners('error')
        server.on('error', (error) => this.owner.onError(error.message))
        this.takeOver(server)
        resolve()
      })
    })
  }

  /** Takes accepted handles before Node makes sockets of them. */
  private takeOver(server: net.Server): void {
    const handle = handleOf(server)
    if (handle === undefined || typeof handle.onconnection !== 'function') return
    handle.onconnection = (status, client) => {
      if (client !== undefined) this.owner.onAccept(client)
      else this.owner.onError(`accept failed with status ${status}`)
    }
  }
}

function handleOf(server: net.Server): ServerHandle | undefined {
  return (server as unknown as { _handle?: ServerHandle | null })._handle ?? undefined
}

function listenError(address: Address, error: NodeJS.ErrnoException): string {
  const where = formatAddress(address)
  switch (error.code) {
    case 'EADDRINUSE':
    case 'EEXIST':
      return `${where} is in use by another program`
    case 'EACCES':
      return address.kind === 'unix' ||
        !fs.existsSync('/proc/sys/net/ipv4/ip_unprivileged_port_start')
        ? `no permission to listen on ${where}`
        : `no permission to listen on ${where}: ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE`
    case 'EADDRNOTAVAIL':
      return `${where} is not an address of this machine`
    default:
      return `can't listen on ${where}: ${error.message}`
  }
}
