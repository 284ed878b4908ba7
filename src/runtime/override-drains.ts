// Follows the backends that an operator took out until nothing runs on them any more, and has what
// remains cut where a time for that was given. It looks again and again, for the data threads report
// nothing about it: their gauges say it all. Must never take anything out or in itself.

import type { Timers } from '../core/clock.ts'
import type { EventBody } from '../core/events.ts'

export interface DrainPorts {
  readonly timers: Timers
  nowMs(): number
  /** Attempts and tunnels in progress on a backend; 0 if there is no such backend. */
  inFlight(pool: string, backend: string): number
  /** Version of a snapshot that holds all that was decided by now. */
  version(): number
  /** The lowest version that a data thread works by. */
  applied(): number
  /** Ends what runs there. */
  cut(pool: string, backend: string): void
  publish(event: EventBody): void
}

interface Drain {
  readonly pool: string
  readonly backend: string
  readonly startMs: number
  /** Threads that work by an earlier one may still begin something. */
  readonly version: number
  /** What still runs then is cut; Infinity: never. */
  cutMs: number
  /** How much was cut. */
  cut: number
  isDrained: boolean
  /** Its end was announced, or needs no announcement. */
  readonly isTold: boolean
}

/** Time between two looks. */
const LOOK_MS = 50

export class OverrideDrains {
  readonly #ports: DrainPorts
  readonly #drains = new Map<string, Drain>()
  #timer: unknown = null
  #isStopped = false

  constructor(ports: DrainPorts) {
    this.#ports = ports
  }

  /**
   * A backend was taken out just now.
   * @param cutAfterMs `null`: what runs may take as long as it takes
   */
  begin(pool: string, backend: string, cutAfterMs: number | null): void {
    const cutMs = cutAfterMs === null ? Infinity : this.#ports.nowMs() + cutAfterMs
    const before = this.#drains.get(keyOf(pool, backend))
    if (before === undefined) this.#follow({ pool, backend, cutMs, isTold: false })
    else before.cutMs = cutMs
    this.#look()
  }

  /** It was taken out before it came (again): nothing to tell of. Who is followed already goes on. */
  resume(pool: string, backend: string): void {
    if (!this.#drains.has(keyOf(pool, backend))) {
      this.#follow({ pool, backend, cutMs: Infinity, isTold: true })
    }
    this.#look()
  }

  /** It is back, or gone. */
  end(pool: string, backend: string): void {
    this.#drains.delete(keyOf(pool, backend))
  }

  isDrained(pool: string, backend: string): boolean {
    this.#look()
    return this.#drains.get(keyOf(pool, backend))?.isDrained ?? false
  }

  stop(): void {
    this.#isStopped = true
    this.#disarm()
  }

  #follow(drain: Pick<Drain, 'pool' | 'backend' | 'cutMs' | 'isTold'>): void {
    const { pool, backend } = drain
    const version = this.#ports.version()
    const startMs = this.#ports.nowMs()
    this.#drains.set(keyOf(pool, backend), { ...drain, startMs, version, cut: 0, isDrained: false })
  }

  #look(): void {
    if (this.#isStopped) return
    const applied = this.#ports.applied()
    const nowMs = this.#ports.nowMs()
    let isWaiting = false
    for (const drain of this.#drains.values()) {
      if (drain.isDrained) continue
      this.#lookAt(drain, applied, nowMs)
      if (!drain.isDrained) isWaiting = true
    }
    this.#disarm()
    if (isWaiting) this.#timer = this.#ports.timers.set(LOOK_MS, () => this.#look())
  }

  #lookAt(drain: Drain, applied: number, nowMs: number): void {
    if (applied < drain.version) return
    const { pool, backend } = drain
    const running = this.#ports.inFlight(pool, backend)
    if (running > 0) {
      if (nowMs < drain.cutMs) return
      drain.cutMs = Infinity
      drain.cut = running
      this.#ports.cut(pool, backend)
      return
    }
    drain.isDrained = true
    if (drain.isTold) return
    const tookMs = Math.round(nowMs - drain.startMs)
    this.#ports.publish({ kind: 'drained', pool, backend, tookMs, cut: drain.cut })
  }

  #disarm(): void {
    if (this.#timer !== null) this.#ports.timers.clear(this.#timer)
    this.#timer = null
  }
}

function keyOf(pool: string, backend: string): string {
  return `${pool}/${backend}`
}
