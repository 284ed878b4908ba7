// How an attempt comes to its backend, for requests and TCP connections alike: probation first, then
// the balancer, else a place in the queue, else a refusal; and what a further attempt costs.
// What is done on the backend, and when a further attempt is due, is the business of the two kinds.

import { backoffMs } from '../core/backoff.ts'
import { FULL, NONE, Tried } from '../core/balancer/contract.ts'
import type { DeadlineEntry } from '../core/deadlines.ts'
import { fault, isWithdrawal } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import { nobody } from '../core/pool.ts'
import type { Waiter } from '../core/queue.ts'
import { POOL } from '../core/shared-layout.ts'
import { Attempt, avoidSuspected } from './attempt.ts'
import type { PoolState, PositionMoves, ThreadContext } from './context.ts'
import { ExchangeRecord } from './exchange-record.ts'
import type { Tunnel } from './tunnel.ts'

/** Between two attempts to reach an active that did not let itself be reached. */
const ACTIVE_WAIT_MS = 5
const ACTIVE_WAIT_MAX_MS = 50

export abstract class PlacedAttempt extends Attempt implements Waiter, DeadlineEntry {
  // Deadline
  deadlineMs = Infinity
  wheelTick = -1
  wheelSlot = 0
  wheelNext: DeadlineEntry | null = null
  wheelPrevious: DeadlineEntry | null = null
  // Waiter
  queuedAtMs = -1
  queueDeadlineMs = 0
  queueNext: Waiter | null = null
  queuePrevious: Waiter | null = null

  readonly record: ExchangeRecord
  protected readonly tried = new Tried()
  protected pool: PoolState | null = null
  /** Once its two connections are joined. */
  protected tunnel: Tunnel | null = null
  protected repeatable = true
  protected attempts = 0
  protected rescues = 0
  /** Attempts that were cut because the active moved: nobody's failure, so they count as no try. */
  protected moves = 0
  /** Since when the active could not be reached; −1: it could, or was not tried. */
  protected unreachedMs = -1
  /** No attempt begins after this. */
  protected totalDeadlineMs = Infinity

  constructor(context: ThreadContext) {
    super(context)
    const { log, tracing } = context.plan
    this.record = new ExchangeRecord(log.access.format !== 'off' || tracing !== null)
  }

  abstract onDeadline(nowMs: number): void
  /** Begins an attempt on the backend with this index in the pool. */
  protected abstract attempt(index: number, probation: boolean, nowMs: number): void
  /** It waits in the queue from now on. */
  protected abstract markQueued(): void
  protected abstract refuse(cause: Fault): void
  /** `sever` before there is a tunnel. */
  protected abstract severAttempt(): void
  /** `onCut` before there is a tunnel. */
  protected abstract onAttemptCut(cause: Fault): void

  /** A reload has changed positions in pools: what was tried is known by its position. */
  movePositions(moves: PositionMoves): void {
    const to = this.pool === null ? undefined : moves.get(this.pool)
    if (to !== undefined) this.tried.move(to)
  }

  // --- a place -------------------------------------------------------------------------------

  protected tryNext(nowMs: number): void {
    const state = this.pool!
    const { pool, queue, plan } = state
    if (this.context.hasLapsed(state.rightCell)) {
      this.refuse(fault('no-agreement'))
      return
    }
    let index = pool.pickProbation(this.repeatable, nowMs)
    const probation = index >= 0
    if (!probation && plan.limits.perBackend > 0 && queue.mustWait(nowMs)) {
      this.enqueue(nowMs)
      return
    }
    if (state.suspected.length > 0) avoidSuspected(state, this.tried, nowMs)
    if (!probation) index = pool.pick(this.tried, nowMs)
    if (index >= 0) this.attempt(index, probation, nowMs)
    else if (index === FULL || isHeld(state, nowMs)) this.enqueue(nowMs)
    else this.refuse(nobody(plan))
  }

  private enqueue(nowMs: number): void {
    const { queue, plan } = this.pool!
    const untilMs = Math.min(nowMs + plan.timeouts.queueMs, this.totalDeadlineMs)
    if (!queue.push(this, nowMs, untilMs)) {
      this.refuse(fault('queue-full'))
      return
    }
    this.record.queuedMs = nowMs
    this.markQueued()
  }

  /** Waiter: it refuses the backends it has tried. */
  get picky(): boolean {
    return this.tried.count > 0
  }

