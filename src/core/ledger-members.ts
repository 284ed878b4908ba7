// The backends of one pool as the ledger sees them: how many are down or taken out, their incidents,
// and which of these brings the pool into trouble. Pure, as ledger-pool.ts, whose part it is.

import { LedgerBackend } from './ledger-backend.ts'
import type { Condition, Counts, PoolSpan } from './ledger-contract.ts'
import { Incident, SETTLE_MS, type Reading, type WallOf } from './ledger-incident.ts'
import type { BackendPlan } from './plan.ts'
import type { Transition } from './status.ts'

/** A first sign further back than this belongs to something else. */
const FAULT_MAX_MS = 300_000
/** What follows for the pool from the loss of a backend comes this soon after it. */
const ANSWER_MS = 2_000
/** Backends with traffic that a span lists; those that were out are listed all. */
const SPAN_BACKENDS_MAX = 200

interface MemberPorts {
  readonly read: { backend(slot: number): Counts }
  readonly wallOf: WallOf
  nextId(): string
  touched(incident: Incident): void
}

export class LedgerMembers {
  /** By name. */
  readonly all = new Map<string, LedgerBackend>()
  /** How many are down. */
  down = 0
  /** How many operators have taken out. */
  maintained = 0
  /** How many have an open incident. */
  open = 0
  /** The incident that began last. */
  #latest: Incident | null = null
  latestMs = -Infinity
  readonly #pool: string
  readonly #ports: MemberPorts

  constructor(pool: string, ports: MemberPorts) {
    this.#pool = pool
    this.#ports = ports
  }

  add({ name, slot }: BackendPlan, nowMs: number, isNew: boolean): void {
    const counts = this.#ports.read.backend(slot)
    this.all.set(name, new LedgerBackend(name, slot, { ms: nowMs, counts, isNew }))
  }

  /** It is no part of the configuration any more. */
  remove(backend: LedgerBackend, nowMs: number): void {
    this.close(backend, 'removed', nowMs, 'no longer in the configuration')
    this.turn(backend, 'unknown', nowMs)
    this.all.delete(backend.name)
  }

  turn({ tally }: LedgerBackend, to: Condition, nowMs: number): void {
    const from = tally.condition
    this.down += Number(to === 'down') - Number(from === 'down')
    this.maintained += Number(to === 'maintenance') - Number(from === 'maintenance')
    tally.turn(to, nowMs)
  }

  /**
   * It is down by this transition.
   * @param parent the pool's open incident; `null` if it has none
   */
  fail(
    backend: LedgerBackend,
    { to, reason, signMs }: Transition,
    parent: string | null,
    nowMs: number,
  ): void {
    const counts = this.#ports.read.backend(backend.slot)
    const now: Reading = { ms: nowMs, counts, exact: true }
    const kind = to === 'ejected' || to === 'probation' ? to : 'down'
    const old = backend.incident
    if (old?.open === true) {
      // What an earlier process left, or the one verdict after the other.
      if (old.stageName !== kind) old.stage(kind, now, reason)
      if (!old.isOut) old.lost(nowMs, nowMs)
      this.#ports.touched(old)
      return
    }
    const fault = backend.faultOf(signMs ?? Infinity, nowMs - FAULT_MAX_MS, now)
    if (old !== null && nowMs - old.closedMs < SETTLE_MS) {
      old.reopen()
      old.lost(Math.max(old.closedMs, fault.ms), nowMs)
      old.stage(kind, now, reason)
      this.#begun(old, parent, nowMs)
      return
    }
    const incident = new Incident(
      {
        id: this.#ports.nextId(),
        pool: this.#pool,
        backend: backend.name,
        trouble: to === 'ejected' ? 'ejected' : 'down',
        cause: reason,
        rtoMs: null,
      },
      fault,
      this.#ports.wallOf,
    )
    incident.lost(fault.ms, nowMs)
    incident.stage(kind, now, reason)
    backend.incident = incident
    this.#begun(incident, parent, nowMs)
  }

  #begun(incident: Incident, parent: string | null, nowMs: number): void {
    this.open++
    this.#latest = incident
    this.latestMs = nowMs
    incident.parent ??= parent
    this.#ports.touched(incident)
  }

  /** Ends its incident, if it has an open one. */
  close(
    { incident, slot }: LedgerBackend,
    how: 'recovered' | 'withdrawn' | 'removed',
    nowMs: number,
    note: string,
  ): void {
    if (incident?.open !== true) return
    const counts = this.#ports.read.backend(slot)
    incident.close(how, { ms: nowMs, counts, exact: true }, note)
    this.open--
    this.#ports.touched(incident)
  }

  /** An incident that an earlier process left open goes on. @returns whether there is a place for it */
  resume(incident: Incident): boolean {
    const backend = this.all.get(incident.backend!)
    if (backend === undefined || backend.incident !== null) return false
    backend.incident = incident
    this.open++
    return true
  }

  /** Open incidents without a parent belong to this one of the pool. */
  belongTo(parent: string): void {
    for (const incident of this.openIncidents()) {
      incident.parent ??= parent
      this.#ports.touched(incident)
    }
  }

  /** The incident that brings the pool into trouble now: the last one, if it is fresh. */
  trigger(nowMs: number): Incident | null {
    const fresh = this.#latest?.open === true && nowMs - this.latestMs < ANSWER_MS
    return fresh ? this.#latest : null
  }

  *openIncidents(): Generator<Incident> {
    for (const { incident } of this.all.values()) if (incident?.open === true) yield incident
  }

  /** Looks at the counters; once a second. */
  sample(nowMs: number): void {
    for (const backend of this.all.values()) {
      const counts = this.#ports.read.backend(backend.slot)
      backend.look(nowMs, counts)
      if (backend.incident?.open !== true) continue
      backend.incident.count(counts)
      this.#ports.touched(backend.incident)
    }
  }

  /** The sums since the span began, of those that were out or had traffic. */
  span(nowMs: number): PoolSpan['backends'] {
    const spans: Record<string, PoolSpan['backends'][string]> = {}
    let withTraffic = 0
    for (const backend of this.all.values()) {
      const span = backend.span(nowMs, this.#ports.read.backend(backend.slot))
      if (span === null) continue
      const wasOut = span[1] + span[2] + span[3] > 0
      if (!wasOut && ++withTraffic > SPAN_BACKENDS_MAX) continue
      spans[backend.name] = span
    }
    return spans
  }

  nextSpan(nowMs: number): void {
    for (const backend of this.all.values()) {
      backend.nextSpan(nowMs, this.#ports.read.backend(backend.slot))
    }
  }
}
