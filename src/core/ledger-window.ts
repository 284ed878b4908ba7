// Stretches of planned work: what an operator took out, and moves that were asked for.

import type { WindowRecord } from './ledger-contract.ts'
import type { WallOf } from './ledger-incident.ts'

export class MaintenanceWindow {
  readonly id: string
  readonly pool: string
  readonly backend: string | null
  readonly what: WindowRecord['what']
  readonly startMs: number
  readonly #at: number
  open = true
  rev = 0
  dirty = true
  by = ''
  reason: string
  #endMs = -Infinity

  constructor(
    origin: Pick<WindowRecord, 'id' | 'pool' | 'backend' | 'what' | 'reason'>,
    nowMs: number,
    wallOf: WallOf,
  ) {
    this.id = origin.id
    this.pool = origin.pool
    this.backend = origin.backend
    this.what = origin.what
    this.reason = origin.reason
    this.startMs = nowMs
    this.#at = wallOf(nowMs)
  }

  /** Who asked for it, and why, as far as that is not known. */
  attribute(by: string, reason: string): void {
    if (this.by !== '') return
    this.by = by
    if (reason !== '') this.reason = reason
    this.dirty = true
  }

  close(nowMs: number): void {
    this.open = false
    this.#endMs = nowMs
    this.dirty = true
  }

  record(nowMs: number): WindowRecord {
    const { id, rev, pool, backend, what, open, by, reason } = this
    const ms = Math.round(Math.max(0, (open ? nowMs : this.#endMs) - this.startMs))
    return { kind: 'window', id, rev, pool, backend, what, at: this.#at, open, ms, by, reason }
  }
}

/** Windows that may yet be told whose they are. */
const RECENT_MAX = 32
/** Who asked is told this soon after what he asked for has begun. */
const ANSWER_MS = 2_000

interface WindowPorts {
  readonly wallOf: WallOf
  nextId(): string
  touched(window: MaintenanceWindow): void
}

/** The windows of a pool: its own, and one for each backend at a time. */
export class PoolWindows {
  readonly #pool: string
  readonly #ports: WindowPorts
  /** By backend; the pool's own under `null`. */
  readonly #open = new Map<string | null, MaintenanceWindow>()
  /** Latest first, also closed ones. */
  #recent: MaintenanceWindow[] = []

  constructor(pool: string, ports: WindowPorts) {
    this.#pool = pool
    this.#ports = ports
  }

  /** Those that are open. */
  all(): Iterable<MaintenanceWindow> {
    return this.#open.values()
  }

  open(
    backend: string | null,
    what: WindowRecord['what'],
    { reason, nowMs }: { reason: string; nowMs: number },
  ): void {
    if (this.#open.has(backend)) return
    const origin = { id: this.#ports.nextId(), pool: this.#pool, backend, what, reason }
    const window = new MaintenanceWindow(origin, nowMs, this.#ports.wallOf)
    this.#open.set(backend, window)
    this.#recent = [window, ...this.#recent].slice(0, RECENT_MAX)
    this.#ports.touched(window)
  }

  close(backend: string | null, nowMs: number): void {
    const window = this.#open.get(backend)
    if (window === undefined) return
    this.#open.delete(backend)
    window.close(nowMs)
    this.#ports.touched(window)
  }

  closeAll(nowMs: number): void {
    for (const backend of this.#open.keys()) this.close(backend, nowMs)
  }

  /** A planned move has ended: it was his. */
  moved(by: string, reason: string, sinceMs: number): void {
    const isIt = ({ backend, what, startMs }: MaintenanceWindow) =>
      backend === null && what === 'switchover' && startMs > sinceMs - ANSWER_MS
    this.#attribute(this.#recent.filter(isIt), by, reason)
  }

  /** Somebody did something: what began with it is his. `backend`: `null` is all of the pool. */
  acted(backend: string | null, by: string, reason: string, sinceMs: number): void {
    const isIt = (window: MaintenanceWindow) =>
      window.startMs > sinceMs - ANSWER_MS && (backend === null || window.backend === backend)
    this.#attribute(this.#recent.filter(isIt), by, reason)
  }

  #attribute(windows: readonly MaintenanceWindow[], by: string, reason: string): void {
    for (const window of windows) {
      window.attribute(by, reason)
      this.#ports.touched(window)
    }
  }
}
