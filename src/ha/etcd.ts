// A client of etcd 3.4 and later over its JSON gateway: leases, ranges, transactions, streams.
// Endpoints are tried in turn, each within a limit of its own, beginning with the one that answered
// last. Whatever may have happened although no answer came is told apart from what surely did not.
// Must never repeat a transaction by itself, and never hold more than one bounded answer in memory.

import type { Dispatcher, Pool } from 'undici'
import { boundedText } from '../core/bounded-text.ts'
import type { Clock } from '../core/clock.ts'
import type { EtcdPlan } from '../core/plan.ts'
import { EtcdError, failed, isNotFound, isPassing, isStaleLogin, refused } from './etcd-error.ts'
import {
  encode,
  encodeCompare,
  encodeOperation,
  parseGrant,
  parseKeepAlive,
  parseObject,
  parseRange,
  parseTxn,
  rangeEnd,
  refusalOf,
  WireError,
  type Compare,
  type Operation,
  type Range,
  type Refusal,
} from './etcd-wire.ts'

/** Largest answer, and longest line of a stream. */
const ANSWER_BYTES_MAX = 8 << 20
const CONNECTIONS_MAX = 8
const CODE_FAILED_PRECONDITION = 9
/** Without it a member that has lost its cluster would let us wait instead of saying so. */
const NEEDS_LEADER = { 'grpc-metadata-hasleader': 'true' }

export interface EtcdOptions {
  readonly plan: EtcdPlan
  /** How long one endpoint may take to answer. */
  readonly timeoutMs: number
  readonly clock: Clock
}

/** Answers carry the time at which the request that was answered had been sent. */
export interface Sent<T> {
  readonly sentMs: number
  readonly value: T
}

interface Endpoint {
  readonly url: URL
  /** `null` until first used, and after a request on it was given up. */
  pool: Pool | null
}

/** A client of one etcd cluster. Every method throws `EtcdError`. */
export class EtcdClient {
  readonly #plan: EtcdPlan
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #endpoints: readonly Endpoint[]
  /** The endpoint to begin with. */
  #preferred = 0
  #token: string | null = null
  #closed = false

  constructor({ plan, timeoutMs, clock }: EtcdOptions) {
    this.#plan = plan
    this.#timeoutMs = timeoutMs
    this.#clock = clock
    this.#endpoints = plan.endpoints.map((url) => ({ url: new URL(url), pool: null }))
  }

  /** A new lease. etcd may give it a longer life than asked for, never a shorter one. */
  async grant(ttlMs: number): Promise<Sent<{ readonly lease: string; readonly ttlMs: number }>> {
    const body = { TTL: String(Math.ceil(ttlMs / 1_000)) }
    const { sentMs, value } = await this.#ask('/v3/lease/grant', body, parseGrant)
    return { sentMs, value: { lease: value.lease, ttlMs: value.ttlSeconds * 1_000 } }
  }

  /** Renews a lease: milliseconds it has now; 0 if there is no such lease any more. */
  async keepAlive(lease: string): Promise<Sent<number>> {
    const { sentMs, value } = await this.#ask('/v3/lease/keepalive', { ID: lease }, parseKeepAlive)
    return { sentMs, value: value * 1_000 }
  }

