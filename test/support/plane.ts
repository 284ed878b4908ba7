// A data plane in this thread, with listeners on free ports and backends that are scripts. Its end
// checks what must hold at the end of every test: nothing is left in a gauge.

import assert from 'node:assert/strict'
import { parseConfig } from '../../src/config/load.ts'
import { fault } from '../../src/core/fault.ts'
import type { FaultCode } from '../../src/core/fault.ts'
import type { Plan } from '../../src/core/plan.ts'
import { seededRandom } from '../../src/core/random.ts'
import {
  BACKEND,
  CONTROL_POOL,
  LISTENER,
  POOL,
  SharedTable,
  THREAD,
} from '../../src/core/shared-layout.ts'
import { ELIGIBILITY } from '../../src/core/snapshot.ts'
import type { DataMessage, FreedSlots, PoolSnapshot } from '../../src/core/snapshot.ts'
import type { ReadInto } from '../../src/proxy/socket.ts'
import { DataPlane } from '../../src/runtime/data-plane.ts'
import { connectTo, serve } from './raw.ts'
import type { Peer, RawServer, Script } from './raw.ts'
import { waitFor } from './wait.ts'

/** The ways to read from sockets; every suite runs over each. */
export const READ_INTO: readonly ReadInto[] = ['shared', 'fresh']

export type Tree = Readonly<Record<string, unknown>>
export type EligibilityName = keyof typeof ELIGIBILITY

export interface PlaneOptions {
  readonly readInto: ReadInto
  /** Scripts of the backends of pool `main`, named a, b, c … */
  readonly backends?: readonly Script[]
  /** Further keys of pool `main`. */
  readonly pool?: Tree
  /** Further keys of listener `main`. */
  readonly listener?: Tree
  /** Further keys of the configuration. */
  readonly config?: Tree
  /** Addresses of the backends instead of servers of our own. */
  readonly addresses?: readonly string[]
}

/** What a reload changes of the configuration that the plane began with. */
export interface PlaneChange {
  /** Backends of pool `main`, by name: an address or a tree. */
  readonly backends?: Tree
  readonly pool?: Tree
  readonly listener?: Tree
  readonly config?: Tree
}

/** What a snapshot says beside who is eligible. */
export interface PoolWord {
  readonly epoch?: number
  /** From now on; 0 for no hold. */
  readonly holdMs?: number
  /** Position of the active, for the read side. */
  readonly active?: number
}

/** Gauges that must be 0 when nothing is in progress. */
const THREAD_GAUGES = { connections: THREAD.connections, exchanges: THREAD.exchanges }
const BACKEND_GAUGES = {
  inFlight: BACKEND.inFlight,
  waiting: BACKEND.waiting,
  probing: BACKEND.probing,
  connections: BACKEND.connections,
  idleConnections: BACKEND.idleConnections,
}

/** Room in the shared memory for what reloads add. */
const SPARE = { listeners: 32, pools: 32, slots: 256 }

export class TestPlane {
  plan: Plan
  readonly table: SharedTable
  readonly plane: DataPlane
  readonly servers: readonly RawServer[]
  readonly messages: DataMessage[] = []
  readonly peers: Peer[] = []
  readonly #options: PlaneOptions
  readonly #slots: TestSlots
  #version = 0
  #skippedMs = 0
  #closed = false

  private constructor(plan: Plan, servers: readonly RawServer[], options: PlaneOptions) {
    const { readInto } = options
    this.plan = plan
    this.servers = servers
    this.#options = options
    this.#slots = new TestSlots(plan)
    this.table = SharedTable.allocate({ threads: 1, ...SPARE })
    this.plane = new DataPlane({
      plan,
      table: this.table,
      thread: 0,
      clock: { nowMs: () => this.nowMs() },
      random: seededRandom(1),
      reusePort: false,
      readInto,
      send: (message) => {
        this.messages.push(message)
      },
    })
  }

