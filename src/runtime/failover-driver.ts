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
import { initialFailover, reduceFailover } from '../core/failover.ts'
import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  MemberFacts,
  Move,
  OperatorWord,
} from '../core/failover-contract.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import { describeMove } from '../core/operator.ts'
import type { PoolHealth } from '../core/pool-health.ts'
import { tellsLag } from '../core/roles.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import { failoverStatus } from '../core/standby-view.ts'
import { readiness } from '../core/standby.ts'
import { readersOf } from '../core/replica-view.ts'
import type { MoveReport, PoolStatus, Transition } from '../core/status.ts'
import type { FailoverStore } from '../ha/failover-store.ts'
import type { HookFacts, HookResult } from '../ha/hooks.ts'
import type { ProbeBackend, Roster } from './roster.ts'
import { SeatOfPool, type SeatRules } from './seat.ts'

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
  #told: ({ readonly facts: MemberFacts; readonly agreed: MemberFacts } | null)[]
  #views: readonly (boolean | null)[] = []
  #proveAtMs = Infinity
  #lastMoves: readonly MoveReport[]
  /** Answers that came within the machine's own step. */
  readonly #heard: FailoverEvent[] = []
  #busy = false
  #reply: string | null = null
  readonly #waiting = new Map<number, (report: MoveReport) => void>()
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
    this.#told = roster.members.map(() => null)
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
    this.#told = roster.members.map((_, index) => this.#told[places.indexOf(index)] ?? null)
    this.#views = []
    this.#save()
  }

  /** Ends it: answers that come later are void. */
  stop(): void {
    this.#stopped = true
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

  /** The pool's snapshot went out under this version. */
  published(version: number): void {
    this.#seat.published(version)
  }

  dress(snapshot: PoolSnapshot): PoolSnapshot {
    return this.#roster.dress(snapshot, this.#seat.seat)
  }

  /** Positions of the backends that may serve reads. */
  readers(): readonly number[] {
    const { check } = this.#pool.plan.healthCheck!
    const limit = tellsLag(check) ? this.#machine.plan.replicaLag : { ms: null, bytes: null }
    return readersOf(this.#machine, this.#state, this.#pool.lags(), limit)
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
        readiness(this.#machine, this.#state, other, 'failover', this.#nowMs).ready,
    )
  }

  /** Carries out what an operator asks for. A move is answered once it is over. */
  async act(request: OperatorRequest): Promise<ActAnswer> {
    const word = this.#wordOf(request)
    if (word === null) {
      const names = this.#machine.members.map(({ name }) => name)
      const to = request.verb === 'switchover' ? request.to : ''
      const message = `Pool '${this.#machine.pool}' has no ${this.#roster.noun} '${to}'.`
      return { ok: false, code: 'no-backend', message, names }
    }
    const { reason, by } = request
    const event: FailoverEvent = { kind: 'operator', word, reason, by }
    if ('dryRun' in request && request.dryRun) return this.#rehearse(event)
    if (request.verb === 'unfreeze' && !this.#state.agreement.ok) {
      // Where etcd knows less than the replicas, this is how a person says which of them is right.
      this.#ports.store.recover(this.#machine.pool)
      const message = `${this.#machine.pool} is unfrozen once the replicas agree again`
      return { ok: true, message, report: null }
    }
    this.#reply = null
    this.#ports.enter((nowMs) => this.hear(event, nowMs))
    if (this.#reply !== null) return { ok: false, code: 'refused', message: this.#reply }
    const { move } = this.#state
    if (move === null) return this.#answer(request, null)
    const report = await new Promise<MoveReport>((resolve) => {
      this.#waiting.set(move.epoch, resolve)
    })
    return this.#answer(request, report)
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
    else if (effect.kind === 'refused') this.#reply = effect.reason
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
    this.#tellViews(all)
    for (const [index, facts] of all.entries()) {
      const agreed = this.#agreed(index, facts)
      const told = this.#told[index]!
      if (told?.facts === facts && told.agreed.reason === agreed.reason) continue
      this.#told[index] = { facts, agreed }
      if (told !== null && told.facts.fit && !facts.fit) this.#holdForOthers(index, all)
      this.hear({ kind: 'member', index, facts: agreed }, nowMs)
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

  #tellViews(all: readonly MemberFacts[]): void {
    const views = all.map(({ judged, fit }) => (judged ? fit : null))
    if (views.every((view, index) => view === this.#views[index])) return
    this.#views = views
    this.#ports.store.views(this.#machine.pool, views)
  }

  /**
   * A member as the replicas together see it: the active is lost when they agree on that, and a
   * standby is fit when they agree on that. What only this one sees may be its own network.
   */
  #agreed(index: number, facts: MemberFacts): MemberFacts {
    const seen = this.#ports.store.sees(this.#machine.pool, index)
    if (seen === 'own') return facts
    const { active, epoch } = this.#state
    if (index === active) {
      if (facts.fit || facts.withdrawn || !facts.judged || seen === 'unfit') return facts
      const reason = `${facts.reason}, but the replicas do not agree on that`
      return { ...facts, fit: true, doubtful: true, reason }
    }
    if (!facts.fit || seen === 'fit') return facts
    const reason = 'it passes here, but not for enough other replicas'
    // At the first start it may only be that they have not said so yet.
    return { ...facts, fit: false, judged: epoch > 0, reason }
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
    this.#waiting.get(move.epoch)?.(report)
    this.#waiting.delete(move.epoch)
  }

  #answer(request: OperatorRequest, report: MoveReport | null): ActAnswer {
    const { pool } = this.#machine
    if (report === null) {
      const done = request.verb === 'freeze' ? 'frozen: nothing moves until' : 'unfrozen:'
      const rest = request.verb === 'freeze' ? 'it is unfrozen' : 'moves are made again'
      return { ok: true, message: `${pool} is ${done} ${rest}`, report: null }
    }
    if (report.outcome === 'moved') return { ok: true, message: describeMove(pool, report), report }
    const undone = report.outcome === 'rolled-back' ? 'was undone' : 'failed'
    const message = `the move of ${pool} to ${report.to} ${undone}: ${report.reason}`
    return { ok: false, code: 'failed', message, report }
  }

  #rehearse(event: FailoverEvent): ActAnswer {
    let answer: ActAnswer = { ok: false, code: 'refused', message: 'Evenkeel is stopping' }
    this.#ports.enter((nowMs) => {
      const { state, effects } = reduceFailover(this.#machine, this.#state, event, nowMs)
      const refused = effects.find((effect) => effect.kind === 'refused')
      if (refused !== undefined) {
        answer = { ok: false, code: 'refused', message: refused.reason }
        return
      }
      const { members, pool } = this.#machine
      const { from, to, epoch } = state.move!
      const old = from < 0 ? 'nobody' : members[from]!.name
      const running = from < 0 ? 0 : this.#seat.inFlight(from)
      const message = `would move ${pool} from ${old} to ${members[to]!.name} under epoch ${epoch}; ${running} sessions run on ${old} now`
      answer = { ok: true, message, report: null }
    })
    return answer
  }

  #wordOf(request: OperatorRequest): OperatorWord | null {
    if (request.verb !== 'switchover') {
      return request.verb === 'failback'
        ? { verb: 'failback', force: request.force }
        : { verb: request.verb }
    }
    const to = this.#roster.indexOf(request.to)
    return to < 0 ? null : { verb: 'switchover', to, force: request.force }
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
