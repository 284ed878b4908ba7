// Runs the sources of all pools and hands what they find to whoever makes the plan. Changes are
// gathered for a moment, so that a roll-out is a few new plans and not one per container.
// Must never remove a backend by itself: what a source's word means is core/membership-source.ts.

import type { Clock, Timers } from '../core/clock.ts'
import type { EventBody } from '../core/events.ts'
import { mergeMembers, membersOf } from '../core/membership.ts'
import type { Found, Member } from '../core/membership.ts'
import { firstState, hasAnswered, hear, judged, recalledState } from '../core/membership-source.ts'
import type { SourceNews, SourceState, SourceWord } from '../core/membership-source.ts'
import type { Address, DiscoveryPlan, Plan, PoolPlan } from '../core/plan.ts'
import type { SourcePlan } from '../core/source-plan.ts'
import type { Random } from '../core/random.ts'
import type { DiscoveryStatus, PoolStatus } from '../core/status.ts'
import { type Filtered, filterFound, ownAddresses } from '../discover/address-filter.ts'
import type { Source, SourceHost } from '../discover/contract.ts'
import { describeSource, newsText, recalledText, statusOf } from './discovery-text.ts'
import type { Answered, Recalled } from './kept-members.ts'

export interface DiscoveryPorts {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Makes the source of a pool that a plan describes. */
  open(pool: string, plan: SourcePlan, host: SourceHost): Source
  /** IP addresses of this machine. */
  machine(): readonly string[]
  publish(event: EventBody): void
  /** All members of a pool; tells why they could not be taken, `null` if they were. */
  setMembers(pool: string, members: readonly Member[]): Promise<string | null>
  /** A source has given a good answer. @param isNews something else than before, or for the first time */
  answered(isNews: boolean): void
}

/** What a process before this one knew of a source; `null`: nothing. */
type Recall = (pool: string, source: SourcePlan) => Recalled | null

/** Changes within this time are one. */
const GATHER_MS = 100
/** Two new plans of a pool are at least this far apart. */
const APART_MS = 1_000
/** How soon a source has to say something before what was known in an earlier process is taken. */
const RECALL_MS = 900
/** How soon members that were refused are offered again. */
const AGAIN_MS = 5_000
/** DNS servers and their caches may leave somebody out once: two answers in a row have to agree. */
const DNS_AGREEING = 2

interface Running {
  readonly plan: SourcePlan
  readonly source: Source
  readonly counts: { failures: number; changes: number }
  state: SourceState
  /** As it was said, and when; `null` before the first. */
  last: { readonly word: SourceWord; readonly atMs: number } | null
}

export class Discovery {
  readonly #ports: DiscoveryPorts
  readonly #pools = new Map<string, PoolDiscovery>()
  readonly #waiting = new Set<() => void>()

  constructor(ports: DiscoveryPorts) {
    this.#ports = ports
  }

