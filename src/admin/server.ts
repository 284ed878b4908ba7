// The admin API: what runs, how it is, whether it may get traffic, and what an operator asks for. On
// the main thread, on loopback or a unix socket unless told otherwise; open to a network it only tells.
// Must never be on the way of traffic: a slow reader here costs the control plane a socket.

import { chmod } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { Address } from '../core/plan.ts'
import type { OperatorVerb } from '../core/operator.ts'
import type { PoolStatus } from '../core/status.ts'
import type { ActEvents, Actor } from './act.ts'
import { act, readRequest } from './act.ts'
import type { Answer } from './answer.ts'
import { json, problem, send, text } from './answer.ts'
import { readJson, refuseChange } from './change.ts'
import type { HandOver } from './handover.ts'
import { answerHandover } from './handover.ts'
import type { Reach } from './host-check.ts'
import { isHostAllowed } from './host-check.ts'

/** What the API tells about, and who acts on what it is told. */
export interface AdminSource extends Actor {
  version(): VersionInfo
  pools(): readonly PoolStatus[]
  readiness(): Readiness
  metrics(): Promise<{ readonly type: string; readonly body: Buffer }>
  /** Gives the virtual IP address to another node; `null` where there is none. */
  readonly handOver: HandOver | null
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

/** A request on its way to its answer. */
interface Call {
  readonly source: AdminSource
  readonly events: ActEvents
  readonly request: IncomingMessage
  /** What stands where the path has `NAME`. */
  readonly name: string
  /** Address of the client. */
  readonly from: string
}

interface Route {
  /** GET answers HEAD, too. */
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly says: string
  answer(call: Call): Answer | Promise<Answer>
}

const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/livez',
    says: '200 as long as the process answers',
    answer: () => text(200, 'ok'),
  },
  {
    method: 'GET',
    path: '/readyz',
    says: '200 when traffic may come, else 503 and the reason',
    answer: ({ source }) => {
      const { ready, reason } = source.readiness()
      return text(ready ? 200 : 503, reason)
    },
  },
  {
    method: 'GET',
    path: '/metrics',
    says: 'metrics in the Prometheus text format',
    answer: async ({ source }) => ({ status: 200, ...(await source.metrics()) }),
  },
  {
    method: 'GET',
    path: '/v1/pools',
    says: 'all pools and their backends',
    answer: ({ source }) => json(200, { pools: source.pools() }),
  },
  {
    method: 'GET',
    path: '/v1/pools/NAME',
    says: 'one pool',
    answer: ({ source, name }) => {
      const pools = source.pools()
      const pool = pools.find((one) => one.name === name)
      if (pool !== undefined) return json(200, pool)
      const names = pools.map((one) => one.name)
      return problem(404, 'No such pool', `There is no pool '${name}'.`, { pools: names })
    },
  },
  {
    method: 'GET',
    path: '/v1/version',
    says: 'version, process and uptime',
    answer: ({ source }) => json(200, source.version()),
  },
  change('switchover', 'move a pool to the backend `to`'),
  change('failback', 'move a pool back to its preferred backend'),
  change('freeze', 'let a pool stay as it is, whatever happens'),
  change('unfreeze', 'let a pool move again'),
  {
    method: 'POST',
    path: '/v1/handover',
    says: 'give the virtual IP address to another node, then finish and stop',
    answer: async ({ source, request, from }) => {
      const body = await readJson(request)
      return body.ok ? answerHandover(body.value, source.handOver, from) : body.answer
    },
  },
]

function change(verb: OperatorVerb, says: string): Route {
  return {
    method: 'POST',
    path: `/v1/pools/NAME/${verb}`,
    says,
    answer: async ({ source, events, request, name, from }) => {
      const body = await readJson(request)
      if (!body.ok) return body.answer
      const read = readRequest(verb, body.value, from)
      if (!read.ok) return read.answer
      return act(name, read.value, { actor: source, events, from, waitMs: ACT_WAIT_MS })
    },
  }
}

/** Requests are small, and there are few: everything beyond is a mistake or an attack. */
const HEAD_BYTES_MAX = 8_192
const REQUEST_MS = 2_000
const KEEP_ALIVE_MS = 30_000
const CONNECTIONS_MAX = 128
/** How long a client may wait for the end of a move. */
const ACT_WAIT_MS = 120_000
/** How long the answers to requests under way may take to be read at the end. */
const LAST_ANSWERS_MS = 500

export class AdminServer {
  readonly #server: Server
  readonly #source: AdminSource
  readonly #reach: Reach
  readonly #events: ActEvents

  /** @param reach who can connect to the address it will listen on */
  constructor(source: AdminSource, reach: Reach, events: ActEvents) {
    this.#source = source
    this.#reach = reach
    this.#events = events
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
        this.#server.on('error', (error) => this.#events.failed(error))
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

  /** Stops listening and ends all connections, those with an answer on its way a moment later. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), LAST_ANSWERS_MS)
    await closed
    clearTimeout(timer)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // With a body unread the connection can't be used again, and few requests have one.
    const { headers } = request
    if ('content-length' in headers || 'transfer-encoding' in headers) {
      response.setHeader('connection', 'close')
    }
    let answer: Answer
    try {
      answer = await this.#answer(request)
    } catch (error) {
      this.#events.failed(error)
      answer = problem(500, 'Internal error', 'Evenkeel met an error of its own; see its log.')
    }
    // At the end a connection must not stay open for another request that nobody will take.
    if (!this.#server.listening) response.setHeader('connection', 'close')
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
    const { route, name } = found
    if (method !== route.method && !(method === 'HEAD' && route.method === 'GET')) {
      return wrongMethod(path, route)
    }
    const refusal = route.method === 'GET' ? null : refuseChange(headers, this.#reach)
    if (refusal !== null) return refusal
    const from = (this.#reach === 'file' ? null : request.socket.remoteAddress) ?? 'unix socket'
    return route.answer({ source: this.#source, events: this.#events, request, name, from })
  }
}

function findRoute(path: string): { route: Route; name: string } | null {
  const parts = path.split('/')
  for (const route of routes) {
    const pattern = route.path.split('/')
    const fits = (part: string, i: number): boolean => pattern[i] === 'NAME' || pattern[i] === part
    if (parts.length !== pattern.length || !parts.every(fits)) continue
    const at = pattern.indexOf('NAME')
    const name = at < 0 ? '' : decode(parts[at]!)
    if (name !== null && (at < 0 || name !== '')) return { route, name }
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

function wrongMethod(path: string, { method }: Route): Answer {
  const [detail, allow] =
    method === 'GET'
      ? [`${path} can be read and nothing else: use GET.`, 'GET, HEAD']
      : [`${path} changes something: use POST.`, 'POST']
  return { ...problem(405, 'Method not allowed', detail), headers: { allow } }
}

function unknownPath(path: string): Answer {
  const paths = Object.fromEntries(
    routes.map(({ method, path, says }) => [method === 'GET' ? path : `POST ${path}`, says]),
  )
  return problem(404, 'No such path', `There is nothing at '${path}'.`, { paths })
}
