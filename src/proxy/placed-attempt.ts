// How an attempt comes to its backend, for requests and TCP connections alike: probation first, then
// the balancer, else a place in the queue, else a refusal; and what a further attempt costs.
// What is done on the backend, and when a further attempt is due, is the business of the two kinds.

import { backoffMs } from '../core/backoff.ts'
import { FULL, NONE, Tried } from '../core/balancer/contract.ts'
import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import type { Waiter } from '../core/queue.ts'
import { POOL } from '../core/shared-layout.ts'
import { Attempt, avoidSuspected } from './attempt.ts'
import type { PoolState, ThreadContext } from './context.ts'
import { ExchangeRecord } from './exchange-record.ts'

export abstract class PlacedAttempt extends Attempt implements Waiter {
  // Waiter
  queuedAtMs = -1
  queueDeadlineMs = 0
  queueNext: Waiter | null = null
  queuePrevious: Waiter | null = null

  readonly record: ExchangeRecord
  protected readonly tried = new Tried()
  protected pool: PoolState | null = null
  protected repeatable = true
  protected attempts = 0
  protected rescues = 0
  /** No attempt begins after this. */
  protected totalDeadlineMs = Infinity

  constructor(context: ThreadContext) {
    super(context)
    this.record = new ExchangeRecord(context.plan.log.access.format !== 'off')
  }

  /** Begins an attempt on the backend with this index in the pool. */
  protected abstract attempt(index: number, probation: boolean, nowMs: number): void
  /** It waits in the queue from now on. */
  protected abstract markQueued(): void
  protected abstract refuse(cause: Fault): void

  protected tryNext(nowMs: number): void {
    const state = this.pool!
    const { pool, queue, plan } = state
    let index = pool.pickProbation(this.repeatable, nowMs)
    const probation = index >= 0
    if (!probation && plan.limits.perBackend > 0 && queue.mustWait(nowMs)) {
      this.enqueue(nowMs)
      return
    }
    if (state.suspected.length > 0) avoidSuspected(state, this.tried, nowMs)
    if (!probation) index = pool.pick(this.tried, nowMs)
    if (index >= 0) this.attempt(index, probation, nowMs)
    else if (index === FULL) this.enqueue(nowMs)
    else this.refuse(fault('no-backend'))
  }

  private enqueue(nowMs: number): void {
    const { queue, plan } = this.pool!
    const untilMs = Math.min(nowMs + plan.timeouts.queueMs, this.totalDeadlineMs)
    if (!queue.push(this, nowMs, untilMs)) {
      this.refuse(fault('queue-full'))
      return
    }
    this.markQueued()
    this.record.queuedMs = nowMs
  }

  /** Waiter: it refuses the backends it has tried. */
  get picky(): boolean {
    return this.tried.count > 0
  }

  /** Waiter: a backend may have room now. False: still none, keep the place. */
  onTurn(nowMs: number): boolean {
    const { pool } = this.pool!
    let index = pool.pickProbation(this.repeatable, nowMs)
    const probation = index >= 0
    if (!probation) index = pool.pick(this.tried, nowMs)
    if (index === FULL) return false
    this.endQueue(nowMs)
    if (index === NONE) this.refuse(fault('no-backend'))
    else this.attempt(index, probation, nowMs)
    return true
  }

  /** Waiter: its time is over. */
  onQueueTimeout(nowMs: number): void {
    this.endQueue(nowMs)
    this.refuse(fault('queue-timeout'))
  }

  private endQueue(nowMs: number): void {
    const waitedMs = nowMs - this.record.queuedMs
    this.context.row[this.pool!.base + POOL.queueSumS]! += waitedMs / 1000
    this.record.endQueue(nowMs)
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
}
