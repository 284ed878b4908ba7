// What an operator can ask of backends while it runs, and how the answer reads: shared by the admin
// API, the command line and whoever carries it out. Plain data; it judges nothing.

import type { Shortage } from './override-refusal.ts'
import type { WeightWish } from './overrides.ts'

/** A request as it was checked for form. */
export type OverrideRequest = {
  readonly pool: string
  readonly by: string
  /** One line; empty if none was given. */
  readonly reason: string
} & OverrideWish

export type OverrideWish =
  | {
      readonly verb: 'drain' | 'maintenance'
      /** All of them or none. */
      readonly backends: readonly string[]
      /** Also below `minAvailable`, and the active that nobody could follow. */
      readonly force: boolean
      /** What still runs after so many ms is cut; `null` lets it finish. */
      readonly cutAfterMs: number | null
    }
  | { readonly verb: 'enable'; readonly backends: readonly string[] }
  | {
      readonly verb: 'weight'
      readonly backend: string
      /** `null`: as configured. */
      readonly weight: WeightWish | null
      readonly force: boolean
    }
  | {
      readonly verb: 'add'
      readonly backend: string
      /** `host:port` or `unix:/path`; `null` brings back one that was removed. */
      readonly address: string | null
      readonly weight: number | null
      readonly zone: string | null
      readonly site: string | null
    }
  | { readonly verb: 'remove'; readonly backend: string; readonly force: boolean }

/** What became of it. */
export type OverrideAnswer =
  | {
      readonly ok: true
      /** One sentence or two, with a period at the end. */
      readonly message: string
      /** It outlives a restart. */
      readonly kept: boolean
    }
  | {
      readonly ok: false
      readonly code: 'no-pool' | 'no-backend' | 'min-available' | 'refused' | 'failed'
      readonly message: string
      readonly shortage?: Shortage
      /** What there is instead: pools, or backends of the pool. */
      readonly names?: readonly string[]
    }

/** Longest time after which what runs may be cut: an hour. */
export const CUT_AFTER_MAX_MS = 3_600_000
/** Backends in one request. */
export const BACKENDS_MAX = 256

/** `3`, `50%`: a weight as people write it; `null` if it is none. */
export function readWeight(text: string): WeightWish | null {
  const share = /^(\d{1,4}(?:\.\d{1,3})?) ?%$/.exec(text.trim())?.[1]
  if (share !== undefined) {
    const value = Number(share) / 100
    return value <= SHARE_MAX ? { kind: 'share', value } : null
  }
  if (!/^\d{1,5}$/.test(text.trim())) return null
  const value = Number(text)
  return value <= WEIGHT_MAX ? { kind: 'absolute', value } : null
}

/** Largest weight, as in the configuration. */
export const WEIGHT_MAX = 65_535
/** Largest share of a configured weight: 1000 %. */
const SHARE_MAX = 10
