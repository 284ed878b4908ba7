// The listeners of one data thread: which sockets are open and whose connections they bring, also
// across reloads. A listener that stays keeps its socket; one at the address of another that goes
// gets that one's socket, so that no connection is lost in between (closing resets what is queued).
// Must never close a socket that is needed, nor wait before the plan it was given holds.

import net from 'node:net'
import { fault } from '../core/fault.ts'
import type { Address, ListenerPlan, Plan } from '../core/plan.ts'
import { LISTENER } from '../core/shared-layout.ts'
import type { OpenSocket } from '../core/snapshot.ts'
import { Listener } from '../listen/listener.ts'
import type { ListenerOwner } from '../listen/listener.ts'
import type { AccessOutbox } from '../observe/access-outbox.ts'
import type { ListenerState, PositionMoves, ThreadContext } from '../proxy/context.ts'
import { HttpListener } from '../proxy/http-listener.ts'
import { adoptHandle } from '../proxy/socket.ts'
import type { Http1Connection } from '../proxy/http1-connection.ts'
import type { TcpConnection } from '../proxy/tcp.ts'
import { TcpListener } from '../proxy/tcp-listener.ts'
import { compileRoutes } from '../route/compile.ts'

/** Share of the drain time after which idle client connections are closed. */
const IDLE_DRAIN_SHARE = 0.5
/** How long a listener that goes stays open if one that comes can't be opened: for a way back. */
const WAY_BACK_MS = 2_000

export interface PlaneListenersOptions {
  readonly context: ThreadContext
  readonly outbox: AccessOutbox
  readonly reusePort: boolean
  /** This thread has the listeners that only one can have: a unix socket has one accept queue. */
  readonly unshared: boolean
  /** Which these are, by name, besides those on unix sockets. */
  readonly alone: readonly string[]
  /** Sockets that listen already, taken over from the process before this one. */
  readonly inherited: readonly OpenSocket[]
}

/** A listener that can't be opened. */
export interface ListenFailure {
  readonly listener: string
  readonly message: string
}

/** One listener of the plan, or one that goes. */
interface Held {
  readonly state: ListenerState
  readonly protocol: HttpListener | TcpListener
  readonly owner: ListenerOwner
  /** `null`: not open yet, not opened here, or handed on. */
  socket: Listener | null
  // When one that goes closes its socket at the latest, then its idle connections, and ends its
  // tunnels; Infinity: it stays.
  closesMs: number
  idleUntilMs: number
  leavesMs: number
}

export class PlaneListeners {
  readonly #options: PlaneListenersOptions
  readonly #context: ThreadContext
  /** Parallel to the plan's. */
  #current: readonly Held[]
  #leaving: readonly Held[] = []
  /** Sockets are opened and closed by one reload after the other. */
  #settling: Promise<unknown> = Promise.resolve()
  #isOpen = false
  #isDraining = false
  #inherited: readonly OpenSocket[]
  #drainStartMs = 0

  constructor(options: PlaneListenersOptions) {
    this.#options = options
    this.#context = options.context
    this.#inherited = options.inherited
    this.#current = options.context.plan.listeners.map((plan) => this.#make(plan))
  }

  /** Where they listen, in the order of the plan: as planned where another thread does. */
  addresses(): readonly Address[] {
    return this.#current.map(({ socket, state }) => socket?.address ?? state.plan.address)
  }

  /** The open connections of clients. */
  connections(): readonly (Http1Connection | TcpConnection)[] {
    const all: (Http1Connection | TcpConnection)[] = []
    for (const { protocol } of this.#all()) {
      for (const one of protocol.connections) all.push(one)
    }
    return all
  }

  /** Opens those of the plan. Resolves to those that could not be. */
  async open(): Promise<readonly ListenFailure[]> {
    this.#isOpen = true
    const failures = await this.settle()
    // A later listener of the same name is another one.
    this.#inherited = []
    return failures
  }

