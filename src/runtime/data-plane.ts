// The data plane of one thread, put together: listeners hand connections to the proxies, snapshots
// say who may get traffic, a tick drives the clocks. The same code runs on a worker thread and, for
// tests and embedding, on the main thread. Decides nothing about health.

import type { Clock } from '../core/clock.ts'
import type { Address, Plan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import { BACKEND_CELLS, LISTENER_CELLS, POOL_CELLS, THREAD } from '../core/shared-layout.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import { ELIGIBILITY } from '../core/snapshot.ts'
import type {
  ControlMessage,
  DataMessage,
  FreedSlots,
  OpenSocket,
  PoolSnapshot,
  Snapshot,
} from '../core/snapshot.ts'
import { AccessOutbox } from '../observe/access-outbox.ts'
import { reportWaiting } from '../proxy/attempt.ts'
import { ThreadContext } from '../proxy/context.ts'
import type { BackendState, PoolState } from '../proxy/context.ts'
import {
  adoptPools,
  cutLeftReaders,
  freePools,
  makePool,
  watchLeaving,
} from '../proxy/pool-state.ts'
import type { ReadInto } from '../proxy/socket.ts'
import { cutLapsed, cutOff, rescue } from '../proxy/withdraw.ts'
import { PlaneListeners } from './plane-listeners.ts'
import type { ListenFailure } from './plane-listeners.ts'

/** How often heartbeat, deadlines, queues and the silence rule are looked after. */
const TICK_MS = 50
/** How often while a request waits in a queue: a slot may come free on another thread. */
const QUEUE_TICK_MS = 5

export interface DataPlaneOptions {
  readonly plan: Plan
  readonly table: SharedTable
  readonly thread: number
  readonly clock: Clock
  readonly random: Random
  readonly reusePort: boolean
  /** It opens the listeners that only one thread can have; by default it does. */
  readonly unshared?: boolean
  /** Which these are, by name, besides those on unix sockets. */
  readonly alone?: readonly string[]
  /** Sockets that listen already, taken over from the process before this one. */
  readonly inherited?: readonly OpenSocket[]
  /** `fresh` uses ordinary 'data' events instead of `onread`. */
  readonly readInto?: ReadInto
  send(message: DataMessage): void
}

export class DataPlane {
  private readonly options: DataPlaneOptions
  private readonly context: ThreadContext
  private readonly outbox: AccessOutbox
  private readonly listeners: PlaneListeners
  private readonly ticker: NodeJS.Timeout
  private queueTicker: NodeJS.Timeout | null = null
  private drainedTold = false

  constructor(options: DataPlaneOptions) {
    this.options = options
    this.context = new ThreadContext({ ...options, readInto: options.readInto ?? 'shared' })
    this.context.pools = options.plan.pools.map((plan) => makePool(this.context, plan))
    this.outbox = new AccessOutbox((lines) => options.send({ kind: 'access', lines }))
    this.listeners = new PlaneListeners({
      context: this.context,
      outbox: this.outbox,
      reusePort: options.reusePort,
      unshared: options.unshared ?? true,
      alone: options.alone ?? [],
      inherited: options.inherited ?? [],
    })
    this.tick()
    this.ticker = setInterval(() => this.tick(), TICK_MS)
  }

  /** Takes a message of the control plane. */
  receive(message: ControlMessage): void {
    switch (message.kind) {
      case 'snapshot':
        this.apply(message.snapshot)
        break
      case 'listen':
        void this.listen()
        break
      case 'drain':
        this.drain(message.isHandedOver === true)
        break
      case 'tell-sockets':
        this.options.send({ kind: 'sockets', sockets: this.listeners.sockets() })
        break
      case 'access-taken':
        this.outbox.taken(message.characters)
        break
      case 'traces-taken':
        this.context.tracer.taken(message.count)
        break
      case 'close':
        this.close()
        break
    }
  }

  /** Where the listeners of this thread listen, in the order of the plan; after `ready`. */
  addresses(): readonly Address[] {
    return this.listeners.addresses()
  }

  // --- listeners -----------------------------------------------------------------------------

  private async listen(): Promise<void> {
    const failures = await this.listeners.open()
    this.tellFailures(failures)
    if (failures.length === 0) this.options.send({ kind: 'ready' })
  }

  /** Opens and closes the listeners of a reload's plan; says so also where some can't be opened. */
  private async settle(version: number): Promise<void> {
    this.tellFailures(await this.listeners.settle())
    this.options.send({ kind: 'adopted', version })
  }

  private tellFailures(failures: readonly ListenFailure[]): void {
    for (const failure of failures) this.options.send({ kind: 'listen-failed', ...failure })
  }

  // --- snapshots -----------------------------------------------------------------------------

  private apply(snapshot: Snapshot): void {
    if (snapshot.freed !== undefined) this.free(snapshot.freed)
    if (snapshot.plan !== undefined) this.adopt(snapshot.plan)
    const { pools } = this.context
    const lost = snapshot.pools.flatMap((change) => this.takeOver(change))
    for (const { pool } of snapshot.pools) cutLeftReaders(this.context, pools[pool]!)
    // All old ones are broken before anything begins anew, in whatever pool: they may be one server.
    cutOff(snapshot.pools.flatMap(({ pool }) => cutOnes(pools[pool]!)))
    for (const backend of lost) rescue(backend)
    for (const { pool } of snapshot.pools) pools[pool]!.queue.serve(this.context.nowMs())
    this.context.row[THREAD.appliedVersion] = snapshot.version
    if (snapshot.plan !== undefined) void this.settle(snapshot.version)
  }

  /** A reload: what stays is changed in place, what is new is made, what is gone begins to leave. */
  private adopt(plan: Plan): void {
    const { context } = this
    const nowMs = context.nowMs()
    context.plan = plan
    context.tracer.adopt(plan.tracing)
    const moves = adoptPools(context, plan, nowMs)
    if (moves.size > 0) this.listeners.movePositions(moves)
    this.listeners.adopt(plan, nowMs)
  }

  /** Nobody uses these rows any more; should somebody do after all, it ends here. */
  private free(freed: FreedSlots): void {
    const { context } = this
    const { row, table } = context
    this.listeners.free(freed.listeners)
    freePools(context, freed)
    for (const slot of freed.listeners) clearCells(row, table.listenerBase(slot), LISTENER_CELLS)
    for (const slot of freed.pools) clearCells(row, table.poolBase(slot), POOL_CELLS)
    for (const slot of freed.backends) clearCells(row, table.backendBase(slot), BACKEND_CELLS)
  }

  /** Takes over what a snapshot says of a pool. Returns the backends that went down by it. */
  private takeOver(change: PoolSnapshot): readonly BackendState[] {
    const state = this.context.pools[change.pool]!
    const lost = state.backends.filter(
      (backend, index) =>
        backend.member.eligibility !== ELIGIBILITY.no &&
        change.eligibility[index] === ELIGIBILITY.no,
    )
    state.pool.apply(change)
    if (state.plan.replicasOf >= 0) this.guardActive(state, change.active ?? -1)
    const nowMs = this.context.nowMs()
    const isOver = state.holdUntilMs > 0 && nowMs >= state.holdUntilMs
    // Those who waited for the whole pause are told so, even if the pause ends by this snapshot.
    if (isOver && state.pool.available.length === 0) state.queue.serve(nowMs)
    state.holdUntilMs = change.holdUntilMs
    state.epochEnd = change.epoch > 0 ? `Evenkeel-Epoch: ${change.epoch}\r\n\r\n` : ''
    state.suspected.length = 0
    return lost
  }

  /** Of a read side: one backend is the active, and whoever reads from it might as well write. */
  private guardActive({ plan, backends }: PoolState, active: number): void {
    const { rightCell } = this.context.pools[plan.replicasOf]!
    for (const [index, one] of backends.entries()) one.rightCell = index === active ? rightCell : -1
  }

  // --- time ----------------------------------------------------------------------------------

  private tick(): void {
    const { context } = this
    const nowMs = context.nowMs()
    context.setTick(nowMs, Date.now())
    context.row[THREAD.heartbeatMs] = nowMs
    cutLapsed(context)
    context.deadlines.advance(nowMs)
    reportWaiting(context, nowMs)
    this.serveQueues(nowMs)
    for (const pool of context.pools) {
      for (const backend of pool.backends) if (backend.idle.size > 0) backend.idle.expire(nowMs)
    }
    this.listeners.watch(nowMs)
    watchLeaving(context, nowMs)
    this.flush()
    if (context.draining) this.watchDrain()
  }

  private serveQueues(nowMs: number): void {
    let waiting = false
    for (const pool of this.context.pools) if (stillWaits(pool, nowMs)) waiting = true
    for (const pool of this.context.leavingPools) if (stillWaits(pool, nowMs)) waiting = true
    if (waiting && this.queueTicker === null) {
      this.queueTicker = setInterval(() => this.serveQueues(this.context.nowMs()), QUEUE_TICK_MS)
    } else if (!waiting && this.queueTicker !== null) {
      clearInterval(this.queueTicker)
      this.queueTicker = null
    }
  }

  // --- ends ----------------------------------------------------------------------------------

  private drain(isHandedOver: boolean): void {
    if (this.context.draining) return
    this.context.draining = true
    this.listeners.drain(this.context.nowMs(), isHandedOver)
    this.watchDrain()
  }

  private watchDrain(): void {
    const { row } = this.context
    const isBusy = row[THREAD.exchanges]! > 0 || row[THREAD.connections]! > 0
    if (isBusy || this.drainedTold) return
    this.drainedTold = true
    this.flush()
    this.options.send({ kind: 'drained' })
  }

  /** Sends the log lines and traces that have gathered. */
  private flush(): void {
    this.outbox.flush()
    this.context.tracer.flush()
  }

  private close(): void {
    const { context } = this
    context.draining = true
    clearInterval(this.ticker)
    if (this.queueTicker !== null) clearInterval(this.queueTicker)
    this.listeners.close()
    for (const pool of context.pools) for (const one of pool.backends) one.idle.clear()
    this.flush()
  }
}

/** Those on which nothing may run any more. */
function cutOnes({ plan, backends, leaving }: PoolState): readonly BackendState[] {
  const cut = backends.filter(({ member }) => member.eligibility === ELIGIBILITY.cut)
  // Who is left out is not the active, and two of them at work is what must never be.
  return plan.mode === 'active-standby' ? [...cut, ...leaving] : cut
}

function stillWaits({ queue }: PoolState, nowMs: number): boolean {
  queue.tick(nowMs)
  return queue.length > 0
}

/** A write would give memory to a page that has none yet. */
function clearCells(row: Float64Array, base: number, count: number): void {
  for (let cell = base; cell < base + count; cell++) if (row[cell] !== 0) row[cell] = 0
}
