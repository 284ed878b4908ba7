// The data plane of one thread, put together: listeners hand connections to the proxies, snapshots
// say who may get traffic, a tick drives the clocks. The same code runs on a worker thread and, for
// tests and embedding, on the main thread. Decides nothing about health.

import net from 'node:net'
import type { Clock } from '../core/clock.ts'
import { fault } from '../core/fault.ts'
import type { Address, ListenerPlan, Plan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import { LISTENER, THREAD } from '../core/shared-layout.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import { ELIGIBILITY } from '../core/snapshot.ts'
import type {
  ControlMessage,
  DataMessage,
  OpenSocket,
  PoolSnapshot,
  Snapshot,
} from '../core/snapshot.ts'
import { Listener } from '../listen/listener.ts'
import { AccessOutbox } from '../observe/access-outbox.ts'
import { reportWaiting } from '../proxy/attempt.ts'
import { ThreadContext } from '../proxy/context.ts'
import type { BackendState, ListenerState } from '../proxy/context.ts'
import { HttpListener } from '../proxy/http-listener.ts'
import { adoptHandle } from '../proxy/socket.ts'
import type { ReadInto } from '../proxy/socket.ts'
import { TcpListener } from '../proxy/tcp-listener.ts'
import { cutLapsed, cutOff, rescue } from '../proxy/withdraw.ts'
import { compileRoutes } from '../route/compile.ts'

/** How often heartbeat, deadlines, queues and the silence rule are looked after. */
const TICK_MS = 50
/** How often while a request waits in a queue: a slot may come free on another thread. */
const QUEUE_TICK_MS = 5
/** Share of the drain time after which idle client connections are closed. */
const IDLE_DRAIN_SHARE = 0.5

export interface DataPlaneOptions {
  readonly plan: Plan
  readonly table: SharedTable
  readonly thread: number
  readonly clock: Clock
  readonly random: Random
  readonly reusePort: boolean
  /** Indexes of listeners that another thread opens. */
  readonly skip?: readonly number[]
  /** Sockets that listen already, taken over from the process before this one. */
  readonly inherited?: readonly OpenSocket[]
  /** `fresh` uses ordinary 'data' events instead of `onread`. */
  readonly readInto?: ReadInto
  send(message: DataMessage): void
}

type ProtocolListener = HttpListener | TcpListener

export class DataPlane {
  private readonly options: DataPlaneOptions
  private readonly context: ThreadContext
  private readonly outbox: AccessOutbox
  private readonly listeners: { readonly name: string; readonly listener: Listener }[] = []
  private readonly protocols: ProtocolListener[] = []
  private readonly ticker: NodeJS.Timeout
  private queueTicker: NodeJS.Timeout | null = null
  private drainedTold = false
  private drainStartMs = 0

  constructor(options: DataPlaneOptions) {
    this.options = options
    this.context = new ThreadContext({ ...options, readInto: options.readInto ?? 'shared' })
    this.outbox = new AccessOutbox((lines) => options.send({ kind: 'access', lines }))
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
        this.options.send({ kind: 'sockets', sockets: this.sockets() })
        break
      case 'access-taken':
        this.outbox.taken(message.characters)
        break
      case 'close':
        this.close()
        break
    }
  }

  /** Where the listeners of this thread listen, in the order of the plan; after `ready`. */
  addresses(): readonly Address[] {
    return this.listeners.map(({ listener }) => listener.address)
  }

  private sockets(): readonly OpenSocket[] {
    return this.listeners.flatMap(({ name, listener }) =>
      listener.descriptors.map((fd) => ({ listener: name, fd })),
    )
  }

  // --- listeners -----------------------------------------------------------------------------

  private async listen(): Promise<void> {
    for (const plan of this.options.plan.listeners) {
      if (this.options.skip?.includes(plan.index) === true) continue
      try {
        const listener = this.makeListener(plan)
        this.listeners.push({ name: plan.name, listener })
        await listener.open()
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        this.options.send({ kind: 'listen-failed', listener: plan.name, message })
        return
      }
    }
    this.options.send({ kind: 'ready' })
  }

  private makeListener(plan: ListenerPlan): Listener {
    const { context } = this
    const base = this.options.table.listenerBase(plan.slot)
    const routes = compileRoutes(plan.routes)
    const state: ListenerState = { plan, base, routes, isTrusted: trustOf(plan) }
    const protocol =
      plan.protocol === 'http'
        ? new HttpListener(context, state, this.outbox)
        : new TcpListener(context, state, this.outbox)
    this.protocols.push(protocol)
    const { row, table } = { row: context.row, table: this.options.table }
    return new Listener({
      address: plan.address,
      reusePort: this.options.reusePort,
      inherited: (this.options.inherited ?? [])
        .filter((socket) => socket.listener === plan.name)
        .map(({ fd }) => fd),
      onAccept: (handle) => {
        row[base + LISTENER.accepted]!++
        if (table.sum(base + LISTENER.connections) >= plan.connectionsMax) {
          row[base + LISTENER.refused]!++
          context.countFault(fault('listener-full'))
          handle.close()
          return
        }
        protocol.accept(adoptHandle(handle, context.readInto))
      },
      onError: (message) => {
        context.log('warn', 'accept failed', { listener: plan.name, cause: message })
      },
    })
  }

  // --- snapshots -----------------------------------------------------------------------------

  private apply(snapshot: Snapshot): void {
    const { pools } = this.context
    const lost = snapshot.pools.flatMap((change) => this.takeOver(change))
    // All old ones are broken before anything begins anew, in whatever pool: they may be one server.
    cutOff(
      snapshot.pools.flatMap(({ pool }) =>
        pools[pool]!.backends.filter(({ member }) => member.eligibility === ELIGIBILITY.cut),
      ),
    )
    for (const backend of lost) rescue(backend)
    for (const { pool } of snapshot.pools) pools[pool]!.queue.serve(this.context.nowMs())
    this.context.row[THREAD.appliedVersion] = snapshot.version
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
    const nowMs = this.context.nowMs()
    const isOver = state.holdUntilMs > 0 && nowMs >= state.holdUntilMs
    // Those who waited for the whole pause are told so, even if the pause ends by this snapshot.
    if (isOver && state.pool.available.length === 0) state.queue.serve(nowMs)
    state.holdUntilMs = change.holdUntilMs
    state.epochEnd = change.epoch > 0 ? `Evenkeel-Epoch: ${change.epoch}\r\n\r\n` : ''
    state.suspected.length = 0
    return lost
  }

  // --- time ----------------------------------------------------------------------------------

  private tick(): void {
    const { context } = this
    const nowMs = context.nowMs()
    context.setTick(nowMs, Date.now())
    context.row[THREAD.heartbeatMs] = nowMs
    for (const pool of context.pools) if (context.hasLapsed(pool)) cutLapsed(pool)
    context.deadlines.advance(nowMs)
    reportWaiting(context, nowMs)
    this.serveQueues(nowMs)
    for (const pool of context.pools) {
      for (const backend of pool.backends) if (backend.idle.size > 0) backend.idle.expire(nowMs)
    }
    this.outbox.flush()
    if (context.draining) this.watchDrain(nowMs)
  }

  private serveQueues(nowMs: number): void {
    let waiting = false
    for (const pool of this.context.pools) {
      pool.queue.tick(nowMs)
      if (pool.queue.length > 0) waiting = true
    }
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
    this.drainStartMs = this.context.nowMs()
    for (const { listener } of this.listeners) listener.close(isHandedOver)
    this.watchDrain(this.drainStartMs)
  }

  /** Idle clients get some time to ask once more and be told `Connection: close`. */
  private watchDrain(nowMs: number): void {
    const { row } = this.context
    const idleUntilMs = this.drainStartMs + this.options.plan.runtime.drainMs * IDLE_DRAIN_SHARE
    const busy = row[THREAD.exchanges]! > 0
    if (nowMs >= idleUntilMs) {
      for (const protocol of this.protocols) {
        if (protocol instanceof HttpListener) for (const one of protocol.connections) one.close()
      }
    }
    if (busy || row[THREAD.connections]! > 0 || this.drainedTold) return
    this.drainedTold = true
    this.outbox.flush()
    this.options.send({ kind: 'drained' })
  }

  private close(): void {
    this.context.draining = true
    clearInterval(this.ticker)
    if (this.queueTicker !== null) clearInterval(this.queueTicker)
    for (const { listener } of this.listeners) listener.close()
    for (const tunnel of this.context.tunnels) tunnel.cut(fault('draining'))
    for (const protocol of this.protocols) {
      for (const one of protocol.connections) one.quit(fault('draining'))
    }
    for (const pool of this.context.pools) for (const one of pool.backends) one.idle.clear()
    this.outbox.flush()
  }
}

/** The test for peers whose forwarding headers are believed. */
function trustOf(plan: ListenerPlan): (address: string) => boolean {
  const blocks = plan.trustForwarded
  if (blocks.length === 0) return () => false
  const list = new net.BlockList()
  for (const block of blocks) {
    const [address = '', bits] = block.split('/')
    const family = net.isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return (address) => {
    // No address: a unix socket's peer, or one that is gone already and gets no trust for that.
    if (address === '') return plan.address.kind === 'unix'
    return list.check(address, net.isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}
