// The one place where the plan in force is made and changed: from what is configured, from the
// members that discovery has found, and from what operators have changed while it runs. Changes are
// carried out one after another; each is taken whole or not at all.
// Must never know where a change came from: reload, discovery and verbs say what they want here.

import { isDeepStrictEqual } from 'node:util'
import type { Member, PlanInputs, PlanOverrides } from '../core/effective-plan.ts'
import { NO_OVERRIDES, effectivePlan } from '../core/effective-plan.ts'
import type { Address, ListenerPlan, Plan } from '../core/plan.ts'
import type { FreedSlots } from '../core/snapshot.ts'
import type { GoneSlots, Room } from '../config/plan-slots.ts'
import {
  NONE_GONE,
  assignSlots,
  joinSlots,
  listenerKey,
  slotsLeft,
  withoutSlots,
} from '../config/plan-slots.ts'

/** What became of a wish. */
export interface KeeperResult {
  /** `refused`: the plan in force is what it was, and nothing of the wish is remembered. */
  readonly outcome: 'applied' | 'unchanged' | 'refused'
  /** Why it was refused, else empty. One sentence without a full stop. */
  readonly message: string
}

/** A plan that could come into force, or why it could not. */
export type Proposal =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly message: string }

/** The running process, as far as a change of plan concerns it. */
export interface KeeperPorts {
  /** Why the process can't go over to this plan now; `null` if it can. */
  refusal(plan: Plan): string | null
  /**
   * An address for a new listener: free, and with port 0 settled.
   * @param current the plan in force; an address of its listeners is ours, not somebody else's
   * @throws Error with the reason for an operator
   */
  settle(listener: ListenerPlan, current: Plan): Promise<ListenerPlan>
  /** What can fail without harm, before a plan is applied. @throws Error */
  prepare(plan: Plan): void
  /**
   * Goes over to a plan, and resolves when it holds everywhere; bounded in time.
   * @throws Error when a listener could not be opened: then the old plan is applied again
   */
  apply(plan: Plan): Promise<void>
  /** Something went wrong besides; one sentence without a full stop. */
  failed(what: string, error: unknown): void
}

export interface KeeperStart {
  /** As it was compiled. */
  readonly configured: Plan
  /** Known from the start, such as what a state file remembers. */
  readonly members?: ReadonlyMap<string, readonly Member[]>
  readonly overrides?: PlanOverrides
}

type Inputs = PlanInputs & { readonly configured: Plan }

interface Wish {
  /** A later wish of the same kind makes a waiting one pointless. */
  readonly kind: string
  readonly change: (inputs: Inputs) => Inputs
  readonly done: (result: KeeperResult) => void
}

const CONFIGURATION = 'configuration'
const SUPERSEDED = 'a later configuration took its place before it was begun'

export class PlanKeeper {
  #inputs: Inputs
  #plan: Plan
  #gone: GoneSlots = NONE_GONE
  #room: Room | null = null
  #ports: KeeperPorts | null = null
  #waiting: Wish[] = []
  #isBusy = false
  #stopped: string | null = null
  readonly #listeners = new Set<(plan: Plan) => void>()

