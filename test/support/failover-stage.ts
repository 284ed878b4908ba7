// The stage of the failover stories: a failover machine with a shell that answers at once, or as the
// story says, and that writes down everything that is done.

import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  MemberFacts,
  OperatorWord,
} from '../../src/core/failover-contract.ts'
import {
  recordOf,
  reignOf,
  restoredFrom,
  type FailoverRecord,
  type Reign,
} from '../../src/core/failover-record.ts'
import { initialFailover } from '../../src/core/failover-initial.ts'
import { reduceFailover } from '../../src/core/failover.ts'
import type { MoveReport } from '../../src/core/status.ts'
import { DOWN } from './failover-machine.ts'

type Ask = Extract<FailoverEffect, { kind: 'claim' | 'stop' | 'hook' | 'prove' | 'commit' }>
export type AskName = 'claim' | 'stop' | 'fence' | 'promote' | 'prove' | 'commit'

interface Answer {
  readonly atMs: number
  readonly ask: Ask
}

const STORE_MS = 2
const PROBE_MS = 10
const PROBE_EVERY_MS = 100
export const HOOK_MS = 500

type Ended = Extract<FailoverEffect, { kind: 'ended' }>

/** The machine on a stage: what happens to it, and in words what it does. */
export class Stage {
  #machine: FailoverMachine
  #state: FailoverState
  #nowMs = 0
  #deadlineMs = 0
  #lines: string[] = []
  #facts: MemberFacts[]
  #durable: FailoverRecord | null = null
  #lastMoves: readonly MoveReport[] = []
  #answers: Answer[] = []
  /** Asks that the story keeps unanswered. */
  readonly #held = new Set<AskName>()
  #unanswered: Ask[] = []
  readonly #hooks = { fence: { ms: HOOK_MS, fails: '' }, promote: { ms: HOOK_MS, fails: '' } }
  readonly #sessionMs = new Map<number, number>()
  #storeFails = ''
  #isAlive = true
  #said = ''
  #proof = ''

  constructor(machine: FailoverMachine) {
    this.#machine = machine
    this.#facts = machine.members.map(() => ({ ...DOWN, judged: false }))
    this.#state = initialFailover(machine, null, 0)
    this.#hear({ kind: 'due' })
    this.#lines = []
  }

  /** Lets something happen. Returns in words what came of it. */
  play(act: (stage: Stage) => void): readonly string[] {
    this.#lines = []
    act(this)
    this.#settle()
    this.#sum()
    return this.#lines
  }

  // --- acts --------------------------------------------------------------------------------------

  member(name: string, change: Partial<MemberFacts>): void {
    const index = this.#indexOf(name)
    this.#facts[index] = { ...this.#facts[index]!, judged: true, ...change }
    if (this.#isAlive) this.#hear({ kind: 'member', index, facts: this.#facts[index] })
  }

  wait(ms: number): void {
    const untilMs = this.#nowMs + ms
    this.#run(untilMs)
    this.#nowMs = untilMs
  }

  operator(word: OperatorWord, reason: string): void {
    this.#hear({ kind: 'operator', word, reason, by: 'ann' })
  }

  hear(event: FailoverEvent): void {
    this.#hear(event)
  }

  hook(which: 'fence' | 'promote', ms: number, fails: string): void {
    this.#hooks[which] = { ms, fails }
  }

  sessions(name: string, ms: number): void {
    this.#sessionMs.set(this.#indexOf(name), ms)
  }

  store(fails: string): void {
    this.#storeFails = fails
  }

  hold(name: AskName): void {
    this.#held.add(name)
  }

  answerHeld(name: AskName): void {
    this.#held.delete(name)
    const asks = this.#unanswered.filter((ask) => nameOf(ask) === name)
    this.#unanswered = this.#unanswered.filter((ask) => nameOf(ask) !== name)
    for (const ask of asks) this.#answer(ask)
  }

  kill(): void {
    this.#isAlive = false
    this.#answers = []
    this.#unanswered = []
    this.#deadlineMs = Infinity
  }

  /** @param without who has been taken out of the configuration meanwhile; '': nobody */
  startAgain(without = ''): void {
    this.#isAlive = true
    this.#held.clear()
    if (without !== '') this.#takeOut(this.#indexOf(without))
    this.#state = initialFailover(
      this.#machine,
      restoredFrom(this.#machine, this.#durable),
      this.#nowMs,
    )
    const { active, epoch } = this.#state
    if (active >= 0) this.#say(`start    ${this.#name(active)}, epoch ${epoch} (as it was)`)
    this.#hear({ kind: 'due' })
  }

  #takeOut(gone: number): void {
    const members = this.#machine.members.filter((_, index) => index !== gone)
    this.#machine = { ...this.#machine, members }
    this.#facts = this.#facts.filter((_, index) => index !== gone)
  }

