// The shell of one pool's failover machine: tells it what happens, does what it asks for and answers.
// Stops an active by snapshot and waits until every data thread has applied it; measures what a move
// took and cost. Decides nothing: core/failover.ts does.

import type { HookPlan, PoolPlan } from '../core/plan.ts'
import {
  recordOf,
  reignOf,
  restoredFrom,
  type FailoverRecord,
  type Reign,
} from '../core/failover-record.ts'
import { adoptFailover } from '../core/failover-adopt.ts'
import { initialFailover } from '../core/failover-initial.ts'
import { reduceFailover } from '../core/failover.ts'
import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  MemberFacts,
  Move,
} from '../core/failover-contract.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import type { PoolHealth } from '../core/pool-health.ts'
import { tellsLag } from '../core/roles.ts'
import { CONTROL_POOL, type SharedTable } from '../core/shared-layout.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import { failoverStatus, type Seat } from '../core/standby-view.ts'
import { readiness } from '../core/standby.ts'
import { readersOf } from '../core/replica-view.ts'
import type { MoveReport, PoolStatus, Transition } from '../core/status.ts'
import type { FailoverStore } from '../ha/failover-store.ts'
import type { HookFacts, HookResult } from '../ha/hooks.ts'
import { OperatorDesk } from './operator-desk.ts'
import type { ProbeBackend, Roster } from './roster.ts'
import { SeatOfPool, type SeatRules } from './seat.ts'
import { ToldMembers } from './told-members.ts'

export interface FailoverPorts {
  readonly table: SharedTable
  readonly store: FailoverStore
  /** Wall clock, ms since 1970. */
  wallMs(): number
  /** The lowest snapshot version that a living data thread has applied. */
  applied(): number
  /** Probes a backend once, at once; `done` comes within a turn of the control loop. */
  readonly probe: ProbeBackend
  /** Runs a hook; `done` never comes within the call. */
  hook(plan: HookPlan, facts: HookFacts, done: (result: HookResult) => void): void
  /** Runs something as a turn of the control loop: what follows from it is published. */
  enter(work: (nowMs: number) => void): void
  onMove(pool: string, report: MoveReport): void
  onWarning(message: string, fields: Readonly<Record<string, unknown>>): void
  onTurn(pool: string, effect: Extract<FailoverEffect, { kind: 'turned' }>): void
}

const PROVE_EVERY_MS = 100
const MOVES_KEPT = 10
const NO_SESSIONS = { at: 0, finished: 0, cut: 0 }

export class FailoverDriver {
  readonly #pool: PoolHealth
  #roster: Roster
  readonly #ports: FailoverPorts
  #machine: FailoverMachine
  #state: FailoverState
  #deadlineMs = 0
  readonly #seat: SeatOfPool
  readonly #told: ToldMembers
  readonly #desk: OperatorDesk
  #proveAtMs = Infinity
  #lastMoves: readonly MoveReport[]
  /** Answers that came within the machine's own step. */
  readonly #heard: FailoverEvent[] = []
  #busy = false
  #stopped = false
  /** The time of the present turn. */
  #nowMs: number

  constructor(pool: PoolHealth, roster: Roster, ports: FailoverPorts, nowMs: number) {
    const { plan } = pool
    this.#pool = pool
    this.#roster = roster
    this.#ports = ports
    this.#machine = machineOf(plan, roster)
    const record = ports.store.restore(plan.name)
    this.#state = initialFailover(this.#machine, restoredFrom(this.#machine, record), nowMs)
    this.#lastMoves = record?.lastMoves ?? []
    const seat = {
      table: ports.table,
      applied: () => ports.applied(),
      changed: () => (pool.changed = true),
    }
    const { active, epoch } = this.#state
    this.#seat = new SeatOfPool(seat, rulesOf(plan, roster), active, epoch)
    this.#told = new ToldMembers(roster.members.length, ports.store)
    this.#desk = this.#makeDesk()
    this.#nowMs = nowMs
    pool.mayLose = (index) => this.mayLose(index)
    if (roster.isGroup) pool.elsewhere = () => this.#isElsewhere()
    pool.changed = true
  }

  get state(): FailoverState {
    return this.#state
  }