  /** @throws Error when the members or added backends contradict the configuration */
  constructor({ configured, members = new Map(), overrides = NO_OVERRIDES }: KeeperStart) {
    // Whoever knows them goes on to change his own.
    this.#inputs = { configured, members: new Map(members), overrides }
    const composed = effectivePlan(configured, this.#inputs)
    if (!composed.ok) throw new Error(composed.message)
    const everything = { listeners: Infinity, pools: Infinity, slots: Infinity }
    const assigned = assignSlots(null, composed.plan, NONE_GONE, everything)
    if (!assigned.ok) throw new Error(assigned.message)
    this.#plan = assigned.plan
  }

  /** The plan in force: with slots, members, overrides and settled ports. */
  get plan(): Plan {
    return this.#plan
  }

  /** As configured, before anything was added or settled. */
  get configured(): Plan {
    return this.#inputs.configured
  }

  get overrides(): PlanOverrides {
    return this.#inputs.overrides
  }

  /** Whether a backend is configured or was discovered, whatever operators have made of it. */
  knows(pool: string, backend: string): boolean {
    const found = this.configured.pools.find(({ name }) => name === pool)
    if (found === undefined) return false
    // The read side has the members of the pool that it belongs to.
    const owner = this.configured.pools[found.replicasOf]?.name ?? pool
    return [...found.backends, ...this.members(owner)].some(({ name }) => name === backend)
  }

  members(pool: string): readonly Member[] {
    return this.#inputs.members.get(pool) ?? []
  }

  /** The first plan's listeners got these addresses, in its order. */
  settled(listeners: readonly Pick<ListenerPlan, 'address'>[]): void {
    const all = this.#plan.listeners.map((listener, i) => at(listener, listeners[i]!.address))
    this.#plan = { ...this.#plan, listeners: all }
  }

  /**
   * From here on changes are possible; those that were asked for before are carried out now.
   * @param room what the process has set aside
   */
  begin(room: Room, ports: KeeperPorts): void {
    this.#room = room
    this.#ports = ports
    void this.#work()
  }

  /** What discovery has found, by pool. */
  get allMembers(): ReadonlyMap<string, readonly Member[]> {
    return this.#inputs.members
  }

  /**
   * Another configuration. Of those that wait, the latest counts; earlier ones are refused.
   * @param recalled members that pools with discovery begin with of which nothing else is known
   */
  setConfigured(
    configured: Plan,
    recalled?: ReadonlyMap<string, readonly Member[]>,
  ): Promise<KeeperResult> {
    return this.#wish(CONFIGURATION, (inputs) => reconfigured(inputs, configured, recalled))
  }

  /**
   * All members of a pool that discovery knows now, in a stable order; they come after the
   * configured backends, which win over members of the same name. After a refusal, ask again.
   */
  setMembers(pool: string, members: readonly Member[]): Promise<KeeperResult> {
    const wasFound = isDiscovered(this.configured, pool)
    return this.#wish(`members ${pool}`, (inputs) => {
      // A configuration that came before has ended the discovery that speaks here.
      if (wasFound && !isDiscovered(inputs.configured, pool)) return inputs
      return { ...inputs, members: new Map([...inputs.members, [pool, members]]) }
    })
  }

  /** All overrides that are to hold; the answer may speak for a later call that came before. */
  setOverrides(overrides: PlanOverrides): Promise<KeeperResult> {
    return this.#wish('overrides', (inputs) => ({ ...inputs, overrides }))
  }

  /** What this configuration would come to, without a change. */
  async propose(configured: Plan): Promise<Proposal> {
    const proposal = this.#compose(reconfigured(this.#inputs, configured))
    if (!proposal.ok || this.#ports === null) return proposal
    const refusal = this.#ports.refusal(proposal.plan)
    if (refusal !== null) return { ok: false, message: refusal }
    try {
      return { ok: true, plan: await this.#settled(proposal.plan) }
    } catch (error) {
      return { ok: false, message: messageOf(error) }
    }
  }

  /** Rows of things that are gone may be given to others. */
  freed(slots: FreedSlots): void {
    this.#gone = withoutSlots(this.#gone, slots)
  }

  /** Calls `listener` with each plan once it is in force; returns how to stop that. */
  onApplied(listener: (plan: Plan) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Refuses everything that is asked for from now on, and what waits. */
  stop(reason: string): void {
    this.#stopped = reason
    for (const { done } of this.#waiting.splice(0)) done(refused(reason))
  }

  #wish(kind: string, change: Wish['change']): Promise<KeeperResult> {
    if (this.#stopped !== null) return Promise.resolve(refused(this.#stopped))
    const earlier = this.#waiting.filter((wish) => wish.kind === kind)
    this.#waiting = this.#waiting.filter((wish) => wish.kind !== kind)
    return new Promise((resolve) => {
      const done = (result: KeeperResult): void => {
        resolve(result)
        // Members and overrides are told whole: the later ones hold what the earlier ones said.
        for (const wish of earlier) if (kind !== CONFIGURATION) wish.done(result)
      }
      for (const wish of earlier) if (kind === CONFIGURATION) wish.done(refused(SUPERSEDED))
      this.#waiting.push({ kind, change, done })
      void this.#work()
    })
  }

  async #work(): Promise<void> {
    if (this.#isBusy || this.#ports === null) return
    this.#isBusy = true
    for (let wish = this.#waiting.shift(); wish !== undefined; wish = this.#waiting.shift()) {
      wish.done(await this.#carryOut(wish.change(this.#inputs)))
    }
    this.#isBusy = false
  }

  async #carryOut(inputs: Inputs): Promise<KeeperResult> {
    const ports = this.#ports!
    try {
      const composed = this.#compose(inputs)
      if (!composed.ok) return refused(composed.message)
      if (isDeepStrictEqual(composed.plan, this.#plan)) {
        this.#inputs = inputs
        return { outcome: 'unchanged', message: '' }
      }
      const refusal = ports.refusal(composed.plan)
      if (refusal !== null) return refused(refusal)
      const plan = await this.#settled(composed.plan)
      // While the addresses were tried, a move may have begun.
      const second = ports.refusal(plan) ?? this.#stopped
      if (second !== null) return refused(second)
      ports.prepare(plan)
      await this.#goOver(plan)
      this.#inputs = inputs
    } catch (error) {
      return refused(messageOf(error))
    }
    this.#announce()
    return { outcome: 'applied', message: '' }
  }

  #announce(): void {
    for (const listener of this.#listeners) {
      try {
        listener(this.#plan)
      } catch (error) {
        // The plan holds all the same, and the others must learn of it.
        this.#ports!.failed('whoever follows the plan met an error', error)
      }
    }
  }

  #compose(inputs: Inputs): Proposal {
    const composed = effectivePlan(inputs.configured, inputs)
    if (!composed.ok) return composed
    const next = { ...composed.plan, listeners: this.#keepPorts(inputs.configured.listeners) }
    const room = this.#room ?? { listeners: Infinity, pools: Infinity, slots: Infinity }
    return assignSlots(this.#plan, next, this.#gone, room)
  }

  /** Listeners that are kept as configured keep the ports they got. */
  #keepPorts(next: readonly ListenerPlan[]): readonly ListenerPlan[] {
    const known = new Set(this.#inputs.configured.listeners.map(listenerKey))
    const running = new Map(this.#plan.listeners.map(({ name, address }) => [name, address]))
    return next.map((listener) => {
      const address = known.has(listenerKey(listener)) ? running.get(listener.name) : undefined
      return address === undefined ? listener : { ...listener, address }
    })
  }

  async #settled(plan: Plan): Promise<Plan> {
    const before = new Set(this.#plan.listeners.map(({ slot }) => slot))
    const listeners: ListenerPlan[] = []
    for (const listener of plan.listeners) {
      const isNew = !before.has(listener.slot)
      listeners.push(isNew ? await this.#ports!.settle(listener, this.#plan) : listener)
    }
    return { ...plan, listeners }
  }

  async #goOver(plan: Plan): Promise<void> {
    const before = this.#plan
    this.#enter(plan)
    try {
      await this.#ports!.apply(plan)
    } catch (error) {
      // Whoever is being stopped needs no plan any more.
      if (this.#stopped === null) await this.#goBack(before)
      throw error
    }
  }

  // What the failed plan has let go is gone with its rows: it comes back as something new.
  async #goBack(before: Plan): Promise<void> {
    const back = assignSlots(this.#plan, before, this.#gone, this.#room!)
    try {
      if (!back.ok) throw new Error(back.message)
      this.#enter(back.plan)
      this.#ports!.prepare(back.plan)
      await this.#ports!.apply(back.plan)
    } catch (error) {
      this.#ports!.failed('the plan before could not be restored; restart Evenkeel', error)
    }
  }

  #enter(plan: Plan): void {
    this.#gone = joinSlots(this.#gone, slotsLeft(this.#plan, plan))
    this.#plan = plan
  }
}

/** @param recalled what pools with discovery begin with of which nothing else is known */
function reconfigured(
  inputs: Inputs,
  configured: Plan,
  recalled: ReadonlyMap<string, readonly Member[]> = new Map(),
): Inputs {
  const members = new Map<string, readonly Member[]>()
  for (const { name, discovery } of configured.pools) {
    const again = discovery === undefined ? undefined : recalled.get(name)
    const known = inputs.members.get(name) ?? again
    // Nobody speaks any more for the members of a pool that has lost its discovery.
    const isLost = discovery === undefined && isDiscovered(inputs.configured, name)
    if (known !== undefined && !isLost) members.set(name, known)
  }
  return { ...inputs, configured, members }
}

function isDiscovered({ pools }: Plan, name: string): boolean {
  return pools.some((pool) => pool.name === name && pool.discovery !== undefined)
}

function at(listener: ListenerPlan, address: Address): ListenerPlan {
  return { ...listener, address }
}

function refused(message: string): KeeperResult {
  return { outcome: 'refused', message }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
