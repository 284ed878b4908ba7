// The discovery of a running process: begins before the balancer does, so that it can start with
// members, and hands later ones to the keeper of the plan.

import { networkInterfaces } from 'node:os'
import type { Member as PlanMember } from '../core/effective-plan.ts'
import type { EventBody } from '../core/events.ts'
import type { Member } from '../core/membership.ts'
import type { Plan } from '../core/plan.ts'
import { seededRandom } from '../core/random.ts'
import type { SourcePlan } from '../core/source-plan.ts'
import type { PoolStatus } from '../core/status.ts'
import type { MemberStore } from '../ha/member-file.ts'
import { systemClock, systemTimers } from './clock.ts'
import { Discovery } from './discovery.ts'
import { openSource } from './discovery-sources.ts'
import { KeptMembers } from './kept-members.ts'
import type { PlanKeeper } from './plan-keeper.ts'

/** How long first answers may hold up the start. */
const FIRST_WORDS_MS = 1_000

export class RunningDiscovery {
  /** What is known of each pool, as long as nobody else keeps it. */
  readonly #members = new Map<string, readonly Member[]>()
  readonly #discovery: Discovery
  readonly #kept: KeptMembers
  #keeper: PlanKeeper | null = null
  #publish: ((event: EventBody) => void) | null = null
  #untold: EventBody[] = []

  constructor(store: MemberStore) {
    const clock = systemClock()
    const publish = (event: EventBody): void => {
      if (this.#publish === null) this.#untold.push(event)
      else this.#publish(event)
    }
    const ports = { clock, timers: systemTimers, wallMs: () => Date.now(), publish }
    this.#kept = new KeptMembers(store, ports, () => this.#discovery.answers)
    this.#discovery = new Discovery({
      clock,
      random: seededRandom(Math.floor(Math.random() * 2 ** 31)),
      timers: systemTimers,
      open: openSource,
      machine: machineAddresses,
      publish,
      setMembers: (pool, members) => this.#setMembers(pool, members),
      answered: (isNews) => this.#kept.answered(isNews),
    })
  }

  /**
   * Asks all sources of a plan; resolves when each has said something, or soon.
   * @param known what was found before, by pool: it stays until its sources have answered
   * @param store what sources said to processes before this one
   */
  static async start(
    plan: Plan,
    known: ReadonlyMap<string, readonly Member[]>,
    store: MemberStore,
  ): Promise<RunningDiscovery> {
    const running = new RunningDiscovery(store)
    const recall = (pool: string, source: SourcePlan) => running.#kept.recall(pool, source)
    running.#discovery.adopt(plan, (pool) => known.get(pool) ?? [], recall)
    const found = plan.pools.filter(({ discovery }) => discovery !== undefined)
    running.#kept.tellUnused(new Set(found.map(({ name }) => name)))
    await running.#discovery.firstWords(FIRST_WORDS_MS)
    return running
  }

  /** By name of the pool. */
  get members(): ReadonlyMap<string, readonly Member[]> {
    return this.#members
  }

  /** What sources have told, by pool; no seeds. For a process that follows this one. */
  get found(): ReadonlyMap<string, readonly Member[]> {
    return this.#discovery.found
  }

  /** From here on members change the plan in force, and everything is announced. */
  begin(keeper: PlanKeeper, publish: (event: EventBody) => void): void {
    this.#keeper = keeper
    this.#publish = publish
    for (const event of this.#untold.splice(0)) publish(event)
    for (const [pool, members] of this.#members) void this.#setMembers(pool, members)
    this.#members.clear()
    // As configured, so that what was found isn't taken for what is configured; with the ports that
    // listeners really have.
    const follow = (): void => {
      const plan = { ...keeper.configured, listeners: keeper.plan.listeners }
      // A configuration that was taken back brings its members along, which are better than seeds.
      this.#discovery.adopt(plan, (pool) => keeper.members(pool).map(whole))
    }
    keeper.onApplied(follow)
    follow()
  }

  /** The pools with where their backends come from. */
  show(pools: readonly PoolStatus[]): readonly PoolStatus[] {
    return this.#discovery.dress(pools)
  }

  stop(): void {
    this.#kept.stop()
    this.#discovery.stop()
  }

  async #setMembers(pool: string, members: readonly Member[]): Promise<string | null> {
    if (this.#keeper === null) {
      this.#members.set(pool, members)
      return null
    }
    const { outcome, message } = await this.#keeper.setMembers(pool, members)
    return outcome === 'refused' ? message : null
  }
}

function whole({ name, address, weight = 1, zone = null }: PlanMember): Member {
  return { name, address, weight, zone }
}

/** IP addresses of this machine, now. */
function machineAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) => list?.map((one) => one.address) ?? [])
}
