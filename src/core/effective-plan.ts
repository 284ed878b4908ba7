// The plan in force is what is configured, plus the members that discovery has found, plus what
// operators have changed while it runs. This puts the three together; slots are somebody else's.
// Pure. Inputs for pools that are not configured have no effect, and come into force if they are.

import type { Address, BackendPlan, Plan, PoolPlan } from './plan.ts'

/** A backend that discovery has found. */
export interface Member {
  /** Unique within its pool and stable: under the same name and address it is the same backend. */
  readonly name: string
  readonly address: Address
  /** 0…65535; 1 if absent. */
  readonly weight?: number
  readonly zone?: string | null
  /** Required in a pool with sites, else without effect. */
  readonly site?: string | null
}

/** What operators have changed; each list is complete, and the last word about a thing wins. */
export interface PlanOverrides {
  readonly weights: readonly WeightOverride[]
  readonly added: readonly AddedBackend[]
  readonly removed: readonly RemovedBackend[]
}

export interface WeightOverride {
  readonly pool: string
  readonly backend: string
  /**
   * `share`: of the configured weight, 0…; the result need not be whole: half of 1 is 0.5. Neither
   * gives anything to a member whose source says 0, for that one is about to go, or not ready.
   */
  readonly weight: { readonly kind: 'absolute' | 'share'; readonly value: number }
}

/** A backend that no configuration names. One that is configured by now under its name wins. */
export interface AddedBackend extends Member {
  readonly pool: string
}

/** A configured or discovered backend that is to be left out. */
export interface RemovedBackend {
  readonly pool: string
  readonly backend: string
}

/** Everything that the plan in force is made of, besides the configured plan. */
export interface PlanInputs {
  /** By name of the pool. */
  readonly members: ReadonlyMap<string, readonly Member[]>
  readonly overrides: PlanOverrides
}

export const NO_OVERRIDES: PlanOverrides = { weights: [], added: [], removed: [] }

export type Composed =
  | { readonly ok: true; readonly plan: Plan }
  /** One sentence. */
  | { readonly ok: false; readonly message: string }

const WEIGHT_MAX = 65_535

/** Puts the plan in force together. Its new backends have slot −1 and want one. */
export function effectivePlan(configured: Plan, inputs: PlanInputs): Composed {
  const pools: PoolPlan[] = []
  /** By pool: members whose sources give them nothing. */
  const idle = new Map<string, ReadonlySet<string>>()
  for (const pool of configured.pools) {
    if (pool.replicasOf >= 0) {
      pools.push(pool)
      continue
    }
    const overrides = holdsIn(pool) ? inputs.overrides : NO_OVERRIDES
    const made = backendsOf(pool, { ...inputs, overrides })
    if (!made.ok) return made
    idle.set(pool.name, made.idle)
    pools.push({ ...pool, backends: weighed(pool.name, made, overrides) })
  }
  return { ok: true, plan: { ...configured, pools: pools.map((pool) => readSide(pool, pools)) } }

  // The read side has the servers of the pool it belongs to, whatever became of them, with weights
  // of its own.
  function readSide(pool: PoolPlan, all: readonly PoolPlan[]): PoolPlan {
    if (pool.replicasOf < 0) return pool
    const own = new Map(pool.backends.map((backend) => [backend.name, backend.slot]))
    const owner = all[pool.replicasOf]!
    const backends = owner.backends.map((backend) =>
      withoutSite(backend, own.get(backend.name) ?? -1),
    )
    const made = { backends, idle: idle.get(owner.name)! }
    return { ...pool, backends: weighed(pool.name, made, inputs.overrides) }
  }
}

/**
 * Whether operators can change weights and backends of this pool beside its configuration. What was
 * said of an active-active pool says nothing about one of its name in which the backends are an order
 * of preference.
 */
export function holdsIn({ mode }: Pick<PoolPlan, 'mode'>): boolean {
  return mode !== 'active-standby'
}

function withoutSite(backend: BackendPlan, slot: number): BackendPlan {
  return { ...backend, slot, site: -1 }
}

interface Made {
  readonly backends: readonly BackendPlan[]
  /** Names of those whose weight of 0 is their source's word. */
  readonly idle: ReadonlySet<string>
}

type Backends = ({ readonly ok: true } & Made) | { readonly ok: false; readonly message: string }

function backendsOf(pool: PoolPlan, { members, overrides }: PlanInputs): Backends {
  const removed = new Set<string>()
  for (const { pool: name, backend } of overrides.removed) {
    if (name === pool.name) removed.add(backend)
  }
  const found = members.get(pool.name) ?? []
  const added = overrides.added.filter((backend) => backend.pool === pool.name)
  const all = pool.backends.filter(({ name }) => !removed.has(name))
  const idle = new Set<string>()
  if (found.length === 0 && added.length === 0) return { ok: true, backends: all, idle }
  const names = new Set(pool.backends.map(({ name }) => name))
  const comers = [
    ...found.map((member) => ({ member, isFound: true, isRemoved: removed.has(member.name) })),
    // Who adds a backend means it, also after somebody has removed one of that name.
    ...added.map((member) => ({ member, isFound: false, isRemoved: false })),
  ]
  for (const { member, isFound, isRemoved } of comers) {
    if (names.has(member.name)) continue
    names.add(member.name)
    if (isRemoved) continue
    const site = siteOf(pool, member)
    if (site === null) return { ok: false, message: noSite(pool, member) }
    const { name, address, weight = 1, zone = null } = member
    all.push({ name, slot: -1, address, weight, zone, site })
    if (isFound && weight === 0) idle.add(name)
  }
  // Where one alone serves, the order of sites goes before the order within them.
  if (pool.mode === 'active-standby') all.sort((one, two) => one.site - two.site)
  return { ok: true, backends: all, idle }
}

function siteOf(pool: PoolPlan, { site }: Member): number | null {
  if (pool.sites.length === 0) return -1
  const index = pool.sites.findIndex(({ name }) => name === site)
  return index < 0 ? null : index
}

function noSite(pool: PoolPlan, { name, site = null }: Member): string {
  const sites = pool.sites.map((one) => one.name).join(', ')
  const what = site === null ? 'names no site' : `names a site '${site}' that there is not`
  return `backend '${name}' of pool '${pool.name}' ${what}; the pool has ${sites}`
}

function weighed(
  pool: string,
  { backends, idle }: Made,
  { weights }: PlanOverrides,
): readonly BackendPlan[] {
  const own = new Map<string, WeightOverride['weight']>()
  for (const word of weights) if (word.pool === pool) own.set(word.backend, word.weight)
  if (own.size === 0) return backends
  return backends.map((backend) => {
    const word = own.get(backend.name)
    const isWeighed = word !== undefined && !idle.has(backend.name)
    return !isWeighed ? backend : { ...backend, weight: weightOf(word, backend.weight) }
  })
}

function weightOf({ kind, value }: WeightOverride['weight'], configured: number): number {
  if (kind === 'absolute') return value
  return Math.min(WEIGHT_MAX, Math.round(configured * value * 1e6) / 1e6)
}