  /**
   * Looks after the pools of this plan from now on; sources that are in it unchanged go on.
   * @param known the members of a pool that it has not looked after until now: they stay until its
   *   sources have answered
   * @param recall for sources that it has not looked after until now
   */
  adopt(
    plan: Plan,
    known: (pool: string) => readonly Member[] = () => [],
    recall: Recall = () => null,
  ): void {
    const own = ownAddresses(plan)
    const wanted = new Map(plan.pools.map((pool) => [pool.name, pool]))
    for (const [name, running] of this.#pools) {
      if (wanted.get(name)?.discovery !== undefined) continue
      running.stop()
      this.#pools.delete(name)
    }
    for (const pool of plan.pools) {
      if (pool.discovery === undefined) continue
      let running = this.#pools.get(pool.name)
      if (running === undefined) {
        running = new PoolDiscovery(pool.name, this.#ports, known(pool.name), () => this.#settle())
        this.#pools.set(pool.name, running)
      }
      running.adopt(pool, pool.discovery, { own, recall })
    }
  }

  stop(): void {
    for (const pool of this.#pools.values()) pool.stop()
    this.#pools.clear()
    this.#settle()
  }

  /** Resolves when each source has said something and its members are taken, or after `ms`. */
  firstWords(ms: number): Promise<void> {
    if (this.#isSettled()) return Promise.resolve()
    return new Promise((resolve) => {
      const { timers } = this.#ports
      const done = (): void => {
        timers.clear(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = timers.set(ms, done)
      this.#waiting.add(done)
    })
  }

  /** By pool what its sources have told; no seeds. */
  get found(): ReadonlyMap<string, readonly Member[]> {
    return new Map([...this.#pools].map(([name, pool]) => [name, pool.found()]))
  }

  /** The last good answers, of sources that have given one. */
  get answers(): readonly Answered[] {
    return [...this.#pools].flatMap(([pool, running]) => running.answers(pool))
  }

  /** The pools as people are shown them: with where their backends come from. */
  dress(pools: readonly PoolStatus[]): readonly PoolStatus[] {
    if (this.#pools.size === 0) return pools
    return pools.map((pool) => {
      const running = this.#pools.get(pool.name)
      return running === undefined ? pool : { ...pool, discovery: running.status() }
    })
  }

  #isSettled(): boolean {
    return [...this.#pools.values()].every((pool) => pool.isSettled)
  }

  #settle(): void {
    if (!this.#isSettled()) return
    for (const done of this.#waiting) done()
  }
}

/** The sources of one pool. */
class PoolDiscovery {
  readonly #pool: string
  readonly #ports: DiscoveryPorts
  readonly #settled: () => void
  #plan: DiscoveryPlan | null = null
  #configured: PoolPlan['backends'] = []
  #own: readonly Address[] = []
  #running: readonly Running[] = []
  /** What sources knew that a reload has replaced, until those in their place have answered. */
  #left: readonly Member[]
  #timer: unknown = null
  #dueMs = Infinity
  #toldMs = -Infinity
  #isTelling = false
  #isStopped = false
  /** Members are on their way to the plan, or wait to be. */
  #isBehind = false
  #refusal: string | null = null

  constructor(pool: string, ports: DiscoveryPorts, known: readonly Member[], settled: () => void) {
    this.#pool = pool
    this.#ports = ports
    this.#left = known
    this.#settled = settled
  }

  /** Each source has said something, and what follows from it has been done. */
  get isSettled(): boolean {
    const isSilent = this.#running.some(({ state }) => {
      return !hasAnswered(state) && state.trouble === null
    })
    return !isSilent && (!this.#isBehind || this.#refusal !== null)
  }

  adopt(
    pool: PoolPlan,
    plan: DiscoveryPlan,
    { own, recall }: { readonly own: readonly Address[]; readonly recall: Recall },
  ): void {
    const isFirst = this.#plan === null
    // A plan also comes with each change of members: then there is nothing to do.
    const isSame = isSameJson(this.#plan, plan) && isSameJson(this.#configured, pool.backends)
    const isOwnSame = isSameJson(this.#own, own)
    const areRulesSame = isOwnSame && isSameJson(rulesOf(this.#plan), rulesOf(plan))
    this.#plan = plan
    this.#configured = pool.backends
    this.#own = own
    if (isSame && isOwnSame) return
    const before = this.#running
    const kept = new Set<Running>()
    const next: (Running | SourcePlan)[] = plan.sources.map((source) => {
      const same = before.find((one) => isSameJson(one.plan, source))
      if (same !== undefined) kept.add(same)
      return same ?? source
    })
    const replaced = before.filter((one) => !kept.has(one))
    for (const { source } of replaced) source.stop()
    this.#left = [...this.#left, ...replaced.flatMap(({ state }) => state.members)]
    const fresh: Running[] = []
    this.#running = next.map((one) => {
      if ('source' in one) return one
      const running = this.#open(one, recall)
      fresh.push(running)
      return running
    })
    if (!areRulesSame) for (const running of kept) this.#hearAgain(running)
    // They may have been found by other rules.
    if (isFirst) this.#left = this.#filter(this.#left, plan.sources).found
    const isRecalled = fresh.some(({ state }) => state.isRecalled)
    if (!isFirst || this.#left.length > 0) this.#change()
    else if (isRecalled) this.#change(RECALL_MS)
    else if (plan.seed.length > 0) this.#change()
    for (const { source } of fresh) source.start()
  }

  stop(): void {
    this.#isStopped = true
    this.#ports.timers.clear(this.#timer)
    for (const { source } of this.#running) source.stop()
    this.#running = []
  }

  status(): readonly DiscoveryStatus[] {
    const nowMs = this.#ports.clock.nowMs()
    return this.#running.map(({ plan, state, counts }) => {
      return statusOf(plan, state, { ...counts, refusal: this.#refusal, nowMs })
    })
  }

  answers(pool: string): readonly Answered[] {
    return this.#running.flatMap(({ plan: source, state: { answeredMs, members } }) => {
      const isKnown = answeredMs !== null && members.length > 0
      return isKnown ? [{ pool, source, answeredMs, members }] : []
    })
  }

  #open(plan: SourcePlan, recall: Recall): Running {
    const { clock, timers, random } = this.#ports
    const tell = (word: SourceWord): { unsure: boolean } => this.#hear(running, word)
    const source = this.#ports.open(this.#pool, plan, { clock, timers, random, tell })
    const nowMs = clock.nowMs()
    const recalled = recall(this.#pool, plan)
    const state =
      recalled === null
        ? firstState(nowMs)
        : this.#recallBy(recalledState(recalled.members, nowMs - recalled.ageMs, nowMs), plan)
    const counts = { failures: 0, changes: 0 }
    const running: Running = { plan, source, counts, state, last: null }
    return running
  }

  /** What is recalled may have been found by other rules. */
  #recallBy(state: SourceState, plan: SourcePlan): SourceState {
    const { found } = this.#filter(state.members, [plan])
    return judged(state, membersOf(found).slice(0, this.#plan!.membersMax))
  }

  #hear(running: Running, word: SourceWord): { unsure: boolean } {
    const atMs = this.#ports.clock.nowMs()
    running.last = { word, atMs }
    const isFirst = !hasAnswered(running.state)
    const step = this.#take(running, running.plan.kind === 'dns' ? DNS_AGREEING : 1)
    const { state } = running
    const isNews = step.changed || (isFirst && hasAnswered(state))
    if (state.failures > 0) running.counts.failures++
    else this.#ports.answered(isNews)
    // One that fails says nothing better than what is recalled.
    if (isNews || (state.isRecalled && this.#isBehind)) this.#change()
    else this.#settled()
    return { unsure: step.unsure }
  }

  /** By other rules: a file, or a service that nobody changes, may say nothing new for weeks. */
  #hearAgain(running: Running): void {
    if (running.state.isRecalled) running.state = this.#recallBy(running.state, running.plan)
    const { last, state } = running
    if (last?.word.kind !== 'answer') return
    // It is no second answer: whoever may be gone is still asked for once more.
    const agreeing = state.missing.size > 0 ? DNS_AGREEING : 1
    running.state = { ...state, missing: new Map() }
    this.#take(running, agreeing)
  }

  /** What follows from the last word of a source. */
  #take(running: Running, agreeing: number): { changed: boolean; unsure: boolean } {
    const { membersMax, allowEmpty } = this.#plan!
    const { word, atMs } = running.last!
    const rules = { membersMax, allowEmpty, agreeing }
    const step = hear(running.state, this.#filtered(running, word), rules, atMs)
    running.state = step.state
    if (step.changed) running.counts.changes++
    if (step.news !== null) this.#announce(running, step.news)
    return step
  }

  #filtered({ plan }: Running, word: SourceWord): SourceWord {
    if (word.kind !== 'answer') return word
    const { found, refused } = this.#filter(word.found, [plan])
    return { ...word, found, refused: [...word.refused, ...refused] }
  }

  /** A file is written by somebody who may write here what he likes; others may be misled. */
  #filter<T extends Found>(found: readonly T[], sources: readonly SourcePlan[]): Filtered<T> {
    const isFile = sources.some(({ kind }) => kind === 'file')
    const allow = this.#plan!.allow ?? (isFile ? EVERYTHING : null)
    return filterFound(found, { allow, own: this.#own, machine: this.#ports.machine() })
  }

  #announce({ plan, state }: Running, news: SourceNews): void {
    const source = describeSource(plan)
    const nowMs = this.#ports.clock.nowMs()
    const message = newsText(this.#pool, source, { news, state, nowMs })
    this.#ports.publish({ kind: 'discovery', news: { pool: this.#pool, source, ...news, message } })
  }

  /** Members as the sources know them now. */
  found(): readonly Member[] {
    const lists = this.#running.map(({ state }) => state.members)
    // A source that has said nothing yet takes nobody away.
    if (this.#running.every(({ state }) => hasAnswered(state))) this.#left = []
    return mergeMembers(this.#configured, [...lists, this.#left])
  }

  /** The same; seeds until one of them knows anything. */
  #members(): readonly Member[] {
    const found = this.found()
    const isKnown = this.#running.some(({ state }) => state.answeredMs !== null)
    if (isKnown || this.#left.length > 0) return found
    const seeds = this.#plan!.seed.map((address) => {
      return { name: null, address, weight: 1, zone: null }
    })
    return mergeMembers(this.#configured, [membersOf(seeds)])
  }

  #change(ms = GATHER_MS): void {
    this.#isBehind = true
    this.#tellIn(ms)
  }

  #tellIn(ms: number): void {
    if (this.#isStopped || this.#isTelling) return
    const nowMs = this.#ports.clock.nowMs()
    const dueMs = Math.max(nowMs + ms, this.#toldMs + APART_MS)
    if (dueMs >= this.#dueMs) return
    this.#ports.timers.clear(this.#timer)
    this.#dueMs = dueMs
    this.#timer = this.#ports.timers.set(dueMs - nowMs, () => void this.#tell())
  }

  async #tell(): Promise<void> {
    this.#dueMs = Infinity
    this.#isTelling = true
    this.#isBehind = false
    const isFirst = this.#toldMs === -Infinity
    this.#toldMs = this.#ports.clock.nowMs()
    if (isFirst && this.#left.length === 0) this.#tellRecalled(this.#toldMs)
    const refusal = await this.#ports.setMembers(this.#pool, this.#members())
    this.#isTelling = false
    if (this.#isStopped) return
    if (refusal !== null && refusal !== this.#refusal) {
      const message = `the members of pool ${this.#pool} could not be taken: ${refusal}`
      this.#ports.publish({ kind: 'warning', message, fields: { pool: this.#pool } })
    }
    this.#refusal = refusal
    if (refusal !== null) this.#isBehind = true
    if (this.#isBehind) this.#tellIn(refusal === null ? GATHER_MS : AGAIN_MS)
    this.#settled()
  }

  #tellRecalled(nowMs: number): void {
    const pool = this.#pool
    for (const { plan, state } of this.#running) {
      // One that fails has been told of.
      if (!state.isRecalled || state.trouble !== null) continue
      const message = recalledText(pool, describeSource(plan), { state, nowMs })
      this.#ports.publish({ kind: 'warning', message, fields: { pool } })
    }
  }
}

const EVERYTHING = ['0.0.0.0/0', '::/0'] as const

/** By what an answer is judged. */
function rulesOf(plan: DiscoveryPlan | null): unknown {
  return plan && [plan.allow, plan.membersMax, plan.allowEmpty]
}

function isSameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
