// The admin API on its way between socket and routes: who may ask, what he asks, what he gets. On the
// main thread, on loopback or a unix socket unless told otherwise; open to a network it only tells.
// Must never be on the way of traffic: a slow reader here costs the control plane a socket.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import type { Address, AdminPlan } from '../core/plan.ts'
import type { Answer } from './answer.ts'
import { rawAnswer, send } from './answer.ts'
import type { AdminEvents } from './carry-out.ts'
import { carryOut, nameOf } from './carry-out.ts'
import { readBody, refuseChange } from './change.ts'
import type { Admission } from './guard.ts'
import { Guard } from './guard.ts'
import type { Reach } from './host-check.ts'
import { isHostAllowed } from './host-check.ts'
import { readInput, readQuery } from './input.ts'
import { problem } from './problem.ts'
import type { Call, ChangeRoute, Route } from './route.ts'
import { Router } from './router.ts'
import { queryFlag } from './words.ts'

/** Requests are small, and there are few: everything beyond is a mistake or an attack. */
const HEAD_BYTES_MAX = 8_192
const REQUEST_MS = 2_000
const KEEP_ALIVE_MS = 30_000
const CONNECTIONS_MAX = 128
/** With more than this, those without a request give their room to the next ones. */
const CONNECTIONS_FEW = 96
const UNREAD_MS = 5_000
/** How long the answers to requests under way may take to be read at the end. */
const LAST_ANSWERS_MS = 500

/** Where the API listens. */
export interface Door {
  readonly address: Address
  readonly where:
    | { readonly path: string }
    | { readonly host: string; readonly port: number }
    | { readonly fd: number }
  /** Another process can have the socket: this one's end does not take its name away. */
  readonly isLasting: boolean
  /** The socket is open. */
  opened(): Promise<void>
  /** Nobody listens any more. */
  removed(): void
}

/** Who may use it. */
export interface AdminAccess extends Pick<AdminPlan, 'tokens' | 'tls'> {
  /** Who can connect to the address it will listen on. */
  readonly reach: Reach
  /** It tells nothing that a page of another site could not have. */
  readonly anyHost?: boolean
  /** How long an answer may lie unread; default 5 s. */
  readonly unreadMs?: number
}

export class AdminServer {
  #door: Door | null = null
  #closed: Promise<void> | null = null
  readonly #server: Server
  readonly #router: Router
  /** Answers without an end of their own. */
  readonly #streams = new Set<ServerResponse>()
  readonly #access: AdminAccess
  readonly #guard: Guard
  readonly #events: AdminEvents
  /** Answers so far, by status. */
  readonly #answers = new Map<number, number>()

