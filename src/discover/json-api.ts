// A JSON API over HTTP, be it behind a unix socket or TLS, for list and watch: one answer at a time,
// or a stream of one object a line. Everything is bounded, in time and in bytes: what is at the other
// end may be broken or hostile. On undici, loaded when it is first needed.

import type { Dispatcher } from 'undici'
import { boundedText } from '../core/bounded-text.ts'

export interface JsonApiPlace {
  /** `http://docker`, `https://10.96.0.1:443`. */
  readonly origin: string
  /** A unix socket in place of the host in `origin`. */
  readonly socketPath?: string
  /** Authority (PEM) to trust in place of the system's. */
  readonly ca?: string
}

export interface JsonAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** What the body says; `null` if it is empty or no JSON. */
  readonly body: unknown
}

export interface StreamOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** The stream is given up after so long without a byte; 0: never. */
  readonly idleMs: number
  opened(): void
  line(value: unknown): void
}

export interface JsonApi {
  get(
    path: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal },
  ): Promise<JsonAnswer>
  /** Resolves when the stream has ended. @throws ApiError also for a status other than 200 */
  stream(path: string, options: StreamOptions): Promise<void>
  close(): void
}

/** What went wrong, in a few words. */
export class ApiError extends Error {
  /** `null`: there was no answer. */
  readonly status: number | null

  constructor(message: string, status: number | null = null) {
    super(message)
    this.name = 'ApiError'
    this.status = status
  }
}

/** A stream that had begun well has broken off: nothing to worry about if the next one begins. */
export class StreamError extends ApiError {}

const CONNECT_MS = 3_000
const ANSWER_MS = 10_000
/**
 * When a connection on which nothing is said is first asked whether the other end is still there; the
 * system gives it up about ten seconds later. A watch may say nothing for minutes.
 */
const ALIVE_MS = 10_000
const ANSWER_BYTES_MAX = 32 << 20
const LINE_BYTES_MAX = 8 << 20

export async function openJsonApi(place: JsonApiPlace): Promise<JsonApi> {
  const { Agent } = await import('undici')
  const { socketPath, ca } = place
  const agent = new Agent({
    connections: 2,
    pipelining: 1,
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
    connect: {
      timeout: CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelay: ALIVE_MS,
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(ca === undefined ? {} : { ca }),
    },
  })
  return new UndiciApi(place.origin, agent)
}

class UndiciApi implements JsonApi {
  readonly #origin: string
  readonly #agent: Dispatcher

  constructor(origin: string, agent: Dispatcher) {
    this.#origin = origin
    this.#agent = agent
  }

  async get(
    path: string,
    { headers = {}, signal }: { headers?: Readonly<Record<string, string>>; signal: AbortSignal },
  ): Promise<JsonAnswer> {
    // Headers and each piece of a body have limits of their own; this one is over all of it.
    const abort = new AbortController()
    const end = (): void => abort.abort()
    const timer = setTimeout(end, 2 * ANSWER_MS)
    signal.addEventListener('abort', end, { once: true })
    try {
      const answer = await this.#request(path, { headers, signal: abort.signal })
      const body = parse(await readText(answer))
      return { status: answer.statusCode, headers: answer.headers, body }
    } catch (error) {
      throw apiError(error)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
    }
  }

  async stream(path: string, options: StreamOptions): Promise<void> {
    const { headers = {}, signal, idleMs } = options
    let isOpen = false
    try {
      // Who says nothing for as long as nothing happens may keep even the head until then.
      const headersTimeout = idleMs === 0 ? 0 : ANSWER_MS
      const limits = { headersTimeout, bodyTimeout: idleMs }
      const answer = await this.#request(path, { headers, signal, ...limits })
      if (answer.statusCode !== 200) {
        const reason = messageIn(parse(await readText(answer)))
        throw new ApiError(statusText(answer.statusCode, reason), answer.statusCode)
      }
      isOpen = true
      options.opened()
      await readLines(answer.body, (line) => options.line(parse(line)))
    } catch (error) {
      const found = apiError(error)
      throw isOpen && !(error instanceof ApiError) ? new StreamError(found.message) : found
    }
  }

  close(): void {
    void this.#agent.destroy()
  }

  #request(
    path: string,
    options: {
      headers: Readonly<Record<string, string>>
      signal: AbortSignal
      headersTimeout?: number
      bodyTimeout?: number
    },
  ): Promise<Dispatcher.ResponseData> {
    return this.#agent.request({ origin: this.#origin, method: 'GET', path, ...options })
  }
}

/** `403: endpointslices is forbidden`. */
export function statusText(status: number, reason: string | null): string {
  return reason === null ? `it answers ${status}` : `it answers ${status}: ${reason}`
}

/** What an error answer says of itself: Docker and Kubernetes both call it `message`. */
export function messageIn(body: unknown): string | null {
  const message = fieldsOf(body)['message']
  return typeof message === 'string' && message !== '' ? message.slice(0, 300) : null
}

/** A map, or an empty one in place of anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isMap ? (value as Readonly<Record<string, unknown>>) : {}
}

/** A list, or an empty one in place of anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A text that says something; else `null`. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function readText({ body }: Dispatcher.ResponseData): Promise<string> {
  return boundedText(body, ANSWER_BYTES_MAX, () => new ApiError('its answer is too large'))
}

async function readLines(
  body: AsyncIterable<Buffer>,
  onLine: (line: string) => void,
): Promise<void> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      chunks.push(chunk.subarray(start, end))
      const line = Buffer.concat(chunks.splice(0)).toString('utf8').trim()
      size = 0
      start = end + 1
      if (line !== '') onLine(line)
    }
    if (start < chunk.length) chunks.push(chunk.subarray(start))
    size += chunk.length - start
    if (size > LINE_BYTES_MAX) throw new ApiError('a line of its stream is too long')
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function apiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { code = '', message, name } = error as NodeJS.ErrnoException
  if (name === 'TimeoutError' || name === 'AbortError') return new ApiError('no answer in time')
  return new ApiError(WORDS[code] ?? message)
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ENOTSOCK: 'it is no socket',
  EACCES: 'the socket may not be opened by this user',
  EPERM: 'not permitted',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'the other end is gone without a word',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the resolver does not answer',
  UND_ERR_SOCKET: 'connection closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'no answer in time',
  UND_ERR_ABORTED: 'no answer in time',
  UND_ERR_DESTROYED: 'connection closed',
}
