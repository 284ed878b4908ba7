// What survives a restart, on its way from one process to the next: lent by the predecessor while the
// successor proves itself, taken back if that fails. Whoever doesn't have it can't move a pool, since
// a move begins with a record that is kept: so there is never more than one who decides.

import type { FailoverRecord } from '../core/failover-record.ts'
import type { Overrides } from '../core/overrides.ts'
import type { FailoverStore } from '../ha/failover-store.ts'
import type { OverrideStore } from '../ha/override-file.ts'
import type { StateStore } from '../ha/state-file.ts'
import type { KeptState } from './kept-state.ts'

/** What a process without a state directory has in its memory alone. */
export interface Memory {
  readonly pools: Readonly<Record<string, FailoverRecord>>
  readonly overrides: Overrides
}

const TAKEN_OVER = 'another process has taken over'

/** Kept state that can be given away for a while; what is to be kept waits for its return. */
export class LendableState implements KeptState {
  readonly failover: StateStore
  readonly overrides: OverrideStore
  readonly #open: () => Promise<KeptState>
  #kept: KeptState | null
  #isLent = false
  #pools: Readonly<Record<string, FailoverRecord>>
  #overrides: Overrides
  readonly #saving = new Set<Promise<unknown>>()
  #waiting: ((kept: KeptState | null) => void)[] = []
  /** Of these, words of operators. */
  #words = 0
  /** It is being opened again. */
  #taking: Promise<void> | null = null
  /** Why nothing can be kept any more. */
  #why = TAKEN_OVER

  /**
   * @param memory what a predecessor had in its memory alone
   * @param open opens the same state again, after it was lent
   */
  constructor(kept: KeptState, memory: Memory | null, open: () => Promise<KeptState>) {
    const { failover, overrides } = kept
    this.#kept = kept
    this.#open = open
    this.#pools = newest(failover.loaded.pools, memory?.pools ?? {})
    const isOwn = overrides.isKept && overrides.loaded.overrides.length > 0
    this.#overrides = isOwn ? overrides.loaded.overrides : (memory?.overrides ?? [])
    this.failover = {
      loaded: { ...failover.loaded, pools: this.#pools },
      save: (pools) => {
        this.#pools = { ...this.#pools, ...pools }
        return this.#use((one) => one.failover.save(pools))
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
  }

  /** What would be lost with this process: nothing, if there is a state directory. */
  get memory(): Memory | null {
    if (this.overrides.isKept) return null
    return { pools: this.#pools, overrides: this.#overrides }
  }

  /** While it is lent, something that an operator was to be told is kept waits for its return. */
  get isMissed(): boolean {
    return this.#isLent && this.#words > 0
  }

  /** Finishes what is being kept and gives the directory free. */
  async lend(): Promise<void> {
    this.#isLent = true
    await this.#letGo()
  }

  /**
   * Takes it back, and keeps what has waited.
   * @throws StateFileError when it can't be had: then what has waited is refused
   */
  takeBack(): Promise<void> {
    this.#taking = this.#takeBack()
    return this.#taking
  }

  async #takeBack(): Promise<void> {
    const kept = await this.#open().catch((error: unknown) => {
      this.giveUp()
      throw error
    })
    this.#kept = kept
    this.#isLent = false
    for (const done of this.#waiting.splice(0)) done(kept)
  }

  /** It does not come back: nobody waits for it any longer. */
  giveUp(why = TAKEN_OVER): void {
    this.#why = why
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

/** Of each pool the record with the higher epoch. */
function newest(
  kept: Memory['pools'],
  remembered: Memory['pools'],
): Readonly<Record<string, FailoverRecord>> {
  const pools = { ...kept }
  for (const [name, record] of Object.entries(remembered)) {
    const own = Object.hasOwn(pools, name) ? pools[name] : undefined
    if (own === undefined || own.epoch < record.epoch) pools[name] = record
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
      void predecessor.isOver.then(() => store.claim(pool, record, done))
    },
    stopped: (pool, epoch, done) => {
      const left = isExclusive(pool) ? predecessor.fence(pool) : Promise.resolve()
      void left.then(() => store.stopped(pool, epoch, done))
    },
  }
}
