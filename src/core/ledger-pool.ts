// One pool as the ledger sees it: whether somebody could serve it, its incident, its maintenance
// windows, and the sums of the span. What is known of its backends is in ledger-members.ts.
//
// The pool is `up` while a data thread may send to at least one backend. While it may to nobody:
//   `maintenance`  a planned move is under way, or operators took out all that are not down, and none is
//   `unknown`      no verdict has come yet
//   `down`         otherwise
// Its incident opens when it goes down, when fewer than `minAvailable` are left by failure, or when its
// active is lost; and closes when none of that is so and all its backends' incidents are closed.

import type { ActionRecord, Condition, Counts, PoolRecord, PoolSpan } from './ledger-contract.ts'
import { countsBy } from './ledger-contract.ts'
import { conditionOf, TimeTally, windowKind, type LedgerBackend } from './ledger-backend.ts'
import { Incident, SETTLE_MS, type Reading, type WallOf } from './ledger-incident.ts'
import { LedgerMembers } from './ledger-members.ts'
import { Samples } from './ledger-samples.ts'
import { PoolWindows, type MaintenanceWindow } from './ledger-window.ts'
import type { PoolPlan } from './plan.ts'
import { ELIGIBILITY } from './snapshot.ts'
import type { FailoverPhase, MoveReport, Transition } from './status.ts'

/** Looks at the counters that are kept: a minute of one a second. */
const LOOKS = 64
/** How long the first one to serve may take to be found at the start. */
const START_MS = 10_000
/** Reads the shared counters. */
export interface CounterReader {
  pool(slot: number): Counts
  /** Attempts and failures. */
  backend(slot: number): Counts
}

/** What a pool shares with the ledger. */
export interface PoolPorts {
  readonly read: CounterReader
  readonly wallOf: WallOf
  /** The next number of an incident or a window. */
  nextId(): string
  /** It has something to be written. */
  touched(thing: Incident | MaintenanceWindow): void
}

export class LedgerPool {
  plan: PoolPlan
  incident: Incident | null = null
  /** How often its condition has changed. */
  turns = 0
  readonly #members: LedgerMembers
  readonly #ports: PoolPorts
  readonly #tally: TimeTally
  readonly #samples = new Samples(LOOKS)
  readonly #startMs: number
  readonly #windows: PoolWindows
  #spanCounts: Counts
  /** Backends that get ordinary traffic; −1 before the first word on that. */
  #serving = -1
  #served = false
  #short = false
  #phase: FailoverPhase | null = null

  constructor(plan: PoolPlan, ports: PoolPorts, nowMs: number) {
    this.plan = plan
    this.#ports = ports
    this.#startMs = nowMs
    this.#windows = new PoolWindows(plan.name, ports)
    this.#tally = new TimeTally('unknown', nowMs)
    this.#spanCounts = ports.read.pool(plan.slot)
    this.#members = new LedgerMembers(plan.name, ports)
    for (const backend of plan.backends) this.#members.add(backend, nowMs, false)
  }

  get condition(): Condition {
    return this.#tally.condition
  }

  // --- what it is told -------------------------------------------------------------------------

  /** A reload: what stays goes on. */
  adopt(plan: PoolPlan, nowMs: number): void {
    const { read } = this.#ports
    const { slot } = this.plan
    this.plan = plan
    if (plan.slot !== slot) {
      this.#samples.clear()
      this.#spanCounts = read.pool(plan.slot)
    }
    const names = new Set(plan.backends.map(({ name }) => name))
    for (const [name, backend] of this.#members.all) {
      if (!names.has(name)) this.#remove(backend, nowMs)
    }
    for (const backend of plan.backends) {
      const known = this.#members.all.get(backend.name)
      if (known === undefined) this.#members.add(backend, nowMs, true)
      else if (known.slot !== backend.slot) known.rebase(backend.slot, read.backend(backend.slot))
    }
    this.#judge(nowMs)
  }

