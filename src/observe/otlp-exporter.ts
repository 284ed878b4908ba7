// Carries kept exchanges to a collector over OTLP/HTTP: in batches, one request at a time, from a
// bounded queue. What finds no room, or no collector in time, is dropped and counted.
// Must never make anybody wait, but for the end of the process, and that for a second.

import type { Dispatcher } from 'undici'
import { backoffMs } from '../core/backoff.ts'
import type { OtlpPlan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import type { TraceRecord } from '../core/trace.ts'
import { encodeTraces } from './otlp.ts'

export interface OtlpExporterOptions {
  readonly plan: OtlpPlan
  readonly version: string
  readonly instance: string
  readonly random: Random
  /** The collector can't be reached, or refuses; said once until it works again. */
  readonly failed: (cause: string) => void
  readonly recovered: () => void
  /** Times in ms, for tests. */
  readonly pace?: Partial<Pace>
}

interface Pace {
  /** How long a batch gathers. */
  readonly gatherMs: number
  /** How long the collector may take. */
  readonly timeoutMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

const PACE: Pace = {
  gatherMs: 1_000,
  timeoutMs: 10_000,
  backoffMinMs: 1_000,
  backoffMaxMs: 30_000,
}

/** Exchanges that wait; some 10 MB at most. */
export const QUEUE_MAX = 4_096
const BATCH_MAX = 256
/** Tries of one batch. */
const TRIES = 6
const RETRY_AFTER_MAX_MS = 120_000
const ANSWER_BYTES_MAX = 65_536
const LAST_MS = 1_000

/** What may be sent again (OTLP, "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504])

type Outcome =
  | { readonly kind: 'done'; readonly rejected: number; readonly message: string }
  | { readonly kind: 'again'; readonly cause: string; readonly afterMs: number | null }
  | { readonly kind: 'refused'; readonly cause: string }

export class OtlpExporter {
  readonly #options: OtlpExporterOptions
  readonly #pace: Pace
  #queue: TraceRecord[] = []
  #timer: NodeJS.Timeout | null = null
  #agent: Dispatcher | null = null
  #running: Promise<void> | null = null
  #isFailing = false
  #isClosed = false
  readonly #abort = new AbortController()
  exported = 0
  dropped = 0

  constructor(options: OtlpExporterOptions) {
    this.#options = options
    this.#pace = { ...PACE, ...options.pace }
  }

  /** Takes one; the collector gets it in about a second. */
  add(trace: TraceRecord): void {
    if (this.#isClosed || this.#queue.length >= QUEUE_MAX) {
      this.dropped++
      return
    }
    this.#queue.push(trace)
    if (this.#running !== null) return
    if (this.#queue.length >= BATCH_MAX) this.#start()
    else this.#timer ??= setTimeout(() => this.#start(), this.#pace.gatherMs).unref()
  }

  /** Sends what is left, if that is done within a second. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#queue.length > 0 && !this.#isFailing && this.#running === null) this.#start()
    const end = setTimeout(() => this.#abort.abort(), this.#isFailing ? 0 : LAST_MS)
    await this.#running
    clearTimeout(end)
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.dropped += this.#queue.length
    this.#queue = []
    await this.#agent?.destroy()
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#running ??= this.#run().finally(() => {
      this.#running = null
      if (this.#queue.length > 0 && !this.#isClosed) {
        this.#timer = setTimeout(() => this.#start(), this.#pace.gatherMs).unref()
      }
    })
  }

  /** Sends until less than a batch is left. */
  async #run(): Promise<void> {
    do {
      const batch = this.#queue.splice(0, BATCH_MAX)
      if (batch.length > 0) await this.#deliver(batch).catch((error) => this.#lose(batch, error))
    } while (
      !this.#abort.signal.aborted &&
      (this.#queue.length >= BATCH_MAX || (this.#isClosed && this.#queue.length > 0))
    )
  }

  async #deliver(batch: readonly TraceRecord[]): Promise<void> {
    const { plan, version, instance } = this.#options
    const body = encodeTraces(batch, { service: plan.service, version, instance })
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#post(body)
      if (outcome.kind === 'done') {
        this.exported += batch.length
        if (outcome.rejected > 0) this.#fail(`it rejects spans: ${outcome.message}`)
        else this.#works()
        return
      }
      this.#fail(outcome.cause)
      const isLast = attempt >= TRIES || this.#isClosed || this.#abort.signal.aborted
      if (outcome.kind === 'refused' || isLast) {
        this.dropped += batch.length
        return
      }
      await this.#pause(outcome.afterMs ?? this.#backoffMs(attempt))
    }
  }

  /** An error of our own: it costs this batch and no more. */
  #lose(batch: readonly TraceRecord[], error: unknown): void {
    this.dropped += batch.length
    this.#fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }

  async #post(body: string): Promise<Outcome> {
    // The agent's limits are for the head and for each piece of the answer; this one is for all of it.
    const abort = new AbortController()
    const { timeoutMs } = this.#pace
    const timer = setTimeout(() => {
      abort.abort(new Error(`it did not answer in ${timeoutMs} ms`))
    }, timeoutMs)
    const end = (): void => abort.abort()
    const { signal: last } = this.#abort
    last.addEventListener('abort', end, { once: true })
    if (last.aborted) end()
    try {
      return await this.#request(body, abort.signal)
    } catch (error) {
      const cause = error instanceof Error ? error.message || error.name : String(error)
      return { kind: 'again', cause, afterMs: null }
    } finally {
      clearTimeout(timer)
      last.removeEventListener('abort', end)
    }
  }

  async #request(body: string, signal: AbortSignal): Promise<Outcome> {
    const { plan } = this.#options
    const headers: Record<string, string> = { 'user-agent': 'evenkeel' }
    for (const { name, value } of plan.headers) headers[name] = value
    headers['content-type'] = 'application/json'
    const dispatcher = await this.#connect()
    const { request } = await import('undici')
    const options = { method: 'POST', headers, body, signal, dispatcher } as const
    const response = await request(plan.endpoint, options)
    return judge(response, await beginning(response))
  }

  async #connect(): Promise<Dispatcher> {
    if (this.#agent !== null) return this.#agent
    const { Agent } = await import('undici')
    const { timeoutMs } = this.#pace
    const connect = { timeout: timeoutMs }
    const limits = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connect }
    this.#agent = new Agent({ connections: 1, pipelining: 1, ...limits })
    return this.#agent
  }

  #backoffMs(attempt: number): number {
    const { backoffMinMs, backoffMaxMs } = this.#pace
    // Half of it for certain: a collector that is down is not asked again at once.
    const least = Math.min(backoffMaxMs, backoffMinMs * 2 ** (attempt - 1)) / 2
    return least + backoffMs(attempt, backoffMinMs, backoffMaxMs, this.#options.random) / 2
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#abort
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms).unref()
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }

  #fail(cause: string): void {
    if (this.#isFailing || this.#abort.signal.aborted) return
    this.#isFailing = true
    this.#options.failed(cause)
  }

  #works(): void {
    if (!this.#isFailing) return
    this.#isFailing = false
    this.#options.recovered()
  }
}

function judge({ statusCode, headers }: Dispatcher.ResponseData, text: string): Outcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'done', ...rejection(text) }
  const cause = `it answered ${statusCode}`
  if (!RETRYABLE.has(statusCode)) return { kind: 'refused', cause }
  const after = Number(headers['retry-after'])
  const isTold = Number.isInteger(after) && after > 0
  return {
    kind: 'again',
    cause,
    afterMs: isTold ? Math.min(RETRY_AFTER_MAX_MS, after * 1_000) : null,
  }
}

/** What it did not take of a batch (ExportTracePartialSuccess). */
function rejection(text: string): { readonly rejected: number; readonly message: string } {
  try {
    const { partialSuccess } = JSON.parse(text) as {
      partialSuccess?: { rejectedSpans?: string | number; errorMessage?: string }
    }
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0)
    return { rejected, message: (partialSuccess?.errorMessage ?? '').slice(0, 200) }
  } catch {
    return { rejected: 0, message: '' }
  }
}

async function beginning({ body }: Dispatcher.ResponseData): Promise<string> {
  let text = ''
  for await (const chunk of body as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1')
    if (text.length >= ANSWER_BYTES_MAX) break
  }
  return text
}
