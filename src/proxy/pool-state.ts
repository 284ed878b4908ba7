// How the pools and backends of a data thread come to be, change with a reload, and go. What stays
// is changed in place, so that exchanges and connections that hold on to it go on without a break.
// Pays on the reload, so that a request doesn't. Must never decide who stays: the same slot does.

import { RetryBudget } from '../core/budget.ts'
import { fault } from '../core/fault.ts'
import type { BackendPlan, Plan, PoolPlan } from '../core/plan.ts'
import { Pool } from '../core/pool.ts'
import { WaitQueue } from '../core/queue.ts'
import { BACKEND, CONTROL_POOL } from '../core/shared-layout.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import { ELIGIBILITY, type FreedSlots } from '../core/snapshot.ts'
import { AttemptList } from './attempt-list.ts'
import type { BackendState, PoolState, PositionMoves, ThreadContext } from './context.ts'
import { IdleConnections } from './idle.ts'
import type { Destination } from './socket.ts'
import { cutOff, endTunnels } from './withdraw.ts'

const NO_BUDGET = { ratio: 0, perSecondMin: 0, burst: 0 }

/** A pool that this thread has not had before. */
export function makePool(context: ThreadContext, plan: PoolPlan): PoolState {
  const { table, thread } = context
  const state: PoolState = {
    plan,
    pool: new Pool(plan, table, thread, context.random),
    base: table.poolBase(plan.slot),
    backends: [],
    leaving: [],
    suspected: [],
    rightCell: rightCellOf(plan, table),
    holdUntilMs: 0,
    epochEnd: '',
    queue: new WaitQueue(table, thread, plan.slot, plan.limits.queue, plan.limits.perBackend > 0),
    budget: new RetryBudget(plan.retry?.budget ?? NO_BUDGET, table.shape.threads),
  }
  state.backends = plan.backends.map((backend, index) => makeBackend(table, state, backend, index))
  return state
}

/**
 * Has the context's pools go on by a new plan. Pools and backends that it leaves out finish what they
 * have, tunnels within the drain time. Returns in which pools positions have changed.
 */
export function adoptPools(context: ThreadContext, plan: Plan, nowMs: number): PositionMoves {
  const leavesMs = nowMs + plan.runtime.drainMs
  const known = new Map(
    [...context.leavingPools, ...context.pools].map((state) => [state.plan.slot, state]),
  )
  const moves = new Map<PoolState, Int32Array>()
  context.pools = plan.pools.map((pool) => {
    const state = known.get(pool.slot)
    if (state === undefined) return makePool(context, pool)
    known.delete(pool.slot)
    const to = adoptPool(context, state, pool, leavesMs)
    if (to !== null) moves.set(state, to)
    return state
  })
  for (const state of known.values()) leavePool(context, state, leavesMs)
  context.leavingPools = [...known.values()]
  const alone = plan.pools.filter(({ mode }) => mode === 'active-standby')
  for (const state of known.values()) {
    // It is back in other rows, and where only one backend may be at work the old pool's is another.
    if (alone.some(({ name }) => name === state.plan.name)) closePool(state, nowMs)
  }
  return moves
}

/** Ends the tunnels whose time is over and forgets who is done. For each tick. */
export function watchLeaving(context: ThreadContext, nowMs: number): void {
  for (const pool of context.pools) if (pool.leaving.length > 0) watchBackends(pool, nowMs)
  if (context.leavingPools.length === 0) return
  for (const pool of context.leavingPools) watchBackends(pool, nowMs)
  context.leavingPools = context.leavingPools.filter(
    ({ queue, leaving, backends }) =>
      queue.length > 0 || leaving.length > 0 || backends.some(isBusy),
  )
}

/** Records with these slots are about to belong to others: whoever uses them still ends. */
export function freePools(context: ThreadContext, freed: FreedSlots): void {
  const nowMs = context.nowMs()
  for (const pool of context.leavingPools) {
    if (freed.pools.includes(pool.plan.slot)) closePool(pool, nowMs)
  }
  context.leavingPools = context.leavingPools.filter(({ plan }) => !freed.pools.includes(plan.slot))
  const isFreed = ({ plan }: BackendState): boolean => freed.backends.includes(plan.slot)
  // A pool that leaves may have some that nothing runs on any more, before it is done itself.
  for (const { pool, backends } of context.leavingPools) {
    const gone = backends.filter(isFreed)
    if (gone.length === 0) continue
    pool.retire(gone.map(({ member }) => member))
    cutOff(gone, fault('draining'))
  }
  for (const pool of [...context.pools, ...context.leavingPools]) {
    if (pool.leaving.length === 0) continue
    cutOff(pool.leaving.filter(isFreed), fault('draining'))
    pool.leaving = pool.leaving.filter((backend) => !isFreed(backend))
  }
}

