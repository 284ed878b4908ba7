// Carries out what operators change about backends while Evenkeel runs, keeps it over reloads and
// restarts, and shows who changed what, when and why. One change after another; each holds from the
// moment it is answered.
// Must never judge whether a backend can be spared: the control plane does.

import { isDeepStrictEqual } from 'node:util'
import type { PlanOverrides } from '../core/effective-plan.ts'
import type { Result } from '../core/override-refusal.ts'
import { noBackend, noPool } from '../core/override-refusal.ts'
import type { OverrideAnswer, OverrideRequest, OverrideWish } from '../core/override-request.ts'
import type { AdminWord, BackendOverride, OverrideChange, Overrides } from '../core/overrides.ts'
import {
  adminWordOf,
  changeOverride,
  describeOverride,
  describeWeight,
  findOverride,
  settleOverrides,
  wordReason,
} from '../core/overrides.ts'
import type { Plan, PoolPlan } from '../core/plan.ts'
import type { PoolStatus, Signature } from '../core/status.ts'
import type { OverrideStore } from '../ha/override-file.ts'
import { showOverrides } from './override-view.ts'
import { applicable, wishedMember } from './override-members.ts'

export interface OverridePorts {
  /** The plan in force. */
  readonly plan: () => Plan
  /** As configured, with what discovery found, before anything was overridden. */
  readonly exists: (pool: string, backend: string) => boolean
  setAdminStates(pool: string, backends: readonly string[], word: AdminWord, force: boolean): Result
  /** Whether these can be taken out of the pool without force. */
  maySpare(pool: string, backends: readonly string[]): Result
  /** Goes over to a plan with these. */
  readonly setPlanOverrides: (
    overrides: PlanOverrides,
  ) => Promise<{ readonly outcome: 'applied' | 'unchanged' | 'refused'; readonly message: string }>
  readonly drains: {
    begin(pool: string, backend: string, cutAfterMs: number | null): void
    resume(pool: string, backend: string): void
    end(pool: string, backend: string): void
    isDrained(pool: string, backend: string): boolean
    stop(): void
  }
  /** Attempts and tunnels in progress. */
  inFlight(pool: string, backend: string): number
  /** Wall clock, ms since 1970. */
  wallMs(): number
  warn(message: string, fields: Readonly<Record<string, unknown>>): void
}

type Wish<V extends OverrideWish['verb']> = OverrideRequest & Extract<OverrideWish, { verb: V }>
type Refused = Extract<OverrideAnswer, { ok: false }>

export class RunningOverrides {
  readonly #store: OverrideStore
  readonly #ports: OverridePorts
  #overrides: Overrides
  /** The change under way; the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve()
  #saving: Promise<void> = Promise.resolve()
  /** What makers of the plan were told last. */
  #told: PlanOverrides
  /** Those that have no effect, and somebody knows: `pool/backend`. */
  #idle: ReadonlySet<string> = new Set()
  #isStopped = false

  constructor(store: OverrideStore, ports: OverridePorts) {
    this.#store = store
    this.#ports = ports
    this.#overrides = store.loaded.overrides
    this.#told = applicable(this.#overrides, ports.plan()).wished
  }

  /** All of them, sorted by pool and backend. */
  get all(): Overrides {
    return this.#overrides
  }

