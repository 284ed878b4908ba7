// Where the traffic of a pool with an active may go, and the way out of an old active: told to all
// data threads by snapshot, acknowledged by each, its sessions given time or destroyed.
// Nobody sits down before the last one has left. Knows nothing of why.

import { BACKEND, type SharedTable } from '../core/shared-layout.ts'
import type { Seat } from '../core/standby-view.ts'

/** How soon the acknowledgement of a snapshot is looked for again. */
const ACKNOWLEDGE_MS = 2
/** How soon it is looked whether the last session has finished. */
const DRAIN_LOOK_MS = 10

export interface Leave {
  readonly index: number
  readonly epoch: number
  readonly sessions: 'drain' | 'destroy'
  readonly drainUntilMs: number
  readonly holdUntilMs: number
}

/** An old active on its way out. */
interface Leaving {
  index: number
  readonly epoch: number
  readonly drainUntilMs: number
  /** The snapshot that says so; `null` until it is published. */
  version: number | null
  /** Its sessions are destroyed by that snapshot, not merely given time. */
  cut: boolean
}

/** What the plan says of those who can sit. */
export interface SeatRules {
  /** Rows of the backends of each. */
  readonly slots: readonly (readonly number[])[]
  /** The next one may sit down while the sessions of the last one still finish. */
  readonly overlaps: boolean
  /** Then they are cut as soon as it does. */
  readonly cuts: boolean
}

export interface SeatPorts {
  readonly table: SharedTable
  /** The lowest snapshot version that a living data thread has applied. */
  applied(): number
  /** The pool's snapshot is to be published. */
  changed(): void
}

export class SeatOfPool {
  /** Sessions on the last one that left: when it was told, and what became of them. */
  sessions = { at: 0, finished: 0, cut: 0 }
  readonly #ports: SeatPorts
  #rules: SeatRules
  #seat: Seat
  #leaving: Leaving | null = null
  /** Who has just sat down, until every thread knows; `null` version: not published yet. */
  #sitting: { readonly epoch: number; version: number | null } | null = null

  /** @param sending who sits from the start; −1 for nobody */
  constructor(ports: SeatPorts, rules: SeatRules, sending: number, epoch: number) {
    this.#ports = ports
    this.#rules = rules
    this.#seat = { sending, draining: -1, cutting: -1, epoch, holdUntilMs: 0 }
  }

  get seat(): Seat {
    return this.#seat
  }

  /** The plan has changed. @param places position of each before → now; −1: gone */
  adopt(rules: SeatRules, places: readonly number[]): void {
    const place = (index: number): number => places[index] ?? -1
    const { sending, draining, cutting } = this.#seat
    this.#rules = rules
    this.#seat = {
      ...this.#seat,
      sending: place(sending),
      draining: place(draining),
      cutting: place(cutting),
    }
    const leaving = this.#leaving
    if (leaving === null) return
    const index = place(leaving.index)
    this.#leaving = index < 0 ? null : Object.assign(leaving, { index })
  }

  /** Sessions in progress on one that can sit, over all threads. */
  inFlight(index: number): number {
    const { table } = this.#ports
    let sum = 0
    for (const slot of this.#rules.slots[index]!)
      sum += table.sum(table.backendBase(slot) + BACKEND.inFlight)
    return sum
  }

  sit(index: number, epoch: number): void {
    const { overlaps, cuts } = this.#rules
    const { sending } = this.#seat
    const cutting = overlaps && cuts && sending !== index ? sending : -1
    if (cutting >= 0) this.sessions = { ...this.sessions, cut: this.inFlight(cutting) }
    this.#leaving = null
    this.#sitting = { epoch, version: null }
    this.#set({ sending: index, draining: -1, cutting, epoch, holdUntilMs: 0 })
  }

  leave({ index, epoch, sessions, drainUntilMs, holdUntilMs }: Leave, nowMs: number): void {
    const at = this.inFlight(index)
    this.#sitting = null
    if (this.#rules.overlaps) {
      // It goes on as well as it can: nothing may fall between the two.
      this.sessions = { at, finished: 0, cut: 0 }
      this.#leaving = { index, epoch, drainUntilMs, version: null, cut: false }
      this.#set({ holdUntilMs })
      return
    }
    const cut = sessions === 'destroy' || drainUntilMs <= nowMs
    this.sessions = { at, finished: 0, cut: cut ? at : 0 }
    this.#leaving = { index, epoch, drainUntilMs, version: null, cut }
    this.#set({
      sending: -1,
      draining: cut ? -1 : index,
      cutting: cut ? index : -1,
      holdUntilMs,
    })
  }

  /** New requests wait until then, if there is nobody to send them to. */
  hold(untilMs: number): void {
    if (this.#seat.holdUntilMs !== untilMs) this.#set({ holdUntilMs: untilMs })
  }

  /** New requests are not held any longer. */
  release(): void {
    this.hold(0)
  }

  /** The pool's snapshot goes out under this version. Returns whether a move waits for it. */
  published(version: number): boolean {
    let isAwaited = false
    for (const change of [this.#leaving, this.#sitting]) {
      if (change === null || change.version !== null) continue
      change.version = version
      isAwaited = true
    }
    return isAwaited
  }

  /** Looks how far things have come. Returns the epoch of a leave that is complete, once; else −1. */
  look(nowMs: number): number {
    if (this.#seat.holdUntilMs > 0 && nowMs >= this.#seat.holdUntilMs) this.release()
    const leaving = this.#leaving
    if (leaving !== null && this.#rules.overlaps) {
      this.#leaving = null
      return leaving.epoch
    }
    if (leaving === null || leaving.version === null) return -1
    if (this.#ports.applied() < leaving.version) return -1
    const running = this.inFlight(leaving.index)
    if (!leaving.cut && running > 0) {
      if (nowMs < leaving.drainUntilMs) return -1
      this.sessions.cut = running
      leaving.cut = true
      leaving.version = null
      this.#set({ draining: -1, cutting: leaving.index })
      return -1
    }
    this.sessions.finished = Math.max(0, this.sessions.at - this.sessions.cut)
    this.#leaving = null
    this.#set({ draining: -1 })
    return leaving.epoch
  }

  /** Epoch of one that has sat down and that every thread sends under by now, once; else −1. */
  lookSeated(): number {
    const sitting = this.#sitting
    if (sitting === null || sitting.version === null) return -1
    if (this.#ports.applied() < sitting.version) return -1
    this.#sitting = null
    return sitting.epoch
  }

  /** When to look again, if nothing happens. */
  deadlineMs(nowMs: number): number {
    const { holdUntilMs } = this.#seat
    const lookMs = (this.#sitting?.version ?? null) === null ? Infinity : nowMs + ACKNOWLEDGE_MS
    const heldMs = Math.min(lookMs, holdUntilMs > 0 ? holdUntilMs : Infinity)
    const leaving = this.#leaving
    if (leaving !== null && this.#rules.overlaps) return nowMs
    if (leaving === null || leaving.version === null) return heldMs
    const isApplied = this.#ports.applied() >= leaving.version
    return Math.min(heldMs, nowMs + (isApplied ? DRAIN_LOOK_MS : ACKNOWLEDGE_MS))
  }

  #set(change: Partial<Seat>): void {
    this.#seat = { ...this.#seat, ...change }
    this.#ports.changed()
  }
}
