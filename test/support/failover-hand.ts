// A failover machine in the hand of a test: events go in one by one, nothing answers by itself.

import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  Followed,
  MemberFacts,
  OperatorWord,
  Restored,
} from '../../src/core/failover-contract.ts'
import { initialFailover } from '../../src/core/failover-initial.ts'
import { reduceFailover } from '../../src/core/failover.ts'
import { UP } from './failover-machine.ts'

export class Hand {
  readonly machine: FailoverMachine
  state: FailoverState
  nowMs = 0
  deadlineMs = 0
  /** What the last event has set off. */
  effects: readonly FailoverEffect[] = []

  constructor(machine: FailoverMachine, restored: Restored | null = null) {
    this.machine = machine
    this.state = initialFailover(machine, restored, 0)
  }

  hear(event: FailoverEvent): this {
    const step = reduceFailover(this.machine, this.state, event, this.nowMs)
    this.state = step.state
    this.deadlineMs = step.deadlineMs
    this.effects = step.effects
    return this
  }

  /** What the last event has set off, without what only tells of it. */
  get asked(): readonly string[] {
    const silent = new Set(['turned', 'save', 'warning', 'accepted'])
    return this.effects.flatMap(({ kind }) => (silent.has(kind) ? [] : [kind]))
  }

  member(index: number, facts: Partial<MemberFacts> = {}): this {
    return this.hear({ kind: 'member', index, facts: { ...UP, ...facts } })
  }

  at(nowMs: number): this {
    this.nowMs = nowMs
    return this.hear({ kind: 'due' })
  }

  operator(word: OperatorWord): this {
    return this.hear({ kind: 'operator', word, reason: 'drill', by: 'ann' })
  }

  switchover(to: number, force = false): this {
    return this.operator({ verb: 'switchover', to, force })
  }

  followed(change: Partial<Followed> & Pick<Followed, 'epoch' | 'active'>): this {
    const key = { moving: false, to: change.active, frozen: null, ...change }
    return this.hear({ kind: 'followed', ...key })
  }

  claimed(): this {
    return this.hear({ kind: 'claimed', epoch: this.state.move!.epoch })
  }

  stopped(): this {
    return this.hear({ kind: 'stopped', epoch: this.state.move!.epoch })
  }

  hooked(hook: 'fence' | 'promote', failure: string | null = null): this {
    return this.hear({ kind: 'hooked', epoch: this.state.move!.epoch, hook, failure })
  }

  proved(passed: boolean, role: MemberFacts['role'] = null): this {
    return this.hear({ kind: 'proved', epoch: this.state.move!.epoch, passed, role, text: '' })
  }

  committed(): this {
    return this.hear({ kind: 'committed', epoch: this.state.move!.epoch })
  }
}
