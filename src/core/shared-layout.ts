// The layout of the shared memory between the control plane and the data threads.
// One Float64Array per data thread (its *row*), written by that thread alone and read by anybody;
// one more written by the control plane alone. No locks, no atomics: a reader may see a counter a
// moment old, never a torn one (aligned 8-byte cells). Counters only grow; gauges go both ways.
// A dead thread's row is folded into `retired` and cleared by the control plane (see runtime).

import { FAULTS } from './fault.ts'

/** Latency bucket bounds in seconds (OpenTelemetry's, with finer ones for a LAN); +Inf follows. */
export const LATENCY_BOUNDS_S: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]
export const LATENCY_BUCKETS = LATENCY_BOUNDS_S.length + 1

/** How many finished attempts the slowness rule looks back on. */
export const RECENT_ATTEMPTS = 20

/** Columns of a data thread as a whole, at the start of its row. */
export const THREAD = {
  /** Monotonic ms of its last tick. */
  heartbeatMs: 0,
  /** Version of the last snapshot it has applied. */
  appliedVersion: 1,
  /** Gauge: open client connections. */
  connections: 2,
  /** Gauge: exchanges and tunnels in progress. */
  exchanges: 3,
  /** Access-log lines dropped because the sink was slow. */
  logDropped: 4,
  /** Exchanges that were to be kept for a trace, and were not for want of room. */
  tracesDropped: 5,
  /** Start of one counter per row of `FAULTS`. */
  faults: 8,
} as const
export const THREAD_CELLS = THREAD.faults + Math.ceil((FAULTS.length + 8) / 8) * 8

/** Columns per listener. */
export const LISTENER = {
  accepted: 0,
  /** Gauge. */
  connections: 1,
  /** Connections closed at once because of `connectionsMax`. */
  refused: 2,
  /** Requests (http) or tunnels (tcp) begun. */
  requests: 3,
  /** Start of five counters: answers to clients by status class 1xx…5xx. */
  status: 4,
  bytesIn: 9,
  bytesOut: 10,
  durationSumS: 11,
  /** Start of LATENCY_BUCKETS counters: total time of exchanges. */
  duration: 12,
} as const
export const LISTENER_CELLS = LISTENER.duration + LATENCY_BUCKETS + 1

/** Columns per pool. */
export const POOL = {
  requests: 0,
  /** Attempts after the first. */
  retries: 1,
  /** Attempts moved off a backend that went down or was ejected while they waited. */
  rescues: 2,
  /** Retries not made because the budget was empty. */
  budgetEmpty: 3,
  /** Gauge: requests waiting for a free backend. */
  queued: 4,
  /** Writes (not replayable requests) that were sent and got no answer: outcome unknown. */
  unknownOutcomes: 5,
  queueSumS: 6,
  /** Gauge: monotonic ms since when the first of this thread's queue waits; 0 if none does. */
  queuedSinceMs: 7,
  /** Attempts taken off a backend that was cut, to be made again elsewhere. */
  moved: 8,
  /** Exchanges and tunnels that ended because their backend was cut. */
  cut: 9,
  /** Exchanges and tunnels that ended with a fault that was not the client's. */
  failed: 10,
} as const
export const POOL_CELLS = 11

/** Columns per backend. */
export const BACKEND = {
  /** Gauge: attempts (http) or tunnels (tcp) in progress. */
  inFlight: 0,
  /** Attempts that ended, with success or failure. */
  attempts: 1,
  successes: 2,
  failures: 3,
  /** Weighted failures in a row, 0 after a success; this thread's view. */
  streak: 4,
  /** Gauge: attempts that wait for a response head. */
  waiting: 5,
  /** Gauge, set each tick: waiting attempts older than the control row's `slowMs`. */
  waitingSlow: 6,
  /** Gauge, set each tick: waiting attempts older than the control row's `silentMs`. */
  waitingSilent: 7,
  /** Monotonic ms at which the oldest waiting attempt was sent; 0 if none. Set each tick. */
  oldestWaitMs: 8,
  /** Monotonic ms (of the thread's tick) of the last response byte. */
  lastByteMs: 9,
  connects: 10,
  connectFailures: 11,
  /** Gauge: open connections, idle or in use. */
  connections: 12,
  /** Gauge. */
  idleConnections: 13,
  bytesTo: 14,
  bytesFrom: 15,
  /** Start of five counters: responses by status class 1xx…5xx. */
  status: 16,
  /** Response heads that came later than the response timeout, i.e. never. */
  timeouts: 21,
  /** Gauge: probation requests in progress on this thread. */
  probing: 22,
  /** Successes and failures of probation requests. */
  probationSuccesses: 23,
  probationFailures: 24,
  responseSumS: 25,
  connectSumS: 26,
  /** How many values were ever written to `recent`; the next goes to index `% RECENT_ATTEMPTS`. */
  recentCount: 27,
  /** Start of RECENT_ATTEMPTS values: ms from request sent to response head, of ended attempts. */
  recent: 28,
  /** Start of LATENCY_BUCKETS counters: request sent to response head. */
  response: 28 + RECENT_ATTEMPTS,
} as const
export const BACKEND_CELLS = 64

/** Columns per backend in the control plane's own row. */
export const CONTROL = {
  /** Age from which a waiting attempt counts as slow. */
  slowMs: 0,
  /** Age from which a waiting attempt counts as silent. */
  silentMs: 1,
} as const
export const CONTROL_CELLS = 2

/** Columns per pool in the control plane's own row, after those of the backends. */
export const CONTROL_POOL = {
  /**
   * Right to send: monotonic ms after which no byte may go to this pool's backends.
   * Infinity where no agreement between replicas is asked for, until another process takes over.
   */
  sendUntilMs: 0,
} as const
const CONTROL_POOL_CELLS = 1

