// The metrics of the configuration: whether the last reload came into force, and what became of all.

import type { ConfigNews } from '../core/events.ts'
import type { Family } from './metric-family.ts'

/** What they read. */
export interface ConfigSubject {
  /** Whether the last reload came into force, or none was asked for. */
  readonly isLastGood: boolean
  /** Seconds since 1970 of the last one that did, or of the start. */
  readonly lastGoodAt: number
  readonly isPending: boolean
  readonly counts: ReloadCounter
}

export type ReloadOutcome = ConfigNews['outcome']

const OUTCOMES: readonly ReloadOutcome[] = [
  'applied',
  'unchanged',
  'refused',
  'reverted',
  'confirmed',
]

/** How often each outcome came. */
export class ReloadCounter {
  readonly #counts = new Map<ReloadOutcome, number>()

  add(outcome: ReloadOutcome): void {
    this.#counts.set(outcome, this.of(outcome) + 1)
  }

  of(outcome: ReloadOutcome): number {
    return this.#counts.get(outcome) ?? 0
  }
}

export const configFamilies: readonly Family<ConfigSubject>[] = [
  {
    name: 'evenkeel_config_last_reload_successful',
    type: 'gauge',
    help: '1 if the last reload came into force or changed nothing; 0 if it was refused or taken back.',
    labels: [],
    read: ({ isLastGood }, emit) => emit('', isLastGood ? 1 : 0),
  },
  {
    name: 'evenkeel_config_last_reload_success_timestamp_seconds',
    type: 'gauge',
    help: 'When a configuration last came into force, as seconds since 1970.',
    labels: [],
    read: ({ lastGoodAt }, emit) => emit('', lastGoodAt),
  },
  {
    name: 'evenkeel_config_pending',
    type: 'gauge',
    help: '1 while a configuration waits for its confirmation.',
    labels: [],
    read: ({ isPending }, emit) => emit('', isPending ? 1 : 0),
  },
  {
    name: 'evenkeel_config_reloads_total',
    type: 'counter',
    help: 'Reloads by what became of them.',
    labels: ['outcome'],
    read: ({ counts }, emit) => {
      for (const outcome of OUTCOMES) emit(`outcome="${outcome}"`, counts.of(outcome))
    },
  },
]
