// What all probes share: one deadline over everything, exactly one result, and the words for what
// the operating system says. The clock here is the process's own, for the length of a probe only.

import type { ProbeResult } from './contract.ts'

/** Errors that say that we, not the backend, have run out of something. */
const OWN_SHORTAGE: Readonly<Record<string, string>> = {
  EMFILE: 'Evenkeel has no file descriptor left',
  ENFILE: 'the system has no file descriptor left',
  EADDRNOTAVAIL: 'no local port or address left',
  EADDRINUSE: 'no local port left',
  ENOBUFS: 'no network buffer left',
  ENOMEM: 'no memory left',
  EAI_AGAIN: 'the resolver does not answer',
  EAI_MEMORY: 'no memory left',
}

const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ECONNABORTED: 'connection aborted',
  ETIMEDOUT: 'no connection: timed out',
  EHOSTUNREACH: 'host unreachable',
  EHOSTDOWN: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENETDOWN: 'network unreachable',
  ENOTFOUND: 'the name does not resolve',
  ENOENT: 'no such socket',
  ENOTSOCK: 'not a socket',
  EACCES: 'permission denied',
  EPERM: 'not permitted, a firewall rule perhaps',
  // Only a unix socket says so: the backend does not accept.
  EAGAIN: 'its queue of new connections is full',
}

/** The result of a socket or parser error. */
export function errorResult(error: unknown, tookMs: number): ProbeResult {
  const { code, message } = error as { code?: string; message?: string }
  const own = OWN_SHORTAGE[code ?? '']
  if (own !== undefined) return { verdict: 'void', text: own, tookMs }
  const text =
    FAILURES[code ?? ''] ??
    (code?.startsWith('HPE_') === true ? `not an HTTP response (${code})` : (message ?? 'failed'))
  return { verdict: 'fail', text, tookMs }
}

/** `1s`, `500ms`. */
export function durationText(ms: number): string {
  const whole = Math.round(ms)
  return whole >= 1_000 && whole % 1_000 === 0 ? `${whole / 1_000}s` : `${whole}ms`
}

/** What a backend says of itself. */
export type Said = Pick<ProbeResult, 'role' | 'lag'>

/** One probe on its way to its one result. */
export class ProbeAttempt {
  readonly #startedMs = performance.now()
  readonly #done: (result: ProbeResult) => void
  /** Frees what the probe holds. */
  readonly #release: () => void
  readonly #timer: NodeJS.Timeout
  #open = true
  /** Set once the connection stands: tells which half of the probe got no answer. */
  connected = false
  /** What is missing, where that can be said better than `no answer`; `null` where it can't. */
  missing: (() => string | null) | null = null

  constructor(timeoutMs: number, done: (result: ProbeResult) => void, release: () => void) {
    this.#done = done
    this.#release = release
    this.#timer = setTimeout(() => {
      // After a stall of our own the timer fires before what has come meanwhile is read: read first.
      setImmediate(() => {
        const what = this.missing?.() ?? `no ${this.connected ? 'answer' : 'connection'}`
        this.end('fail', `${what} within ${durationText(timeoutMs)}`)
      })
    }, timeoutMs)
  }

  /** The result is still to come. */
  get isOpen(): boolean {
    return this.#open
  }

  get tookMs(): number {
    return performance.now() - this.#startedMs
  }

  /** The result, unless there is one already. */
  end(verdict: ProbeResult['verdict'], text: string, said: Said = {}): void {
    this.#finish({ verdict, text, tookMs: this.tookMs, ...said })
  }

  /** A pass, and how long it took: `what in 3 ms`. */
  pass(what: string, said?: Said): void {
    this.end('pass', `${what} in ${Math.round(this.tookMs)} ms`, said)
  }

  fail(error: unknown): void {
    this.#finish(errorResult(error, this.tookMs))
  }

  /** Nobody wants the result any more. */
  cancel(): void {
    if (!this.#open) return
    this.#open = false
    clearTimeout(this.#timer)
    this.#release()
  }

  #finish(result: ProbeResult): void {
    if (!this.#open) return
    this.cancel()
    this.#done(result)
  }
}
