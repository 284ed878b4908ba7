// Another configuration for the running process: read, compared, applied or refused, one at a time,
// and taken back if nobody confirms it. Everybody hears of each outcome once.
// Must never know how a plan is put together or spread: plan-keeper.ts does.

import type { ConfigNews } from '../core/events.ts'
import type { Plan } from '../core/plan.ts'
import type {
  ConfigFinding,
  ConfigStatus,
  LastReload,
  Leaving,
  PlanDiff,
  ReloadAnswer,
  ReloadRefusal,
  ReloadWish,
} from '../core/reload.ts'
import { CONFIRM_MAX_MS, CONFIRM_MIN_MS } from '../core/reload.ts'
import type { LoadResult } from '../config/evaluate.ts'
import { environmentOrigin, type ConfigOrigin } from '../config/origin.ts'
import { isEmptyDiff, planDiff } from '../config/plan-diff.ts'
import { planVersion } from '../config/plan-version.ts'
import { formatDuration } from '../config/units.ts'
import {
  findingOf,
  sayApplied,
  sayChanged,
  sayFixed,
  sayInvalid,
  sayPending,
  sayPlanned,
  sayRefused,
} from './reload-words.ts'
import type { PlanKeeper } from './plan-keeper.ts'

export interface ReloaderOptions {
  readonly keeper: PlanKeeper
  /** `null`: the process was given a plan and has nothing to read again. */
  readonly origin: ConfigOrigin | null
  readonly clock: ReloadClock
  /** Each outcome, once. */
  readonly onNews: (news: ConfigNews) => void
  /** What is wrong with a configuration, or odd about it. */
  readonly onFinding: (severity: 'error' | 'warning', finding: ConfigFinding) => void
  /** What runs on the things that a change would take away. */
  readonly leaving: (changes: PlanDiff) => readonly Leaving[]
}

export interface ReloadClock {
  /** Wall clock, ms since 1970. */
  wallMs(): number
  /** Calls `fire` once in `ms`; returns how to prevent that. */
  after(ms: number, fire: () => void): () => void
}

/** Whether a word about a pending confirmation was taken. */
export interface ConfirmAnswer {
  readonly ok: boolean
  /** One sentence. */
  readonly message: string
}

interface Pending {
  readonly by: string
  readonly previous: Plan
  /** What discovery knew before: what is taken back may have ended it. */
  readonly members: PlanKeeper['allMembers']
  readonly revertsAt: number
  cancel: () => void
  /** It is being taken back. */
  isLeaving: boolean
  /** Why that failed, if it did. */
  trouble: string | null
}

/** Why something is taken back. */
interface Why {
  readonly source: string
  readonly by: string
  readonly reason: string
}

interface Waiting {
  readonly wish: ReloadWish
  readonly read: () => LoadResult
  readonly done: (answer: ReloadAnswer) => void
}

/** Further tries to take an unconfirmed configuration back. */
const REVERT_AGAIN_MS = 1_000

const UNCHANGED = 'the configuration is what it was'
const SUPERSEDED = 'configuration refused: a later one came before its turn'
const UNDER_WAY =
  'configuration refused: another one is coming into force just now; read it again, then try again'
const NOTHING_READ = 'this process was not started from a file, so it has nothing to read again'
const TAKEN_BACK = 'the file holds what was taken back: change it, or ask for a reload'
const TOO_LATE = 'it is being taken back just now'
const NOTHING_PENDING = 'no configuration waits for a confirmation'

export class Reloader {
  readonly #options: ReloaderOptions
  readonly #keeper: PlanKeeper
  #isBusy = false
  #isStopped = false
  #waiting: Waiting | null = null
  #pending: Pending | null = null
  /** What was taken back last, until another one comes into force. */
  #takenBack: Plan | null = null
  #last: LastReload | null = null
  #lastGoodAt: number
  #changes = 0
  #version: string