  /** What they listen on, for a process that takes over. */
  sockets(): readonly OpenSocket[] {
    return this.#current.flatMap(({ state: { plan }, socket }) => {
      if (socket === null) return []
      const address = withPort(plan.address, socket.address)
      return socket.descriptors.map((fd) => ({ listener: plan.name, fd, address }))
    })
  }

  /**
   * Goes on by a new plan (that of the context), at once. Sockets that have to be opened or closed
   * are so by `settle`.
   */
  adopt(plan: Plan, nowMs: number): void {
    const known = new Map([...this.#leaving, ...this.#current].map((one) => [slotOf(one), one]))
    this.#current = plan.listeners.map((listener) => {
      const held = known.get(listener.slot)
      if (held === undefined) return this.#make(listener)
      known.delete(listener.slot)
      this.#change(held, listener)
      return held
    })
    const { drainMs } = plan.runtime
    for (const held of known.values()) {
      if (held.leavesMs !== Infinity) continue
      held.protocol.closing = true
      held.closesMs = nowMs + WAY_BACK_MS
      held.idleUntilMs = nowMs + drainMs * IDLE_DRAIN_SHARE
      held.leavesMs = nowMs + drainMs
    }
    this.#leaving = [...known.values()]
    for (const held of this.#current) this.#inherit(held)
  }

  /** Opens and closes what the last plan asks for. Resolves to those that could not be opened. */
  settle(): Promise<readonly ListenFailure[]> {
    const settled = this.#settling.then(() => this.#settle())
    this.#settling = settled
    return settled
  }

  /** See `PlacedAttempt.movePositions`. */
  movePositions(moves: PositionMoves): void {
    for (const { protocol } of this.#all()) protocol.movePositions(moves)
  }

  /** Records with these slots are about to belong to others: whoever uses them still ends. */
  free(slots: readonly number[]): void {
    for (const held of this.#leaving.filter((one) => slots.includes(slotOf(one)))) {
      closeSocket(held)
      held.protocol.cutTunnels(fault('draining'))
      for (const one of held.protocol.connections) one.quit(fault('draining'))
    }
    this.#leaving = this.#leaving.filter((one) => !slots.includes(slotOf(one)))
  }

  /** Ends what has had its time. For each tick. */
  watch(nowMs: number): void {
    if (this.#isDraining) this.#watchDrain(nowMs)
    if (this.#leaving.length === 0) return
    for (const held of this.#leaving) {
      if (nowMs >= held.closesMs) closeSocket(held)
      if (nowMs >= held.idleUntilMs) held.protocol.closeIdle()
      if (nowMs >= held.leavesMs) held.protocol.cutTunnels(fault('draining'))
    }
    this.#leaving = this.#leaving.filter(
      ({ socket, protocol }) => socket !== null || protocol.connections.size > 0,
    )
  }

  /**
   * Stops accepting for good; connections are closed after their answers.
   * @param isHandedOver another process accepts on these sockets
   */
  drain(nowMs: number, isHandedOver: boolean): void {
    this.#isDraining = true
    this.#drainStartMs = nowMs
    for (const held of this.#all()) {
      closeSocket(held, isHandedOver)
      held.protocol.closing = true
    }
  }

  /** Ends everything at once. */
  close(): void {
    this.#isDraining = true
    for (const held of this.#all()) {
      closeSocket(held)
      held.protocol.closing = true
      held.protocol.cutTunnels(fault('draining'))
    }
    for (const one of this.connections()) one.quit(fault('draining'))
  }

  #all(): readonly Held[] {
    return [...this.#current, ...this.#leaving]
  }

  /** Idle clients get some time to ask once more and be told `Connection: close`. */
  #watchDrain(nowMs: number): void {
    const { drainMs } = this.#context.plan.runtime
    if (nowMs < this.#drainStartMs + drainMs * IDLE_DRAIN_SHARE) return
    for (const { protocol } of this.#all()) protocol.closeIdle()
  }

  #make(plan: ListenerPlan): Held {
    const context = this.#context
    const state: ListenerState = {
      plan,
      base: context.table.listenerBase(plan.slot),
      routes: compileRoutes(plan.routes),
      isTrusted: trustOf(plan),
    }
    const protocol =
      plan.protocol === 'http'
        ? new HttpListener(context, state, this.#options.outbox)
        : new TcpListener(context, state, this.#options.outbox)
    const owner = ownerOf(context, state, protocol)
    const stays = { closesMs: Infinity, idleUntilMs: Infinity, leavesMs: Infinity }
    return { state, protocol, owner, socket: null, ...stays }
  }

  #change(held: Held, plan: ListenerPlan): void {
    const { state, protocol } = held
    const trusted = state.plan.trustForwarded
    const trustChanged =
      trusted.length !== plan.trustForwarded.length ||
      trusted.some((block, index) => block !== plan.trustForwarded[index])
    state.plan = plan
    state.routes = compileRoutes(plan.routes)
    if (trustChanged) state.isTrusted = trustOf(plan)
    held.closesMs = Infinity
    held.idleUntilMs = Infinity
    held.leavesMs = Infinity
    protocol.closing = this.#isDraining
    protocol.adopt(trustChanged)
  }

  /** Takes over the socket of one that goes, if it is at the same address. */
  #inherit(held: Held): void {
    if (held.socket !== null) return
    const { address } = held.state.plan
    const before = this.#leaving.find(
      (one) => one.socket !== null && isSameAddress(one.state.plan.address, address),
    )
    if (before === undefined) return
    held.socket = before.socket!
    held.socket.owner = held.owner
    before.socket = null
  }

  async #settle(): Promise<readonly ListenFailure[]> {
    const failures: ListenFailure[] = []
    if (this.#isOpen && !this.#isDraining) {
      for (const held of this.#current) {
        const message = await this.#openOne(held)
        if (message !== null) failures.push({ listener: held.state.plan.name, message })
      }
    }
    if (failures.length === 0) for (const held of this.#leaving) closeSocket(held)
    return failures
  }

  /** Returns why it can't be opened, `null` if it is or need not be. */
  async #openOne(held: Held): Promise<string | null> {
    const { address } = held.state.plan
    if (held.socket !== null || held.leavesMs !== Infinity) return null
    if (!this.#options.unshared && this.#isUnshared(held.state.plan)) return null
    try {
      await this.#listen(held)
      return null
    } catch (error) {
      // One that goes may be in the way: `0.0.0.0:80` of `10.0.0.1:80`.
      const rivals = this.#leaving.filter((one) => isSamePort(one.state.plan.address, address))
      if (rivals.every(({ socket }) => socket === null)) return messageOf(error)
      for (const rival of rivals) closeSocket(rival)
    }
    return this.#listen(held).then(() => null, messageOf)
  }

  #isUnshared({ name, address }: ListenerPlan): boolean {
    return address.kind === 'unix' || this.#options.alone.includes(name)
  }

  async #listen(held: Held): Promise<void> {
    const { reusePort } = this.#options
    const { name, address } = held.state.plan
    const inherited = this.#inherited.filter(({ listener }) => listener === name)
    const fds = inherited.map(({ fd }) => fd)
    const socket = new Listener({ address, reusePort, inherited: fds, owner: held.owner })
    await socket.open()
    if (this.#isDraining || held.socket !== null) socket.close()
    else held.socket = socket
  }
}

