// A stand-in for the Kubernetes API server, true to its protocol as far as it is read here: lists in
// pages, watches of chunked JSON lines from a version on, bookmarks, 410 for what is not kept any
// more, tokens.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface FakeEndpoint {
  readonly address: string
  readonly pod?: string
  readonly zone?: string
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
}

export interface FakeSlice {
  readonly name: string
  readonly service?: string
  readonly addressType?: string
  readonly ports?: readonly { readonly name?: string; readonly port: number; protocol?: string }[]
  readonly endpoints: readonly FakeEndpoint[]
}

interface Change {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: unknown
}

/** The name of the service whose slices are made if nothing else is said. */
export const SERVICE = 'api'
export const NAMESPACE = 'shop'

export class FakeKubernetes {
  /** What was asked for: `list`, `list continue`, `watch 7`. */
  readonly asked: string[] = []
  /** The token that is accepted; `null`: any. */
  token: string | null = null
  /** Answers lists and watches with this status. */
  broken: number | null = null
  /** Slices in a page of a list. */
  page = Infinity
  origin = ''
  readonly #tls: { readonly key: string; readonly cert: string } | null
  readonly #slices = new Map<string, unknown>()
  #changes: Change[] = []
  #version = 1
  /** Versions before this are not kept. */
  #oldest = 0
  #server: Server | null = null
  /** With the selector of each. */
  readonly #watches = new Map<ServerResponse, string>()

  constructor(tls: { readonly key: string; readonly cert: string } | null = null) {
    this.#tls = tls
  }

  get watches(): number {
    return this.#watches.size
  }

  async start(): Promise<this> {
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      this.#answer(request, response)
    const server = this.#tls === null ? createServer(answer) : createTlsServer(this.#tls, answer)
    this.#server = server
    const port = this.origin === '' ? 0 : Number(new URL(this.origin).port)
    await new Promise<void>((resolve) => {
      server.listen(port, '127.0.0.1', () => resolve())
    })
    const { port: bound } = server.address() as AddressInfo
    this.origin = `${this.#tls === null ? 'http' : 'https'}://127.0.0.1:${bound}`
    return this
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    this.#watches.clear()
  }

  /** Makes or changes a slice. */
  put(slice: FakeSlice): void {
    const type = this.#slices.has(slice.name) ? 'MODIFIED' : 'ADDED'
    const object = describe(slice, ++this.#version)
    this.#slices.set(slice.name, object)
    this.#tell({ version: this.#version, type, object })
  }

  remove(name: string): void {
    const object = withVersion(this.#slices.get(name), ++this.#version)
    this.#slices.delete(name)
    this.#tell({ version: this.#version, type: 'DELETED', object })
  }

  /** Tells all watches how far they are; something else in the cluster has changed. */
  bookmark(): void {
    const resourceVersion = String(++this.#version)
    const object = { kind: 'EndpointSlice', metadata: { resourceVersion } }
    this.#write({ type: 'BOOKMARK', object })
  }

  /** Forgets all changes so far, as etcd does when it is compacted. */
  compact(): void {
    this.#oldest = ++this.#version
    this.#changes = []
  }

  /** Ends all watches: in time, or with a reset. */
  endWatches(how: 'end' | 'reset'): void {
    for (const watch of this.#watches.keys()) {
      if (how === 'end') watch.end()
      else watch.destroy()
    }
    this.#watches.clear()
  }

  /** Sends a line to all watches as it is. */
  say(line: unknown): void {
    this.#write(line)
  }

  #tell(change: Change): void {
    this.#changes.push(change)
    const { type, object } = change
    this.#write({ type, object }, (selector) => fits(object, selector))
  }

  #write(line: unknown, isMeant = (_selector: string): boolean => true): void {
    for (const [watch, selector] of this.#watches) {
      if (isMeant(selector)) watch.write(`${JSON.stringify(line)}\n`)
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://k')
    if (this.token !== null && request.headers.authorization !== `Bearer ${this.token}`) {
      fail(response, 401, 'Unauthorized')
      return
    }
    if (this.broken !== null) {
      fail(response, this.broken, 'the server has a bad day')
      return
    }
    const path = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`
    if (url.pathname !== path) fail(response, 404, 'the server could not find it')
    else if (url.searchParams.get('watch') === '1') this.#watch(url, response)
    else this.#list(url, response)
  }

  #list(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('continue') ?? '0')
    this.asked.push(from === 0 ? 'list' : 'list continue')
    const selector = url.searchParams.get('labelSelector') ?? ''
    const all = [...this.#slices.values()].filter((slice) => fits(slice, selector))
    const limit = Math.min(this.page, Number(url.searchParams.get('limit') ?? Infinity))
    const items = all.slice(from, from + limit)
    const next = from + limit < all.length ? String(from + limit) : ''
    send(response, 200, {
      kind: 'EndpointSliceList',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: {
        resourceVersion: String(this.#version),
        ...(next === '' ? {} : { continue: next }),
      },
      items,
    })
  }

  #watch(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion'))
    this.asked.push(`watch ${from}`)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (from < this.#oldest) {
      const object = { kind: 'Status', status: 'Failure', reason: 'Expired', code: 410 }
      const message = `too old resource version: ${from} (${this.#oldest})`
      response.end(`${JSON.stringify({ type: 'ERROR', object: { ...object, message } })}\n`)
      return
    }
    const selector = url.searchParams.get('labelSelector') ?? ''
    for (const { version, type, object } of this.#changes) {
      if (version > from && fits(object, selector)) {
        response.write(`${JSON.stringify({ type, object })}\n`)
      }
    }
    this.#watches.set(response, selector)
    response.on('close', () => this.#watches.delete(response))
  }
}

/** A slice as the API shows it. */
export function describe(slice: FakeSlice, version = 1) {
  const { name, service = SERVICE, addressType = 'IPv4', ports = [{ port: 8080 }] } = slice
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      name,
      namespace: NAMESPACE,
      resourceVersion: String(version),
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType,
    ports: ports.map(({ name = '', port, protocol = 'TCP' }) => ({ name, port, protocol })),
    endpoints: slice.endpoints.map(({ address, pod, zone, ready, serving, terminating }) => ({
      addresses: [address],
      conditions: { ready, serving, terminating },
      ...(pod === undefined ? {} : { targetRef: { kind: 'Pod', name: pod, namespace: NAMESPACE } }),
      ...(zone === undefined ? {} : { zone }),
    })),
  }
}

function withVersion(slice: unknown, version: number): unknown {
  const { metadata, ...rest } = slice as { metadata: object }
  return { ...rest, metadata: { ...metadata, resourceVersion: String(version) } }
}

function fits(slice: unknown, selector: string): boolean {
  const [key = '', value] = selector.split('=')
  const { labels } = (slice as { metadata: { labels: Record<string, string> } }).metadata
  return labels[key] === value
}

function fail(response: ServerResponse, code: number, message: string): void {
  send(response, code, { kind: 'Status', status: 'Failure', message, code })
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