  constructor(options: ReloaderOptions) {
    this.#options = options
    this.#keeper = options.keeper
    this.#version = planVersion(this.#keeper.configured)
    this.#lastGoodAt = options.clock.wallMs()
  }

  /** Reads, compares and applies. Of the wishes that wait, the latest counts. */
  reload(wish: ReloadWish): Promise<ReloadAnswer> {
    const { origin } = this.#options
    const { text, name = 'request' } = wish
    if (text !== undefined) {
      return this.#inTurn(wish, () => (origin ?? environmentOrigin({})).readText(text, name))
    }
    if (origin !== null) return this.#inTurn(wish, () => origin.read())
    return Promise.resolve(this.#refuse(wish, 'refused', NOTHING_READ))
  }

  /** The same with a plan that somebody has compiled. */
  reloadPlan(plan: Plan, wish: ReloadWish): Promise<ReloadAnswer> {
    return this.#inTurn(wish, () => ({ ok: true, plan, warnings: [], notes: [] }))
  }

  /** What is in force for a time only stays. */
  confirm(by: string): ConfirmAnswer {
    const pending = this.#pending
    if (pending === null) return { ok: false, message: NOTHING_PENDING }
    if (pending.isLeaving) return { ok: false, message: TOO_LATE }
    pending.cancel()
    this.#pending = null
    const message = `configuration ${this.#version} is confirmed and stays`
    const { onNews } = this.#options
    onNews({ outcome: 'confirmed', source: 'api', by, message, version: this.#version })
    return { ok: true, message }
  }

  /** What is in force for a time only goes now. */
  async revert(by: string): Promise<ConfirmAnswer> {
    const pending = this.#pending
    if (pending === null) return { ok: false, message: NOTHING_PENDING }
    if (pending.isLeaving) return { ok: false, message: TOO_LATE }
    pending.cancel()
    return this.#takeBack(pending, { source: 'api', by, reason: `asked for by ${by}` })
  }

  /** Where the configuration stands. */
  get status(): ConfigStatus {
    const pending = this.#pending
    return {
      version: this.#version,
      etag: `"${this.#version}-${this.#changes}"`,
      source: this.#options.origin?.name ?? null,
      last: this.#last,
      pending:
        pending === null
          ? null
          : {
              by: pending.by,
              revertsAt: pending.revertsAt,
              revertsInMs: Math.max(0, pending.revertsAt - this.#options.clock.wallMs()),
              previous: planVersion(pending.previous),
              trouble: pending.trouble,
            },
    }
  }

  /** Whether the last reload came into force, and when one last did; wall clock, ms since 1970. */
  get lastGood(): { readonly isLast: boolean; readonly at: number } {
    const outcome = this.#last?.outcome ?? 'applied'
    return { isLast: outcome === 'applied' || outcome === 'unchanged', at: this.#lastGoodAt }
  }

  /** Nothing is taken back any more: the process ends. */
  stop(): void {
    this.#isStopped = true
    this.#pending?.cancel()
  }

  async #inTurn(wish: ReloadWish, read: () => LoadResult): Promise<ReloadAnswer> {
    if (wish.dryRun === true) return this.#safely(wish, read)
    // What was made for the present one must not wait behind another, nor push out who waits.
    if (this.#isBusy && wish.etags !== undefined) return this.#tooLate('busy', UNDER_WAY)
    if (this.#isBusy) return this.#wait(wish, read)
    this.#isBusy = true
    try {
      return await this.#safely(wish, read)
    } finally {
      this.#isBusy = false
      const next = this.#waiting
      this.#waiting = null
      // Whoever asked first need not wait for the others.
      if (next !== null) void this.#inTurn(next.wish, next.read).then(next.done)
    }
  }

  #wait(wish: ReloadWish, read: () => LoadResult): Promise<ReloadAnswer> {
    const earlier = this.#waiting
    return new Promise((resolve) => {
      const isSame = earlier !== null && isReadAgain(earlier.wish) && isReadAgain(wish)
      if (earlier !== null && !isSame) {
        earlier.done(this.#refuse(earlier.wish, 'busy', SUPERSEDED))
      }
      const done = (answer: ReloadAnswer): void => {
        resolve(answer)
        // It has read what the earlier one would have read.
        if (isSame) earlier.done(answer)
      }
      this.#waiting = { wish, read, done }
    })
  }

  /** An error of our own in reading or comparing must not end a process that serves. */
  async #safely(wish: ReloadWish, read: () => LoadResult): Promise<ReloadAnswer> {
    try {
      return await this.#judge(wish, read)
    } catch (error) {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return this.#refuse(wish, 'refused', sayRefused(`an internal error: ${cause}`))
    }
  }

  async #judge(wish: ReloadWish, read: () => LoadResult): Promise<ReloadAnswer> {
    const { confirmMs = null, dryRun = false, etags } = wish
    const { etag } = this.status
    if (etags?.includes(etag) === false) {
      return this.#tooLate('changed', sayChanged(etag, etags))
    }
    if (confirmMs !== null && !(confirmMs >= CONFIRM_MIN_MS && confirmMs <= CONFIRM_MAX_MS)) {
      const range = `${formatDuration(CONFIRM_MIN_MS)} to ${formatDuration(CONFIRM_MAX_MS)}`
      return this.#refuse(wish, 'refused', `the time to confirm goes from ${range}`)
    }
    if (this.#pending !== null && !dryRun) {
      return this.#refuse(wish, 'busy', sayPending(this.status))
    }
    const loaded = read()
    if (!loaded.ok) {
      const found = loaded.diagnostics.map(findingOf)
      const errors = found.filter((_, i) => loaded.diagnostics[i]!.severity === 'error')
      return this.#refuse(wish, 'config-invalid', sayInvalid(errors), { errors })
    }
    const { plan } = loaded
    const changes = planDiff(this.#keeper.configured, plan)
    const facts = {
      changes,
      leaving: this.#options.leaving(changes),
      drainMs: plan.runtime.drainMs,
      warnings: loaded.warnings.map(findingOf),
    }
    if (changes.fixed.length > 0) {
      return this.#refuse(wish, 'config-refused', sayFixed(changes.fixed), facts)
    }
    // That it is in the file still is no new wish for what nobody has confirmed.
    if (wish.source === 'file' && this.#isTakenBack(plan)) {
      return this.#answer('unchanged', TAKEN_BACK, facts)
    }
    return dryRun ? this.#plan(wish, plan, facts) : this.#apply(wish, plan, facts)
  }

  #isTakenBack(plan: Plan): boolean {
    return this.#takenBack !== null && isEmptyDiff(planDiff(this.#takenBack, plan))
  }

  async #plan(wish: ReloadWish, plan: Plan, facts: Facts): Promise<ReloadAnswer> {
    if (isEmptyDiff(facts.changes)) return this.#answer('unchanged', UNCHANGED, facts)
    const proposal = await this.#keeper.propose(plan)
    if (!proposal.ok) return this.#refuse(wish, 'refused', sayRefused(proposal.message), facts)
    return this.#answer('planned', sayPlanned(facts.changes), facts)
  }

  async #apply(wish: ReloadWish, plan: Plan, facts: Facts): Promise<ReloadAnswer> {
    const { source, by, confirmMs = null } = wish
    const { configured: previous, allMembers: members } = this.#keeper
    const result = await this.#keeper.setConfigured(plan)
    if (result.outcome === 'refused') {
      return this.#refuse(wish, 'refused', sayRefused(result.message), facts)
    }
    for (const warning of facts.warnings) this.#options.onFinding('warning', warning)
    if (result.outcome === 'unchanged') {
      this.#tell({ outcome: 'unchanged', source, by, message: UNCHANGED })
      return this.#answer('unchanged', UNCHANGED, facts)
    }
    this.#entered(plan)
    if (confirmMs !== null) this.#await(confirmMs, by, { previous, members })
    const message = sayApplied(facts.changes, confirmMs)
    this.#tell({ outcome: 'applied', source, by, message })
    return { ...this.#answer('applied', message, facts), revertsInMs: confirmMs }
  }

  #entered(plan: Plan): void {
    this.#changes++
    this.#takenBack = null
    this.#version = planVersion(plan)
  }

  #await(confirmMs: number, by: string, before: Pick<Pending, 'previous' | 'members'>): void {
    const revertsAt = this.#options.clock.wallMs() + confirmMs
    const reason = `not confirmed within ${formatDuration(confirmMs)}`
    const pending = { by, ...before, revertsAt, cancel: () => {}, isLeaving: false, trouble: null }
    this.#pending = pending
    this.#takeBackIn(confirmMs, pending, { source: 'timeout', by, reason })
  }

  #takeBackIn(ms: number, pending: Pending, why: Why): void {
    pending.cancel = this.#options.clock.after(ms, () => void this.#takeBack(pending, why))
  }