  /** What was said of a backend that has just come (again). */
  recall(pool: string, backend: string): AdminWord | null {
    const found = findOverride(this.#overrides, pool, backend)
    return found === null ? null : adminWordOf(found)
  }

  /** The process has started: what was kept holds from now on, and is followed. */
  begin(): void {
    for (const line of this.#store.loaded.warnings) this.#ports.warn(line, {})
    for (const { pool, backend, admin } of this.#overrides) {
      if (admin !== null && this.#isThere(pool, backend)) this.#ports.drains.resume(pool, backend)
    }
    this.replanned()
  }

  /** Another plan is in force: backends may have come or gone. */
  replanned(): void {
    const { left } = applicable(this.#overrides, this.#ports.plan())
    const idle = new Set(left.map(({ pool, backend }) => `${pool}/${backend}`))
    for (const one of left) {
      if (this.#idle.has(`${one.pool}/${one.backend}`)) continue
      this.#warn({ ...one, admin: null }, 'has no effect: its pool has no place for it any more')
    }
    this.#idle = idle
    this.#settle()
    // What is forgotten here must not come back with its pool.
    const { wished } = applicable(this.#overrides, this.#ports.plan())
    if (!isDeepStrictEqual(wished, this.#told)) this.#last = this.#last.then(() => this.#tell())
  }

  #settle(): void {
    const exists = (pool: string, backend: string): boolean =>
      this.#isThere(pool, backend) || this.#ports.exists(pool, backend)
    const settled = settleOverrides(this.#overrides, exists, this.#ports.wallMs())
    const { overrides, gone, back, dropped } = settled
    if (gone.length + back.length + dropped.length === 0) return
    this.#overrides = overrides
    for (const one of gone) {
      this.#ports.drains.end(one.pool, one.backend)
      this.#warn(one, 'is kept for 7 days, though there is no such backend')
    }
    for (const one of back) {
      if (one.admin !== null) this.#ports.drains.resume(one.pool, one.backend)
    }
    for (const one of dropped) this.#warn(one, 'is forgotten: its backend has been gone for 7 days')
    void this.#saveQuietly()
  }

  /** Carries out what an operator asks for, after what was asked for before. */
  change(request: OverrideRequest): Promise<OverrideAnswer> {
    const done = this.#last.then(() => this.#carryOut(request))
    this.#last = done.catch(() => {})
    return done
  }

  /** The status with what is overridden. */
  show(pools: readonly PoolStatus[]): readonly PoolStatus[] {
    if (this.#overrides.length === 0) return pools
    const isDrained = (pool: string, backend: string): boolean =>
      this.#ports.drains.isDrained(pool, backend)
    return showOverrides(pools, this.#overrides, isDrained, this.#ports.wallMs())
  }

  /** Follows nothing any more, and waits until the change under way is kept. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#ports.drains.stop()
    await this.#last
    await this.#saving
  }

  #carryOut(request: OverrideRequest): OverrideAnswer | Promise<OverrideAnswer> {
    const pool = this.#ports.plan().pools.find(({ name }) => name === request.pool)
    if (pool === undefined) {
      const names = this.#ports.plan().pools.map(({ name }) => name)
      return refusedFor(noPool(request.pool, names))
    }
    if (pool.replicasOf >= 0) {
      const main = this.#ports.plan().pools[pool.replicasOf]!.name
      const message = `pool '${pool.name}' is the read side of pool '${main}': change the backend there, and its reads follow`
      return refusal(message)
    }
    switch (request.verb) {
      case 'drain':
      case 'maintenance':
        return this.#takeOut(request)
      case 'enable':
        return this.#enable(request)
      case 'weight':
        return this.#weigh(request, pool)
      default:
        return this.#changeMember(request, pool)
    }
  }

  async #takeOut(request: Wish<'drain' | 'maintenance'>): Promise<OverrideAnswer> {
    const { pool, verb, force, cutAfterMs, by, reason } = request
    const backends = [...new Set(request.backends)]
    const state = verb === 'drain' ? 'drain' : 'maint'
    const word = { state, reason: wordReason({ by, reason }) } as const
    const result = this.#ports.setAdminStates(pool, backends, word, force)
    if (!result.ok) return refusedFor(result)
    for (const backend of backends) {
      this.#apply(pool, backend, { admin: { state, ...this.#sign(request) } })
      this.#ports.drains.begin(pool, backend, cutAfterMs)
    }
    let running = 0
    for (const backend of backends) running += this.#ports.inFlight(pool, backend)
    const may = verb === 'drain' ? 'may finish' : 'may finish or move elsewhere'
    const rest = running === 0 ? 'nothing runs there' : `${running} in flight ${may}`
    return this.#kept(`${listOf(pool, backends)}: no new requests; ${rest}`)
  }

  async #enable(request: Wish<'enable'>): Promise<OverrideAnswer> {
    const { pool } = request
    const backends = [...new Set(request.backends)]
    const word = { state: 'ready', reason: '' } as const
    const result = this.#ports.setAdminStates(pool, backends, word, false)
    if (!result.ok) return refusedFor(result)
    const out = backends.filter((backend) => {
      return (findOverride(this.#overrides, pool, backend)?.admin ?? null) !== null
    })
    for (const backend of out) {
      this.#apply(pool, backend, { admin: null })
      this.#ports.drains.end(pool, backend)
    }
    const were = backends.length === 1 ? 'was' : 'were'
    if (out.length === 0) return this.#kept(`${listOf(pool, backends)}: ${were} not taken out`)
    return this.#kept(`${listOf(pool, out)}: back, as far as checks and traffic allow`)
  }

  /** Makers of the plan are to know what is known here. */
  async #tell(): Promise<void> {
    const { wished } = applicable(this.#overrides, this.#ports.plan())
    if (this.#isStopped || isDeepStrictEqual(wished, this.#told)) return
    const { outcome, message } = await this.#ports.setPlanOverrides(wished)
    if (outcome !== 'refused') this.#told = wished
    // With the next plan it is tried again.
    else if (!this.#isStopped) this.#ports.warn(`overrides do not hold yet: ${message}`, {})
  }

  async #weigh(request: Wish<'weight'>, plan: PoolPlan): Promise<OverrideAnswer> {
    const { pool, backend, weight, force } = request
    const own = plan.backends.find(({ name }) => name === backend)
    if (own === undefined) return refusedFor(noBackend(pool, backend, namesOf(plan)))
    if (plan.mode === 'active-standby') {
      return refusal(
        `pool '${pool}' is active-standby: one backend at a time serves it, so weights change nothing; use switchover or drain`,
      )
    }
    if (weight?.value === 0 && !force) {
      const spare = this.#ports.maySpare(pool, [backend])
      if (!spare.ok) return refusedFor(spare)
    }
    const wished = weight === null ? null : { wish: weight, ...this.#sign(request) }
    const failure = await this.#replan(pool, backend, { weight: wished })
    if (failure !== null) return failure
    const what = weight === null ? 'as configured' : describeWeight(weight)
    const rest = this.#isIdle(request) ? ', as soon as its source gives it one: until then 0' : ''
    return this.#kept(`${pool}/${backend}: weight ${what}${rest}`)
  }

  /** A weight was given to a backend that is about to go, or not ready. */
  #isIdle({ pool, backend, weight }: Wish<'weight'>): boolean {
    if (weight?.kind !== 'absolute' || weight.value === 0) return false
    const now = this.#ports.plan().pools.find(({ name }) => name === pool)
    return now?.backends.find(({ name }) => name === backend)?.weight === 0
  }

  async #changeMember(request: Wish<'add' | 'remove'>, plan: PoolPlan): Promise<OverrideAnswer> {
    const { pool, backend } = request
    const said = findOverride(this.#overrides, pool, backend)?.member?.wish ?? null
    // Who was added may be configured by now, and who was removed may be gone: then it says nothing.
    const isKnown = this.#ports.exists(pool, backend)
    const now = said !== null && (said.kind === 'removed') === isKnown ? said : null
    const wished = wishedMember(request, plan, now)
    if (!wished.ok) return wished
    if (request.verb === 'remove' && !request.force) {
      const spare = this.#ports.maySpare(pool, [backend])
      if (!spare.ok) return refusedFor(spare)
    }
    const member = wished.wish === null ? null : { wish: wished.wish, ...this.#sign(request) }
    const wasOut = (findOverride(this.#overrides, pool, backend)?.admin ?? null) !== null
    // What was said of the one that goes does not hold for whoever comes under its name.
    const failure = await this.#replan(pool, backend, { admin: null, weight: null, member })
    if (failure !== null) return failure
    // Discovery may have found one just before.
    if (wasOut && this.#isThere(pool, backend)) {
      this.#ports.setAdminStates(pool, [backend], { state: 'ready', reason: '' }, true)
    }
    this.#ports.drains.end(pool, backend)
    return this.#kept(`${pool}/${backend}: ${wished.says}`)
  }

  /** Goes over to the plan that follows from a change; takes the change over if that works. */
  async #replan(
    pool: string,
    backend: string,
    change: OverrideChange,
  ): Promise<OverrideAnswer | null> {
    const next = changeOverride(this.#overrides, pool, backend, change)
    const before = findOverride(this.#overrides, pool, backend)
    // Whoever looks while the plan changes sees what it changes to.
    this.#overrides = next
    const { wished } = applicable(next, this.#ports.plan())
    const { outcome, message } = await this.#ports.setPlanOverrides(wished)
    if (outcome !== 'refused') {
      this.#told = wished
      return null
    }
    // Only this one: another plan may have come meanwhile, and what it did to the others stays.
    const isKept = this.#overrides !== next
    const { admin = null, weight = null, member = null } = before ?? {}
    const { goneSince = null } = findOverride(this.#overrides, pool, backend) ?? before ?? {}
    this.#apply(pool, backend, { admin, weight, member, goneSince })
    // It may have gone with the plan that failed, and have come back while nothing was said of it.
    const word = this.recall(pool, backend)
    if (word !== null && this.#isThere(pool, backend)) {
      this.#ports.setAdminStates(pool, [backend], word, true)
      this.#ports.drains.resume(pool, backend)
    }
    if (isKept) await this.#saveQuietly()
    return refusal(message)
  }

  #apply(pool: string, backend: string, change: OverrideChange): void {
    this.#overrides = changeOverride(this.#overrides, pool, backend, change)
  }

  /** What an operator was told is done must survive a crash that comes right after. */
  async #kept(what: string): Promise<OverrideAnswer> {
    const failure = await this.#save()
    if (failure !== null) {
      return { ok: true, message: `${what}. A restart would forget it: ${failure}.`, kept: false }
    }
    if (this.#store.isKept) return { ok: true, message: `${what}.`, kept: true }
    const message = `${what}. It holds until Evenkeel stops, for runtime.stateDir is not set.`
    return { ok: true, message, kept: false }
  }

  /** @returns why it could not be kept, or `null` */
  async #save(): Promise<string | null> {
    const saved = this.#saving.then(() => this.#store.save(this.#overrides))
    this.#saving = saved.catch(() => {})
    try {
      await saved
      return null
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  async #saveQuietly(): Promise<void> {
    const failure = await this.#save()
    if (failure !== null) this.#ports.warn(failure, {})
  }

  #sign({ by, reason }: OverrideRequest): Signature {
    return { by, reason, at: this.#ports.wallMs() }
  }

  #isThere(pool: string, backend: string): boolean {
    const found = this.#ports.plan().pools.find(({ name }) => name === pool)
    return found?.backends.some(({ name }) => name === backend) ?? false
  }

  #warn(one: BackendOverride, what: string): void {
    const { pool, backend } = one
    const message = `an override of ${pool}/${backend} (${describeOverride(one)}) ${what}`
    this.#ports.warn(message, { pool, backend })
  }
}

function refusal(message: string): Refused {
  return { ok: false, code: 'refused', message: sentence(message) }
}

function refusedFor(result: Exclude<Result, { ok: true }>): Refused {
  const { code, message, shortage, names } = result
  const more = names === undefined ? {} : { names }
  const hint =
    code === 'min-available' || code === 'refused' ? ' (--force takes it out anyway)' : ''
  const figures = shortage === undefined ? {} : { shortage }
  return { ok: false, code, message: sentence(message + hint), ...figures, ...more }
}

/** With a capital letter and a period. */
function sentence(message: string): string {
  const text = message.slice(0, 1).toUpperCase() + message.slice(1)
  return text.endsWith('.') ? text : `${text}.`
}

/** `web/a, web/b`. */
function listOf(pool: string, backends: readonly string[]): string {
  return backends.map((backend) => `${pool}/${backend}`).join(', ')
}

function namesOf({ backends }: PoolPlan): string[] {
  return backends.map(({ name }) => name)
}