  /** Ends a lease and removes its keys. That there is none any more is no error. */
  async revoke(lease: string): Promise<void> {
    try {
      await this.#ask('/v3/lease/revoke', { ID: lease }, () => null)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  /** All keys that begin with `prefix`, as they are: no member may answer from an old state. */
  async range(prefix: string): Promise<Sent<Range>> {
    const body = { key: encode(prefix), range_end: rangeEnd(prefix) }
    return this.#ask('/v3/kv/range', body, parseRange)
  }

  /** All of `operations` if every one of `compares` holds, else nothing. */
  async txn(
    compares: readonly Compare[],
    operations: readonly Operation[],
  ): Promise<{ readonly succeeded: boolean; readonly revision: number }> {
    const body = {
      compare: compares.map(encodeCompare),
      success: operations.map(encodeOperation),
    }
    return (await this.#ask('/v3/kv/txn', body, parseTxn, false)).value
  }

  /**
   * A request with an answer that goes on, line by line, until it ends: then it throws, always.
   * The first line must come within the limit of an endpoint.
   */
  async stream(
    path: string,
    body: object,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<never> {
    const endpoint = this.#endpoints[this.#preferred]!
    // A pool of its own: a connection that hangs goes with it, and takes nothing else along.
    const undici = await import('undici')
    const pool = this.#connect(undici.Pool, endpoint.url)
    const abort = new AbortController()
    const stop = () => abort.abort()
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    const timer = setTimeout(stop, this.#timeoutMs)
    try {
      const token = await this.#login(endpoint)
      const answer = await this.#send(pool, endpoint, { path, body, token, signal: abort.signal })
      const lines = new Lines(onLine)
      for await (const chunk of answer.body) {
        clearTimeout(timer)
        lines.push(chunk as Buffer)
      }
      throw new EtcdError(`etcd at ${endpoint.url.origin} ended a stream`, true)
    } catch (error) {
      this.#preferOtherThan(endpoint)
      throw failed(endpoint.url.origin, error, this.#timeoutMs)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      void pool.destroy()
    }
  }

  /** Forgets the login, so that the next request makes a new one. */
  forgetLogin(): void {
    this.#token = null
  }

  /** Gives up what runs and closes all connections. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { pool } of this.#endpoints) await pool?.destroy()
  }

  /** `repeatable`: doing it twice is the same as doing it once. */
  async #ask<T>(
    path: string,
    body: object,
    parse: (answer: Readonly<Record<string, unknown>>) => T,
    repeatable = true,
  ): Promise<Sent<T>> {
    const failures: string[] = []
    let unknown = false
    for (let i = 0; i < this.#endpoints.length && !this.#closed; i++) {
      const endpoint = this.#endpoints[this.#preferred]!
      try {
        return await this.#askOne(endpoint, path, body, parse)
      } catch (cause) {
        const error = failed(endpoint.url.origin, cause, this.#timeoutMs)
        if (!isPassing(error)) throw error
        this.#preferOtherThan(endpoint)
        failures.push(error.message)
        unknown ||= error.unknown
        if (unknown && !repeatable) break
      }
    }
    if (this.#closed) failures.push('the client is closed')
    throw new EtcdError(failures.join('; '), unknown)
  }

  async #askOne<T>(
    endpoint: Endpoint,
    path: string,
    body: object,
    parse: (answer: Readonly<Record<string, unknown>>) => T,
  ): Promise<Sent<T>> {
    for (let tries = 1; ; tries++) {
      const token = await this.#login(endpoint)
      const sentMs = this.#clock.nowMs()
      try {
        return { sentMs, value: parse(await this.#post(endpoint, path, body, token)) }
      } catch (error) {
        if (tries > 1 || !isStaleLogin(error)) throw error
        if (this.#token === token) this.#token = null
      }
    }
  }

  /** The token to send; `''` where nobody has to log in. */
  async #login(endpoint: Endpoint): Promise<string> {
    const { login } = this.#plan
    if (login === null) return ''
    if (this.#token !== null) return this.#token
    const body = { name: login.user, password: login.password }
    let token = ''
    try {
      const answer = await this.#post(endpoint, '/v3/auth/authenticate', body, '')
      if (typeof answer['token'] === 'string') token = answer['token']
    } catch (error) {
      // A user is configured here, but this etcd asks nobody for a password yet.
      const refusal = error instanceof EtcdError ? error.refusal : null
      if (refusal?.code !== CODE_FAILED_PRECONDITION) throw error
    }
    this.#token = token
    return token
  }

  async #post(
    endpoint: Endpoint,
    path: string,
    body: object,
    token: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const undici = await import('undici')
    // Nothing is awaited between the look and the new one: requests that come together share it.
    const pool = (endpoint.pool ??= this.#connect(undici.Pool, endpoint.url))
    const abort = new AbortController()
    const timer = setTimeout(() => {
      // Whatever hangs here hangs for the next request as well: begin anew.
      if (endpoint.pool === pool) endpoint.pool = null
      abort.abort()
      void pool.destroy()
    }, this.#timeoutMs)
    try {
      const answer = await this.#send(pool, endpoint, { path, body, token, signal: abort.signal })
      const object = parseObject(await readText(answer))
      const refusal = refusalOf(object)
      if (refusal !== null) throw refused(endpoint.url.origin, refusal)
      return object
    } finally {
      clearTimeout(timer)
    }
  }

  async #send(
    pool: Pool,
    endpoint: Endpoint,
    request: { path: string; body: object; token: string; signal: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    const { path, body, token, signal } = request
    const headers: Record<string, string> = { ...NEEDS_LEADER, 'content-type': 'application/json' }
    if (token !== '') headers['authorization'] = token
    const answer = await pool.request({
      method: 'POST',
      path: endpoint.url.pathname.replace(/\/$/, '') + path,
      headers,
      body: JSON.stringify(body),
      signal,
    })
    if (answer.statusCode === 200) return answer
    const text = await readText(answer)
    const refusal = refusalOfText(text)
    if (refusal !== null) throw refused(endpoint.url.origin, refusal)
    throw new EtcdError(`${endpoint.url.origin} is no etcd: it answers ${answer.statusCode}`, false)
  }

  #connect(PoolClass: typeof Pool, url: URL): Pool {
    const { tls } = this.#plan
    if (this.#closed) throw new EtcdError('the client is closed', false)
    return new PoolClass(url.origin, {
      connections: CONNECTIONS_MAX,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: this.#timeoutMs,
        ...(tls?.ca == null ? {} : { ca: tls.ca }),
        ...(tls?.cert == null ? {} : { cert: tls.cert }),
        ...(tls?.key == null ? {} : { key: tls.key }),
      },
    })
  }

  #preferOtherThan(endpoint: Endpoint): void {
    const index = this.#endpoints.indexOf(endpoint)
    if (index === this.#preferred) this.#preferred = (index + 1) % this.#endpoints.length
  }
}

/** Cuts a stream into lines. */
class Lines {
  readonly #onLine: (line: string) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a)) {
      const line = bytes.toString('utf8', 0, end).trim()
      bytes = bytes.subarray(end + 1)
      if (line !== '') this.#onLine(line)
    }
    if (bytes.length > ANSWER_BYTES_MAX) throw new WireError('a line that is too long')
    this.#rest = bytes
  }
}

function readText({ body }: Dispatcher.ResponseData): Promise<string> {
  return boundedText(body, ANSWER_BYTES_MAX, () => new WireError('the answer is too large'))
}

function refusalOfText(text: string): Refusal | null {
  try {
    return refusalOf(parseObject(text))
  } catch {
    return null
  }
}