  /**
   * The pool has a new plan. Who is the active, its epoch, and everything else that is known stays.
   * @param roster of the new plan
   * @param places position of each member before → now; −1: gone
   */
  adopt(roster: Roster, places: readonly number[]): void {
    const { plan } = this.#pool
    const names = this.#machine.members.map(({ name }) => name)
    this.#roster = roster
    this.#machine = machineOf(plan, roster)
    this.#seat.adopt(rulesOf(plan, roster), places)
    this.#deadlineMs = 0
    if (this.#state.move?.step === 'prove') this.#proveAtMs = 0
    const isAsBefore =
      places.length === roster.members.length &&
      places.every((to, at) => to === at && roster.members[at]!.name === names[at])
    if (isAsBefore) return
    this.#state = adoptFailover(this.#machine, this.#state, places)
    this.#told.adopt(roster.members.length, places)
    this.#save()
  }

  /** Ends it: answers that come later are void. */
  stop(): void {
    this.#stopped = true
    this.#desk.stop()
  }

  /** Live traffic to a backend failed or is silent: the first sign of what may become a failover. */
  sign(backend: number, nowMs: number): void {
    this.#roster.sign(backend, nowMs)
  }

  /** The verdict on a backend may have changed. */
  touched(backend: number, nowMs: number): void {
    this.#roster.touched(backend, nowMs)
  }

  /** Once in every turn of the control loop, after the pool has settled. */
  look(nowMs: number): void {
    this.#nowMs = nowMs
    this.#tellMembers(nowMs)
    const left = this.#seat.look(nowMs)
    if (left >= 0) this.#left(left, nowMs)
    const seated = this.#seat.lookSeated()
    if (seated >= 0) this.#ports.store.acknowledge(this.#machine.pool, seated)
    if (nowMs >= this.#proveAtMs) this.#prove()
    if (nowMs >= this.#deadlineMs) this.hear({ kind: 'due' }, nowMs)
    this.#roster.arrange(this.#seat.seat, nowMs)
  }

  /** When to look again, if nothing happens. */
  deadlineMs(nowMs: number): number {
    return Math.min(this.#deadlineMs, this.#proveAtMs, this.#seat.deadlineMs(nowMs))
  }

  /** The pool's snapshot goes out under this version. Returns whether a move waits for it. */
  published(version: number): boolean {
    return this.#seat.published(version)
  }

  dress(snapshot: PoolSnapshot): PoolSnapshot {
    return this.#roster.dress(snapshot, this.#seat.seat)
  }

  get seat(): Seat {
    return this.#seat.seat
  }

  /** Positions of the backends that may serve reads. */
  readers(): readonly number[] {
    const { check } = this.#pool.plan.healthCheck!
    const limit = tellsLag(check) ? this.#machine.plan.replicaLag : { ms: null, bytes: null }
    const readers = readersOf(this.#machine, this.#state, this.#pool.lags(), limit)
    const { active } = this.#state
    // Whom this process may not send to, others may have left by now.
    const maySend = active === this.#seat.seat.sending && this.#maySend()
    return readers.includes(active) && !maySend ? [] : readers
  }

  #maySend(): boolean {
    const { table } = this.#ports
    const base = table.controlPoolBase(this.#pool.plan.slot)
    return table.control[base + CONTROL_POOL.sendUntilMs]! > this.#nowMs
  }

  /** A backend that is fit without getting anything stands by. */
  dressTransition(transition: Transition): Transition {
    return this.#roster.dressTransition(transition, this.#seat.seat)
  }

  status(base: PoolStatus, nowMs: number): PoolStatus {
    const failover = failoverStatus(this.#machine, this.#state, this.#lastMoves, nowMs)
    return this.#roster.dressStatus(base, this.#seat.seat, failover, nowMs)
  }

  /** Something happened that the machine has to know of. */
  hear(event: FailoverEvent, nowMs: number): void {
    this.#heard.push(event)
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#heard.shift(); next !== undefined; next = this.#heard.shift()) {
        const step = reduceFailover(this.#machine, this.#state, next, nowMs)
        this.#state = step.state
        this.#deadlineMs = step.deadlineMs
        for (const effect of step.effects) this.#execute(effect, nowMs)
      }
    } finally {
      this.#busy = false
    }
  }

  /** Whether the pool can do without this backend: without the active only if another is ready. */
  mayLose(backend: number, besides: readonly number[] = []): boolean {
    if (this.#roster.isGroup || backend !== this.#state.active) return true
    return this.#isElsewhere(besides)
  }

  /** Somebody else could take over from the active at once. */
  #isElsewhere(besides: readonly number[] = []): boolean {
    const { active, frozen, agreement } = this.#state
    if (frozen !== null || !agreement.ok) return false
    return this.#machine.members.some(
      (_, other) =>
        other !== active &&
        !besides.includes(other) &&
        readiness(this.#machine, this.#state, other, 'leaving', this.#nowMs).ready,
    )
  }

  /** Carries out what an operator asks for. A move is answered once it is over. */
  act(request: OperatorRequest): Promise<ActAnswer> {
    return this.#desk.act(request)
  }

  #makeDesk(): OperatorDesk {
    return new OperatorDesk({
      machine: () => this.#machine,
      state: () => this.#state,
      roster: () => this.#roster,
      inFlight: (member) => this.#seat.inFlight(member),
      hear: (event, nowMs) => this.hear(event, nowMs),
      enter: (work) => this.#ports.enter(work),
      recover: () => this.#ports.store.recover(this.#machine.pool),
    })
  }

  // --- what the machine asks for ---------------------------------------------------------------

  #execute(effect: FailoverEffect, nowMs: number): void {
    const { store } = this.#ports
    const pool = this.#machine.pool
    switch (effect.kind) {
      case 'claim': {
        const { epoch, to } = effect
        // What is kept may take a while to be written; whoever comes meanwhile is held already.
        this.#seat.hold(this.#state.move?.holdUntilMs ?? 0)
        store.claim(pool, this.#record({ active: effect.from, epoch, movingTo: to }), (lost) => {
          this.#hearLater(
            lost === null
              ? { kind: 'claimed', epoch }
              : { kind: 'claim-lost', epoch, reason: lost },
          )
        })
        break
      }
      case 'commit': {
        const { epoch, active } = effect
        store.commit(pool, this.#record({ active, epoch, movingTo: -1 }), (lost) => {
          this.#hearLater(
            lost === null
              ? { kind: 'committed', epoch }
              : { kind: 'commit-lost', epoch, reason: lost },
          )
        })
        break
      }
      case 'stop':
        this.#seat.leave(effect, nowMs)
        break
      case 'start':
        this.#seat.sit(effect.index, effect.epoch)
        // At once: until then the pool is judged by who served before.
        this.#roster.arrange(this.#seat.seat, nowMs)
        break
      case 'release':
        this.#seat.release()
        break
      case 'hook':
        this.#hook(effect)
        break
      case 'prove':
        this.#prove()
        break
      case 'acknowledge':
        store.acknowledge(pool, effect.epoch)
        break
      case 'freeze':
        store.freeze(pool, effect.frozen)
        break
      case 'save':
        this.#save()
        break
      default:
        this.#tell(effect, nowMs)
    }
  }

  #tell(effect: FailoverEffect, nowMs: number): void {
    const pool = this.#machine.pool
    if (effect.kind === 'turned') this.#ports.onTurn(pool, effect)
    else if (effect.kind === 'warning') this.#ports.onWarning(effect.reason, { pool })
    else if (effect.kind === 'refused') this.#desk.refused(effect.reason)
    else if (effect.kind === 'ended') this.#ended(effect.move, effect.outcome, effect.reason, nowMs)
  }

  /** Nothing of this process goes to the old active any more. */
  #left(epoch: number, nowMs: number): void {
    if (this.#state.following !== null) {
      this.hear({ kind: 'stopped', epoch }, nowMs)
      return
    }
    this.#ports.store.stopped(this.#machine.pool, epoch, () => {
      this.#hearLater({ kind: 'stopped', epoch })
    })
  }

  #hook(effect: Extract<FailoverEffect, { kind: 'hook' }>): void {
    const { hook, epoch, from, to, reason } = effect
    const { plan, pool } = this.#machine
    const kind = this.#state.move?.kind ?? 'failover'
    const facts: HookFacts = {
      hook,
      pool,
      epoch,
      from: from < 0 ? null : this.#roster.hookBackend(from),
      to: this.#roster.hookBackend(to),
      reason,
      kind,
    }
    this.#ports.hook(plan[hook]!, facts, ({ ok, sentence }) => {
      this.#hearLater({ kind: 'hooked', epoch, hook, failure: ok ? null : sentence })
    })
  }

  /** Probes the target again and again for as long as the machine waits for a proof. */
  #prove(): void {
    this.#proveAtMs = Infinity
    const { move } = this.#state
    if (move === null || move.step !== 'prove') return
    const { epoch, to } = move
    const { probe } = this.#ports
    this.#roster.prove(to, this.#nowMs, probe, ({ passed, role, text }, nowMs) => {
      if (this.#stopped) return
      // Its role has just been learnt; the machine hears of that first.
      this.#tellMembers(nowMs)
      this.hear({ kind: 'proved', epoch, passed, role, text }, nowMs)
      if (this.#state.move?.step === 'prove') this.#proveAtMs = nowMs + PROVE_EVERY_MS
    })
  }

  #hearLater(event: FailoverEvent): void {
    if (this.#stopped) return
    this.#ports.enter((nowMs) => this.hear(event, nowMs))
  }

  // --- what the machine is told ------------------------------------------------------------------

  #tellMembers(nowMs: number): void {
    const all = this.#roster.facts(nowMs)
    const { pool } = this.#machine
    const { active } = this.#state
    const isOne = active >= 0 && !this.#roster.isGroup
    const accusation = isOne ? this.#pool.accusation(active, nowMs) : ''
    this.#told.share(pool, all, active, accusation)
    for (const [index, facts] of all.entries()) {
      const news = this.#told.news(pool, this.#state, index, facts, accusation)
      if (news === null) continue
      if (news.isLostHere) this.#holdForOthers(index, all)
      this.hear({ kind: 'member', index, facts: news.agreed }, nowMs)
    }
  }

  /**
   * This replica has lost the active, and what follows is for all to decide: until they have, requests
   * wait here as they do within a move.
   */
  #holdForOthers(index: number, all: readonly MemberFacts[]): void {
    const { active } = this.#state
    if (index !== active || this.#machine.plan.agreement === 'none' || all[index]!.fit) return
    if (!all.some(({ fit }, other) => fit && other !== active)) return
    this.#seat.hold(this.#nowMs + this.#machine.plan.pauseMaxMs)
  }

  // --- reports -----------------------------------------------------------------------------------

  #ended(move: Move, outcome: MoveReport['outcome'], reason: string, nowMs: number): void {
    const { members, pool } = this.#machine
    const isUnplanned = move.kind === 'failover' || move.kind === 'election'
    const signMs = Math.min(move.from < 0 ? Infinity : this.#roster.signMs(move.from), move.faultMs)
    const detectionMs = isUnplanned ? Math.max(0, move.startedMs - signMs) : 0
    const moveMs = nowMs - move.startedMs
    const rtoMs = this.#pool.plan.objective.rtoMs
    const judged = isUnplanned && rtoMs !== null
    const report: MoveReport = {
      kind: move.kind,
      outcome,
      from: members[move.from]?.name ?? null,
      to: members[move.to]!.name,
      epoch: move.epoch,
      reason,
      by: move.by,
      at: this.#ports.wallMs(),
      detectionMs,
      moveMs,
      sessions: move.from >= 0 ? this.#seat.sessions : NO_SESSIONS,
      metObjective: judged ? outcome === 'moved' && detectionMs + moveMs <= rtoMs : null,
    }
    this.#lastMoves = [report, ...this.#lastMoves].slice(0, MOVES_KEPT)
    if (outcome === 'failed') this.#seat.release()
    this.#save()
    this.#ports.onMove(pool, report)
    this.#desk.ended(report)
  }

  // --- what is kept ------------------------------------------------------------------------------

  #record(reign: Reign): FailoverRecord {
    return recordOf(this.#machine, this.#state, reign, this.#lastMoves)
  }

  #save(): void {
    this.#ports.store.save(this.#machine.pool, this.#record(reignOf(this.#machine, this.#state)))
  }
}

function machineOf(plan: PoolPlan, { members, asksRole }: Roster): FailoverMachine {
  return { pool: plan.name, plan: plan.failover!, members, asksRole }
}

function rulesOf({ failover }: PoolPlan, { slots, overlaps }: Roster): SeatRules {
  return { slots, overlaps, cuts: failover!.sessions === 'destroy' }
}
