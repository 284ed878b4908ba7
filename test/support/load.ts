// An open-loop HTTP load generator: requests start by the clock, whatever the answers do, and
// latency counts from the moment a request was due. So a stall shows as many slow answers and not
// as one (coordinated omission). It is built on node:http, which is also the judge of framing.
// Nothing is retried: what a request meets is what is counted.

import { Agent, request } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'

/**
 * A pause of our own event loop this long is taken out of the clock: making up for it would be a
 * burst, not a rate.
 */
const standstillMs = 50

export interface LoadOptions {
  /** `http://127.0.0.1:port/path`; a function gets the number of the request, from 0. */
  readonly url: string | ((number: number) => string)
  readonly ratePerSecond: number
  /** Stops by itself after so long; without it, `stop()` does. */
  readonly seconds?: number
  readonly method?: string
  readonly body?: string
  readonly headers?: OutgoingHttpHeaders
  /** `new`: a connection of its own for each request. Default `keep-alive`. */
  readonly connection?: 'keep-alive' | 'new'
  /** A whole answer this slow counts as slow. Default 1,500 ms. */
  readonly slowMs?: number
  /** A request without a whole answer after this time fails as `timeout`. Default 10 s. */
  readonly timeoutMs?: number
  /** Whether a whole answer is what it should be. Default: status 200. */
  readonly isOk?: (status: number, body: string) => boolean
}

/** What became of one request. */
export interface LoadRecord {
  /** When it was due, in ms since the load began. */
  readonly atMs: number
  /** From then to the end of the answer or to the failure. */
  readonly latencyMs: number
  /** 0 if no response head came. */
  readonly status: number
  readonly body: string
  /** Empty if a whole answer came; else why not: an errno code, `cut`, `timeout`. */
  readonly error: string
  readonly ok: boolean
}

export interface LoadResult {
  readonly sent: number
  /** Whole answers that `isOk` approved. */
  readonly ok: number
  /** Everything else. `sent === ok + failed`. */
  readonly failed: number
  /** Those of `sent` that took longer than `slowMs`. */
  readonly slow: number
  readonly errors: Readonly<Record<string, number>>
  readonly statuses: Readonly<Record<string, number>>
  /** Whole answers by the first 60 characters of their body. */
  readonly bodies: Readonly<Record<string, number>>
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly records: readonly LoadRecord[]
}

export interface Load {
  /** Settles when it has ended and every request has its outcome. */
  readonly done: Promise<LoadResult>
  /** Requests whose outcome is known so far. */
  readonly records: readonly LoadRecord[]
  sent(): number
  /** Starts no further request. */
  stop(): Promise<LoadResult>
}

/** Runs a load to its end. `seconds` must be given. */
export function load(options: LoadOptions & { readonly seconds: number }): Promise<LoadResult> {
  return startLoad(options).done
}

/** Starts a load and returns at once. */
export function startLoad(options: LoadOptions): Load {
  const agent = new Agent({ keepAlive: options.connection !== 'new', maxSockets: Infinity })
  const records: LoadRecord[] = []
  const startedAt = performance.now()
  const total = options.seconds === undefined ? Infinity : options.seconds * options.ratePerSecond
  let sent = 0
  let ending = false
  let finish: (result: LoadResult) => void = () => {}
  const done = new Promise<LoadResult>((resolve) => {
    finish = resolve
  })
  const settle = (): void => {
    if (!ending || records.length < sent) return
    agent.destroy()
    finish(sumUp(records, options.slowMs ?? 1_500))
  }
  const end = (): void => {
    clearInterval(ticker)
    ending = true
    settle()
  }
  let tickedAt = startedAt
  let standingMs = 0
  const tick = (): void => {
    const now = performance.now()
    if (now - tickedAt > standstillMs) standingMs += now - tickedAt
    tickedAt = now
    const dueMs = (): number => (sent / options.ratePerSecond) * 1_000 + standingMs
    while (sent < total && dueMs() <= now - startedAt) {
      const atMs = dueMs()
      exchange(options, agent, sent++, (outcome) => {
        const latencyMs = performance.now() - startedAt - atMs
        records.push({ ...outcome, atMs, latencyMs })
        settle()
      })
    }
    if (sent >= total) end()
  }
  const ticker = setInterval(tick, 1)
  tick()
  return {
    done,
    records,
    sent: () => sent,
    stop() {
      end()
      return done
    },
  }
}

type Outcome = Omit<LoadRecord, 'atMs' | 'latencyMs'>

function exchange(
  options: LoadOptions,
  agent: Agent,
  number: number,
  settle: (outcome: Outcome) => void,
): void {
  const { url, method = 'GET', body, headers = {} } = options
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  let response: IncomingMessage | null = null
  let text = ''
  let settled = false
  const end = (error: string): void => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    const status = response?.statusCode ?? 0
    const ok = error === '' && (options.isOk ?? ((code) => code === 200))(status, text)
    settle({ status, body: text, error, ok })
  }
  const target = typeof url === 'string' ? url : url(number)
  const sent = request(target, { agent, method, headers: { ...headers, ...length } })
  const timer = setTimeout(() => {
    end('timeout')
    sent.destroy()
  }, options.timeoutMs ?? 10_000)
  sent.on('error', (error: NodeJS.ErrnoException) => {
    end(response === null ? (error.code ?? error.message) : 'cut')
  })
  sent.on('response', (incoming) => {
    response = incoming
    incoming.setEncoding('latin1')
    incoming.on('data', (part: string) => {
      text += part
    })
    incoming.on('error', () => end('cut'))
    incoming.on('close', () => end(incoming.complete ? '' : 'cut'))
    incoming.on('end', () => end(incoming.complete ? '' : 'cut'))
  })
  sent.end(body)
}

/** Counts records, all of them or those of a stretch of time, into a result. */
export function sumUp(records: readonly LoadRecord[], slowMs = 1_500): LoadResult {
  const latencies = records.map((record) => record.latencyMs).sort((a, b) => a - b)
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0
  const whole = records.filter((record) => record.error === '')
  const ok = records.filter((record) => record.ok).length
  return {
    sent: records.length,
    ok,
    failed: records.length - ok,
    slow: latencies.filter((latency) => latency > slowMs).length,
    errors: count(records.filter((record) => record.error !== '').map((record) => record.error)),
    statuses: count(whole.map((record) => String(record.status))),
    bodies: count(whole.map((record) => record.body.slice(0, 60))),
    latencyMs: { p50: at(0.5), p99: at(0.99), max: latencies.at(-1) ?? 0 },
    records,
  }
}

/** One line for people: `sent 400 ok 400 failed 0 slow 0 max 12 ms`, errors and statuses if any. */
export function describeLoad(result: LoadResult): string {
  const { sent, ok, failed, slow, latencyMs } = result
  const pairs = Object.entries({ ...result.errors, ...result.statuses })
    .filter(([name]) => name !== '200')
    .map(([name, times]) => ` ${name}×${times}`)
  const max = Math.round(latencyMs.max)
  return `sent ${sent} ok ${ok} failed ${failed} slow ${slow} max ${max} ms${pairs.join('')}`
}

function count(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}
