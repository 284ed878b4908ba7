// The admin API: what runs, how it is, and whether it may get traffic. Read-only, on the main
// thread, on loopback or a unix socket unless told otherwise.
// Must never be on the way of traffic: a slow reader here costs the control plane a socket.

import { chmod } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { Address } from '../core/plan.ts'
import type { PoolStatus } from '../core/status.ts'
import type { Answer } from './answer.ts'
import { json, problem, send, text } from './answer.ts'
import type { Reach } from './host-check.ts'
import { isHostAllowed } from './host-check.ts'

/** What the API tells about. */
export interface AdminSource {
  version(): VersionInfo
  pools(): readonly PoolStatus[]
  readiness(): Readiness
  metrics(): Promise<{ readonly type: string; readonly body: Buffer }>
}

export interface VersionInfo {
  readonly version: string
  readonly node: string
  readonly pid: number
  readonly uptimeSeconds: number
  readonly threads: number
}

export interface Readiness {
  readonly ready: boolean
  /** One sentence; for a person who asks why. */
  readonly reason: string
}

interface Route {
  readonly path: string
  readonly says: string
  answer(source: AdminSource, name: string): Answer | Promise<Answer>
}

const routes: readonly Route[] = [
  { path: '/livez', says: '200 as long as the process answers', answer: () => text(200, 'ok') },
  {
    path: '/readyz',
    says: '200 when traffic may come, else 503 and the reason',
    answer: (source) => {
      const { ready, reason } = source.readiness()
      return text(ready ? 200 : 503, reason)
    },
  },
  {
    path: '/metrics',
    says: 'metrics in the Prometheus text format',
    answer: async (source) => ({ status: 200, ...(await source.metrics()) }),
  },
  {
    path: '/v1/pools',
    says: 'all pools and their backends',
    answer: (source) => json(200, { pools: source.pools() }),
  },
  {
    path: '/v1/pools/NAME',
    says: 'one pool',
    answer: (source, name) => {
      const pools = source.pools()
      const pool = pools.find((one) => one.name === name)
      if (pool !== undefined) return json(200, pool)
      const names = pools.map((one) => one.name)
      return problem(404, 'No such pool', `There is no pool '${name}'.`, { pools: names })
    },
  },
  {
    path: '/v1/version',
    says: 'version, process and uptime',
    answer: (source) => json(200, source.version()),
  },
]

/** Requests are small, and there are few: everything beyond is a mistake or an attack. */
const HEAD_BYTES_MAX = 8_192
const REQUEST_MS = 2_000
const KEEP_ALIVE_MS = 30_000
const CONNECTIONS_MAX = 128

export class AdminServer {
  readonly #server: Server
  readonly #source: AdminSource
  readonly #reach: Reach
  readonly #failed: (error: unknown) => void

  /**
   * @param reach who can connect to the address it will listen on
   * @param failed hears of errors in the API's own code
   */
  constructor(source: AdminSource, reach: Reach, failed: (error: unknown) => void) {
    this.#source = source
    this.#reach = reach
    this.#failed = failed
    this.#server = createServer(
      {
        maxHeaderSize: HEAD_BYTES_MAX,
        headersTimeout: REQUEST_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: 500,
      },
      (request, response) => void this.#serve(request, response),
    )
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Opens the listener and returns its address. @throws Error when that fails */
  async listen(address: Address): Promise<Address> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      const where =
        address.kind === 'unix'
          ? { path: address.path }
          : { host: address.host, port: address.port }
      this.#server.listen(where, () => {
        this.#server.off('error', reject)
        this.#server.on('error', this.#failed)
        resolve()
      })
    })
    if (address.kind === 'unix') {
      await chmod(address.path, 0o660)
      return address
    }
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? { ...address, port: bound.port } : address
  }

  /** Stops listening and ends all connections. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A body has no meaning here; with one unread the connection can't be used again.
    const { headers } = request
    if ('content-length' in headers || 'transfer-encoding' in headers) {
      response.setHeader('connection', 'close')
    }
    let answer: Answer
    try {
      answer = await this.#answer(request)
    } catch (error) {
      this.#failed(error)
      answer = problem(500, 'Internal error', 'Evenkeel met an error of its own; see its log.')
    }
    send(response, answer)
  }

  #answer(request: IncomingMessage): Answer | Promise<Answer> {
    const { method = '', url = '', headers } = request
    if (!isHostAllowed(headers.host, this.#reach)) {
      const detail = `The admin API does not answer to the name '${headers.host ?? ''}'. Use its IP address or localhost.`
      return problem(421, 'Wrong host', detail)
    }
    const [path = ''] = url.split('?', 1)
    const found = findRoute(path)
    if (found === null) return unknownPath(path)
    if (method !== 'GET' && method !== 'HEAD') {
      const detail = `${path} can be read and nothing else: use GET.`
      const headers = { allow: 'GET, HEAD' }
      return { ...problem(405, 'Method not allowed', detail), headers }
    }
    return found.route.answer(this.#source, found.name)
  }
}

function findRoute(path: string): { route: Route; name: string } | null {
  for (const route of routes) {
    if (route.path === path) return { route, name: '' }
    const prefix = route.path.slice(0, -'NAME'.length)
    if (!route.path.endsWith('/NAME') || !path.startsWith(prefix)) continue
    const name = decode(path.slice(prefix.length))
    if (name !== null && name !== '' && !name.includes('/')) return { route, name }
  }
  return null
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function unknownPath(path: string): Answer {
  const paths = Object.fromEntries(routes.map((route) => [route.path, route.says]))
  return problem(404, 'No such path', `There is nothing at '${path}'.`, { paths })
}