  async #takeBack(pending: Pending, why: Why): Promise<ConfirmAnswer> {
    const { source, by, reason } = why
    pending.isLeaving = true
    const takenBack = this.#keeper.configured
    const result = await this.#keeper.setConfigured(pending.previous, pending.members)
    pending.isLeaving = false
    if (result.outcome === 'refused') {
      const { message: trouble } = result
      const message = `configuration ${this.#version} could not be taken back: ${trouble}`
      // A move under way, or an address that is taken, is over some time.
      if (!this.#isStopped) this.#takeBackIn(REVERT_AGAIN_MS, pending, why)
      if (pending.trouble !== trouble) this.#tell({ outcome: 'refused', source, by, message })
      pending.trouble = trouble
      return { ok: false, message }
    }
    const gone = this.#version
    this.#pending = null
    this.#entered(pending.previous)
    this.#takenBack = takenBack
    const message = `configuration ${gone} is taken back (${reason}); ${this.#version} is in force again`
    this.#tell({ outcome: 'reverted', source, by, message })
    return { ok: true, message }
  }

  #refuse(
    wish: ReloadWish,
    code: ReloadRefusal,
    message: string,
    facts: Partial<Facts & { errors: readonly ConfigFinding[] }> = {},
  ): ReloadAnswer {
    const { source, by, dryRun = false } = wish
    const { errors = [], ...rest } = facts
    if (!dryRun) {
      for (const error of errors) this.#options.onFinding('error', error)
      this.#tell({ outcome: 'refused', source, by, message })
    }
    return { ...this.#answer('refused', message, { ...nothing, ...rest }), code, errors }
  }

  /** Nothing was wrong with it, and nobody but who asked needs to hear of it. */
  #tooLate(code: ReloadRefusal, message: string): ReloadAnswer {
    return { ...this.#answer('refused', message, nothing), code, errors: [] }
  }

  #answer<O extends ReloadAnswer['outcome']>(outcome: O, message: string, facts: AnyFacts) {
    return { outcome, message, version: this.#version, revertsInMs: null, ...facts }
  }

  #tell(news: Omit<LastReload, 'at'>): void {
    const at = this.#options.clock.wallMs()
    this.#last = { ...news, at }
    if (news.outcome === 'applied' || news.outcome === 'unchanged') this.#lastGoodAt = at
    this.#options.onNews({ ...news, version: this.#version })
  }
}

interface Facts {
  readonly changes: PlanDiff
  readonly leaving: readonly Leaving[]
  readonly drainMs: number
  readonly warnings: readonly ConfigFinding[]
}

type AnyFacts = Omit<Facts, 'changes'> & { readonly changes: PlanDiff | null }

const nothing: AnyFacts = { changes: null, leaving: [], drainMs: 0, warnings: [] }

function isReadAgain({ text, confirmMs }: ReloadWish): boolean {
  return text === undefined && confirmMs === undefined
}
