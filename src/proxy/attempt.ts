// One try of an exchange on one backend: its accounting, and what its failure means for the
// backend's record. It decides nothing about the exchange: `exchange.ts` does, told by `onFailure`.
// An attempt is reused for all tries of an exchange; it is counted in flight from `begin` to `end`.

import type { Tried } from '../core/balancer/contract.ts'
import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import {
  BACKEND,
  CONTROL,
  LATENCY_BOUNDS_S,
  LATENCY_BUCKETS,
  POOL,
  RECENT_ATTEMPTS,
} from '../core/shared-layout.ts'
import { SUSPICION } from '../core/snapshot.ts'
import { unlink } from './attempt-list.ts'
import type { AttemptLink, AttemptList } from './attempt-list.ts'
import type { BackendState, PoolState, ThreadContext } from './context.ts'
import type { BackendStream } from './message-view.ts'

/** A reset on a connection nobody had used before says most about a backend. */
const FRESH_RESET_WEIGHT = 3
/** The control plane answers within a millisecond; on a busy machine it may need longer. */
const SUSPECTED_MS = 250

export abstract class Attempt implements AttemptLink {
  list: AttemptList | null = null
  previous: AttemptLink | null = null
  next: AttemptLink | null = null

  backend: BackendState | null = null
  stream: BackendStream | null = null
  /** The connection had carried a request before. */
  reused = false
  probation = false
  startedMs = 0
  /** 0 while connecting. */
  sentMs = 0
  /** 0 until the response head. */
  headMs = 0
  protected readonly context: ThreadContext

  constructor(context: ThreadContext) {
    this.context = context
  }

  /** The snapshot took this attempt's backend away while it waits for a first byte. */
  abstract onBackendLost(): void
  /** Ends it at once if it is a tunnel, which would last for ever. */
  abstract cutTunnel(cause: Fault): void
  /** Breaks its connection to the backend at once. Nobody is told: `onCut` follows. */
  abstract sever(): void
  /** It was severed: the active has moved, or the right to send is gone. Goes on elsewhere or ends. */
  abstract onCut(cause: Fault): void

  beginAttempt(backend: BackendState, probation: boolean, nowMs: number): void {
    const row = this.context.row
    this.backend = backend
    this.probation = probation
    this.reused = false
    this.startedMs = nowMs
    this.sentMs = 0
    this.headMs = 0
    backend.pool.pool.begin(backend.member)
    if (probation) row[backend.base + BACKEND.probing]!++
    backend.connecting.push(this)
  }

  /** The head of the request is on its way. */
  markSent(nowMs: number): void {
    this.sentMs = nowMs
  }

  /** The request is on its way to its last byte: from now on the attempt waits for a response head. */
  markWaiting(nowMs: number): void {
    const backend = this.backend!
    this.sentMs = nowMs
    unlink(this)
    backend.waiting.push(this)
    this.context.row[backend.base + BACKEND.waiting]!++
  }

  /** A TCP connection stands: it waits for nothing any more. */
  markConnected(): void {
    unlink(this)
    this.backend!.running.push(this)
  }

  /** A final response head has come. */
  markHead(status: number, nowMs: number): void {
    const row = this.context.row
    const { base, running } = this.backend!
    this.leaveLists()
    running.push(this)
    this.headMs = nowMs
    const waitedMs = nowMs - this.sentMs
    row[base + BACKEND.recent + (row[base + BACKEND.recentCount]! % RECENT_ATTEMPTS)] = waitedMs
    row[base + BACKEND.recentCount]!++
    countLatency(row, base + BACKEND.response, waitedMs / 1000)
    row[base + BACKEND.responseSumS]! += waitedMs / 1000
    row[base + BACKEND.status + ((status / 100) | 0) - 1]!++
  }

