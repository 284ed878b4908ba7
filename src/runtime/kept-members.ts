// What sources of members said last, from one process to the next: recalled at the start, and written
// while it runs: a change soon, the mere age of what is known now and then.
// Must never hold up discovery: what can't be kept is a warning.

import type { Clock, Timers } from '../core/clock.ts'
import type { EventBody } from '../core/events.ts'
import type { Member } from '../core/membership.ts'
import type { SourcePlan } from '../core/source-plan.ts'
import type { KeptAnswer, MemberStore } from '../ha/member-file.ts'

/** The last good answer of a source, in this process or one before it. */
export interface Answered {
  readonly pool: string
  readonly source: SourcePlan
  /** Monotonic ms; may be before this process began. */
  readonly answeredMs: number
  readonly members: readonly Member[]
}

/** What a source said to a process before this one. */
export interface Recalled {
  readonly members: readonly Member[]
  /** At least 0. */
  readonly ageMs: number
}

export interface KeptMembersPorts {
  readonly clock: Clock
  readonly timers: Timers
  wallMs(): number
  publish(event: EventBody): void
}

/** A change is written this soon, together with what comes meanwhile. */
const SOON_MS = 1_000
/** How old the time of the last answer may be in the file. */
const AGE_MS = 300_000

export class KeptMembers {
  readonly #store: MemberStore
  readonly #ports: KeptMembersPorts
  readonly #answers: () => readonly Answered[]
  readonly #recalled = new Set<KeptAnswer>()
  #timer: unknown = null
  /** When it is written next; −Infinity: never. */
  #dueMs = Infinity
  #saving: Promise<void> = Promise.resolve()
  /** Why it could not be kept, as it was said last. */
  #told = ''

  /** @param answers of all sources, now */
  constructor(store: MemberStore, ports: KeptMembersPorts, answers: () => readonly Answered[]) {
    this.#store = store
    this.#ports = ports
    this.#answers = answers
  }

  /** What a source said last; `null` if nothing is known of it. */
  recall(pool: string, source: SourcePlan): Recalled | null {
    const key = JSON.stringify(identityOf(source))
    const found = this.#store.loaded.answers.find((answer) => {
      return answer.pool === pool && JSON.stringify(answer.source) === key
    })
    if (found === undefined) return null
    this.#recalled.add(found)
    return { members: found.members, ageMs: Math.max(0, this.#ports.wallMs() - found.at) }
  }

  /** All that is wanted was recalled: says what of the rest should be known. */
  tellUnused(pools: ReadonlySet<string>): void {
    const { answers, warnings } = this.#store.loaded
    for (const line of warnings) this.#warn(line)
    for (const answer of answers) {
      const { pool, source } = answer
      if (this.#recalled.has(answer) || !pools.has(pool)) continue
      this.#warn(
        `what is kept of pool ${pool} is of a source that it does not have any more, so it is not used: ${JSON.stringify(source)}`,
      )
    }
  }

  /** A source has answered. @param isNews something else than before, or for the first time */
  answered(isNews: boolean): void {
    const { clock, timers } = this.#ports
    const nowMs = clock.nowMs()
    const dueMs = nowMs + (isNews ? SOON_MS : AGE_MS)
    if (dueMs >= this.#dueMs) return
    timers.clear(this.#timer)
    this.#dueMs = dueMs
    this.#timer = timers.set(dueMs - nowMs, () => this.#save())
  }

  /** Writes what has not been written yet, and nothing after that. */
  stop(): void {
    const isDue = this.#timer !== null
    this.#ports.timers.clear(this.#timer)
    if (isDue) this.#save()
    this.#dueMs = -Infinity
  }

  #save(): void {
    this.#timer = null
    this.#dueMs = Infinity
    const sinceMs = this.#ports.wallMs() - this.#ports.clock.nowMs()
    const answers = this.#answers().map(({ pool, source, answeredMs, members }): KeptAnswer => {
      return { pool, source: identityOf(source), at: Math.round(sinceMs + answeredMs), members }
    })
    this.#saving = this.#saving.then(() => this.#write(answers))
  }

  async #write(answers: readonly KeptAnswer[]): Promise<void> {
    try {
      await this.#store.save(answers)
      this.#told = ''
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (message !== this.#told) this.#warn(`what discovery was told is not kept: ${message}`)
      this.#told = message
      // A file may say nothing new for weeks.
      this.answered(false)
    }
  }

  #warn(message: string): void {
    this.#ports.publish({ kind: 'warning', message, fields: {} })
  }
}

/** How it is asked, and by whom, does not make another source of it. */
const MANNERS: ReadonlySet<string> = new Set(['ttlMinMs', 'ttlMaxMs', 'tokenFile', 'caFile'])

function identityOf(source: SourcePlan): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(source).filter(([key]) => !MANNERS.has(key)))
}