  #indexOf(name: string): number {
    const index = this.#machine.members.findIndex((member) => member.name === name)
    if (index < 0) throw new Error(`no backend ${name}`)
    return index
  }

  /** The index of a name; −1 for nobody. */
  place(name: string): number {
    return name === 'nobody' ? -1 : this.#indexOf(name)
  }

  #name(index: number): string {
    return this.#machine.members[index]?.name ?? 'nobody'
  }

  // --- time --------------------------------------------------------------------------------------

  /** Lets everything happen that the last step has set off. */
  #settle(): void {
    this.#run(this.#nowMs)
    while (this.#answers.some(({ atMs }) => atMs <= this.#nowMs + 10)) this.#run(this.#nowMs + 10)
  }

  #run(untilMs: number): void {
    for (;;) {
      const next = Math.min(this.#deadlineMs, ...this.#answers.map(({ atMs }) => atMs))
      if (next > untilMs) return
      this.#nowMs = Math.max(this.#nowMs, next)
      const due = this.#answers.find(({ atMs }) => atMs <= this.#nowMs)
      if (due === undefined) this.#hear({ kind: 'due' })
      else {
        this.#answers = this.#answers.filter((one) => one !== due)
        this.#answer(due.ask)
      }
    }
  }

  #hear(event: FailoverEvent): void {
    const step = reduceFailover(this.#machine, this.#state, event, this.#nowMs)
    this.#state = step.state
    this.#deadlineMs = step.deadlineMs
    for (const effect of step.effects) this.#execute(effect)
  }

  // --- the shell ---------------------------------------------------------------------------------

  #execute(effect: FailoverEffect): void {
    const words = this.#words(effect)
    if (words !== '') this.#say(words)
    switch (effect.kind) {
      case 'claim':
      case 'commit':
      case 'hook':
      case 'stop':
      case 'prove':
        this.#ask(effect)
        break
      case 'save':
      case 'ended':
        if (effect.kind === 'ended') this.#noteMove(effect)
        this.#keep(reignOf(this.#machine, this.#state))
        break
      default:
        break
    }
  }

  #noteMove(ended: Ended): void {
    this.#lastMoves = [reportOf(ended, (index) => this.#name(index)), ...this.#lastMoves]
  }

  #ask(ask: Ask): void {
    this.#proof = ''
    if (this.#held.has(nameOf(ask))) this.#unanswered.push(ask)
    else this.#answers.push({ atMs: this.#nowMs + this.#delayMs(ask), ask })
  }

  #delayMs(ask: Ask): number {
    if (ask.kind === 'hook') return this.#hooks[ask.hook].ms
    if (ask.kind === 'prove') return PROBE_MS
    if (ask.kind !== 'stop') return STORE_MS
    const runMs = ask.sessions === 'drain' ? (this.#sessionMs.get(ask.index) ?? 0) : 0
    return STORE_MS + Math.min(runMs, ask.drainUntilMs - this.#nowMs)
  }

  #answer(ask: Ask): void {
    const { epoch } = ask
    if (ask.kind === 'claim' || ask.kind === 'commit') this.#stored(ask)
    else if (ask.kind === 'hook') {
      const failure = this.#hooks[ask.hook].fails
      this.#say(`· the ${ask.hook} hook ${failure === '' ? 'has succeeded' : `fails: ${failure}`}`)
      this.#hear({ kind: 'hooked', epoch, hook: ask.hook, failure: failure || null })
    } else if (ask.kind === 'stop') {
      const isDecider = this.#machine.plan.agreement === 'etcd' && this.#state.following === null
      const all = isDecider ? ', in any replica' : ''
      this.#say(`· nothing goes to ${this.#name(ask.index)} any more${all}`)
      this.#hear({ kind: 'stopped', epoch })
    } else this.#probe(ask)
  }

  #stored(ask: Extract<Ask, { kind: 'claim' | 'commit' }>): void {
    const { kind, epoch } = ask
    if (this.#storeFails !== '') {
      this.#say(`· not kept: ${this.#storeFails}`)
      const lost = kind === 'claim' ? 'claim-lost' : 'commit-lost'
      this.#hear({ kind: lost, epoch, reason: this.#storeFails })
      return
    }
    if (ask.kind === 'claim') this.#keep({ active: ask.from, epoch, movingTo: ask.to })
    else this.#keep({ active: ask.active, epoch, movingTo: -1 })
    this.#say('· kept')
    this.#hear({ kind: kind === 'claim' ? 'claimed' : 'committed', epoch })
  }

  #probe(ask: Extract<Ask, { kind: 'prove' }>): void {
    if (this.#state.move?.step !== 'prove') return
    const { fit, role, reason } = this.#facts[ask.index]!
    const text = fit ? `passes${role === null ? '' : ` and says ${role}`}` : `fails: ${reason}`
    if (text !== this.#proof) this.#say(`· a probe of ${this.#name(ask.index)} ${text}`)
    this.#proof = text
    const { epoch } = ask
    this.#hear({ kind: 'proved', epoch, passed: fit, role: fit ? role : null, text })
    const { move } = this.#state
    if (move?.step !== 'prove' || move.epoch !== epoch) return
    this.#answers.push({ atMs: this.#nowMs + PROBE_EVERY_MS, ask })
  }

  #keep(reign: Reign): void {
    if (this.#storeFails !== '') return
    this.#durable = recordOf(this.#machine, this.#state, reign, this.#lastMoves)
  }

  // --- words -------------------------------------------------------------------------------------

  #say(text: string): void {
    this.#lines.push(`${(this.#nowMs / 1000).toFixed(3).padStart(9)}  ${text}`)
  }

  /** Who is the active and why it is so, if that has changed in this step. */
  #sum(): void {
    const { active, epoch, reason, phase } = this.#state
    const said = `${phase}, active ${this.#name(active)}, epoch ${epoch}: ${reason}`
    if (!this.#isAlive || said === this.#said) return
    this.#said = said
    this.#lines.push(`        =  ${said}`)
  }

  #words(effect: FailoverEffect): string {
    const name = (index: number) => this.#name(index)
    switch (effect.kind) {
      case 'claim':
        return `claim    epoch ${effect.epoch}: from ${name(effect.from)} to ${name(effect.to)}`
      case 'stop':
        return `stop     ${name(effect.index)}: ${this.#stopWords(effect)}`
      case 'hook':
        return `${effect.hook.padEnd(8)} epoch ${effect.epoch}: from ${name(effect.from)} to ${name(effect.to)}`
      case 'prove':
        return `prove    ${name(effect.index)}`
      case 'commit':
        return `commit   epoch ${effect.epoch}: ${name(effect.active)}`
      case 'start':
        return `start    ${name(effect.index)}, epoch ${effect.epoch}`
      case 'acknowledge':
        return `acknowledge epoch ${effect.epoch}`
      case 'release':
        return 'release  requests that wait are refused'
      case 'ended':
        return endWords(effect, name)
      case 'turned':
        return `${effect.from} -> ${effect.to}: ${effect.reason}`
      case 'warning':
        return `WARNING  ${effect.reason}`
      case 'freeze':
        return this.#machine.plan.agreement === 'none' ? '' : 'freeze   is written for all replicas'
      case 'refused':
        return `refused  ${effect.reason}`
      // Not worth a line: what is durable shows when Evenkeel is killed.
      case 'save':
        return ''
      default:
        return effect.kind
    }
  }

  #stopWords(effect: Extract<FailoverEffect, { kind: 'stop' }>): string {
    const until = (ms: number) => (ms / 1000).toFixed(3)
    const { sessions, drainUntilMs, holdUntilMs } = effect
    const old = sessions === 'drain' ? `may finish until ${until(drainUntilMs)}` : 'are destroyed'
    const fresh = holdUntilMs > 0 ? `wait until ${until(holdUntilMs)}` : 'are refused'
    return `its sessions ${old}, new requests ${fresh}`
  }
}

function nameOf(ask: Ask): AskName {
  return ask.kind === 'hook' ? ask.hook : ask.kind
}

function endWords({ move, outcome, reason }: Ended, name: (index: number) => string): string {
  const what = `${move.kind} from ${name(move.from)} to ${name(move.to)}`
  return outcome === 'moved' ? `moved    ${what}` : `${outcome.padEnd(8)} ${what}: ${reason}`
}

function reportOf({ move, outcome, reason }: Ended, name: (index: number) => string): MoveReport {
  const { kind, epoch, by } = move
  const sessions = { at: 0, finished: 0, cut: 0 }
  const times = { at: 0, detectionMs: 0, moveMs: 0, metObjective: null }
  const from = move.from < 0 ? null : name(move.from)
  return { kind, outcome, from, to: name(move.to), epoch, reason, by, sessions, ...times }
}
