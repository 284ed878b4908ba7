// The members of a pool as its failover machine is told of them: as all replicas together see them.
// Remembers what was said, so that nothing is said twice.

import type { FailoverState, MemberFacts } from '../core/failover-contract.ts'
import type { FailoverStore } from '../ha/failover-store.ts'

interface Told {
  /** As this replica sees it. */
  readonly facts: MemberFacts
  readonly agreed: MemberFacts
}

export class ToldMembers {
  readonly #store: Pick<FailoverStore, 'sees' | 'views'>
  #told: (Told | null)[]
  #views: readonly (boolean | null)[] = []

  /** @param count of the members */
  constructor(count: number, store: Pick<FailoverStore, 'sees' | 'views'>) {
    this.#store = store
    this.#told = Array.from({ length: count }, () => null)
  }

  /** @param places position of each member before → now; −1: gone */
  adopt(count: number, places: readonly number[]): void {
    const before = this.#told
    this.#told = Array.from({ length: count }, (_, now) => before[places.indexOf(now)] ?? null)
    this.#views = []
  }

  /**
   * Tells the other replicas who is fit here.
   * @param accusation why its traffic speaks against the active although it is fit; empty if it does not
   */
  share(pool: string, all: readonly MemberFacts[], active: number, accusation: string): void {
    const isFit = (index: number) => all[index]!.fit && (index !== active || accusation === '')
    const views = all.map(({ judged }, index) => (judged ? isFit(index) : null))
    if (views.every((view, index) => view === this.#views[index])) return
    this.#views = views
    this.#store.views(pool, views)
  }

  /** What the machine is to be told of a member now; `null` if it knows. */
  news(
    pool: string,
    state: FailoverState,
    index: number,
    facts: MemberFacts,
    accusation: string,
  ): { readonly agreed: MemberFacts; readonly isLostHere: boolean } | null {
    const agreed =
      index === state.active
        ? this.#agreedActive(pool, index, facts, accusation)
        : this.#agreedStandby(pool, state, index, facts)
    const told = this.#told[index]!
    if (told?.facts === facts && told.agreed.reason === agreed.reason) return null
    this.#told[index] = { facts, agreed }
    return { agreed, isLostHere: told !== null && told.facts.fit && !facts.fit }
  }

  /**
   * The active as the replicas together see it: it is lost when they agree on that. What only this one
   * sees may be its own network.
   */
  #agreedActive(pool: string, index: number, facts: MemberFacts, accusation: string): MemberFacts {
    const seen = this.#store.sees(pool, index)
    if (seen === 'own' || !facts.judged || facts.withdrawn) return facts
    if (facts.fit && accusation === '') return facts
    const reason = facts.fit ? `its traffic fails: ${accusation}` : facts.reason
    if (seen === 'unfit') return facts.fit ? { ...facts, fit: false, reason } : facts
    const doubt = `${reason}, but the replicas do not agree on that`
    return { ...facts, fit: true, doubtful: true, reason: doubt }
  }

  /** A standby as they see it: it is fit when they agree on that. */
  #agreedStandby(
    pool: string,
    { epoch }: FailoverState,
    index: number,
    facts: MemberFacts,
  ): MemberFacts {
    const seen = this.#store.sees(pool, index)
    if (seen === 'own' || !facts.fit || seen === 'fit') return facts
    const reason = 'it passes here, but not for enough other replicas'
    // At the first start it may only be that they have not said so yet.
    return { ...facts, fit: false, judged: epoch > 0, reason }
  }
}
