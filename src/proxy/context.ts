// What everything on one data thread shares: its row of counters, its clock, its pools and the free
// lists of the objects that requests borrow. Must never decide anything about health.

import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Plan, PoolPlan, BackendPlan, ListenerPlan } from '../core/plan.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { DataMessage } from '../core/snapshot.ts'
import type { Fault } from '../core/fault.ts'
import { CONTROL_POOL, THREAD } from '../core/shared-layout.ts'
import { Pool } from '../core/pool.ts'
import type { PoolBackend } from '../core/balancer/contract.ts'
import { WaitQueue } from '../core/queue.ts'
import { RetryBudget } from '../core/budget.ts'
import { Deadlines } from '../core/deadlines.ts'
import { ResponseHead } from '../http1/head.ts'
import type { RouteTable } from '../route/compile.ts'
import { AttemptList } from './attempt-list.ts'
import { IdleConnections } from './idle.ts'
import type { Destination, ReadInto } from './socket.ts'

/** A listener as a data thread sees it. */
export interface ListenerState {
  readonly plan: ListenerPlan
  /** First cell of its record in a row. */
  readonly base: number
  readonly routes: RouteTable
  /** Says whether a peer's X-Forwarded-* are believed. */
  isTrusted(address: string): boolean
}

/** A pool as a data thread sees it. */
export interface PoolState {
  readonly plan: PoolPlan
  readonly pool: Pool
  readonly queue: WaitQueue
  readonly budget: RetryBudget
  /** First cell of its record in a row. */
  readonly base: number
  /** Parallel to `plan.backends`. */
  readonly backends: readonly BackendState[]
  /** Backends whose failures the control plane has been told of and has not judged yet. */
  readonly suspected: BackendState[]
  /** Cell of the right to send in the control row; −1 for a pool that needs none (DESIGN §7). */
  readonly rightCell: number
  /** While nothing is eligible, requests wait until this (monotonic ms); 0: they don't. */
  holdUntilMs: number
  /** The line that tells an HTTP backend the epoch, and the blank line behind it; '' without one. */
  epochEnd: string
}

/** A backend as a data thread sees it. */
export interface BackendState {
  readonly plan: BackendPlan
  readonly member: PoolBackend
  readonly pool: PoolState
  /** First cell of its record in a row. */
  readonly base: number
  /** First cell of its record in the control row. */
  readonly controlBase: number
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
}

export interface ContextOptions {
  readonly plan: Plan
  readonly table: SharedTable
  readonly thread: number
  readonly clock: Clock
  readonly random: Random
  readonly readInto: ReadInto
  send(message: DataMessage): void
}

const NO_BUDGET = { ratio: 0, perSecondMin: 0, burst: 0 }
/** Bounds of what a backend may send as a head. */
export const RESPONSE_LIMITS = { headBytesMax: 64 * 1024, targetBytesMax: 0, fieldsMax: 256 }

export class ThreadContext {
  readonly plan: Plan
  readonly table: SharedTable
  readonly thread: number
  readonly row: Float64Array
  readonly clock: Clock
  readonly random: Random
  readonly readInto: ReadInto
  readonly deadlines: Deadlines
  readonly pools: readonly PoolState[]
  /** Time of the last tick: good enough where 50 ms do not matter. */
  tickMs: number
  /** The last reading of the clock: good within the event that took it. */
  eventMs: number
  /** IMF-fixdate of the present second (RFC 9110 §5.6.7). */
  dateText = ''
  draining = false
  /** Tunnels in progress, for the end of a drain. */
  readonly tunnels = new Set<{ cut(cause: Fault): void }>()
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
    this.pools = options.plan.pools.map((plan) => this.makePool(plan))
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
  suspect(slot: number, cause: number): void {
    if (this.suspects.size === 0) queueMicrotask(this.tellSuspects)
    this.suspects.set(slot, (this.suspects.get(slot) ?? 0) | cause)
  }

  /**
   * Has the pool's right to send ended (DESIGN §7)? To be asked right before bytes go to a backend:
   * the process may have stood still since the last reading of the clock.
   */
  hasLapsed(pool: PoolState): boolean {
    return pool.rightCell >= 0 && this.nowMs() >= this.table.control[pool.rightCell]!
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

  private makePool(plan: PoolPlan): PoolState {
    const pool = new Pool(plan, this.table, this.thread, this.random)
    const base = this.table.poolBase(plan.slot)
    const backends: BackendState[] = []
    const state: PoolState = {
      plan,
      pool,
      base,
      backends,
      suspected: [],
      rightCell:
        plan.failover?.agreement === 'etcd'
          ? this.table.controlPoolBase(plan.slot) + CONTROL_POOL.sendUntilMs
          : -1,
      holdUntilMs: 0,
      epochEnd: '',
      queue: new WaitQueue(
        this.table,
        this.thread,
        plan.slot,
        plan.limits.queue,
        plan.limits.perBackend > 0,
      ),
      budget: new RetryBudget(plan.retry?.budget ?? NO_BUDGET, this.table.shape.threads),
    }
    for (const [index, backend] of plan.backends.entries()) {
      backends.push({
        plan: backend,
        member: pool.backends[index]!,
        pool: state,
        base: this.table.backendBase(backend.slot),
        controlBase: this.table.controlBase(backend.slot),
        destination: destinationOf(backend),
        idle: new IdleConnections(plan.limits.connections),
        connecting: new AttemptList(),
        waiting: new AttemptList(),
        running: new AttemptList(),
        reusedResets: 0,
        suspectedUntilMs: 0,
      })
    }
    return state
  }
}

function destinationOf(backend: BackendPlan): Destination {
  const address = backend.address
  return address.kind === 'unix'
    ? { path: address.path }
    : { host: address.host, port: address.port }
}
