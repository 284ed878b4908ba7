// The peer port: how replicas confirm to each other that they go on, frozen, while etcd is out of
// reach. One question, one answer; what to answer is core/agreement.ts's to say.
// It belongs on a private network: whoever reaches it from a replica's address can ask, though a
// question only ever makes the one who is asked more careful.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { isIP } from 'node:net'
import type { Reign } from '../core/agreement-contract.ts'
import { boundedText } from '../core/bounded-text.ts'
import type { Address, ReplicaPlan } from '../core/plan.ts'
import { canonicalIp } from './virtual-ip.ts'

const PATH = '/v1/confirm'
const BODY_BYTES_MAX = 64 * 1024
const REQUEST_MS = 2_000

export interface Question {
  readonly cluster: string
  readonly from: string
  readonly incarnation: string
  readonly pools: Readonly<Record<string, Reign>>
}

/** By pool `null` for yes, or why not. */
export type Confirmations = Readonly<Record<string, string | null>>

export interface PeerServerOptions {
  readonly cluster: string
  readonly replica: string
  readonly replicas: readonly ReplicaPlan[]
  /** Answers some time later, or never. */
  onQuestion(question: Question, answer: (pools: Confirmations) => void): void
}

/** Listens for the other replicas' questions. */
export class PeerServer {
  readonly #options: PeerServerOptions
  readonly #server: Server
  /** Addresses that may ask; `null` if some replica is known by a name only. */
  readonly #peers: ReadonlySet<string> | null

  constructor(options: PeerServerOptions) {
    this.#options = options
    const hosts = options.replicas.map(({ peer }) => (peer.kind === 'tcp' ? peer.host : ''))
    const areKnown = hosts.every((host) => isIP(host) !== 0)
    this.#peers = areKnown ? new Set(hosts.map(canonicalIp)) : null
    this.#server = createServer(
      { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 500 },
      (request, response) => void this.#serve(request, response),
    )
    this.#server.maxConnections = 64
  }

  /** @throws Error when the address can't be had */
  async listen(address: Address): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      const where =
        address.kind === 'unix'
          ? { path: address.path }
          : { host: address.host, port: address.port }
      this.#server.listen(where, () => {
        this.#server.off('error', reject)
        this.#server.on('error', () => {})
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const end = (status: number, body: object): void => {
      if (response.destroyed || response.writableEnded) return
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    if (this.#peers !== null && (address === '' || !this.#peers.has(canonicalIp(address)))) {
      end(403, { error: `${address} is not the address of a replica` })
      return
    }
    if (request.method !== 'POST' || request.url !== PATH) {
      end(404, { error: `there is only POST ${PATH} here` })
      return
    }
    const question = readQuestion(await readBody(request))
    const { cluster, replica, replicas } = this.#options
    if (question === null) end(400, { error: 'not a question of a replica' })
    else if (question.cluster !== cluster) end(409, { error: `this is cluster '${cluster}'` })
    else if (question.from === replica || !replicas.some(({ name }) => name === question.from)) {
      end(409, { error: `'${question.from}' is no other replica of '${cluster}'` })
    } else this.#options.onQuestion(question, (pools) => end(200, { pools }))
  }
}

/**
 * Asks another replica.
 * @param own our own peer address: a host with several must ask from the one that it is known by
 * @throws Error with a sentence when there is no proper answer in time
 */
export async function askPeer(
  peer: Address,
  own: Address,
  question: Question,
  timeoutMs: number,
): Promise<Confirmations> {
  const { Agent, request } = await import('undici')
  const dispatcher = new Agent({ connections: 1, ...sourceOf(peer, own) })
  let statusCode: number
  let text: string
  try {
    const response = await request(urlOf(peer), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
      signal: AbortSignal.timeout(timeoutMs),
      dispatcher,
    })
    statusCode = response.statusCode
    text = await boundedText(
      response.body,
      BODY_BYTES_MAX,
      () => new Error('its answer is too long'),
    )
  } finally {
    await dispatcher.destroy()
  }
  if (statusCode !== 200) throw new Error(`it answered ${statusCode}: ${text.slice(0, 200)}`)
  const answer = asFields(parse(text))?.['pools']
  const pools = asFields(answer)
  if (pools === null) throw new Error('its answer is none of a replica')
  const entries = Object.entries(pools).filter(
    (entry): entry is [string, string | null] => entry[1] === null || typeof entry[1] === 'string',
  )
  return Object.fromEntries(entries)
}

/** Where to ask from; the system's choice where that is not known. */
function sourceOf(peer: Address, own: Address): { readonly localAddress?: string } {
  if (own.kind !== 'tcp' || peer.kind !== 'tcp' || isIP(own.host) === 0) return {}
  // To a name of another family, or one whose family is not known yet, it would not lead.
  return isIP(own.host) === isIP(peer.host) ? { localAddress: own.host } : {}
}

function urlOf(peer: Address): string {
  if (peer.kind === 'unix') throw new Error('a replica is reached over TCP')
  const host = peer.host.includes(':') ? `[${peer.host}]` : peer.host
  return `http://${host}:${peer.port}${PATH}`
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = ''
  try {
    request.setEncoding('utf8')
    for await (const part of request) {
      text += part as string
      if (text.length > BODY_BYTES_MAX) return ''
    }
  } catch {
    return ''
  }
  return text
}

function readQuestion(text: string): Question | null {
  const fields = asFields(parse(text))
  const pools = asFields(fields?.['pools'])
  if (fields === null || pools === null) return null
  const { cluster, from, incarnation } = fields
  if (typeof cluster !== 'string' || typeof from !== 'string') return null
  if (typeof incarnation !== 'string') return null
  const entries = Object.entries(pools)
  if (!entries.every((entry): entry is [string, Reign] => isReign(entry[1]))) return null
  return { cluster, from, incarnation, pools: Object.fromEntries(entries) }
}

function isReign(value: unknown): value is Reign {
  const { epoch, id } = (value ?? {}) as Partial<Reign>
  return Number.isSafeInteger(epoch) && typeof id === 'string'
}

function asFields(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return value as Readonly<Record<string, unknown>>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
