// What survives a restart, on its way from one process to the next: lent by the predecessor while the
// successor proves itself, taken back if that fails. Whoever doesn't have it can't move a pool, since
// a move begins with a record that is kept: so there is never more than one who decides.

import { isSame } from '../core/same.ts'
import type { FailoverRecord } from '../core/failover-record.ts'
import type { Overrides } from '../core/overrides.ts'
import type { FailoverStore } from '../ha/failover-store.ts'
import type { MemberStore } from '../ha/member-file.ts'
import type { OverrideStore } from '../ha/override-file.ts'
import type { StateStore } from '../ha/state-file.ts'
import type { KeptState } from './kept-state.ts'

/** What a process knows, for one that may not have its state directory, or another one. */
export interface Memory {
  readonly pools: Readonly<Record<string, FailoverRecord>>
  readonly overrides: Overrides
}

const TAKEN_OVER = 'another process has taken over'

/** Kept state that can be given away for a while; what is to be kept waits for its return. */
export class LendableState implements KeptState {
  readonly failover: StateStore
  readonly overrides: OverrideStore
  /** What is to be kept while it is lent is left out: it is kept with what comes next. */
  readonly members: MemberStore
  readonly #open: () => Promise<KeptState>
  /** What the files held. */
  readonly #loaded: {
    readonly failover: StateStore['loaded']
    readonly overrides: OverrideStore['loaded']
  }
  #kept: KeptState | null
  #isLent = false
  /** It is being given away. */
  #lending: Promise<void> = Promise.resolve()
  #pools: Readonly<Record<string, FailoverRecord>>
  #overrides: Overrides
  readonly #saving = new Set<Promise<unknown>>()
  #waiting: ((kept: KeptState | null) => void)[] = []
  /** Of these, words of operators. */
  #words = 0
  /** It is ours, but could not be opened again. */
  #isLost = false
  /** It is being opened again. */
  #taking: Promise<void> | null = null
  /** Why nothing can be kept any more. */
  #why = TAKEN_OVER

  /**
   * @param memory what a predecessor knew: newer than any file, for it has run until now
   * @param open opens the same state again, after it was lent
   */
  constructor(kept: KeptState, memory: Memory | null, open: () => Promise<KeptState>) {
    const { failover, overrides, members } = kept
    this.#kept = kept
    this.#loaded = { failover: failover.loaded, overrides: overrides.loaded }
    this.#open = open
    this.#pools = newest(failover.loaded.pools, memory?.pools ?? {})
    this.#overrides = memory?.overrides ?? overrides.loaded.overrides
    this.failover = {
      loaded: { ...failover.loaded, pools: this.#pools },
      save: (pools) => {
        this.#pools = { ...this.#pools, ...pools }
        return this.#use((one) => one.failover.save(pools))
      },
      keep: (pools, failed) => {
        this.#pools = { ...this.#pools, ...pools }
        const keep = ({ failover }: KeptState) => Promise.resolve(failover.keep(pools, failed))
        void this.#use(keep).catch(failed)
      },
      settled: () => this.#hold(this.#use((one) => one.failover.settled()).catch(() => this.#why)),
      close: () => Promise.resolve(),
    }
    this.overrides = {
      loaded: { ...overrides.loaded, overrides: this.#overrides },
      isKept: overrides.isKept,
      save: async (next) => {
        await this.#hold(this.#use((one) => one.overrides.save(next)))
        this.#overrides = next
      },
    }
    this.members = {
      loaded: members.loaded,
      save: async (answers) => {
        const isHere = this.#kept !== null && !this.#isLent
        if (isHere) await this.#use((one) => one.members.save(answers))
      },
    }
  }

  /** What would be lost with this process if the next one had another state directory, or none. */
  get memory(): Memory {
    return { pools: this.#pools, overrides: this.#overrides }
  }

  /** Keeps what a predecessor knew and the files don't. @returns why it could not, or `null` */
  async keepMemory(): Promise<string | null> {
    const { pools } = this.#loaded.failover
    const { overrides } = this.#loaded.overrides
    try {
      if (!isSame(pools, this.#pools)) await this.failover.save(this.#pools)
      if (!isSame(overrides, this.#overrides)) await this.overrides.save(this.#overrides)
      return null
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  /** While it is lent, something that an operator was to be told is kept waits for its return. */
  get isMissed(): boolean {
    return this.#isLent && this.#words > 0
  }

  /** Finishes what is being kept and gives the directory free. */
  lend(): Promise<void> {
    this.#isLent = true
    this.#lending = this.#letGo()
    return this.#lending
  }

  /**
   * Takes it back, and keeps what has waited; one that is still being given away, as soon as it is.
   * @throws StateFileError when it can't be had: then what has waited is refused
   */
  takeBack(): Promise<void> {
    this.#taking = this.#takeBack()
    return this.#taking
  }

  async #takeBack(): Promise<void> {
    await this.#lending.catch(() => {})
    const kept = await this.#open().catch((error: unknown) => {
      this.giveUp(error instanceof Error ? error.message : String(error))
      this.#isLost = true
      throw error
    })
    this.#kept = kept
    this.#isLent = false
    this.#isLost = false
    for (const done of this.#waiting.splice(0)) done(kept)
  }

  /** It does not come back: nobody waits for it any longer. */
  giveUp(why = TAKEN_OVER): void {
    this.#why = why
    this.#isLost = false
    this.#isLent = false
    for (const done of this.#waiting.splice(0)) done(null)
  }

  async close(): Promise<void> {
    // What is being opened at this moment would stay locked until the process is gone.
    await this.#taking?.catch(() => {})
    this.giveUp()
    await this.#letGo()
  }

  async #letGo(): Promise<void> {
    const kept = this.#kept
    this.#kept = null
    await Promise.allSettled(this.#saving)
    await kept?.close()
  }

  /** Somebody waits for this. */
  async #hold<T>(work: Promise<T>): Promise<T> {
    this.#words++
    try {
      return await work
    } finally {
      this.#words--
    }
  }

  /** @throws Error (rejects) when another process has it for good */
  async #use<T>(work: (kept: KeptState) => Promise<T>): Promise<T> {
    if (this.#isLost) {
      this.#isLost = false
      this.#isLent = true
      // Whoever waits hears of the failure.
      this.takeBack().catch(() => {})
    }
    const kept = this.#isLent
      ? await new Promise<KeptState | null>((done) => this.#waiting.push(done))
      : this.#kept
    if (kept === null) throw new Error(this.#why)
    const saving = work(kept)
    this.#saving.add(saving)
    try {
      return await saving
    } finally {
      this.#saving.delete(saving)
    }
  }
}

/** Of each pool what is remembered, under the higher epoch. */
function newest(
  kept: Memory['pools'],
  remembered: Memory['pools'],
): Readonly<Record<string, FailoverRecord>> {
  const pools = { ...kept }
  for (const [name, record] of Object.entries(remembered)) {
    const own = Object.hasOwn(pools, name) ? pools[name] : undefined
    pools[name] = { ...record, epoch: Math.max(record.epoch, own?.epoch ?? 0) }
  }
  return pools
}

/** The predecessor, as far as the pools are concerned. */
export interface OldSender {
  /** Resolves when it decides nothing any more. */
  readonly isOver: Promise<void>
  /** Resolves when it sends nothing to the backends of a pool any more. */
  fence(pool: string): Promise<void>
}

/**
 * A successor's view of the store: it moves nothing before everything is its own, and nothing goes to
 * a new active before its predecessor, which may still be finishing exchanges, has left the old one.
 */
export function afterPredecessor(
  store: FailoverStore,
  predecessor: OldSender,
  isExclusive: (pool: string) => boolean,
): FailoverStore {
  return {
    ...store,
    claim: (pool, record, done) => {
      // A move from nobody stops nobody; but the old configuration may have an active that ours has not.
      const isFirst = record.active === null && isExclusive(pool)
      void predecessor.isOver
        .then(() => (isFirst ? predecessor.fence(pool) : undefined))
        .then(() => store.claim(pool, record, done))
    },
    stopped: (pool, epoch, done) => {
      const left = isExclusive(pool) ? predecessor.fence(pool) : Promise.resolve()
      void left.then(() => store.stopped(pool, epoch, done))
    },
  }
}
