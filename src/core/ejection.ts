// Which of the backends that qualify for ejection really go: the dependency rule, the cap and the
// floor of a pool. Pure bookkeeping; core/pool-health.ts carries the decision out.

import type { OutlierFinding } from './outlier.ts'

/** Two ejections within this are one event to the dependency rule. */
export const AT_ONCE_MS = 1_000

/** The pool as it is now. */
export interface EjectionScope {
  /** Share of the pool that may be ejected at once. */
  readonly ejectedMax: number
  /** All backends of the pool. */
  readonly total: number
  /** Of them ready, fit and with weight: only traffic's verdict may keep them out. */
  readonly inPlay: number
  /** Of those in play: ejected or in probation. */
  readonly ejected: number
  /** Taking ordinary traffic. */
  readonly available: number
  /** Backends that must stay available; counts as 1 if less. */
  readonly floor: number
  /** Others stand ready to take over from all of them. */
  readonly elsewhere: boolean
}

export type EjectionDecision =
  /** In this order, most certain first. */
  | { readonly kind: 'eject'; readonly backends: readonly (readonly [number, OutlierFinding])[] }
  /**
   * More than half qualify at once: eject none for it, and take back these.
   * `many`: how many qualify. `isNew`: it was not so at the last decision.
   */
  | {
      readonly kind: 'dependency'
      readonly takeBack: readonly number[]
      readonly many: number
      readonly isNew: boolean
    }

/** Why it gets nothing, as of now. */
export function ejectedText(lengthMs: number, why: string): string {
  return `ejected for ${(lengthMs / 1000).toFixed(1)} s: ${why}`
}

/** How many more backends may be ejected. */
export function ejectionAllowance(scope: EjectionScope): number {
  if (scope.ejectedMax <= 0) return 0
  if (scope.elsewhere) return scope.available
  // Rounds down, but one may always go. The epsilon is for shares like 0.29 × 100.
  const cap = Math.max(1, Math.floor(scope.ejectedMax * scope.total + 1e-9))
  const spare = scope.available - Math.max(1, scope.floor)
  return Math.max(0, Math.min(cap - scope.ejected, spare))
}

const ORDER = { silent: 0, failing: 1, slow: 2 } as const

/** Who qualifies in one pool, who nearly does, and who was ejected a moment ago. */
export class EjectionBoard {
  #findings = new Map<number, OutlierFinding>()
  #nearly = new Set<number>()
  #ejectedMs = new Map<number, number>()
  #dependency = false

  /** Whether anybody qualifies. */
  get isWanted(): boolean {
    return this.#findings.size > 0
  }

  /** Whether this backend is on the board and so has to be looked at again. */
  has(index: number): boolean {
    return this.#findings.has(index) || this.#nearly.has(index)
  }

  /** The latest on an available backend. */
  note(index: number, finding: OutlierFinding | null, nearly: boolean): void {
    if (finding === null) this.#findings.delete(index)
    else this.#findings.set(index, finding)
    if (nearly && finding === null) this.#nearly.add(index)
    else this.#nearly.delete(index)
  }

  /** The backend takes no traffic any more, for whatever reason. */
  drop(index: number): void {
    this.#findings.delete(index)
    this.#nearly.delete(index)
  }

  /** Backends have other numbers now; those without one are gone. */
  renumber(numbers: ReadonlyMap<number, number>): void {
    const moved = <T>(entries: Iterable<readonly [number, T]>) =>
      [...entries].flatMap(([index, value]): [number, T][] => {
        const next = numbers.get(index)
        return next === undefined ? [] : [[next, value]]
      })
    this.#findings = new Map(moved(this.#findings))
    this.#nearly = new Set(moved(this.#nearly.entries()).map(([index]) => index))
    this.#ejectedMs = new Map(moved(this.#ejectedMs))
  }

  /** It was ejected on a finding (not from probation). */
  ejected(index: number, nowMs: number): void {
    this.#ejectedMs.set(index, nowMs)
  }

  /** Its ejection is over, whatever ended it. */
  returned(index: number): void {
    this.#ejectedMs.delete(index)
  }

  decide(scope: EjectionScope, nowMs: number): EjectionDecision {
    for (const [index, atMs] of this.#ejectedMs) {
      if (nowMs - atMs > AT_ONCE_MS) this.#ejectedMs.delete(index)
    }
    const full = this.#findings.size + this.#ejectedMs.size
    const many = full + this.#nearly.size
    // What they share may be what failed; if others don't share it, that is no reason to hold on.
    if (many * 2 > scope.inPlay && !scope.elsewhere) {
      const isNew = !this.#dependency
      this.#dependency = true
      // Those half way there may still turn out well: they can hold back, but not take back.
      const takeBack = full * 2 > scope.inPlay ? [...this.#ejectedMs.keys()] : []
      return { kind: 'dependency', takeBack, many, isNew }
    }
    this.#dependency = false
    const backends = [...this.#findings].sort(
      ([, one], [, two]) => ORDER[one.cause] - ORDER[two.cause],
    )
    return { kind: 'eject', backends }
  }
}