  /** Starts backends and plane; every backend is eligible. */
  static async start(options: PlaneOptions): Promise<TestPlane> {
    const servers: RawServer[] = []
    for (const script of options.backends ?? []) servers.push(await serve(script))
    try {
      return await TestPlane.#startWith(options, servers)
    } catch (error) {
      for (const server of servers) await server.stop()
      throw error
    }
  }

  static async #startWith(
    options: PlaneOptions,
    servers: readonly RawServer[],
  ): Promise<TestPlane> {
    const made = new TestPlane(configure(options, servers, {}), servers, options)
    made.publish({})
    made.plane.receive({ kind: 'listen' })
    await waitFor(() => made.messages.some(({ kind }) => kind !== 'log'), { everyMs: 1 })
    const failed = made.messages.find(({ kind }) => kind === 'listen-failed')
    if (failed !== undefined) throw new Error(JSON.stringify(failed))
    return made
  }

  /** Monotonic, as the plane sees it. */
  nowMs(): number {
    return performance.now() + this.#skippedMs
  }

  /** Publishes a snapshot: all backends eligible but those named here (of pool `main`). */
  publish(states: Readonly<Record<string, EligibilityName>>, word: PoolWord = {}): void {
    this.#publish(states, word, {})
  }

  /**
   * Goes on by a changed configuration from here on: what the change leaves out is as it was at the
   * start. Resolves to the listeners that could not be opened, once all the others are.
   */
  async reload(
    change: PlaneChange,
    states: Readonly<Record<string, EligibilityName>> = {},
  ): Promise<readonly string[]> {
    const plan = this.#slots.keep(configure(this.#options, this.servers, change))
    this.plan = plan
    const first = this.messages.length
    this.#publish(states, {}, { plan })
    const version = this.#version
    await this.until('the plan to be adopted', () =>
      this.messages.some((one) => one.kind === 'adopted' && one.version === version),
    )
    return this.messages
      .slice(first)
      .flatMap((one) => (one.kind === 'listen-failed' ? [one.listener] : []))
  }

  /** Gives the rows of everything that is gone to be used again, as the control plane would. */
  free(): FreedSlots {
    const freed = this.#slots.free()
    this.plane.receive({
      kind: 'snapshot',
      snapshot: { version: ++this.#version, pools: [], freed },
    })
    return freed
  }

  #publish(
    states: Readonly<Record<string, EligibilityName>>,
    word: PoolWord,
    reload: { readonly plan?: Plan },
  ): void {
    const { epoch = 0, holdMs = 0, active = -1 } = word
    const holdUntilMs = holdMs > 0 ? this.nowMs() + holdMs : 0
    const pools = this.plan.pools.map((pool): PoolSnapshot => {
      const named = pool.backends.map(({ name }) => states[name] ?? 'yes')
      const free = named.filter((state) => state === 'yes').length
      return {
        pool: pool.index,
        eligibility: Uint8Array.from(named, (state) => ELIGIBILITY[state]),
        weight: Float64Array.from(pool.backends, ({ weight }) => weight),
        probationThread: Int8Array.from(named, (state) => (state === 'probation' ? 0 : -1)),
        halfAvailable: free * 2 >= pool.backends.length,
        epoch,
        holdUntilMs,
        ...(pool.replicasOf >= 0 && { active }),
      }
    })
    this.plane.receive({
      kind: 'snapshot',
      snapshot: { version: ++this.#version, pools, ...reload },
    })
    assert.equal(this.thread(THREAD.appliedVersion), this.#version)
  }

  /** The right to send to pool `main` lasts so long from now; negative: it has lapsed. */
  grant(ms: number): void {
    const cell = this.table.controlPoolBase(0) + CONTROL_POOL.sendUntilMs
    this.table.control[cell] = this.nowMs() + ms
  }

  /** Lets time pass for the plane at once, and lets it see what has become due. */
  skip(ms: number): void {
    this.standStill(ms)
    this.plane['tick']()
  }

  /** Lets time pass that the plane doesn't notice, as if the process had been stopped meanwhile. */
  standStill(ms: number): void {
    this.#skippedMs += ms
  }

  /** From now on the plane looks at nothing by itself: only `skip` makes it. */
  stopTicking(): void {
    clearInterval(this.plane['ticker'])
  }

  port(listener = 0): number {
    const address = this.plane.addresses()[listener]!
    return address.kind === 'tcp' ? address.port : 0
  }

  /** A client connection; closed with the plane. */
  async connect(listener = 0): Promise<Peer> {
    const address = this.plane.addresses()[listener]!
    const peer = await connectTo(address.kind === 'tcp' ? address.port : address.path)
    this.peers.push(peer)
    return peer
  }

  thread(column: number): number {
    return this.table.sum(column)
  }

  listener(column: keyof typeof LISTENER, index = 0): number {
    return this.table.sum(this.table.listenerBase(index) + LISTENER[column])
  }

  pool(column: keyof typeof POOL, index = 0): number {
    return this.table.sum(this.table.poolBase(index) + POOL[column])
  }

  backend(slot: number, column: keyof typeof BACKEND): number {
    return this.table.sum(this.table.backendBase(slot) + BACKEND[column])
  }

  /** How often a fault was counted. */
  faults(code: FaultCode): number {
    return this.thread(THREAD.faults + fault(code).index)
  }

  /** Waits for something that has no event of its own. */
  async until(what: string, condition: () => boolean): Promise<void> {
    await waitFor(condition, { what, everyMs: 1, timeoutMs: 5_000 })
  }

  /** Waits until a count stands still, for things that stop without a word. Returns it. */
  async settled(count: () => number): Promise<number> {
    let seen = count()
    let since = performance.now()
    await this.until('a count to stand still', () => {
      const now = count()
      if (now !== seen) since = performance.now()
      seen = now
      return performance.now() - since > 50
    })
    return seen
  }

  /** Gauges that are not 0. `idle` connections to backends may be kept. */
  gauges(idle: boolean): Record<string, number> {
    const found: Record<string, number> = {}
    const note = (name: string, cell: number): void => {
      const value = this.table.sum(cell)
      if (value !== 0) found[name] = value
    }
    for (const [name, cell] of Object.entries(THREAD_GAUGES)) note(`thread ${name}`, cell)
    // Of those that are gone as well: nothing may be left of them either.
    for (let slot = 0; slot < SPARE.listeners; slot++) {
      note(`listener ${slot} connections`, this.table.listenerBase(slot) + LISTENER.connections)
    }
    for (let slot = 0; slot < SPARE.pools; slot++) {
      note(`pool ${slot} queued`, this.table.poolBase(slot) + POOL.queued)
    }
    const present = new Set(this.plan.pools.flatMap((pool) => pool.backends.map((b) => b.slot)))
    for (let slot = 0; slot < SPARE.slots; slot++) {
      const base = this.table.backendBase(slot)
      const kept = present.has(slot) ? this.table.sum(base + BACKEND.idleConnections) : 0
      for (const [gauge, column] of Object.entries(BACKEND_GAUGES)) {
        const value = this.table.sum(base + column)
        const allowed =
          idle && (column === BACKEND.connections || column === BACKEND.idleConnections)
        if (value !== (allowed ? kept : 0)) found[`backend ${slot} ${gauge}`] = value
      }
    }
    return found
  }

  /** Gauges that are below 0, which none may ever be. */
  negative(): readonly number[] {
    return [...this.table.rows[0]!].filter((value) => value < 0)
  }

  /** Resets the clients, waits until the plane is idle, and checks that no gauge is left. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // A FIN alone may be a half-close: the answer would still be waited for.
    for (const peer of this.peers) peer.reset()
    await waitFor(() => Object.keys(this.gauges(true)).length === 0, {
      everyMs: 1,
      timeoutMs: 1_500,
    }).catch(() => {})
    const left = this.gauges(true)
    this.plane.receive({ kind: 'close' })
    const kept = this.gauges(false)
    // All of them whatever happens: an open server would keep the whole file from ending.
    const stops = await Promise.allSettled(this.servers.map((server) => server.stop()))
    assert.deepEqual(left, {}, 'gauges after the last client has gone')
    assert.deepEqual(kept, {}, 'gauges after the close')
    for (const stop of stops) if (stop.status === 'rejected') throw stop.reason
  }
}

function configure(
  options: PlaneOptions,
  servers: readonly RawServer[],
  change: PlaneChange,
): Plan {
  const addresses = options.addresses ?? servers.map((server) => server.address)
  const backends = Object.fromEntries(
    addresses.map((address, index) => [String.fromCodePoint(97 + index), { address }]),
  )
  return planOf({
    log: { access: 'off' },
    admin: false,
    listeners: {
      main: { bind: '127.0.0.1:0', pool: 'main', ...options.listener, ...change.listener },
    },
    pools: { main: { backends: change.backends ?? backends, ...options.pool, ...change.pool } },
    ...options.config,
    ...change.config,
  })
}

/** Gives rows to what comes with reloads; what stays keeps its own. */
class TestSlots {
  /** By identity, of all plans so far. */
  readonly #known = { listeners: new Map(), pools: new Map(), backends: new Map() } as Record<
    keyof FreedSlots,
    Map<string, number>
  >
  readonly #spare: Record<keyof FreedSlots, number[]> = { listeners: [], pools: [], backends: [] }
  #present: Record<keyof FreedSlots, Set<string>> = noKeys()

  constructor(plan: Plan) {
    this.keep(plan)
  }

  keep(plan: Plan): Plan {
    this.#present = noKeys()
    return {
      ...plan,
      listeners: plan.listeners.map((listener) => {
        const { name, address, protocol } = listener
        const key = `${protocol} ${name} ${JSON.stringify(address)}`
        return { ...listener, slot: this.#slot('listeners', key) }
      }),
      pools: plan.pools.map((pool) => ({
        ...pool,
        slot: this.#slot('pools', pool.name),
        backends: pool.backends.map((backend) => {
          const key = `${pool.name} ${backend.name} ${JSON.stringify(backend.address)}`
          return { ...backend, slot: this.#slot('backends', key) }
        }),
      })),
    }
  }

  free(): FreedSlots {
    const freed: Record<keyof FreedSlots, number[]> = { listeners: [], pools: [], backends: [] }
    for (const kind of ['listeners', 'pools', 'backends'] as const) {
      for (const [key, slot] of this.#known[kind]) {
        if (this.#present[kind].has(key)) continue
        this.#known[kind].delete(key)
        freed[kind].push(slot)
        this.#spare[kind].push(slot)
      }
    }
    return freed
  }

  #slot(kind: keyof FreedSlots, key: string): number {
    const known = this.#known[kind]
    this.#present[kind].add(key)
    const slot = known.get(key) ?? this.#spare[kind].shift() ?? known.size
    known.set(key, slot)
    return slot
  }
}

function noKeys(): Record<keyof FreedSlots, Set<string>> {
  return { listeners: new Set(), pools: new Set(), backends: new Set() }
}

/** The plan of a configuration tree. @throws Error with the diagnostics */
export function planOf(tree: Tree): Plan {
  const result = parseConfig(JSON.stringify(tree), { file: 'test.yaml', env: {} })
  if (result.ok) return result.plan
  throw new Error(result.diagnostics.map(({ path, message }) => `${path}: ${message}`).join('\n'))
}

/** Runs `body` with a plane and closes it, whatever happens. */
export async function withPlane(
  options: PlaneOptions,
  body: (plane: TestPlane) => Promise<void>,
): Promise<void> {
  const plane = await TestPlane.start(options)
  let failure: unknown = null
  try {
    await body(plane)
  } catch (error) {
    failure = error
  }
  try {
    await plane.close()
  } catch (error) {
    failure ??= error
  }
  if (failure !== null) throw failure
}
