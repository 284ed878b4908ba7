// What everything on one data thread shares: its row of counters, its clock, its pools and the free
// lists of the objects that requests borrow. Must never decide anything about health.

import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Plan, PoolPlan, BackendPlan, ListenerPlan } from '../core/plan.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { DataMessage } from '../core/snapshot.ts'
import type { Fault } from '../core/fault.ts'
import { THREAD } from '../core/shared-layout.ts'
import type { Pool } from '../core/pool.ts'
import type { PoolBackend } from '../core/balancer/contract.ts'
import type { WaitQueue } from '../core/queue.ts'
import type { RetryBudget } from '../core/budget.ts'
import { Deadlines } from '../core/deadlines.ts'
import { ResponseHead } from '../http1/head.ts'
import type { RouteTable } from '../route/compile.ts'
import type { AttemptList } from './attempt-list.ts'
import type { IdleConnections } from './idle.ts'
import type { Destination, ReadInto } from './socket.ts'
import { Tracer } from './tracer.ts'

/** A listener as a data thread sees it. A reload changes its plan and what was made of it. */
export interface ListenerState {
  plan: ListenerPlan
  /** First cell of its record in a row. */
  readonly base: number
  routes: RouteTable
  /** Says whether a peer's X-Forwarded-* are believed. */
  isTrusted: (address: string) => boolean
}

/** A pool as a data thread sees it. A reload changes its plan and what was made of it. */
export interface PoolState {
  plan: PoolPlan
  readonly pool: Pool
  readonly queue: WaitQueue
  readonly budget: RetryBudget
  /** First cell of its record in a row. */
  readonly base: number
  /** Parallel to `plan.backends`. */
  backends: readonly BackendState[]
  /** Backends that a reload has left out and that still have something to finish. */
  leaving: readonly BackendState[]
  /** Backends whose failures the control plane has been told of and has not judged yet. */
  readonly suspected: BackendState[]
  /** Cell of the right to send in the control row; −1 where not every backend needs one. */
  rightCell: number
  /** While nothing is eligible, requests wait until this (monotonic ms); 0: they don't. */
  holdUntilMs: number
  /** The line that tells an HTTP backend the epoch, and the blank line behind it; '' without one. */
  epochEnd: string
}

/** A backend as a data thread sees it. */
export interface BackendState {
  plan: BackendPlan
  readonly member: PoolBackend
  readonly pool: PoolState
  /** First cell of its record in a row. */
  readonly base: number
  /** First cell of its record in the control row. */
  readonly controlBase: number
  /** Cell of the right to send to it in the control row; −1: it needs none. */
  rightCell: number
  readonly destination: Destination
  readonly idle: IdleConnections
  /** Attempts without a response head, oldest first: not wholly sent yet, and waiting for it. */
  readonly connecting: AttemptList
  readonly waiting: AttemptList
  /** Attempts whose response has begun, and tunnels. */
  readonly running: AttemptList
  /** Reused connections that broke since the last success: the first of them is the keep-alive race. */
  reusedResets: number
  /** While suspected: until when new attempts avoid it (monotonic ms). */
  suspectedUntilMs: number
  /** The plan has it no more: its tunnels end by then (monotonic ms). Infinity while it stays. */
  leavesMs: number
}

/** Pools in which a reload has changed positions: where each old one is now, −1 is nowhere. */
export type PositionMoves = ReadonlyMap<PoolState, Int32Array>

export interface ContextOptions {
  readonly plan: Plan
  readonly table: SharedTable
  readonly thread: number
  readonly clock: Clock
  readonly random: Random
  readonly readInto: ReadInto
  send(message: DataMessage): void
}

/** Bounds of what a backend may send as a head. */
export const RESPONSE_LIMITS = { headBytesMax: 64 * 1024, targetBytesMax: 0, fieldsMax: 256 }

