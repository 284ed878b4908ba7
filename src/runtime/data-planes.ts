// Data planes as the rest of the process sees them, be they in threads of their own or right here.

import type { Address } from '../core/plan.ts'
import type { ControlMessage, OpenSocket, Snapshot } from '../core/snapshot.ts'

/** Data planes wherever they run: what the composition root needs of them. */
export interface DataPlanes {
  /** Data planes whose listeners are open. */
  readonly running: number
  /**
   * The lowest snapshot version that any of them has applied which may still send; Infinity if none
   * may.
   */
  applied(): number
  /** How many have failed and were replaced, or are about to be. */
  readonly restarts: number
  /** Opens all listeners and returns their addresses. @throws Error when that fails */
  start(): Promise<readonly Address[]>
  /** Where they listen, in the order of the present plan. */
  addresses(): readonly Address[]
  /** Hands on a snapshot. */
  publish(snapshot: Snapshot): void
  /**
   * Resolves when all of them go by the last plan that was published, with its listeners open and
   * those it left out closed; at once if none was since the start.
   * @throws Error (rejects) when a listener can't be opened (the others are), or after 5 s
   */
  adopted(): Promise<void>
  /** Sends one message to one of them; if it is gone it misses it. */
  send(thread: number, message: ControlMessage): void
  /**
   * What all of them listen on, for a process that takes over. @throws Error (rejects) when one of them
   * does not answer
   */
  sockets(): Promise<readonly OpenSocket[]>
  /**
   * Stops accepting and resolves when all has been finished.
   * @param isHandedOver another process goes on accepting on the same sockets
   */
  drain(isHandedOver?: boolean): Promise<void>
  /** Ends everything at once. */
  close(): Promise<void>
}
