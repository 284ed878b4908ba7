// One replica's agreement machine, taken by the hand: each call says one thing and gives back what
// the machine wants done. Time is 1000 at the start; a TTL is 6 s, so the shares are whole.

import type {
  AgreementEffect,
  AgreementEvent,
  AgreementSetup,
  AgreementState,
  KeyChange,
  MemberKey,
  PoolKey,
} from '../../src/core/agreement-contract.ts'
import { refuseRecovery } from '../../src/core/agreement-moves.ts'
import { planText } from '../../src/core/agreement-text.ts'
import { initialAgreement, reduceAgreement } from '../../src/core/agreement.ts'

export const SETUP: AgreementSetup = {
  replica: 'r1',
  replicas: ['r1', 'r2', 'r3'],
  ttlMs: 6_000,
  incarnation: 'one',
  pools: [{ name: 'db', members: ['a', 'b'] }],
}

export const KEY: PoolKey = {
  epoch: 1,
  id: 'r2/two/1',
  active: 'a',
  to: null,
  moving: false,
  frozen: null,
  pinned: false,
  by: 'r2',
}

/** Another replica's key; it has greeted us. */
export function memberKey(change: Partial<MemberKey> = {}): MemberKey {
  return {
    incarnation: 'two',
    greets: { r1: 'one' },
    replaced: false,
    acks: {},
    seen: {},
    views: {},
    plans: { db: planText(SETUP, SETUP.pools[0]!) },
    ...change,
  }
}

export class AgreementHand {
  nowMs = 1_000
  state: AgreementState
  deadlineMs = 0
  readonly setup: AgreementSetup
  #revision = 10

  constructor(change: Partial<AgreementSetup> = {}, seen: readonly number[] = []) {
    this.setup = { ...SETUP, ...change }
    this.state = initialAgreement(this.setup, seen, this.nowMs)
  }

  hear(event: AgreementEvent): readonly AgreementEffect[] {
    const step = reduceAgreement(this.setup, this.state, event, this.nowMs)
    this.state = step.state
    this.deadlineMs = step.deadlineMs
    return step.effects
  }

  /** Why an operator can't have the present state for good now. */
  refusal(): string | null {
    return refuseRecovery(this.setup, this.state, 0, this.nowMs)
  }

  /** Lets time pass and says that it has. */
  wait(ms: number): readonly AgreementEffect[] {
    this.nowMs += ms
    return this.hear({ kind: 'due' })
  }

  /** The mirror tells of keys: objects are put, `null` deletes. */
  mirror(keys: Readonly<Record<string, object | null>>): readonly AgreementEffect[] {
    const changes = Object.entries(keys).map(([key, value]): KeyChange => {
      const modRevision = ++this.#revision
      const text = value === null ? null : JSON.stringify(value)
      return { key, value: text, createRevision: modRevision, modRevision, lease: null }
    })
    return this.hear({ kind: 'changed', changes, isAnew: false })
  }

  /** etcd renews the lease and lets everything be read; both were asked for now. */
  renew(): readonly AgreementEffect[] {
    if (this.state.busy.cycle === null) {
      this.nowMs = Math.max(this.nowMs, this.state.cycleMs)
      this.hear({ kind: 'due' })
    }
    return this.hear({ kind: 'cycled', sentMs: this.nowMs, ttlMs: this.setup.ttlMs })
  }

  /** Answers a put of our own key. */
  put(effects: readonly AgreementEffect[]): readonly AgreementEffect[] {
    const effect = effects.find((one) => one.kind === 'put-member')
    if (effect === undefined) return []
    const { era, lease, member } = effect
    return this.hear({ kind: 'member-put', era, lease, member, revision: ++this.#revision })
  }

  /** Answers a writing of the pool's key; the mirror tells of it at once. */
  wrote(effects: readonly AgreementEffect[]): readonly AgreementEffect[] {
    const effect = effects.find((one) => one.kind === 'write')
    if (effect === undefined) throw new Error('nothing is written')
    const { era, pool, value } = effect
    const revision = ++this.#revision
    const answered = this.hear({ kind: 'wrote', era, pool, value, revision })
    const change = { createRevision: 1, modRevision: revision, lease: null }
    const changes = [{ key: 'pools/db', value: JSON.stringify(value), ...change }]
    return [...answered, ...this.hear({ kind: 'changed', changes, isAnew: false })]
  }

  /** Registered, with the others as given, and up to date with the key of the pool. */
  join(keys: Readonly<Record<string, object | null>> = {}): readonly AgreementEffect[] {
    this.hear({ kind: 'due' })
    this.mirror({ 'members/r2': memberKey(), 'members/r3': memberKey(), ...keys })
    this.hear({ kind: 'cycled', sentMs: this.nowMs, ttlMs: null })
    this.put(this.hear({ kind: 'granted', lease: 'lease' }))
    const effects = this.renew()
    this.put(effects)
    return effects
  }

  /** The same, and holding the say. */
  hold(keys: Readonly<Record<string, object | null>> = {}): void {
    this.join(keys)
    this.hear({ kind: 'campaigned' })
    const { replica, incarnation } = this.setup
    this.mirror({ holder: { replica, incarnation } })
  }
}

/** What a pool's failover machine is told. */
export function told(effects: readonly AgreementEffect[]): readonly object[] {
  return effects.flatMap((effect) => (effect.kind === 'tell' ? [effect.event] : []))
}

/** The right to send that is given. */
export function rightOf(effects: readonly AgreementEffect[]): number | null {
  const effect = effects.find(({ kind }) => kind === 'right')
  return effect?.kind === 'right' ? effect.untilMs : null
}

export function kinds(effects: readonly AgreementEffect[]): readonly string[] {
  return effects.map(({ kind }) => kind)
}
