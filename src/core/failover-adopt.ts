// What a reload means for a pool with an active: who of the members stays, what may not change at this
// moment, and the state of the machine under the new plan. A reload never moves the active and never
// changes the epoch; whatever it would have to guess for that is refused, with what to do instead.
// Pure. Plans have their slots assigned: the same slot is the same backend.

import type { FailoverMachine, FailoverState, MemberState } from './failover-contract.ts'
import { UNKNOWN } from './failover-initial.ts'
import type { Plan, PoolPlan } from './plan.ts'
import { isSame } from './same.ts'
import { isFirst } from './standby.ts'
import { tiersOf } from './tiers.ts'

/** Who can be the active of a pool: backends, or tiers of sites. */
export function memberNames({ mode, backends, sites }: PoolPlan): string[] {
  const members = mode === 'active-standby' ? backends : tiersOf(sites)
  return members.map(({ name }) => name)
}

/** Position of each member of `before` among those of `next`; −1 for one that is gone. */
export function successors(before: PoolPlan, next: PoolPlan): readonly number[] {
  if (next.mode === 'active-standby') {
    const places = new Map(next.backends.map(({ slot }, index) => [slot, index]))
    return before.backends.map(({ slot }) => places.get(slot) ?? -1)
  }
  const tiers = tiersOf(next.sites).map(({ sites }) => sites.map((site) => next.sites[site]!.name))
  return tiersOf(before.sites).map(({ sites }) => {
    // A mirror more or less, and the mirrors have another name: they are still who they were.
    const names = sites.map((site) => before.sites[site]!.name)
    for (const name of names) {
      const place = tiers.findIndex((tier) => tier.includes(name))
      if (place >= 0) return place
    }
    return -1
  })
}

/**
 * Why a plan can't be taken now, as far as pools with an active go; `null` if it can.
 * @param stateOf what the failover machine of a pool of `current` knows, by the pool's name
 */
export function whyNotNow(
  current: Plan,
  next: Plan,
  stateOf: (pool: string) => FailoverState | null,
): string | null {
  if (!isSame(current.cluster, next.cluster)) {
    return `\`cluster\` can't change while the process runs: ${ONE_BY_ONE}`
  }
  const after = new Map(next.pools.map((pool) => [pool.name, pool]))
  for (const pool of current.pools) {
    const why = refusalOf(pool, after.get(pool.name) ?? null, stateOf(pool.name))
    if (why !== null) return why
  }
  const before = new Set(current.pools.map(({ name }) => name))
  for (const pool of next.pools) {
    if (agrees(pool) && !before.has(pool.name)) {
      return `pool '${pool.name}' with \`agreement: etcd\` can't be added while the process runs: ${ONE_BY_ONE}`
    }
    const why = strangers(pool, next)
    if (why !== null) return why
  }
  return null
}

/** The state under a new plan. @param places position of each member before → now; −1: gone */
export function adoptFailover(
  machine: FailoverMachine,
  state: FailoverState,
  places: readonly number[],
): FailoverState {
  const place = (index: number): number => places[index] ?? -1
  const wasServed = !isFirst(state)
  // It was taken out while the process did not run, and is back.
  const back = machine.members.findIndex(({ name }) => name === state.gone)
  const members = machine.members.map((_, index): MemberState => {
    const before = places.indexOf(index)
    if (before >= 0) return state.members[before]!
    // It can't have what was written before it came.
    return { ...UNKNOWN, fresh: !wasServed, joined: true }
  })
  return {
    ...state,
    members,
    active: place(state.active),
    last: back >= 0 ? back : place(state.last),
    gone: back >= 0 ? null : state.gone,
    promotedTo: place(state.promotedTo),
    interruptedTo: place(state.interruptedTo),
    failedTo: place(state.failedTo),
    conflict: state.conflict.map(place).filter((index) => index >= 0),
  }
}

const ONE_BY_ONE =
  'its replicas have to agree on it; change the configuration of all, then restart them one by one'
const RESTART = 'restart, or `evenkeel upgrade`, takes it'

function agrees(pool: PoolPlan | null): boolean {
  return pool?.failover?.agreement === 'etcd'
}

function refusalOf(
  pool: PoolPlan,
  next: PoolPlan | null,
  state: FailoverState | null,
): string | null {
  const isOther = next === null || !isSame(settledBy(pool), settledBy(next))
  if (isOther && (agrees(pool) || agrees(next))) {
    return `pool '${pool.name}' has \`agreement: etcd\`, so its members and \`failover\` can't change while the process runs: ${ONE_BY_ONE}`
  }
  const kind = next === null ? null : otherKind(pool, next)
  if (kind !== null || state === null) return kind
  const isOtherCheck = !isSame(pool.healthCheck?.check, next?.healthCheck?.check)
  const moving = state.move ?? state.following
  if (moving !== null && (isOther || isOtherCheck)) {
    const to = memberNames(pool)[moving.to] ?? 'nobody'
    return `pool '${pool.name}' is moving to '${to}' at this moment: its members, \`failover\` and its health check can't change before that is over; try again then`
  }
  return next === null ? null : missing(pool, next, state)
}

/** It would be another kind of pool. */
function otherKind(pool: PoolPlan, next: PoolPlan): string | null {
  if (pool.mode !== next.mode) {
    return `the mode of pool '${pool.name}' can't change while the process runs; ${RESTART}`
  }
  if ((pool.failover === null) === (next.failover === null)) return null
  return `pool '${pool.name}' can't be given sites, or lose them all, while the process runs; ${RESTART}`
}

/** What all who take part in a move must be able to rely on. */
function settledBy({ mode, backends, sites, failover }: PoolPlan): unknown {
  const members = backends.map(({ name, address, site }) => [name, address, site])
  return { members: mode === 'active-standby' ? members : tiersOf(sites), sites, failover }
}

/** Whom the pool can't do without: the active, or without one, whoever has the latest of it. */
function missing(pool: PoolPlan, next: PoolPlan, state: FailoverState): string | null {
  const places = successors(pool, next)
  const names = memberNames(pool)
  const { active, last, promotedTo, interruptedTo } = state
  if (active >= 0) {
    if (places[active]! >= 0) return null
    const name = names[active]!
    const what = memberNames(next).includes(name) ? 'get another address' : 'be removed'
    return `'${name}' is the active of pool '${pool.name}' and can't ${what}; move it first: evenkeel switchover ${pool.name}`
  }
  const lost = [last, promotedTo, interruptedTo].find((index) => index >= 0 && places[index]! < 0)
  if (lost === undefined) return null
  return `nobody is the active of pool '${pool.name}' at present, and '${names[lost]!}' may have the latest data, so it can't be removed before another one is: evenkeel switchover ${pool.name}`
}

/** A read side has the servers of the pool it reads from, in their order. */
function strangers(pool: PoolPlan, { pools }: Plan): string | null {
  const source = pools[pool.replicasOf]
  if (source === undefined) return null
  const servers = ({ backends }: PoolPlan) => backends.map(({ name, address }) => [name, address])
  if (isSame(servers(pool), servers(source))) return null
  return `pool '${pool.name}' serves the reads of '${source.name}' and must have the same backends: change them in '${source.name}'`
}
