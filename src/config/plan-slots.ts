// Rows of the shared memory for the things of a plan. What is kept keeps its row; what is new gets
// one that nobody has, and nobody who is gone still counts in. Pure: who is gone comes as a value.

import type { Address, BackendPlan, ListenerPlan, Plan, PoolPlan } from '../core/plan.ts'
import type { SharedShape } from '../core/shared-layout.ts'
import type { FreedSlots } from '../core/snapshot.ts'
import { canonicalAddress } from './address.ts'

export type SlotResult =
  | { readonly ok: true; readonly plan: Plan }
  /** One sentence for an operator. */
  | { readonly ok: false; readonly message: string }

/** Slots whose owners are gone, but whose rows are not given back yet. */
export type GoneSlots = FreedSlots

export const NONE_GONE: GoneSlots = { listeners: [], pools: [], backends: [] }

/** What the process has room for. */
export type Room = Omit<SharedShape, 'threads'>

/**
 * `next` with a slot for everything.
 * @param current the plan in force; `null` for the first one
 * @param gone slots that nothing new may have
 */
export function assignSlots(
  current: Plan | null,
  next: Plan,
  gone: GoneSlots,
  room: Room,
): SlotResult {
  const kept = keptSlots(current, next)
  // What this very change lets go still counts in its rows, too.
  const taken = joinSlots(gone, current === null ? NONE_GONE : allSlots(current))
  const listeners = fill(kept.listeners, taken.listeners, room.listeners)
  if (listeners === null) return noRoom('listeners', kept.listeners.length, room.listeners)
  const pools = fill(kept.pools, taken.pools, room.pools)
  if (pools === null) return noRoom('pools', kept.pools.length, room.pools)
  const wanted = kept.backends.flat()
  const backends = fill(wanted, taken.backends, room.slots)
  if (backends === null) return noRoom('backends', wanted.length, room.slots)
  let place = 0
  return {
    ok: true,
    plan: {
      ...next,
      listeners: next.listeners.map((listener, i) => ({ ...listener, slot: listeners[i]! })),
      pools: next.pools.map((pool, i) => ({
        ...pool,
        slot: pools[i]!,
        backends: pool.backends.map((backend) => ({ ...backend, slot: backends[place++]! })),
      })),
    },
  }
}

/** The slots of `before` whose owners are not in `after`. */
export function slotsLeft(before: Plan, after: Plan): GoneSlots {
  const [one, two] = [allSlots(before), allSlots(after)]
  return {
    listeners: without(one.listeners, two.listeners),
    pools: without(one.pools, two.pools),
    backends: without(one.backends, two.backends),
  }
}

/** Both together. */
export function joinSlots(one: GoneSlots, two: GoneSlots): GoneSlots {
  return {
    listeners: [...new Set([...one.listeners, ...two.listeners])],
    pools: [...new Set([...one.pools, ...two.pools])],
    backends: [...new Set([...one.backends, ...two.backends])],
  }
}

/** `gone` without those that were given back. */
export function withoutSlots(gone: GoneSlots, freed: FreedSlots): GoneSlots {
  return {
    listeners: without(gone.listeners, freed.listeners),
    pools: without(gone.pools, freed.pools),
    backends: without(gone.backends, freed.backends),
  }
}

/** A listener is the same under its name, with the same address and protocol. */
export function listenerKey({ name, address, protocol }: ListenerPlan): string {
  return JSON.stringify([name, spelled(address), protocol])
}

/** A backend is the same in its pool under the same name and address. */
export function backendKey({ name, address }: BackendPlan): string {
  return JSON.stringify([name, spelled(address)])
}

/** Two spellings of one address are one address; an unsettled port 0 is itself. */
function spelled(address: Address): string {
  return canonicalAddress(address)
}

interface Kept {
  readonly listeners: readonly number[]
  readonly pools: readonly number[]
  readonly backends: readonly (readonly number[])[]
}

// Parallel to the next plan; −1 for what is new.
function keptSlots(current: Plan | null, next: Plan): Kept {
  const listeners = new Map(current?.listeners.map((one) => [listenerKey(one), one.slot]))
  const pools = new Map(current?.pools.map((pool) => [poolKey(pool, current), pool]))
  return {
    listeners: next.listeners.map((one) => listeners.get(listenerKey(one)) ?? -1),
    pools: next.pools.map((pool) => pools.get(poolKey(pool, next))?.slot ?? -1),
    backends: next.pools.map((pool) => {
      const before = pools.get(poolKey(pool, next))?.backends ?? []
      const own = new Map(before.map((backend) => [backendKey(backend), backend.slot]))
      return pool.backends.map((backend) => own.get(backendKey(backend)) ?? -1)
    }),
  }
}

function poolKey({ name, replicasOf }: PoolPlan, { pools }: Plan): string {
  return JSON.stringify([name, pools[replicasOf]?.name ?? null])
}

// Gives each −1 the lowest number that is free; null if there are too few.
function fill(
  kept: readonly number[],
  gone: readonly number[],
  room: number,
): readonly number[] | null {
  const taken = new Set([...kept, ...gone])
  let next = 0
  const filled = kept.map((slot) => {
    if (slot >= 0) return slot
    while (taken.has(next)) next++
    return next++
  })
  return next > room ? null : filled
}

function without(slots: readonly number[], less: readonly number[]): number[] {
  const taken = new Set(less)
  return slots.filter((slot) => !taken.has(slot))
}

function noRoom(what: string, needed: number, room: number): SlotResult {
  const message =
    needed <= room
      ? `there is room for ${room} ${what}, but some of it is taken by those that are finishing what they had; try again when they are done`
      : `${needed} ${what} are more than this process has room for (${room}, set aside when it started); restart it to make room`
  return { ok: false, message }
}

function allSlots({ listeners, pools }: Plan): GoneSlots {
  const backends = pools.flatMap((pool) => pool.backends)
  return { listeners: slots(listeners), pools: slots(pools), backends: slots(backends) }
}

function slots(things: readonly { readonly slot: number }[]): number[] {
  return things.map(({ slot }) => slot)
}
