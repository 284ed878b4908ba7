// The data plane without a thread of its own: the same code in the calling thread, for tests and for
// programs that embed a balancer. Messages go through the microtask queue, so that neither side is
// ever called from within its own call, just as with a real thread.

import type { Address } from '../core/plan.ts'
import type { ControlMessage, DataMessage, Snapshot } from '../core/snapshot.ts'
import type { DataPlaneOptions } from './data-threads.ts'

interface Plane {
  receive(message: ControlMessage): void
  addresses(): readonly Address[]
}

export class DataPlaneHere {
  readonly #plane: Plane
  readonly #receive: (message: DataMessage) => void
  #starting: { resolve: () => void; reject: (error: Error) => void } | null = null
  #drained: (() => void) | null = null
  #isClosed = false

  constructor(
    make: (options: DataPlaneOptions) => Plane,
    options: Omit<DataPlaneOptions, 'send'>,
    receive: (message: DataMessage) => void,
  ) {
    this.#receive = receive
    this.#plane = make({
      ...options,
      send: (message) => queueMicrotask(() => this.#deliver(message)),
    })
  }

  /** Opens the listeners. @throws Error when one can't be opened */
  async start(first: Snapshot): Promise<readonly Address[]> {
    await new Promise<void>((resolve, reject) => {
      this.#starting = { resolve, reject }
      this.publish(first)
      this.send({ kind: 'listen' })
    })
    return this.#plane.addresses()
  }

  publish(snapshot: Snapshot): void {
    this.send({ kind: 'snapshot', snapshot })
  }

  send(message: ControlMessage): void {
    queueMicrotask(() => {
      if (!this.#isClosed) this.#plane.receive(message)
    })
  }

  /** Stops accepting and resolves when everything is finished. */
  async drain(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#drained = resolve
      this.send({ kind: 'drain' })
    })
  }

  /** Ends everything at once. */
  close(): void {
    if (this.#isClosed) return
    this.#plane.receive({ kind: 'close' })
    this.#isClosed = true
  }

  #deliver(message: DataMessage): void {
    if (message.kind === 'ready') this.#starting?.resolve()
    else if (message.kind === 'drained') this.#drained?.()
    else if (message.kind === 'listen-failed') {
      const why = `listener '${message.listener}' can't be opened: ${message.message}`
      this.#starting?.reject(new Error(why))
    }
    this.#receive(message)
  }
}
