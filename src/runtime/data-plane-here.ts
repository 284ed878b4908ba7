// The data plane without a thread of its own: the same code in the calling thread, for tests and for
// programs that embed a balancer. Messages go through the microtask queue, so that neither side is
// ever called from within its own call, just as with a real thread.

import type { Address } from '../core/plan.ts'
import type { ControlMessage, DataMessage, OpenSocket, Snapshot } from '../core/snapshot.ts'
import { THREAD } from '../core/shared-layout.ts'
import { Adoption } from './adoption.ts'
import type { DataPlaneOptions } from './data-plane.ts'
import type { DataPlanes } from './data-planes.ts'

interface Plane {
  receive(message: ControlMessage): void
  addresses(): readonly Address[]
}

export class DataPlaneHere implements DataPlanes {
  readonly restarts = 0
  readonly #plane: Plane
  readonly #row: Float64Array
  readonly #adoption = new Adoption(1)
  readonly #current: () => Snapshot
  readonly #receive: (message: DataMessage) => void
  #isRunning = false
  #starting: { resolve: () => void; reject: (error: Error) => void } | null = null
  #drained: (() => void) | null = null
  #isClosed = false

  /**
   * @param make builds the data plane
   * @param current all pools as they are now
   * @param receive takes its messages
   */
  constructor(
    make: (options: DataPlaneOptions) => Plane,
    options: Omit<DataPlaneOptions, 'send'>,
    current: () => Snapshot,
    receive: (message: DataMessage) => void,
  ) {
    this.#row = options.table.rows[0]!
    this.#current = current
    this.#receive = receive
    this.#plane = make({
      ...options,
      send: (message) => queueMicrotask(() => this.#deliver(message)),
    })
  }

  get running(): number {
    return this.#isRunning ? 1 : 0
  }

  applied(): number {
    return this.#isClosed ? Infinity : this.#row[THREAD.appliedVersion]!
  }

  async start(): Promise<readonly Address[]> {
    await new Promise<void>((resolve, reject) => {
      this.#starting = { resolve, reject }
      this.publish(this.#current())
      this.send(0, { kind: 'listen' })
    })
    this.#isRunning = true
    return this.addresses()
  }

  addresses(): readonly Address[] {
    return this.#plane.addresses()
  }

  publish(snapshot: Snapshot): void {
    if (snapshot.plan !== undefined) this.#adoption.expect(snapshot.version)
    this.send(0, { kind: 'snapshot', snapshot })
  }

  send(_thread: number, message: ControlMessage): void {
    queueMicrotask(() => {
      if (!this.#isClosed) this.#plane.receive(message)
    })
  }

  sockets(): Promise<readonly OpenSocket[]> {
    return Promise.resolve([])
  }

  adopted(): Promise<void> {
    return this.#adoption.settled()
  }

  async drain(): Promise<void> {
    this.#adoption.stop()
    await new Promise<void>((resolve) => {
      this.#drained = resolve
      this.send(0, { kind: 'drain' })
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isRunning = false
    this.#adoption.stop()
    this.#plane.receive({ kind: 'close' })
    this.#isClosed = true
    // Its last messages are still in the queue.
    await Promise.resolve()
  }

  #deliver(message: DataMessage): void {
    if (message.kind === 'ready') this.#starting?.resolve()
    else if (message.kind === 'drained') this.#drained?.()
    else if (message.kind === 'adopted') this.#adoption.note(0, message.version)
    else if (message.kind === 'listen-failed') {
      if (this.#isRunning) this.#adoption.fail(0, message.listener, message.message)
      const why = `listener '${message.listener}' can't be opened: ${message.message}`
      this.#starting?.reject(new Error(why))
    }
    this.#receive(message)
  }
}
