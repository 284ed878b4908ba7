// The data threads from the main thread's side: starts them, hands them snapshots, watches them and
// replaces the ones that fail. A failing thread costs its own connections and nobody else's.
// Must never decide by itself when a thread has failed: `supervision.ts` does.

import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import type { Clock } from '../core/clock.ts'
import type { Address, Plan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import type { ControlMessage, DataMessage, OpenSocket, Snapshot } from '../core/snapshot.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import { THREAD } from '../core/shared-layout.ts'
import { Adoption } from './adoption.ts'
import type { DataPlanes } from './data-planes.ts'
import type { ListenFailure } from './plane-listeners.ts'
import type { SupervisionLimits } from './supervision.ts'
import {
  PublishedSnapshots,
  SUPERVISION_LIMITS,
  SUPERVISION_TICK_MS,
  WatchedTime,
  isCrashLoop,
  judgeThread,
  replacementDelayMs,
} from './supervision.ts'
import { endWorker, heapLimitMb, socketsOf, startWorker, type ThreadData } from './thread-worker.ts'

/** What happens to data threads, for the log, the metrics and the control plane. */
export interface ThreadEvents {
  message(thread: number, message: DataMessage): void
  /** It has ended and its row is cleared. */
  down(thread: number, reason: string): void
  /** It was to be ended for this reason, and runs on: code that is not ours holds it. */
  stuck(thread: number, reason: string): void
  /** Its replacement has all listeners open. */
  replaced(thread: number, tookMs: number): void
  /** It keeps dying; the next start waits `delayMs`. */
  looping(thread: number, deaths: number, delayMs: number): void
}

export interface DataThreadsOptions {
  readonly plan: Plan
  readonly table: SharedTable
  readonly clock: Clock
  readonly random: Random
  readonly reusePort: boolean
  readonly events: ThreadEvents
  /** Sockets that listen already, for the first occupants; by thread. */
  readonly inherited?: readonly (readonly OpenSocket[])[]
  /** Listeners, by name, that the first thread alone accepts on, besides those on unix sockets. */
  readonly alone?: readonly string[]
  /** All pools as they are now: what a thread is started with. */
  readonly current: () => Snapshot
  /** Called before a replacement starts; clears what the dead thread left in the way. */
  readonly beforeReplacement?: (thread: number) => Promise<void>
  /** Whether a dead thread could get its sockets again; by default it can. */
  readonly isReplaceable?: (thread: number) => boolean
  readonly module?: URL
  readonly limits?: SupervisionLimits
  /** Heap of one thread in MiB; by default a share of the machine's or container's memory. */
  readonly heapMb?: number
}

/** One place for a thread; its occupant changes, its row in the shared memory doesn't. */
interface Seat {
  readonly thread: number
  worker: Worker | null
  isRunning: boolean
  isDrained: boolean
  /** Snapshot version of the plan that the occupant was started with. */
  planVersion: number
  /** When the occupant was started or became ready; watched time, as is the next. */
  sinceMs: number
  /** When its heartbeat was last seen to move, and where it was then. */
  beatMs: number
  heartbeat: number
  /** Monotonic times at which occupants died, latest last. */
  deaths: number[]
  /** Why the present occupant is being ended, if we end it; since when, and whether that is told. */
  verdict: string | null
  verdictMs: number
  isStuck: boolean
  replacement: NodeJS.Timeout | null
}

const sentences = {
  'start-timeout': 'it did not open its listeners in time',
  standstill: 'it stood still',
  unacknowledged: 'it did not apply a snapshot in time',
} as const

/** How many data threads to run: what was asked for, one per core by default, one without `reusePort`. */
export function threadCount(asked: number | 'auto', reusePort: boolean): number {
  if (!reusePort) return 1
  return asked === 'auto' ? availableParallelism() : Math.max(1, asked)
}

export class DataThreads implements DataPlanes {
  readonly #options: DataThreadsOptions
  readonly #limits: SupervisionLimits
  readonly #seats: Seat[]
  readonly #published = new PublishedSnapshots()
  readonly #watched: WatchedTime
  readonly #adoption: Adoption
  /** What a thread is started with. */
  #plan: Plan
  #isStarted = false
  #isStopping = false
  #watch: NodeJS.Timeout | null = null
  #restarts = 0
  #starting: { resolve: () => void; reject: (error: Error) => void } | null = null
  #drained: (() => void) | null = null

  constructor(options: DataThreadsOptions) {
    this.#options = options
    this.#limits = options.limits ?? SUPERVISION_LIMITS
    this.#watched = new WatchedTime(options.clock.nowMs())
    this.#plan = options.plan
    this.#adoption = new Adoption(options.table.shape.threads)
    this.#seats = Array.from({ length: options.table.shape.threads }, (_, thread) => ({
      thread,
      worker: null,
      isRunning: false,
      isDrained: false,
      planVersion: 0,
      sinceMs: 0,
      beatMs: 0,
      heartbeat: 0,
      deaths: [],
      verdict: null,
      verdictMs: 0,
      isStuck: false,
      replacement: null,
    }))
  }

  get restarts(): number {
    return this.#restarts
  }

  get running(): number {
    return this.#seats.filter(({ isRunning, verdict }) => isRunning && verdict === null).length
  }

  applied(): number {
    let lowest = Infinity
    for (const seat of this.#seats) {
      // One that is being ended may send until it has.
      if (seat.worker === null) continue
      const row = this.#options.table.rows[seat.thread]!
      lowest = Math.min(lowest, row[THREAD.appliedVersion]!)
    }
    return lowest
  }

  /**
   * Starts all threads. Resolves when every one has its listeners open.
   * @throws Error when one of them can't be started or can't listen
   */
  async start(): Promise<readonly Address[]> {
    const { promise, resolve, reject } = deferred()
    this.#starting = { resolve, reject }
    const { inherited = [] } = this.#options
    for (const seat of this.#seats) this.#occupy(seat, inherited[seat.thread])
    this.#watch = setInterval(() => this.#look(), SUPERVISION_TICK_MS)
    try {
      await promise
    } catch (error) {
      await this.close()
      throw error
    }
    this.#isStarted = true
    return this.addresses()
  }

  addresses(): readonly Address[] {
    return this.#plan.listeners.map((listener) => listener.address)
  }

  /** Hands a snapshot to every thread and expects each to acknowledge it. */
  publish(snapshot: Snapshot): void {
    this.#watched.advance(this.#options.clock.nowMs())
    this.#published.add(snapshot.version, this.#watched.nowMs, snapshot.isAwaited)
    if (snapshot.plan !== undefined) this.#expect(snapshot.plan, snapshot.version)
    for (const seat of this.#seats) seat.worker?.postMessage({ kind: 'snapshot', snapshot })
  }

  adopted(): Promise<void> {
    return this.#adoption.settled()
  }

  #expect(plan: Plan, version: number): void {
    this.#plan = plan
    this.#adoption.expect(version)
    for (const { worker, thread, isStuck } of this.#seats) {
      // Its replacement will be started with this plan, should there be one.
      if (worker === null || isStuck) this.#adoption.note(thread, version)
    }
  }

  send(thread: number, message: ControlMessage): void {
    this.#seats[thread]?.worker?.postMessage(message)
  }

  async sockets(): Promise<readonly OpenSocket[]> {
    const all = this.#seats.map(({ thread, worker, isRunning }) => {
      return socketsOf(thread, isRunning ? worker : null)
    })
    return (await Promise.all(all)).flat()
  }

  async drain(isHandedOver = false): Promise<void> {
    this.#stop()
    const { promise, resolve } = deferred()
    this.#drained = resolve
    for (const seat of this.#seats) {
      if (seat.worker === null) seat.isDrained = true
      else seat.worker.postMessage({ kind: 'drain', isHandedOver })
    }
    this.#settleDrain()
    await promise
  }

  async close(): Promise<void> {
    this.#stop()
    if (this.#watch !== null) clearInterval(this.#watch)
    this.#watch = null
    await Promise.all(
      this.#seats.map(async (seat) => {
        if (seat.worker === null || (await endWorker(seat.worker)) || seat.isStuck) return
        this.#options.events.stuck(seat.thread, seat.verdict ?? 'the process ends')
      }),
    )
  }

  #stop(): void {
    this.#isStopping = true
    this.#adoption.stop()
    for (const seat of this.#seats) {
      if (seat.replacement !== null) clearTimeout(seat.replacement)
      seat.replacement = null
    }
  }

  #occupy(seat: Seat, inherited: readonly OpenSocket[] = []): void {
    const { table, random, reusePort, module, heapMb, alone = [] } = this.#options
    const data: ThreadData = {
      plan: this.#plan,
      buffers: table.buffers,
      thread: seat.thread,
      reusePort,
      unshared: seat.thread === 0,
      alone,
      inherited,
      seed: Math.floor(random.next() * 2 ** 31),
      module: (module ?? new URL('./data-plane.js', import.meta.url)).href,
    }
    const worker = startWorker(data, heapMb ?? heapLimitMb(this.#seats.length))
    let cause: string | null = null
    seat.worker = worker
    seat.isRunning = false
    seat.isDrained = false
    seat.verdict = null
    seat.isStuck = false
    seat.planVersion = this.#adoption.version
    seat.sinceMs = this.#watched.nowMs
    worker.on('message', (message: DataMessage) => this.#receive(seat, message))
    worker.on('error', (error: Error & { code?: string }) => {
      cause =
        error.code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? 'it ran out of heap'
          : `it threw ${error.stack ?? String(error)}`
    })
    worker.on('exit', () => this.#vacate(seat, seat.verdict ?? cause ?? 'it ended by itself'))
    worker.postMessage({ kind: 'snapshot', snapshot: this.#options.current() })
    worker.postMessage({ kind: 'listen' })
  }

  #receive(seat: Seat, message: DataMessage): void {
    if (message.kind === 'ready') this.#enter(seat)
    else if (message.kind === 'drained') {
      seat.isDrained = true
      this.#settleDrain()
    } else if (message.kind === 'listen-failed') this.#failListener(seat, message)
    else if (message.kind === 'adopted') this.#adoption.note(seat.thread, message.version)
    this.#options.events.message(seat.thread, message)
  }

  #failListener(seat: Seat, { listener, message }: ListenFailure): void {
    if (seat.isRunning) this.#adoption.fail(seat.thread, listener, message)
    else this.#end(seat, `listener '${listener}' can't be opened: ${message}`)
  }

  #enter(seat: Seat): void {
    seat.isRunning = true
    this.#adoption.note(seat.thread, seat.planVersion)
    seat.sinceMs = this.#watched.nowMs
    const died = seat.deaths.at(-1)
    if (died !== undefined) {
      this.#options.events.replaced(seat.thread, this.#options.clock.nowMs() - died)
    }
    if (this.#seats.every((other) => other.isRunning)) this.#starting?.resolve()
  }

  #look(): void {
    this.#watched.advance(this.#options.clock.nowMs())
    const { nowMs } = this.#watched
    let applied = Infinity
    for (const seat of this.#seats) {
      if (seat.worker === null) continue
      if (seat.verdict !== null) {
        this.#watchEnd(seat, seat.verdict, nowMs)
        continue
      }
      const row = this.#options.table.rows[seat.thread]!
      if (row[THREAD.heartbeatMs] !== seat.heartbeat) seat.beatMs = nowMs
      seat.heartbeat = row[THREAD.heartbeatMs]!
      const version = row[THREAD.appliedVersion]!
      if (seat.isRunning) applied = Math.min(applied, version)
      const owedMs = this.#published.owedMs(version)
      const facts = { ...seat, owedMs, awaitedMs: this.#published.awaitedMs(version) }
      const failure = judgeThread(facts, nowMs, this.#limits)
      if (failure !== null) this.#end(seat, sentences[failure])
    }
    this.#published.settle(applied)
  }

  #watchEnd(seat: Seat, verdict: string, nowMs: number): void {
    if (seat.isStuck || nowMs - seat.verdictMs <= this.#limits.endMs) return
    seat.isStuck = true
    this.#adoption.note(seat.thread, this.#adoption.version)
    this.#options.events.stuck(seat.thread, verdict)
  }

  #end(seat: Seat, why: string): void {
    seat.verdict = why
    seat.verdictMs = this.#watched.nowMs
    void seat.worker?.terminate()
  }

  #vacate(seat: Seat, reason: string): void {
    const { table, events } = this.#options
    seat.worker = null
    seat.isRunning = false
    seat.isDrained = true
    table.retire(seat.thread)
    this.#settleDrain()
    if (this.#isStopping) return
    if (!this.#isStarted) {
      this.#starting?.reject(new Error(`data thread ${seat.thread} did not start: ${reason}`))
      return
    }
    this.#restarts++
    events.down(seat.thread, reason)
    if (this.#options.isReplaceable?.(seat.thread) !== false) this.#schedule(seat)
  }

  #schedule(seat: Seat): void {
    const { clock, events } = this.#options
    const nowMs = clock.nowMs()
    seat.deaths = [...seat.deaths.slice(-9), nowMs]
    const delayMs = replacementDelayMs(seat.deaths, nowMs)
    if (isCrashLoop(seat.deaths, nowMs)) events.looping(seat.thread, seat.deaths.length, delayMs)
    seat.replacement = setTimeout(() => void this.#replace(seat), delayMs)
  }

  async #replace(seat: Seat): Promise<void> {
    seat.replacement = null
    try {
      await this.#options.beforeReplacement?.(seat.thread)
    } catch (error) {
      // The way isn't clear; it may be later.
      const message = error instanceof Error ? error.message : String(error)
      this.#options.events.down(seat.thread, message)
      if (!this.#isStopping) this.#schedule(seat)
      return
    }
    if (!this.#isStopping) this.#occupy(seat)
  }

  #settleDrain(): void {
    if (this.#seats.every((seat) => seat.isDrained)) this.#drained?.()
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (e: Error) => void } {
  let resolve!: () => void
  let reject!: (error: Error) => void
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
