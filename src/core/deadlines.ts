// One coarse timer wheel per data thread, instead of a timer per request. Three rings of slots:
//   256 × 10 ms  |  64 × 2.56 s  |  64 × 163.84 s  (2.9 h; what is later goes round more than once)
// An entry never fires early, and at most one resolution late (plus the caller's own tick).
// Moving an entry to a later time, as happens on each request, only stores the new time: it is put
// where it belongs when its old slot comes up. Entries are the caller's objects; nothing is
// allocated. Must never read a clock: the owner calls `advance`.

/** What can be scheduled. The wheel owns the four fields at the end; start them as shown. */
export interface DeadlineEntry {
  /** Called at the first `advance` at or after `deadlineMs`. The entry may be scheduled again. */
  onDeadline(nowMs: number): void
  /** When it fires; Infinity while it has none. Read it freely, write it through the wheel only. */
  deadlineMs: number
  /** Tick at which the wheel looks at it next; −1 while it isn't in a slot. Start: −1. */
  wheelTick: number
  /** Start: 0. */
  wheelSlot: number
  /** Start: null. */
  wheelNext: DeadlineEntry | null
  /** Start: null. */
  wheelPrevious: DeadlineEntry | null
}

/** An entry ready made, for owners with several deadlines or none of the fields themselves. */
export class Deadline implements DeadlineEntry {
  deadlineMs = Infinity
  wheelTick = -1
  wheelSlot = 0
  wheelNext: DeadlineEntry | null = null
  wheelPrevious: DeadlineEntry | null = null
  readonly #fire: (nowMs: number) => void

  /** @param fire made once per owner, not per request */
  constructor(fire: (nowMs: number) => void) {
    this.#fire = fire
  }

  onDeadline(nowMs: number): void {
    this.#fire(nowMs)
  }
}

const NEAR_BITS = 8
const NEAR = 1 << NEAR_BITS
const FAR_BITS = 6
const FAR = 1 << FAR_BITS
const MIDDLE_SPAN = NEAR * FAR

export class Deadlines {
  readonly #resolutionMs: number
  /** First entry of each slot: near ring, middle ring, far ring, one behind the other. */
  readonly #slots: (DeadlineEntry | null)[] = Array.from<null>({ length: NEAR + 2 * FAR }).fill(
    null,
  )
  /** The last tick whose slot has been emptied. */
  #tick: number
  #size = 0

  constructor(nowMs: number, resolutionMs = 10) {
    this.#resolutionMs = resolutionMs
    this.#tick = Math.floor(nowMs / resolutionMs)
  }

  /** Entries in the wheel, counting those that were disarmed and not yet met. */
  get size(): number {
    return this.#size
  }

  /** Makes `entry` fire at `atMs` (monotonic), instead of any earlier agreement. */
  schedule(entry: DeadlineEntry, atMs: number): void {
    entry.deadlineMs = atMs
    const tick = Math.ceil(atMs / this.#resolutionMs)
    if (entry.wheelTick >= 0) {
      if (tick >= entry.wheelTick) return
      this.#unlink(entry)
    }
    // Never the present slot: a callback that schedules for now would keep `advance` in it.
    this.#link(entry, tick, this.#tick + 1)
  }

  /**
   * Makes `entry` not fire, leaving it in its slot: the cheapest way for one that will be scheduled
   * again soon. An owner that goes away uses `cancel`, or the wheel holds it until its slot comes.
   */
  disarm(entry: DeadlineEntry): void {
    entry.deadlineMs = Infinity
  }

  /** Takes `entry` out for good; no effect if it isn't scheduled. */
  cancel(entry: DeadlineEntry): void {
    entry.deadlineMs = Infinity
    if (entry.wheelTick >= 0) this.#unlink(entry)
  }

  /** Fires what is due. Returns how many fired. */
  advance(nowMs: number): number {
    const target = Math.floor(nowMs / this.#resolutionMs)
    let fired = 0
    for (;;) {
      // Empties the present slot first: what an exception left there is not lost.
      fired += this.#empty(this.#tick & (NEAR - 1), nowMs)
      if (this.#tick >= target) return fired
      if (this.#size === 0) {
        this.#tick = target
        return fired
      }
      this.#tick++
      if ((this.#tick & (NEAR - 1)) === 0) this.#cascade()
    }
  }

  /** A new lap of the near ring begins: brings in what the next slot of the outer rings holds. */
  #cascade(): void {
    const lap = this.#tick >>> NEAR_BITS
    if ((lap & (FAR - 1)) === 0) {
      this.#resort(NEAR + FAR + ((lap >>> FAR_BITS) & (FAR - 1)))
    }
    this.#resort(NEAR + (lap & (FAR - 1)))
  }

  #resort(slot: number): void {
    let entry = this.#slots[slot]!
    this.#slots[slot] = null
    while (entry !== null) {
      const next = entry.wheelNext!
      this.#size--
      entry.wheelTick = -1
      entry.wheelNext = null
      entry.wheelPrevious = null
      // An entry that has no deadline any more simply stays out.
      if (entry.deadlineMs !== Infinity) {
        this.#link(entry, Math.ceil(entry.deadlineMs / this.#resolutionMs), this.#tick)
      }
      entry = next
    }
  }

  #empty(slot: number, nowMs: number): number {
    let fired = 0
    for (;;) {
      const entry = this.#slots[slot]!
      if (entry === null) return fired
      this.#unlink(entry)
      const { deadlineMs } = entry
      if (deadlineMs === Infinity) continue
      if (deadlineMs <= nowMs) {
        fired++
        entry.deadlineMs = Infinity
        entry.onDeadline(nowMs)
      } else {
        this.#link(entry, Math.ceil(deadlineMs / this.#resolutionMs), this.#tick + 1)
      }
    }
  }

  #slotOf(tick: number): number {
    const ahead = tick - this.#tick
    if (ahead < NEAR) return tick & (NEAR - 1)
    const lap = Math.floor(tick / NEAR)
    const here = Math.floor(this.#tick / NEAR)
    if (lap - here < FAR) return NEAR + (lap & (FAR - 1))
    return NEAR + FAR + (Math.floor(tick / MIDDLE_SPAN) & (FAR - 1))
  }

  #link(entry: DeadlineEntry, atTick: number, minTick: number): void {
    const tick = Math.max(atTick, minTick)
    const slot = this.#slotOf(tick)
    const first = this.#slots[slot]!
    entry.wheelTick = tick
    entry.wheelSlot = slot
    entry.wheelPrevious = null
    entry.wheelNext = first
    if (first !== null) first.wheelPrevious = entry
    this.#slots[slot] = entry
    this.#size++
  }

  #unlink(entry: DeadlineEntry): void {
    const { wheelPrevious: previous, wheelNext: next } = entry
    if (previous === null) this.#slots[entry.wheelSlot] = next
    else previous.wheelNext = next
    if (next !== null) next.wheelPrevious = previous
    entry.wheelTick = -1
    entry.wheelNext = null
    entry.wheelPrevious = null
    this.#size--
  }
}