  /** Waiter: a backend may have room now. False: still none, keep the place. */
  onTurn(nowMs: number): boolean {
    const state = this.pool!
    const { pool } = state
    const lapsed = this.context.hasLapsed(state.rightCell)
    let index = lapsed ? NONE : pool.pickProbation(this.repeatable, nowMs)
    const probation = index >= 0
    if (!probation && !lapsed) index = pool.pick(this.tried, nowMs)
    if (index === FULL || (index === NONE && !lapsed && isHeld(state, nowMs))) return false
    this.endQueue(nowMs)
    if (index !== NONE) this.attempt(index, probation, nowMs)
    else if (lapsed) this.refuse(fault('no-agreement'))
    else this.refuse(state.holdUntilMs > 0 ? fault('pause-timeout') : nobody(state.plan))
    return true
  }

  /** Waiter: its time is over. */
  onQueueTimeout(nowMs: number): void {
    this.endQueue(nowMs)
    const isPaused = this.pool!.pool.available.length === 0
    this.refuse(fault(isPaused ? 'pause-timeout' : 'queue-timeout'))
  }

  private endQueue(nowMs: number): void {
    const waitedMs = nowMs - this.record.queuedMs
    this.context.row[this.pool!.base + POOL.queueSumS]! += waitedMs / 1000
    this.record.endQueue(nowMs)
  }

  // --- a further attempt ---------------------------------------------------------------------

  /** Would a further attempt be within the plan, and have somewhere to go or to wait? */
  protected canRepeat(nowMs: number): boolean {
    const state = this.pool!
    const plan = state.plan.retry
    if (plan === null || this.attempts - this.moves > plan.attempts) return false
    if (nowMs >= this.totalDeadlineMs) return false
    return state.pool.available.length > 0 || isHeld(state, nowMs)
  }

  /** Pays for a further attempt. `free`: not charged while half of the pool is available. */
  protected charge(free: boolean, nowMs: number): boolean {
    const pool = this.pool!
    const row = this.context.row
    if (!(free && pool.pool.halfAvailable) && !pool.budget.withdraw(nowMs)) {
      row[pool.base + POOL.budgetEmpty]!++
      return false
    }
    row[pool.base + POOL.retries]!++
    return true
  }

  /** How long to wait before a further attempt. */
  protected delayMs(): number {
    const plan = this.pool!.plan.retry!
    return backoffMs(this.attempts, plan.backoffMinMs, plan.backoffMaxMs, this.context.random)
  }

  /** The same after a fault: none after a refusal, as another backend is picked. */
  protected delayAfterMs(cause: Fault): number {
    // Here it is the same one, until its loss is found and another one is the active.
    if (this.unreachedMs >= 0) return Math.min(ACTIVE_WAIT_MAX_MS, ACTIVE_WAIT_MS + this.delayMs())
    return cause.code === 'backend-refused' || cause.code === 'backend-rescued' ? 0 : this.delayMs()
  }

  /**
   * An active that can't be reached is about to be replaced, or to be found alive: what it has not
   * got waits for that as long as a move may take, and these attempts count as none. Where a site
   * of several backends is the active, it is the second of them that tells.
   */
  protected awaitMove(cause: Fault, nowMs: number): void {
    const { mode, failover } = this.pool!.plan
    if (failover === null || cause.side !== 'backend' || cause.phase !== 'connect') return
    if (mode === 'active-active' && this.attempts - this.moves < 2) return
    if (this.unreachedMs < 0) this.unreachedMs = nowMs
    if (nowMs < this.unreachedMs + failover.pauseMaxMs) this.moves++
  }

  /** The active has moved: begins anew, at nobody's cost. */
  protected move(nowMs: number): void {
    const row = this.context.row
    const { base } = this.pool!
    this.moves++
    row[base + POOL.moved]!++
    row[base + POOL.retries]!++
    this.tryNext(nowMs)
  }

  // --- a backend that is taken away ------------------------------------------------------------

  cutTunnel(cause: Fault): void {
    this.tunnel?.cut(cause)
  }

  sever(): void {
    if (this.tunnel === null) this.severAttempt()
    else this.tunnel.sever()
  }

  onCut(cause: Fault): void {
    if (this.tunnel === null) {
      this.onAttemptCut(cause)
      return
    }
    this.countCut(cause)
    this.tunnel.cut(cause)
  }

  /** It ends with its backend, and not by the backend's fault. */
  protected countCut(cause: Fault): void {
    if (isWithdrawal(cause)) this.context.row[this.pool!.base + POOL.cut]!++
  }
}

/** May requests wait for a backend while none is eligible? */
function isHeld(pool: PoolState, nowMs: number): boolean {
  return nowMs < pool.holdUntilMs
}