export class ThreadContext {
  /** The present plan; who needs it for long asks again. */
  plan: Plan
  readonly table: SharedTable
  readonly thread: number
  readonly row: Float64Array
  readonly clock: Clock
  readonly random: Random
  readonly readInto: ReadInto
  readonly deadlines: Deadlines
  /** Parallel to the plan's. */
  pools: readonly PoolState[] = []
  /** Pools that a reload has left out and that still have something to finish. */
  leavingPools: readonly PoolState[] = []
  /** Time of the last tick: good enough where 50 ms do not matter. */
  tickMs: number
  /** The last reading of the clock: good within the event that took it. */
  eventMs: number
  /** IMF-fixdate of the present second (RFC 9110 §5.6.7). */
  dateText = ''
  draining = false
  /** Keeps exchanges that may be looked at afterwards. */
  readonly tracer: Tracer
  private dateSecond = 0
  private wallOffsetMs = 0
  private readonly send: (message: DataMessage) => void
  private readonly suspects = new Map<number, number>()
  private readonly responseHeads: ResponseHead[] = []

  constructor(options: ContextOptions) {
    this.plan = options.plan
    this.table = options.table
    this.thread = options.thread
    this.row = options.table.rows[options.thread]!
    this.clock = options.clock
    this.random = options.random
    this.readInto = options.readInto
    this.send = (message) => options.send(message)
    this.tickMs = options.clock.nowMs()
    this.eventMs = this.tickMs
    this.deadlines = new Deadlines(this.tickMs)
    this.tracer = new Tracer(this)
    this.tracer.adopt(options.plan.tracing)
  }

  /** Reads the clock. Once per event is enough: what follows in the same event uses `eventMs`. */
  nowMs(): number {
    return (this.eventMs = this.clock.nowMs())
  }

  /** Wall clock (ms since 1970) at a monotonic reading, for the log. */
  wallMs(atMs: number): number {
    return this.wallOffsetMs + atMs
  }

  /** Called each tick: fixes the readings that are shared between ticks. */
  setTick(nowMs: number, wallMs: number): void {
    this.tickMs = nowMs
    this.wallOffsetMs = wallMs - nowMs
    const second = Math.floor(wallMs / 1000)
    if (second !== this.dateSecond) {
      this.dateSecond = second
      this.dateText = new Date(wallMs).toUTCString()
    }
  }

  /** Asks the control plane to look at a backend now; told once per turn of the event loop. */
  suspect({ plan: { slot }, leavesMs }: BackendState, cause: number): void {
    // One that leaves is nobody's concern any more.
    if (leavesMs !== Infinity) return
    if (this.suspects.size === 0) queueMicrotask(this.tellSuspects)
    this.suspects.set(slot, (this.suspects.get(slot) ?? 0) | cause)
  }

  /**
   * Has the right to send in this cell ended? To be asked right before bytes go to a backend:
   * the process may have stood still since the last reading of the clock.
   */
  hasLapsed(rightCell: number): boolean {
    if (rightCell < 0) return false
    const untilMs = this.table.control[rightCell]!
    return untilMs !== Infinity && this.nowMs() >= untilMs
  }

  countFault(fault: Fault): void {
    this.row[THREAD.faults + fault.index]!++
  }

  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: object): void {
    this.send({ kind: 'log', level, message, fields: fields as Record<string, unknown> })
  }

  post(message: DataMessage): void {
    this.send(message)
  }

  /** Borrows a parser for a response head; give it back with `returnResponseHead`. */
  takeResponseHead(): ResponseHead {
    return this.responseHeads.pop() ?? new ResponseHead(RESPONSE_LIMITS)
  }

  returnResponseHead(head: ResponseHead): void {
    head.reset()
    if (this.responseHeads.length < 32) this.responseHeads.push(head)
  }

  private readonly tellSuspects = (): void => {
    const slots = [...this.suspects.keys()]
    const causes = [...this.suspects.values()]
    this.suspects.clear()
    this.send({ kind: 'suspect', slots, causes })
  }
}
