// One failover machine with a shell that keeps its asks until the test answers them: late, never,
// twice, out of order. What is durable survives a crash, the rest does not. Every step is checked by
// a watch that keeps its own account of the facts.

import assert from 'node:assert/strict'
import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  MemberFacts,
  OperatorWord,
} from '../../src/core/failover-contract.ts'
import { initialFailover } from '../../src/core/failover-initial.ts'
import { reduceFailover } from '../../src/core/failover.ts'
import {
  recordOf,
  reignOf,
  restoredFrom,
  type FailoverRecord,
  type Reign,
} from '../../src/core/failover-record.ts'
import { DOWN } from '../support/failover-machine.ts'
import { FailoverWatch } from './failover-watch.ts'

export type Ask = Extract<FailoverEffect, { kind: 'claim' | 'stop' | 'hook' | 'prove' | 'commit' }>

interface Write {
  readonly record: FailoverRecord
  /** What it answers; `null` for one that nobody waits for. */
  readonly ask: Ask | null
}

export class FailoverWorld {
  readonly machine: FailoverMachine
  readonly watch: FailoverWatch
  state: FailoverState
  nowMs = 1_000
  deadlineMs = 0
  /** Not answered yet, oldest first. */
  asks: Ask[] = []
  /** Every answer that was given, for saying it again. */
  readonly answers: FailoverEvent[] = []
  readonly facts: MemberFacts[]
  durable: FailoverRecord | null = null
  #writes: Write[] = []

  constructor(machine: FailoverMachine) {
    this.machine = machine
    this.facts = machine.members.map(() => ({ ...DOWN, judged: false, reason: 'not checked yet' }))
    this.watch = new FailoverWatch(machine)
    this.state = initialFailover(machine, null, this.nowMs)
    this.deadlineMs = this.nowMs
  }

  hear(event: FailoverEvent): void {
    const before = this.state
    const step = reduceFailover(this.machine, before, event, this.nowMs)
    this.state = step.state
    this.deadlineMs = step.deadlineMs
    this.watch.step(before, event, step, this.nowMs)
    for (const effect of step.effects) this.#execute(effect)
  }

  #execute(effect: FailoverEffect): void {
    switch (effect.kind) {
      case 'claim': {
        const { from: active, epoch, to: movingTo } = effect
        this.asks.push(effect)
        this.#write({ active, epoch, movingTo }, effect)
        break
      }
      case 'commit': {
        const { active, epoch } = effect
        this.asks.push(effect)
        this.#write({ active, epoch, movingTo: -1 }, effect)
        break
      }
      case 'stop':
      case 'hook':
      case 'prove':
        this.asks.push(effect)
        break
      case 'save':
      case 'ended':
        this.#write(reignOf(this.machine, this.state), null)
        break
      default:
        break
    }
  }

  // --- the state file: one write after the other ----------------------------------------------

  #write(reign: Reign, ask: Ask | null): void {
    const record = recordOf(this.machine, this.state, reign, [])
    this.#writes.push({ record, ask })
    this.#landFree()
  }

  /** What nobody waits for lands as soon as it may. */
  #landFree(): void {
    while (this.#writes[0]?.ask === null) this.durable = this.#writes.shift()!.record
  }

  /** Makes this write durable, and all before it. */
  land(ask: Ask): void {
    const at = this.#writes.findIndex((write) => write.ask === ask)
    if (at < 0) return
    this.durable = this.#writes[at]!.record
    this.#writes = this.#writes.slice(at + 1)
    this.#landFree()
  }

  #drop(ask: Ask): void {
    this.#writes = this.#writes.filter((write) => write.ask !== ask)
    this.#landFree()
  }

  // --- answers --------------------------------------------------------------------------------

  /** Answers an ask as its member's facts, or `failure`, have it. */
  answer(ask: Ask, failure: string | null = null): void {
    this.asks = this.asks.filter((one) => one !== ask)
    this.#say(this.#answerTo(ask, failure))
  }

  #answerTo(ask: Ask, failure: string | null): FailoverEvent {
    const { epoch } = ask
    if (ask.kind === 'claim' || ask.kind === 'commit') return this.#stored(ask, failure)
    if (ask.kind === 'hook') return { kind: 'hooked', epoch, hook: ask.hook, failure }
    if (ask.kind === 'stop') {
      this.watch.left(ask.index)
      return { kind: 'stopped', epoch }
    }
    const { fit, role } = this.facts[ask.index]!
    const passed = fit && failure === null
    return { kind: 'proved', epoch, passed, role: passed ? role : null, text: failure ?? 'ok' }
  }

  #stored(ask: Extract<Ask, { kind: 'claim' | 'commit' }>, reason: string | null): FailoverEvent {
    const { kind, epoch } = ask
    if (reason === null) {
      this.land(ask)
      return { kind: kind === 'claim' ? 'claimed' : 'committed', epoch }
    }
    this.#drop(ask)
    return { kind: kind === 'claim' ? 'claim-lost' : 'commit-lost', epoch, reason }
  }

  #say(answer: FailoverEvent): void {
    this.answers.push(answer)
    this.hear(answer)
  }

  /** An answer that was given before is given again. */
  repeat(at: number): void {
    const answer = this.answers[at % Math.max(1, this.answers.length)]
    if (answer !== undefined) this.hear(answer)
  }

  // --- what happens ---------------------------------------------------------------------------

  member(index: number, change: Partial<MemberFacts>): void {
    const facts = { ...this.facts[index]!, judged: true, ...change }
    this.facts[index] = facts
    this.watch.facts(index, facts, this.nowMs)
    this.hear({ kind: 'member', index, facts })
  }

  operator(word: OperatorWord): void {
    this.hear({ kind: 'operator', word, reason: 'drill', by: 'ann' })
  }

  /** Time goes by; the machine is woken when it asked for it. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms
    while (this.deadlineMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.deadlineMs)
      // Something may be left to do at once, but not for ever.
      for (let turns = 0; this.deadlineMs <= this.nowMs; turns++) {
        assert.ok(turns < 4, `busy: due again and again at ${this.nowMs} in ${this.state.phase}`)
        this.hear({ kind: 'due' })
      }
    }
    this.nowMs = untilMs
  }

  /** The process ends at once and another begins, with what was durable. */
  crash(): void {
    const restored = restoredFrom(this.machine, this.durable)
    this.asks = []
    this.answers.length = 0
    // What was on its way to the disk is lost, and nobody can be blamed for not knowing it.
    if (this.#writes.length > 0) this.watch.forget(restored?.fresh ?? [])
    this.#writes = []
    for (const [index, facts] of this.facts.entries()) {
      this.facts[index] = { ...facts, fit: false, judged: false, doubtful: false, role: null }
    }
    this.state = initialFailover(this.machine, restored, this.nowMs)
    this.deadlineMs = this.nowMs
    this.watch.restart(this.state, this.nowMs)
  }
}