/**
 * What is cut in this pool is cut for those as well who read from it by a read side that the plan has
 * no more, and that no snapshot speaks of.
 */
export function cutLeftReaders(context: ThreadContext, { rightCell, backends }: PoolState): void {
  for (const { pool, backends: readFrom } of context.leavingPools) {
    const gone = readFrom.filter((one) => {
      if (one.rightCell < 0 || one.rightCell !== rightCell) return false
      const same = backends.find(({ plan }) => plan.name === one.plan.name)
      return same?.member.eligibility === ELIGIBILITY.cut
    })
    if (gone.length === 0) continue
    pool.retire(gone.map(({ member }) => member))
    cutOff(gone, fault('draining'))
  }
}

function adoptPool(
  context: ThreadContext,
  state: PoolState,
  plan: PoolPlan,
  leavesMs: number,
): Int32Array | null {
  const { table } = context
  const known = new Map([...state.leaving, ...state.backends].map((one) => [one.plan.slot, one]))
  const back = new Map(state.leaving.map(({ member }) => [member.slot, member]))
  state.plan = plan
  state.rightCell = rightCellOf(plan, table)
  state.queue.adopt(plan.limits.queue, plan.limits.perBackend > 0)
  state.budget.adopt(plan.retry?.budget ?? NO_BUDGET)
  const to = state.pool.adopt(plan, back)
  state.backends = plan.backends.map((backend, index) => {
    const one = known.get(backend.slot)
    if (one === undefined) return makeBackend(table, state, backend, index)
    known.delete(backend.slot)
    one.plan = backend
    one.rightCell = state.rightCell
    one.leavesMs = Infinity
    one.idle.resize(plan.limits.connections.idleMax)
    return one
  })
  const gone = [...known.values()]
  state.leaving = gone
  for (const one of gone) leave(context, one, leavesMs)
  return to
}

/**
 * A pool that the plan has no more. Whoever is in it already may still be served by it; its backoffs
 * shrink to nothing, so that nobody is in it without being seen in a gauge.
 */
function leavePool(context: ThreadContext, state: PoolState, leavesMs: number): void {
  const { plan } = state
  const retry = plan.retry === null ? null : { ...plan.retry, backoffMinMs: 0, backoffMaxMs: 0 }
  state.plan = { ...plan, retry }
  for (const backend of state.backends) leave(context, backend, leavesMs)
}

function watchBackends(state: PoolState, nowMs: number): void {
  const over = [...state.backends, ...state.leaving].filter(({ leavesMs }) => nowMs >= leavesMs)
  endTunnels(over, fault('draining'))
  state.leaving = state.leaving.filter(isBusy)
}

/** Nobody is served by this pool any more. */
function closePool(state: PoolState, nowMs: number): void {
  const { plan } = state
  state.queue.clear(nowMs)
  state.pool.retire()
  state.holdUntilMs = 0
  state.plan = { ...plan, limits: { ...plan.limits, perBackend: 0 } }
  state.queue.adopt(0, false)
  cutOff([...state.backends, ...state.leaving], fault('draining'))
}

/** Something is in progress on it. */
function isBusy({ connecting, waiting, running }: BackendState): boolean {
  return connecting.head !== null || waiting.head !== null || running.head !== null
}

function leave(context: ThreadContext, backend: BackendState, leavesMs: number): void {
  if (backend.leavesMs !== Infinity) return
  const { row } = context
  const { base } = backend
  backend.leavesMs = leavesMs
  backend.idle.resize(0)
  // Nobody sets these any more.
  row[base + BACKEND.waitingSlow] = 0
  row[base + BACKEND.waitingSilent] = 0
  row[base + BACKEND.oldestWaitMs] = 0
}

function makeBackend(
  table: SharedTable,
  pool: PoolState,
  plan: BackendPlan,
  index: number,
): BackendState {
  return {
    plan,
    member: pool.pool.backends[index]!,
    pool,
    base: table.backendBase(plan.slot),
    controlBase: table.controlBase(plan.slot),
    rightCell: pool.rightCell,
    destination: destinationOf(plan),
    idle: new IdleConnections(pool.plan.limits.connections),
    connecting: new AttemptList(),
    waiting: new AttemptList(),
    running: new AttemptList(),
    reusedResets: 0,
    suspectedUntilMs: 0,
    leavesMs: Infinity,
  }
}

function rightCellOf(plan: PoolPlan, table: SharedTable): number {
  if (plan.mode !== 'active-standby') return -1
  return table.controlPoolBase(plan.slot) + CONTROL_POOL.sendUntilMs
}

function destinationOf({ address }: BackendPlan): Destination {
  return address.kind === 'unix'
    ? { path: address.path }
    : { host: address.host, port: address.port }
}
