// An accepting socket. Gives each new connection's raw handle to its owner, without the net.Socket
// that Node would make for it (half of the cost of a connection). Must know nothing of protocols.

import fs from 'node:fs'
import net from 'node:net'
import type { Address } from '../core/plan.ts'

/** Connections the kernel holds for us until we accept them; it cuts this to net.core.somaxconn. */
const BACKLOG = 4_096

/** A raw handle of Node; `proxy/socket.ts` makes a channel of it. */
export interface AcceptedHandle {
  close(): void
}

export interface ListenerOptions {
  readonly address: Address
  /** Several threads listen on the same address and the kernel spreads connections (Node ≥ 22.12). */
  readonly reusePort: boolean
  /** Called for each connection, synchronously. */
  onAccept(handle: AcceptedHandle): void
  /** The kernel refused to hand over a connection, e.g. because no file descriptor is left. */
  onError(message: string): void
}

interface ServerHandle {
  onconnection?: (status: number, handle?: AcceptedHandle) => void
}

export class Listener {
  private readonly server: net.Server
  private readonly options: ListenerOptions

  constructor(options: ListenerOptions) {
    this.options = options
    this.server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      // Only where the handle of the server could not be taken over.
      const inner = socket as unknown as { _handle: AcceptedHandle | null }
      const handle = inner._handle
      inner._handle = null
      socket.destroy()
      if (handle !== null) options.onAccept(handle)
    })
  }

  /** Opens the socket. Rejects with a sentence that names the address and the cause. */
  open(): Promise<void> {
    const { address, reusePort } = this.options
    const where =
      address.kind === 'unix'
        ? { path: address.path, backlog: BACKLOG }
        : { host: address.host, port: address.port, backlog: BACKLOG, reusePort }
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => {
        reject(new Error(listenError(address, error)))
      })
      this.server.listen(where as net.ListenOptions, () => {
        this.server.removeAllListeners('error')
        this.server.on('error', (error) => this.options.onError(error.message))
        this.takeOver()
        resolve()
      })
    })
  }

  /** Where it listens: tells the port the kernel chose for port 0. */
  get address(): Address {
    const address = this.server.address()
    if (address === null || typeof address === 'string') return this.options.address
    return { kind: 'tcp', host: address.address, port: address.port }
  }

  /** Stops accepting. Connections that were accepted are not touched. */
  close(): void {
    this.server.close()
  }

  /** Takes accepted handles before Node makes sockets of them. */
  private takeOver(): void {
    const handle = (this.server as unknown as { _handle?: ServerHandle })._handle
    if (handle === undefined || typeof handle.onconnection !== 'function') return
    handle.onconnection = (status, client) => {
      if (client !== undefined) this.options.onAccept(client)
      else this.options.onError(`accept failed with status ${status}`)
    }
  }
}

function listenError(address: Address, error: NodeJS.ErrnoException): string {
  const where = address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`
  switch (error.code) {
    case 'EADDRINUSE':
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
