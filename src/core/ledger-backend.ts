// One backend as the ledger sees it: how long it was how, and its incident, if it has one.
// Pure: verdicts, times and counters are handed in.

import type { BackendSpan, Condition, Counts, WindowRecord } from './ledger-contract.ts'
import { CONDITIONS } from './ledger-contract.ts'
import type { Incident, Reading } from './ledger-incident.ts'
import { Samples } from './ledger-samples.ts'
import type { Availability } from './status.ts'

/** What a verdict means for whoever counts time. Out of work but fit is up. */
const conditions: Readonly<Record<Availability, Condition>> = {
  available: 'up',
  starting: 'up',
  standby: 'up',
  probation: 'down',
  down: 'down',
  ejected: 'down',
  drain: 'maintenance',
  maint: 'maintenance',
  weightless: 'maintenance',
  checking: 'unknown',
}

export function conditionOf(availability: Availability): Condition {
  return conditions[availability]
}

/** What an operator did, by the verdict that followed. */
export function windowKind(availability: Availability): WindowRecord['what'] {
  if (availability === 'maint') return 'maintenance'
  return availability === 'weightless' ? 'weight' : 'drain'
}

/** A stretch in some condition after the other, added up. */
export class TimeTally {
  condition: Condition
  #sinceMs: number
  #times = [0, 0, 0, 0]

  constructor(condition: Condition, nowMs: number) {
    this.condition = condition
    this.#sinceMs = nowMs
  }

  /** It is so from now on. */
  turn(condition: Condition, nowMs: number): void {
    this.#settle(nowMs)
    this.condition = condition
  }

  /** The sums up to now. */
  read(nowMs: number): [number, number, number, number] {
    this.#settle(nowMs)
    const [up, down, maintenance, unknown] = this.#times.map(Math.round)
    return [up!, down!, maintenance!, unknown!]
  }

  /** Begins to add up anew. */
  restart(nowMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, nowMs)
    this.#times = [0, 0, 0, 0]
  }

  #settle(nowMs: number): void {
    this.#times[CONDITIONS.indexOf(this.condition)]! += Math.max(0, nowMs - this.#sinceMs)
    this.#sinceMs = Math.max(this.#sinceMs, nowMs)
  }
}

/** Looks at its counters that are kept: as long as it takes to find a loss, as a rule. */
const LOOKS = 8

export class LedgerBackend {
  readonly name: string
  slot: number
  readonly tally: TimeTally
  /** Its open incident, or the last one. */
  incident: Incident | null = null
  /** Verdict that it was last told of. */
  verdict: Availability | null = null
  /** Counters at the last look. */
  seen: Counts
  /** When its traffic was last seen in order. */
  #fineMs: number
  #troubled = false
  readonly #looks = new Samples(LOOKS)
  /** Counters when the span began. */
  #spanCounts: Counts
  /** It did not exist when the span began. */
  #isNew: boolean

  constructor(name: string, slot: number, at: { ms: number; counts: Counts; isNew: boolean }) {
    this.name = name
    this.slot = slot
    this.tally = new TimeTally('unknown', at.ms)
    this.seen = at.counts
    this.#fineMs = at.ms
    this.#spanCounts = at.counts
    this.#isNew = at.isNew
  }

  /** The counters as they are now, at a look once a second. */
  look(nowMs: number, counts: Counts): void {
    this.#looks.add(nowMs, counts)
    const failed = counts.failed - this.seen.failed
    const ended = counts.requests - this.seen.requests
    this.seen = counts
    // Without traffic nothing shows; half of it failing is trouble.
    if (ended > 0) this.#troubled = failed * 2 >= ended
    if (!this.#troubled) this.#fineMs = nowMs
  }

  /**
   * When its trouble began: as the checks saw it, or when its traffic was last in order, but no
   * earlier than `earliestMs`.
   */
  faultOf(signMs: number, earliestMs: number, now: Reading): Reading {
    const first = Math.min(signMs, this.#troubled ? this.#fineMs : Infinity)
    return this.#looks.at(Math.max(first, earliestMs), now)
  }

  /** What it did in this span; `null`: it was up all the time and had no traffic. */
  span(nowMs: number, counts: Counts): BackendSpan | null {
    const [up, down, maintenance, unknown] = this.tally.read(nowMs)
    const attempts = Math.max(0, counts.requests - this.#spanCounts.requests)
    const failures = Math.max(0, counts.failed - this.#spanCounts.failed)
    if (down + maintenance + unknown + attempts === 0 && !this.#isNew) return null
    return [up, down, maintenance, unknown, attempts, failures]
  }

  nextSpan(nowMs: number, counts: Counts): void {
    this.tally.restart(nowMs)
    this.#spanCounts = counts
    this.#isNew = false
  }

  /** Its row in the shared memory is another one, or was cleared. */
  rebase(slot: number, counts: Counts): void {
    this.slot = slot
    this.seen = counts
    this.#looks.clear()
    this.#spanCounts = counts
    this.#troubled = false
  }
}