  /** The whole response came, and its status is no failure. */
  endWell(): void {
    const backend = this.leave()
    const row = this.context.row
    row[backend.base + BACKEND.attempts]!++
    row[backend.base + BACKEND.successes]!++
    row[backend.base + BACKEND.streak] = 0
    backend.reusedResets = 0
    if (this.probation) this.tellProbation(backend, BACKEND.probationSuccesses)
  }

  /** The attempt ended without saying anything about the backend, e.g. because the client left. */
  endNeutral(): void {
    const backend = this.leave()
    if (this.probation) this.context.suspect(backend, SUSPICION.probation)
  }

  /** The attempt failed. Faults of our own are not the backend's. */
  endBadly(cause: Fault): void {
    if (cause.side !== 'backend' || cause.code === 'backend-rescued') {
      this.endNeutral()
      return
    }
    const timedOut = cause.code === 'backend-response-timeout'
    const base = this.backend!.base
    const row = this.context.row
    if (timedOut && this.sentMs > 0) {
      row[base + BACKEND.timeouts]!++
      const waitedMs = this.context.nowMs() - this.sentMs
      row[base + BACKEND.recent + (row[base + BACKEND.recentCount]! % RECENT_ATTEMPTS)] = waitedMs
      row[base + BACKEND.recentCount]!++
    }
    const backend = this.leave()
    const weight = this.weightOf(cause, backend)
    row[base + BACKEND.attempts]!++
    if (weight > 0) {
      row[base + BACKEND.failures]!++
      row[base + BACKEND.streak]! += weight
    }
    if (cause.phase === 'connect') row[base + BACKEND.connectFailures]!++
    this.holdBack(backend, row[base + BACKEND.streak]!)
    if (this.probation) this.tellProbation(backend, BACKEND.probationFailures)
    this.context.suspect(backend, suspicionOf(cause))
  }

  /**
   * The streak is long enough for an ejection, but that is for the control plane to say. Until it has,
   * and for a moment at most, new attempts go elsewhere where they can.
   */
  private holdBack(backend: BackendState, streak: number): void {
    const plan = backend.pool.plan.outlierDetection
    if (plan === null || streak < plan.consecutiveFailures) return
    const { suspected } = backend.pool
    if (!suspected.includes(backend)) suspected.push(backend)
    backend.suspectedUntilMs = this.context.eventMs + SUSPECTED_MS
  }

  private weightOf(cause: Fault, backend: BackendState): number {
    if (cause.code === 'backend-reset' || cause.code === 'backend-closed') return FRESH_RESET_WEIGHT
    if (
      cause.code === 'backend-reused-closed' ||
      (cause.code === 'backend-unsent' && this.reused)
    ) {
      // The keep-alive race is nobody's failure, but a series of them is no race.
      return backend.reusedResets++ === 0 ? 0 : 1
    }
    return 1
  }

  private tellProbation(backend: BackendState, cell: number): void {
    this.context.row[backend.base + cell]!++
    this.context.suspect(backend, SUSPICION.probation)
  }

  private leaveLists(): void {
    if (this.list === null) return
    const backend = this.backend!
    if (this.list === backend.waiting) this.context.row[backend.base + BACKEND.waiting]!--
    unlink(this)
  }

  /** Takes the attempt out of all gauges. */
  private leave(): BackendState {
    const backend = this.backend!
    const row = this.context.row
    this.leaveLists()
    if (this.probation) row[backend.base + BACKEND.probing]!--
    this.backend = null
    this.stream = null
    backend.pool.pool.end(backend.member)
    if (backend.pool.queue.length > 0) backend.pool.queue.serve(this.context.nowMs())
    return backend
  }
}

/** Marks suspected backends as tried, so that a pick avoids them while there are others. */
export function avoidSuspected(pool: PoolState, tried: Tried, nowMs: number): void {
  for (const backend of pool.suspected) {
    if (nowMs < backend.suspectedUntilMs) tried.add(backend.member.index)
  }
}

