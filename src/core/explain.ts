// What a pool would do with a request now, and why: the data threads' own balancer over the snapshot
// they have, with a reason for each backend. Counts nothing and takes nobody's turn.

import { FULL, Tried } from './balancer/contract.ts'
import type { FaultCode } from './fault.ts'
import type { PoolPlan } from './plan.ts'
import { nobody, Pool } from './pool.ts'
import type { Random } from './random.ts'
import { CONTROL_POOL, POOL, type SharedTable } from './shared-layout.ts'
import { ELIGIBILITY, type PoolSnapshot } from './snapshot.ts'
import type { Availability, PoolStatus } from './status.ts'

/** One backend, as a candidate for the request. */
export interface Candidate {
  readonly backend: string
  readonly address: string
  readonly availability: Availability
  /** It could get the request now. */
  readonly eligible: boolean
  /** Of 1, the part of such requests it gets, by weights and turns alone. */
  readonly share: number
  readonly inFlight: number
  /** Why it could get it, or why not. */
  readonly reason: string
}

export interface PoolExplanation {
  readonly pool: string
  readonly mode: PoolPlan['mode']
  readonly balance: PoolPlan['balance']
  /** `sent`: it goes to a backend at once. `queued`: it waits for one. `refused`: with `fault`. */
  readonly outcome: 'sent' | 'queued' | 'refused'
  /** Why the outcome is so; for people. */
  readonly reason: string
  /** Who gets it, where that is not a matter of turns or chance. */
  readonly backend: string | null
  readonly fault: FaultCode | null
  readonly candidates: readonly Candidate[]
}

export interface PoolFacts {
  readonly plan: PoolPlan
  readonly status: PoolStatus
  /** What the data threads were told last. */
  readonly snapshot: PoolSnapshot
  readonly table: SharedTable
  readonly random: Random
  /** The request may arrive twice. */
  readonly repeatable: boolean
  /** Monotonic. */
  readonly nowMs: number
}

/** Says what would become of one more request. */
export function explainPool(facts: PoolFacts): PoolExplanation {
  const { plan, status, snapshot, table, random } = facts
  // As the thread sees it that may try what is on probation: it is the only one that can differ.
  const thread = Math.max(0, ...snapshot.probationThread)
  const pool = new Pool(plan, table, thread, random)
  pool.apply(snapshot)
  const weights = pool.available.reduce((sum, { weight }) => sum + weight, 0)
  const candidates = plan.backends.map((backend, index): Candidate => {
    const member = pool.backends[index]!
    const { address, availability, reason, inFlight } = status.backends[index]!
    const isFull = pool.limit.reached(member.base)
    const inRotation = member.eligibility === ELIGIBILITY.yes && member.weight > 0
    const onProbation = member.eligibility === ELIGIBILITY.probation
    const eligible = (inRotation || onProbation) && !isFull
    const full = `it has ${inFlight} in progress, its limit is ${plan.limits.perBackend}`
    return {
      backend: backend.name,
      address,
      availability,
      eligible,
      share: inRotation && weights > 0 ? member.weight / weights : 0,
      inFlight,
      reason: (inRotation || onProbation) && isFull ? full : reason,
    }
  })
  const base = { pool: plan.name, mode: plan.mode, balance: plan.balance, candidates }
  return { ...base, ...verdict(facts, pool) }
}

type Verdict = Pick<PoolExplanation, 'outcome' | 'reason' | 'backend' | 'fault'>

// The order is that of proxy/placed-attempt.ts; test/e2e/explain.test.ts holds the two together.
function verdict(facts: PoolFacts, pool: Pool): Verdict {
  const { plan, table, repeatable, nowMs } = facts
  if (nowMs >= table.control[table.controlPoolBase(plan.slot) + CONTROL_POOL.sendUntilMs]!) {
    return refused('no-agreement', 'this replica has no right to send in this pool at present')
  }
  const index = pool.pickProbation(repeatable, nowMs)
  if (index < 0) return ordinary(facts, pool)
  const { name } = plan.backends[index]!
  const { threads } = table.shape
  const reason = `${name} is on probation and gets the next request that may be repeated`
  if (threads === 1) return { outcome: 'sent', reason, backend: name, fault: null }
  const other = ordinary(facts, pool)
  const others = `${reason} on one of ${threads} threads; elsewhere: ${other.reason}`
  return { ...other, reason: others, backend: null }
}

/** What becomes of it where nobody is on probation. */
function ordinary({ plan, snapshot, table, nowMs }: PoolFacts, pool: Pool): Verdict {
  const waiting = table.sum(table.poolBase(plan.slot) + POOL.queued)
  if (plan.limits.perBackend > 0 && waiting > 0) {
    return queued(plan, waiting, `${waiting} requests wait already`)
  }
  const index = pool.pick(new Tried(), nowMs)
  if (index >= 0) return { outcome: 'sent', fault: null, ...choice(plan, pool, index) }
  if (index === FULL) {
    return queued(plan, waiting, 'every backend that could take it is at its limit')
  }
  if (nowMs < snapshot.holdUntilMs) {
    const ms = Math.round(snapshot.holdUntilMs - nowMs)
    const why = `the active is being moved: new requests wait for up to ${ms} ms more`
    return queued(plan, waiting, why)
  }
  const { code } = nobody(plan)
  if (code === 'no-active') return refused(code, 'the pool has no active now')
  if (snapshot.eligibility.some((one) => one === ELIGIBILITY.probation)) {
    return refused(code, 'only backends on probation are left: they get one request at a time')
  }
  return refused(code, 'no backend of the pool is available')
}

function choice(
  plan: PoolPlan,
  pool: Pool,
  index: number,
): Pick<PoolExplanation, 'reason' | 'backend'> {
  const { name } = plan.backends[index]!
  if (pool.available.length === 1) {
    const who = plan.mode === 'active-standby' ? 'the active' : 'the only one available'
    return { backend: name, reason: `${name} is ${who}` }
  }
  if (plan.balance === 'least-connections') {
    return { backend: name, reason: `${name} has the least in progress for its weight` }
  }
  if (plan.balance === 'round-robin')
    return { backend: null, reason: 'each in its turn, by weight' }
  return { backend: null, reason: 'the less busy of two that are drawn at random' }
}

function queued(plan: PoolPlan, waiting: number, why: string): Verdict {
  const { queue } = plan.limits
  if (waiting >= queue) return refused('queue-full', `${why}, and its queue of ${queue} is full`)
  return { outcome: 'queued', fault: null, backend: null, reason: why }
}

function refused(fault: FaultCode, reason: string): Verdict {
  return { outcome: 'refused', backend: null, fault, reason }
}