/** As configured, but with the port that it is bound to. */
function withPort(wanted: Address, bound: Address): Address {
  return wanted.kind === 'tcp' && bound.kind === 'tcp' ? { ...wanted, port: bound.port } : wanted
}

function slotOf({ state }: Held): number {
  return state.plan.slot
}

function closeSocket(held: Held, isHandedOver = false): void {
  held.socket?.close(isHandedOver)
  held.socket = null
}

function ownerOf(
  context: ThreadContext,
  state: ListenerState,
  protocol: HttpListener | TcpListener,
): ListenerOwner {
  const { row, table } = context
  const { base } = state
  return {
    onAccept: (handle) => {
      row[base + LISTENER.accepted]!++
      if (table.sum(base + LISTENER.connections) >= state.plan.connectionsMax) {
        row[base + LISTENER.refused]!++
        context.countFault(fault('listener-full'))
        handle.close()
        return
      }
      protocol.accept(adoptHandle(handle, context.readInto))
    },
    onError: (message) => {
      context.log('warn', 'accept failed', { listener: state.plan.name, cause: message })
    },
  }
}

/** Port 0 is no address: each listener gets a port of its own. */
function isSameAddress(one: Address, other: Address): boolean {
  if (one.kind === 'unix') return other.kind === 'unix' && one.path === other.path
  return isSamePort(one, other) && one.host === (other as { host?: string }).host
}

function isSamePort(one: Address, other: Address): boolean {
  return one.kind === 'tcp' && other.kind === 'tcp' && one.port === other.port && one.port !== 0
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