  /** It is no part of the configuration any more. */
  end(nowMs: number): void {
    for (const backend of this.#members.all.values()) this.#remove(backend, nowMs)
    this.#close('removed', nowMs, 'by a reload')
    this.#windows.closeAll(nowMs)
  }

  /** What the data threads may do with each backend, in the plan's order. */
  published(eligibility: Uint8Array, nowMs: number): void {
    let serving = 0
    for (const [index, { name }] of this.plan.backends.entries()) {
      const word = eligibility[index]
      const backend = this.#members.all.get(name)!
      if (backend.verdict === null) this.#first(backend, word, nowMs)
      if (word !== ELIGIBILITY.yes) continue
      // In panic they serve though all are down: that is no availability.
      if (this.plan.panic === 'refuse' || backend.tally.condition === 'up') serving++
    }
    this.#serving = serving
    this.#judge(nowMs)
  }

  transition(transition: Transition, nowMs: number): void {
    const { backend: name, to, reason } = transition
    const backend = this.#members.all.get(name)
    if (backend === undefined) return
    const before = backend.verdict
    backend.verdict = to
    const from = backend.tally.condition
    const condition = conditionOf(to)
    this.#members.turn(backend, condition, nowMs)
    if (condition === 'maintenance') {
      if (from === 'maintenance' && before !== to) this.#windows.close(name, nowMs)
      this.#windows.open(name, windowKind(to), { reason, nowMs })
    } else if (from === 'maintenance') this.#windows.close(name, nowMs)
    if (condition === 'down') {
      const parent = this.incident?.open === true ? this.incident.id : null
      this.#members.fail(backend, transition, parent, nowMs)
    } else if (condition !== 'unknown') {
      const end = condition === 'up' ? 'recovered' : 'withdrawn'
      this.#members.close(backend, end, nowMs, reason)
    }
    // Who serves the pool is for what is published to say, a moment later.
    this.#maybeClose(this.#tally.condition, nowMs)
  }

  turn(to: FailoverPhase, reason: string, nowMs: number): void {
    const wasPlanned = this.#phase === 'switching'
    this.#phase = to
    if (to === 'failing-over' && this.#served && this.incident?.open !== true) {
      this.#openIncident('active-lost', reason, nowMs)
    }
    // Who serves after a planned move is published a moment later: that nobody does yet is no loss.
    if (!wasPlanned) this.#judge(nowMs)
  }

  moved(report: MoveReport, nowMs: number): void {
    const incident = this.incident
    const isPlanned = report.kind === 'switchover' || report.kind === 'failback'
    if (isPlanned) this.#windows.moved(report.by, report.reason, nowMs - report.moveMs)
    if (incident?.open !== true) return
    const signMs = nowMs - report.moveMs - report.detectionMs
    if (!isPlanned && signMs < incident.startMs && incident.isFirst) {
      incident.pullBack(this.#samples.at(signMs, this.#now(nowMs)))
    }
    incident.addMove(report)
    if (report.outcome === 'moved') {
      const from = report.from === null ? '' : ` from ${report.from}`
      incident.stage('moved', this.#now(nowMs), `${report.kind}${from} to ${report.to}`)
    }
    this.#ports.touched(incident)
  }

  /** Somebody did something: it belongs to what is open, and says whose the windows are. */
  action(action: ActionRecord, tookMs: number, nowMs: number): void {
    this.#windows.acted(action.backend, action.by, action.reason, nowMs - tookMs)
    if (this.incident?.open === true) {
      this.incident.addAction(action)
      this.#ports.touched(this.incident)
    }
    const own = action.backend === null ? null : this.#members.all.get(action.backend)?.incident
    if (own?.open === true) {
      own.addAction(action)
      this.#ports.touched(own)
    }
  }

  /** Once a second. */
  sample(nowMs: number): void {
    const counts = this.#ports.read.pool(this.plan.slot)
    this.#samples.add(nowMs, counts)
    if (this.incident?.open === true) {
      this.incident.count(counts)
      this.#ports.touched(this.incident)
    }
    this.#members.sample(nowMs)
    this.#judge(nowMs)
  }

  // --- what it tells -----------------------------------------------------------------------------

  /** The sums since the span began. */
  span(nowMs: number): PoolSpan {
    const now = this.#ports.read.pool(this.plan.slot)
    return {
      times: this.#tally.read(nowMs),
      counts: countsBy((key) => Math.max(0, now[key] - this.#spanCounts[key])),
      backends: this.#members.span(nowMs),
    }
  }

  nextSpan(nowMs: number): void {
    this.#tally.restart(nowMs)
    this.#spanCounts = this.#ports.read.pool(this.plan.slot)
    this.#members.nextSpan(nowMs)
  }

  describe(at: number): PoolRecord {
    const { name, mode, objective, backends } = this.plan
    return {
      kind: 'pool',
      at,
      pool: name,
      mode,
      rtoMs: objective.rtoMs,
      availability: objective.availability,
      backends: backends.map((backend) => backend.name),
    }
  }

  /** Its open incidents and windows. */
  *openThings(): Generator<Incident | MaintenanceWindow> {
    if (this.incident?.open === true) yield this.incident
    yield* this.#windows.all()
    yield* this.#members.openIncidents()
  }

  /** An incident that an earlier process left open goes on. @returns whether there is a place for it */
  resume(incident: Incident): boolean {
    if (incident.backend !== null) return this.#members.resume(incident)
    if (this.incident !== null) return false
    this.incident = incident
    return true
  }

  // --- backends ----------------------------------------------------------------------------------

  #remove(backend: LedgerBackend, nowMs: number): void {
    this.#members.remove(backend, nowMs)
    this.#windows.close(backend.name, nowMs)
  }

  /** Before anything was said of it, what may be done with it tells. */
  #first(backend: LedgerBackend, word: number | undefined, nowMs: number): void {
    const isUnchecked = this.plan.healthCheck === null && word === ELIGIBILITY.cut
    if (word !== ELIGIBILITY.yes && !isUnchecked) return
    backend.verdict = word === ELIGIBILITY.yes ? 'available' : 'standby'
    this.#members.turn(backend, 'up', nowMs)
    this.#members.close(backend, 'recovered', nowMs, 'available')
  }

  // --- the pool ------------------------------------------------------------------------------------

  #judge(nowMs: number): void {
    const condition = this.#conditionNow(nowMs)
    const before = this.#tally.condition
    if (condition !== before) {
      this.turns++
      this.#tally.turn(condition, nowMs)
      if (before === 'maintenance') this.#windows.close(null, nowMs)
      if (condition === 'maintenance') {
        const isMove = this.#phase === 'switching'
        const reason = isMove ? 'a planned move' : 'all its backends are taken out'
        this.#windows.open(null, isMove ? 'switchover' : 'maintenance', { reason, nowMs })
      }
      if (condition === 'down') this.#lose(nowMs)
      else this.#regain(condition, nowMs)
    }
    if (condition === 'up') this.#served = true
    this.#judgeNumber(condition, nowMs)
    this.#maybeClose(condition, nowMs)
  }

  #conditionNow(nowMs: number): Condition {
    if (this.#serving > 0) return 'up'
    if (this.#phase === 'switching') return 'maintenance'
    if (this.#serving < 0) return 'unknown'
    const { down, maintained } = this.#members
    if (down === 0 && maintained > 0) return 'maintenance'
    return this.#served || this.#isJudged(nowMs) ? 'down' : 'unknown'
  }

  /** Nobody has served yet: is that a loss, or only the start? */
  #isJudged(nowMs: number): boolean {
    if (this.#members.down === this.#members.all.size) return true
    // Somebody is fit, or about to be found so, and is about to serve.
    return nowMs - this.#startMs > START_MS
  }

  #lose(nowMs: number): void {
    const now = this.#now(nowMs)
    const trigger = this.#members.trigger(nowMs)
    if (this.incident?.open !== true) {
      const reason =
        trigger === null ? 'no backend may be sent to' : `${trigger.backend}: ${trigger.cause}`
      this.#openIncident('outage', reason, nowMs)
    }
    const incident = this.incident!
    if (incident.trouble === 'shortage') incident.trouble = 'outage'
    incident.lost(trigger === null ? nowMs : trigger.signMs, nowMs)
    incident.stage('down', now, 'no backend may be sent to')
    this.#ports.touched(incident)
  }

  #regain(condition: Condition, nowMs: number): void {
    const incident = this.incident
    if (incident?.open !== true || !incident.isOut || condition === 'unknown') return
    incident.back(nowMs, condition !== 'up')
    if (condition === 'up') {
      const names = this.plan.backends.filter(
        ({ name }) => this.#members.all.get(name)?.verdict === 'available',
      )
      const who = this.plan.mode === 'active-standby' ? '' : namesOf(names.map(({ name }) => name))
      incident.stage('serving', this.#now(nowMs), who)
    } else incident.stage('withdrawn', this.#now(nowMs), 'the rest is planned')
    this.#ports.touched(incident)
  }

  /** Fewer than `minAvailable`, and not only because operators took some out. */
  #judgeNumber(condition: Condition, nowMs: number): void {
    if (this.plan.mode !== 'active-active' || this.#serving < 0) return
    const isFew = condition === 'up' && this.#serving < this.plan.minAvailable
    const isShort = isFew && this.#members.down > 0
    if (isShort === this.#short) return
    this.#short = isShort
    const note = `${this.#serving} available, minAvailable is ${this.plan.minAvailable}`
    if (isShort) {
      if (this.incident?.open !== true) this.#openIncident('shortage', note, nowMs)
      this.incident!.stage('short', this.#now(nowMs), note)
    } else if (this.incident?.open === true && condition === 'up') {
      this.incident.stage('enough', this.#now(nowMs), note)
    }
    if (this.incident !== null) this.#ports.touched(this.incident)
  }

  #maybeClose(condition: Condition, nowMs: number): void {
    const incident = this.incident
    if (incident?.open !== true || this.#members.open > 0) return
    if (this.#short || this.#serving < 0) return
    if (condition === 'down' || condition === 'unknown') return
    if (this.#phase === 'failing-over' || this.#phase === 'suspect') return
    this.#close('recovered', nowMs, 'all is as before')
  }

  #openIncident(
    trouble: 'outage' | 'shortage' | 'active-lost',
    cause: string,
    nowMs: number,
  ): void {
    const now = this.#now(nowMs)
    const trigger = this.#members.trigger(nowMs)
    const old = this.incident
    if (old !== null && nowMs - old.closedMs < SETTLE_MS) old.reopen()
    else {
      const fault = trigger === null ? now : this.#samples.at(trigger.signMs, now)
      this.incident = new Incident(
        {
          id: this.#ports.nextId(),
          pool: this.plan.name,
          backend: null,
          trouble,
          cause,
          rtoMs: this.plan.objective.rtoMs,
        },
        fault,
        this.#ports.wallOf,
      )
    }
    const incident = this.incident!
    const detectedMs = trigger === null ? nowMs : Math.min(nowMs, this.#members.latestMs)
    const note = trigger === null ? cause : `${trigger.backend}: ${trigger.cause}`
    incident.stage('detected', { ...now, ms: detectedMs }, note)
    this.#members.belongTo(incident.id)
    this.#ports.touched(incident)
  }

  #close(how: 'recovered' | 'removed', nowMs: number, note: string): void {
    if (this.incident?.open !== true) return
    this.incident.close(how, this.#now(nowMs), note)
    this.#ports.touched(this.incident)
  }

  #now(nowMs: number): Reading {
    return { ms: nowMs, counts: this.#ports.read.pool(this.plan.slot), exact: true }
  }
}

function namesOf(names: readonly string[]): string {
  const more = names.length > 3 ? ` and ${names.length - 3} more` : ''
  return names.slice(0, 3).join(', ') + more
}