/** Adds one observation to the latency buckets that start at `cell`. */
export function countLatency(row: Float64Array, cell: number, seconds: number): void {
  let bucket = 0
  while (bucket < LATENCY_BUCKETS - 1 && seconds > LATENCY_BOUNDS_S[bucket]!) bucket++
  row[cell + bucket]!++
}

function suspicionOf(cause: Fault): number {
  if (cause.phase === 'connect') return SUSPICION.connect
  if (cause.code === 'backend-response-timeout') return SUSPICION.timeout
  if (cause.code === 'backend-reset' || cause.code === 'backend-closed') return SUSPICION.reset
  return SUSPICION.failure
}

/** Each tick: how many attempts wait too long, for the slow and silent rules of the control plane. */
export function reportWaiting(context: ThreadContext, nowMs: number): void {
  const { row, table } = context
  for (const pool of context.pools) {
    for (const backend of pool.backends) {
      const base = backend.base
      const oldest = backend.waiting.head as Attempt | null
      if (oldest === null && row[base + BACKEND.oldestWaitMs] === 0) continue
      reportBackend(backend, row, table.control, nowMs)
      const silent = pool.plan.outlierDetection?.silent
      if (silent && row[base + BACKEND.waitingSilent]! >= silent.attempts) {
        context.suspect(backend, SUSPICION.silence)
      } else if (row[base + BACKEND.waitingSlow]! * 2 >= RECENT_ATTEMPTS) {
        context.suspect(backend, SUSPICION.silence)
      }
    }
  }
}

function reportBackend(
  backend: BackendState,
  row: Float64Array,
  control: Float64Array,
  nowMs: number,
): void {
  const slowMs = control[backend.controlBase + CONTROL.slowMs] || Infinity
  const silentMs = control[backend.controlBase + CONTROL.silentMs] || Infinity
  const shortestMs = Math.min(slowMs, silentMs)
  let slow = 0
  let silent = 0
  let attempt = backend.waiting.head as Attempt | null
  const oldestMs = attempt?.sentMs ?? 0
  while (attempt !== null && nowMs - attempt.sentMs > shortestMs) {
    const ageMs = nowMs - attempt.sentMs
    if (ageMs > slowMs) slow++
    if (ageMs > silentMs) silent++
    attempt = attempt.next as Attempt | null
  }
  row[backend.base + BACKEND.waitingSlow] = slow
  row[backend.base + BACKEND.waitingSilent] = silent
  row[backend.base + BACKEND.oldestWaitMs] = oldestMs
}

/** The pool had no answer for a write that was sent: nobody knows whether it took effect. */
export function countUnknownOutcome(context: ThreadContext, poolBase: number): void {
  context.row[poolBase + POOL.unknownOutcomes]!++
}

/** An exchange or tunnel of a pool has ended with this fault; one that was left idle has not failed. */
export function countFailed(context: ThreadContext, poolBase: number, cause: Fault): void {
  if (cause.side === 'client' || cause.code === 'tunnel-idle') return
  context.row[poolBase + POOL.failed]!++
}

/** The fault of a connection that ended before a response byte came. */
export function waitFault(code: string, reused: boolean): Fault {
  if (reused) return fault('backend-reused-closed')
  return fault(code === '' ? 'backend-closed' : 'backend-reset')
}

const CONNECT_FAULTS: Readonly<Record<string, Fault>> = {
  ECONNREFUSED: fault('backend-refused'),
  ENOENT: fault('backend-refused'),
  ECONNRESET: fault('backend-connect-reset'),
  EPIPE: fault('backend-connect-reset'),
  ETIMEDOUT: fault('backend-connect-timeout'),
  EMFILE: fault('local-exhausted'),
  ENFILE: fault('local-exhausted'),
  EADDRNOTAVAIL: fault('local-exhausted'),
  ENOBUFS: fault('local-exhausted'),
  ENOMEM: fault('local-exhausted'),
}

/** The fault of a connection that never stood. */
export function connectFault(code: string): Fault {
  return CONNECT_FAULTS[code] ?? fault('backend-unreachable')
}