  constructor(routes: readonly Route[], access: AdminAccess, events: AdminEvents) {
    this.#router = new Router(routes)
    this.#access = access
    this.#guard = new Guard(access.reach, access)
    this.#events = events
    this.#server = makeServer(access, (request, response) => void this.#serve(request, response))
    this.#server.on('clientError', answerUnreadable)
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.on('connection', () => this.#makeRoom())
  }

  /** Whoever keeps a connection for later must not keep those out who ask now. */
  #makeRoom(): void {
    this.#server.getConnections((_error, count) => {
      if (count > CONNECTIONS_FEW) this.#server.closeIdleConnections()
    })
  }

  /** Opens the listener and returns its address. @throws Error when that fails */
  async listen(door: Door): Promise<Address> {
    const { address } = door
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(door.where, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => this.#events.failed(error))
        resolve()
      })
    })
    await door.opened()
    this.#door = door
    return this.#address(address)
  }

  /** What it listens on, for a process that takes over; `null` if no other process can have it. */
  get socket(): { readonly fd: number; readonly address: Address } | null {
    const { _handle: handle } = this.#server as unknown as { _handle: { fd?: number } | null }
    const fd = handle?.fd ?? -1
    if (fd < 0 || this.#door?.isLasting !== true) return null
    return { fd, address: this.#address(this.#door.address) }
  }

  /** Stops listening, since another process goes on with the socket. Requests under way go on. */
  release(): void {
    this.#door = null
    void this.#stop()
    // Whoever follows the events finds the next ones in the other process.
    for (const response of this.#streams) response.end()
  }

  /** How many requests were answered so far, by status. */
  answered(): ReadonlyMap<number, number> {
    return this.#answers
  }

  /** Stops listening and ends all connections, those with an answer on its way a moment later. */
  async close(): Promise<void> {
    if (!this.#server.listening && this.#closed === null) return
    const closed = this.#stop()
    this.#door?.removed()
    this.#door = null
    this.#server.closeIdleConnections()
    for (const response of this.#streams) response.end()
    const timer = setTimeout(() => this.#server.closeAllConnections(), LAST_ANSWERS_MS)
    await closed
    clearTimeout(timer)
  }

  #stop(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve())
    })
    return this.#closed
  }

  #address(address: Address): Address {
    const bound = this.#server.address()
    if (address.kind === 'unix' || typeof bound !== 'object' || bound === null) return address
    return { ...address, port: bound.port }
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
      answer = problem('internal', 'Evenkeel met an error of its own; see its log.')
    }
    // At the end a connection must not stay open for another request that nobody will take.
    // Nor may those who are not let in, or come too many, hold the room of those who probe.
    const isTurnedAway = answer.status === 401 || answer.status === 503
    if (isTurnedAway || !this.#server.listening) response.setHeader('connection', 'close')
    if (typeof answer.body === 'function') {
      this.#streams.add(response)
      response.on('close', () => this.#streams.delete(response))
    }
    this.#answers.set(answer.status, (this.#answers.get(answer.status) ?? 0) + 1)
    send(response, answer, this.#access.unreadMs ?? UNREAD_MS)
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '', headers } = request
    const twice = fieldSentTwice(request)
    if (twice !== null) return problem('bad-request', `The field ${twice} may be there once.`)
    const admission = this.#guard.judge(request)
    const [path, search] = splitTarget(url)
    const found = this.#router.find(method, path)
    const { may, who } = admission
    // The page holds no data, and a browser has no token to show before it is there.
    const isPage = may === null && found.ok && found.route.tag === 'page'
    if (!isPage && !this.#isHostFine(headers.host, admission)) {
      const detail = `The admin API does not answer to the name '${headers.host ?? ''}'. Use its IP address or localhost.`
      return problem('wrong-host', detail)
    }
    if (may === null && !(found.ok && found.route.access === 'open')) {
      this.#events.stranger?.(who.from, admission.isWrong)
      return this.#guard.refusal(admission)
    }
    if (!found.ok) return found.answer
    const call = { params: found.params, query: {}, headers, who }
    return this.#admit(found.route, call, admission, { search, request })
  }

  /** Answers who is let in, if he may do this. */
  async #admit(
    route: Route,
    call: Call,
    admission: Admission,
    { search, request }: { readonly search: string; readonly request: IncomingMessage },
  ): Promise<Answer> {
    const { headers } = call
    const query = readQuery(search)
    if (route.access === 'change') {
      if (admission.may === 'read') return readOnly(admission)
      const refusal = refuseChange(headers, route)
      if (refusal !== null) return refusal
      return query.ok ? this.#change(route, call, query.value, request) : query.answer
    }
    if (route.query === undefined) return route.answer(call)
    if (!query.ok) return query.answer
    const read = readInput(query.value, route.query, 'query')
    return read.ok ? route.answer({ ...call, query: read.value }) : read.answer
  }

  /** A name that strangers can register is fine where the browser of a victim could do no harm. */
  #isHostFine(host: string | undefined, { isProven }: Admission): boolean {
    const { reach, tls, anyHost } = this.#access
    // With TLS the page of another name gets a certificate that is not its own.
    if (anyHost === true || tls !== null) return true
    return (isProven && host !== undefined) || isHostAllowed(host, reach)
  }

  async #change(
    route: ChangeRoute,
    call: Call,
    search: Readonly<Record<string, string>>,
    request: IncomingMessage,
  ): Promise<Answer> {
    const query = readInput(search, querySchemaOf(route), 'query')
    if (!query.ok) return query.answer
    const sent = await readBody(request, route)
    if (!sent.ok) return sent.answer
    const body = readInput(sent.value, route.body ?? noBody, 'body')
    if (!body.ok) return body.answer
    const isTried = query.value['dryRun'] === true
    const words = { ...query.value, ...(typeof body.value === 'object' ? body.value : {}) } as Words
    const { reason = '', by } = words
    const signed = { reason, by: nameOf(by, call.who), dryRun: isTried || words.dryRun === true }
    return carryOut(
      route,
      { ...call, query: query.value, body: body.value, ...signed },
      this.#events,
    )
  }
}

/** What the frame itself reads of query and body. */
interface Words {
  readonly reason?: string
  readonly by?: string
  readonly dryRun?: boolean
}

/** What breaks HTTP, is too large, or comes too slowly. */
function answerUnreadable({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const answer =
    code === 'HPE_HEADER_OVERFLOW'
      ? problem('head-too-large', `The head may have ${HEAD_BYTES_MAX} bytes at most.`)
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? problem('too-slow', `A request has to be complete within ${REQUEST_MS} ms.`)
        : problem('bad-request', 'This is not HTTP/1.1.')
  socket.end(rawAnswer(answer))
}

function readOnly({ isProven }: Admission): Answer {
  const detail = isProven
    ? 'This token may look, but change nothing.'
    : 'This admin API is open to the network without a token, so it can only be read.'
  return problem('read-only', detail)
}

function makeServer(
  { tls }: AdminAccess,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const limits = {
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 500,
  }
  if (tls === null) return createServer(limits, serve)
  const { cert, key, clientCa } = tls
  // Whoever has no certificate may still see the open paths, or show a token.
  const clients =
    clientCa === null ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }
  return createTlsServer({ ...limits, cert, key, ...clients, handshakeTimeout: REQUEST_MS }, serve)
}

const noBody = z.undefined('must be left out')

const dryRunQuery = { dryRun: queryFlag('Only say what would happen.') }

/** What the query of a change may have: its own parameters, and `dryRun` where it can. */
function querySchemaOf({ query, dryRun }: ChangeRoute): z.ZodObject {
  return z.strictObject({ ...query?.shape, ...(dryRun === true ? dryRunQuery : {}) })
}

/**
 * Node takes the first of several Host fields, and of several Authorization fields, and drops the
 * others; a proxy in front may have judged by another one. RFC 9112 §3.2 asks for 400 with more than
 * one Host.
 */
function fieldSentTwice({ headersDistinct }: IncomingMessage): string | null {
  if ((headersDistinct['host']?.length ?? 0) > 1) return 'Host'
  return (headersDistinct['authorization']?.length ?? 0) > 1 ? 'Authorization' : null
}

/** Path and query of a request target. */
function splitTarget(target: string): [path: string, search: string] {
  const at = target.indexOf('?')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
}