// What a dead thread takes with it: levels and last readings. Everything else is a count of what
// happened and outlives it.
const THREAD_LEVELS = [
  THREAD.heartbeatMs,
  THREAD.appliedVersion,
  THREAD.connections,
  THREAD.exchanges,
] as const
const BACKEND_LEVELS = [
  BACKEND.inFlight,
  BACKEND.streak,
  BACKEND.waiting,
  BACKEND.waitingSlow,
  BACKEND.waitingSilent,
  BACKEND.oldestWaitMs,
  BACKEND.lastByteMs,
  BACKEND.connections,
  BACKEND.idleConnections,
  BACKEND.probing,
  BACKEND.recentCount,
] as const

/** How many of each the memory has room for. */
export interface SharedShape {
  readonly threads: number
  readonly listeners: number
  readonly pools: number
  /** Backend slots. */
  readonly slots: number
}

/** The buffers themselves: what is posted to a data thread. */
export interface SharedBuffers {
  readonly shape: SharedShape
  readonly rows: readonly SharedArrayBuffer[]
  readonly control: SharedArrayBuffer
}

/** Typed views on the buffers, with the arithmetic of where a record starts. */
export class SharedTable {
  readonly buffers: SharedBuffers
  readonly shape: SharedShape
  /** One row per data thread. */
  readonly rows: readonly Float64Array[]
  readonly control: Float64Array
  /** What threads that are gone had counted; private to this view, levels stay 0. */
  readonly retired: Float64Array

  constructor(buffers: SharedBuffers) {
    this.buffers = buffers
    this.shape = buffers.shape
    this.rows = buffers.rows.map((buffer) => new Float64Array(buffer))
    this.control = new Float64Array(buffers.control)
    this.retired = new Float64Array(this.backendBase(buffers.shape.slots))
  }

  /** Allocates zeroed memory for a shape. */
  static allocate(shape: SharedShape): SharedTable {
    const cells =
      THREAD_CELLS +
      shape.listeners * LISTENER_CELLS +
      shape.pools * POOL_CELLS +
      shape.slots * BACKEND_CELLS
    const rows = Array.from({ length: shape.threads }, () => new SharedArrayBuffer(cells * 8))
    const controlCells = shape.slots * CONTROL_CELLS + shape.pools * CONTROL_POOL_CELLS
    const control = new SharedArrayBuffer(controlCells * 8)
    const table = new SharedTable({ shape, rows, control })
    for (let pool = 0; pool < shape.pools; pool++) {
      table.control[table.controlPoolBase(pool) + CONTROL_POOL.sendUntilMs] = Infinity
    }
    return table
  }

  /** First cell of a listener's record in any row. */
  listenerBase(slot: number): number {
    return THREAD_CELLS + slot * LISTENER_CELLS
  }

  /** First cell of a pool's record in any row. */
  poolBase(slot: number): number {
    return THREAD_CELLS + this.shape.listeners * LISTENER_CELLS + slot * POOL_CELLS
  }

  /** First cell of a backend's record in any row. */
  backendBase(slot: number): number {
    return this.poolBase(this.shape.pools) + slot * BACKEND_CELLS
  }

  /** First cell of a backend's record in the control row. */
  controlBase(slot: number): number {
    return slot * CONTROL_CELLS
  }

  /** First cell of a pool's record in the control row. */
  controlPoolBase(slot: number): number {
    return this.shape.slots * CONTROL_CELLS + slot * CONTROL_POOL_CELLS
  }

  /**
   * Moves what a thread has counted into `retired` and clears its row. Only when the thread has
   * ended: nobody else may write its row before.
   */
  retire(thread: number): void {
    const row = this.rows[thread]!
    this.#clearLevels(row)
    // Rows that were never used stay untouched: they have no memory yet.
    for (let cell = 0; cell < row.length; cell++) {
      if (row[cell] === 0) continue
      this.retired[cell]! += row[cell]!
      row[cell] = 0
    }
  }

  #clearLevels(row: Float64Array): void {
    for (const column of THREAD_LEVELS) clear(row, column)
    for (let i = 0; i < this.shape.listeners; i++) {
      clear(row, this.listenerBase(i) + LISTENER.connections)
    }
    for (let i = 0; i < this.shape.pools; i++) {
      clear(row, this.poolBase(i) + POOL.queued)
      clear(row, this.poolBase(i) + POOL.queuedSinceMs)
    }
    for (let slot = 0; slot < this.shape.slots; slot++) {
      const base = this.backendBase(slot)
      for (const column of BACKEND_LEVELS) clear(row, base + column)
      for (let i = 0; i < RECENT_ATTEMPTS; i++) clear(row, base + BACKEND.recent + i)
    }
  }

  /** Sum of one cell over all rows and over the threads that are gone. */
  sum(cell: number): number {
    let total = this.retired[cell]!
    for (const row of this.rows) total += row[cell]!
    return total
  }
}

/** A write would give memory to a page that has none yet. */
function clear(row: Float64Array, cell: number): void {
  if (row[cell] !== 0) row[cell] = 0
}

/**
 * Room for a plan of this size and for what reloads and discovery add to it. What is not used costs
 * address space and no memory.
 */
export function reserveShape(threads: number, needed: Omit<SharedShape, 'threads'>): SharedShape {
  return {
    threads,
    listeners: Math.max(256, needed.listeners * 2),
    pools: Math.max(1_024, needed.pools * 2),
    slots: Math.max(16_384, needed.slots * 4),
  }
}
