// Watches a failover machine and complains about the first thing that must not be. It
// keeps its own account of who is sent to, who was fit since when and who can be in step with the
// last active; it believes nothing that the machine says of these.

import assert from 'node:assert/strict'
import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  FailoverStep,
  MemberFacts,
  Move,
} from '../../src/core/failover-contract.ts'

type Effect<K extends FailoverEffect['kind']> = Extract<FailoverEffect, { kind: K }>

const AUTOMATIC = 'evenkeel'

interface Account {
  facts: MemberFacts | null
  fitSinceMs: number
  siteSinceMs: number
  /** It was fit beside a serving active for readyFor and has been fit ever since. */
  inStep: boolean
}

export class FailoverWatch {
  /** Members that a thread may be sending to. */
  readonly sending = new Set<number>()
  /** Who was the active in each epoch. */
  readonly #owners = new Map<number, number>()
  readonly #machine: FailoverMachine
  readonly #accounts: Account[]
  /** Who was started last, over restarts; −1 for nobody ever. */
  lastServed = -1
  #epoch = 0
  #pinned = false
  #wish = { epoch: 0, to: -1, pins: false }
  /** Since when the one that is sent to can be the active; Infinity while it can't. */
  #holdsSinceMs = Infinity
  #stopAsked = -1
  #moving = false

  constructor(machine: FailoverMachine) {
    this.#machine = machine
    this.#accounts = machine.members.map(() => ({
      facts: null,
      fitSinceMs: Infinity,
      siteSinceMs: Infinity,
      inStep: true,
    }))
  }

  // --- the account ----------------------------------------------------------------------------

  facts(index: number, facts: MemberFacts, nowMs: number): void {
    this.#keepStep(nowMs)
    const account = this.#accounts[index]!
    account.facts = facts
    if (!facts.fit) account.fitSinceMs = Infinity
    else if (account.fitSinceMs === Infinity) account.fitSinceMs = nowMs
    if (!facts.siteHolds) account.siteSinceMs = Infinity
    else account.siteSinceMs = Math.min(account.siteSinceMs, nowMs)
    if (facts.judged && !facts.fit) account.inStep = false
    this.#hold(nowMs)
  }

  #hold(nowMs: number): void {
    const [active = -1] = this.sending
    if (active < 0 || !this.reigns(active)) this.#holdsSinceMs = Infinity
    else if (this.#holdsSinceMs === Infinity) this.#holdsSinceMs = nowMs
  }

  #keepStep(nowMs: number): void {
    // Who is told to stop is not the active any more, though a thread may still be sending to it.
    if (this.sending.size !== 1 || this.#stopAsked >= 0) return
    for (const account of this.#accounts) {
      const sinceMs = Math.max(account.fitSinceMs, this.#holdsSinceMs)
      if (nowMs - sinceMs >= this.#machine.plan.readyForMs) account.inStep = true
    }
  }

  /** The facts that have come allow it to be the active. */
  reigns(index: number): boolean {
    const { facts } = this.#accounts[index]!
    if (facts === null || !facts.fit) return false
    if (!this.#machine.asksRole) return true
    if (this.#machine.plan.elect === 'role') return facts.role === 'primary'
    return facts.role !== 'replica'
  }

  isFit(index: number): boolean {
    return this.#accounts[index]!.facts?.fit === true
  }

  isInStep(index: number, nowMs: number): boolean {
    this.#keepStep(nowMs)
    return this.#accounts[index]!.inStep
  }

  /** No thread sends to it any more. */
  left(index: number): void {
    this.sending.delete(index)
    this.#holdsSinceMs = Infinity
  }

  /** These count as in step again: that they are not was never made durable. */
  forget(inStep: readonly boolean[]): void {
    for (const [index, account] of this.#accounts.entries())
      account.inStep ||= inStep[index] ?? true
  }

  restart(state: FailoverState, nowMs: number): void {
    this.sending.clear()
    this.#moving = false
    this.#stopAsked = -1
    for (const account of this.#accounts) {
      account.facts = null
      account.fitSinceMs = Infinity
      account.siteSinceMs = Infinity
    }
    assert.ok(state.epoch >= this.#durableEpoch, 'the epoch falls over a restart')
    this.#epoch = state.epoch
    if (state.active < 0) return
    this.#serve(state.active, state.epoch, nowMs)
  }

  /** The highest epoch that somebody was started under. */
  get #durableEpoch(): number {
    return Math.max(0, ...this.#owners.keys())
  }

  // --- a step ---------------------------------------------------------------------------------

  step(before: FailoverState, event: FailoverEvent, step: FailoverStep, nowMs: number): void {
    const { state, effects, deadlineMs } = step
    this.#keepStep(nowMs)
    assert.ok(!Number.isNaN(deadlineMs))
    assert.ok(state.epoch >= before.epoch, 'the epoch falls')
    assert.notEqual(state.reason, '')
    assert.ok(state.move === null || state.following === null, 'a move beside a followed one')
    assert.ok(state.move === null || deadlineMs < Infinity, 'a move without an end')
    for (const effect of effects) this.#effect(before, event, state, effect, nowMs)
    this.#hold(nowMs)
    this.#keepStep(nowMs)
    const turns = effects.filter(({ kind }) => kind === 'turned').length
    assert.equal(turns, state.phase === before.phase ? 0 : 1, 'each change is announced once')
    assert.equal(state.phase === 'frozen', this.#mustBeFrozen(state), `phase ${state.phase}`)
    // Who may be sent to is told to the threads.
    if (this.sending.size === 0) assert.equal(state.active, -1, 'an active that was not started')
    else if (state.active >= 0) assert.ok(this.sending.has(state.active))
  }

  #mustBeFrozen(state: FailoverState): boolean {
    const stands = state.move === null && state.following === null
    return stands && (state.frozen !== null || !state.agreement.ok)
  }

  #effect(
    before: FailoverState,
    event: FailoverEvent,
    after: FailoverState,
    effect: FailoverEffect,
    nowMs: number,
  ): void {
    if ('reason' in effect) assert.notEqual(effect.reason, '', `${effect.kind} without a reason`)
    switch (effect.kind) {
      case 'claim':
        this.#claim(event, after, effect, nowMs)
        break
      case 'stop':
        this.#stop(after, effect, nowMs)
        break
      case 'start':
        this.#serve(effect.index, effect.epoch, nowMs)
        break
      case 'hook':
        assert.equal(this.sending.size, 0, 'a hook runs while somebody is still sent to')
        assert.notEqual(effect.to, -1)
        if (effect.hook === 'fence') assert.notEqual(effect.from, -1)
        break
      case 'commit':
        this.#commit(after, effect)
        break
      case 'ended':
        this.#ended(effect, event)
        break
      case 'refused':
        assert.ok(after.move === before.move || after.move?.by === AUTOMATIC, 'refused, but moved')
        assert.equal(after.frozen, before.frozen)
        break
      default:
        break
    }
  }

  #serve(index: number, epoch: number, nowMs: number): void {
    assert.ok(index >= 0 && index < this.#accounts.length)
    for (const other of this.sending) {
      assert.equal(other, index, 'started while another one is still sent to')
    }
    assert.ok(epoch >= this.#durableEpoch, 'started under an old epoch')
    assert.equal(this.#owners.get(epoch) ?? index, index, 'two actives in one epoch')
    this.#owners.set(epoch, index)
    if (this.#wish.epoch === epoch && this.#wish.to === index) this.#pinned = this.#wish.pins
    const isNew = !this.sending.has(index)
    this.sending.add(index)
    this.lastServed = index
    this.#stopAsked = -1
    if (isNew) this.#holdsSinceMs = this.reigns(index) ? nowMs : Infinity
  }

  #stop(after: FailoverState, effect: Effect<'stop'>, nowMs: number): void {
    const move = after.move!
    const { plan } = this.#machine
    assert.equal(effect.epoch, move.epoch)
    assert.ok(effect.holdUntilMs <= move.startedMs + plan.pauseMaxMs, 'held beyond pauseMax')
    assert.ok(effect.drainUntilMs <= nowMs + plan.drainMs, 'drained beyond drain')
    if (effect.sessions === 'drain') {
      assert.equal(plan.sessions, 'drain')
      assert.ok(move.kind === 'switchover' || move.kind === 'failback', 'a dead one is given time')
    }
    assert.notEqual(effect.index, move.to)
    this.#stopAsked = effect.index
  }

  #commit(after: FailoverState, effect: Effect<'commit'>): void {
    const { kind, from, to } = after.move!
    if (effect.active === to) {
      assert.equal(this.sending.size, 0, 'committed before the old one has stopped')
      return
    }
    assert.equal(effect.active, from, 'committed to a third one')
    assert.ok(kind === 'switchover' || kind === 'failback' || this.sending.has(from))
  }

  #ended({ move, outcome, reason }: Effect<'ended'>, event: FailoverEvent): void {
    this.#moving = false
    const isPlanned = move.kind === 'switchover' || move.kind === 'failback'
    if (outcome === 'moved') assert.ok(this.sending.has(move.to))
    if (outcome === 'rolled-back') {
      assert.ok(this.sending.has(move.from), 'rolled back to nobody')
      assert.notEqual(move.failure, null)
    }
    if (outcome !== 'failed' || !isPlanned || move.from < 0) return
    if (event.kind === 'lead') return
    // Only a store that does not take the roll-back is an excuse.
    const isStore = move.step === 'commit' || move.step === 'roll-back'
    const isServed = this.sending.has(move.from) && this.#stopAsked < 0
    assert.ok(
      isStore || isServed || !this.reigns(move.from),
      `a planned move failed in '${move.step}' (${reason}) and the old active is left aside`,
    )
  }

  // --- why a move began -----------------------------------------------------------------------

  #claim(event: FailoverEvent, after: FailoverState, effect: Effect<'claim'>, nowMs: number): void {
    const move = after.move!
    assert.equal(move.epoch, effect.epoch)
    assert.ok(effect.epoch > this.#epoch, 'an epoch is used twice')
    this.#epoch = effect.epoch
    const pins = move.kind === 'switchover' && move.by !== AUTOMATIC
    this.#wish = { epoch: move.epoch, to: move.to, pins }
    assert.ok(!this.#moving, 'a move begins within another')
    this.#moving = true
    assert.equal(after.frozen, null, 'a move begins while frozen')
    assert.ok(after.agreement.ok && after.leads, 'a move begins without the right to decide')
    assert.notEqual(move.to, move.from)
    assert.ok(this.isFit(move.to), `a move to an unfit one: ${move.kind}`)
    assert.notEqual(move.reason, '')
    assert.notEqual(move.by, '')
    if (move.by === AUTOMATIC) this.#automatic(move, nowMs)
    else assert.equal(event.kind, 'operator')
  }

  #automatic(move: Move, nowMs: number): void {
    const { plan, members } = this.#machine
    const { fitSinceMs, siteSinceMs, facts } = this.#accounts[move.to]!
    const fitMs = nowMs - fitSinceMs
    const isElected = plan.elect === 'role' && facts!.role === 'primary'
    const isFirst = this.lastServed < 0
    const isLast = this.sending.size === 0 && move.to === this.lastServed
    const { takeover } = members[move.to]!
    if (!isLast) assert.notEqual(takeover, 'manual', 'only an operator takes this one')
    if (takeover === 'promoted') assert.notEqual(plan.promote, null)
    if (!isElected && !isFirst && !isLast) {
      assert.ok(fitMs >= plan.readyForMs, `${move.kind} after ${fitMs} ms of fitness`)
    }
    const claims = this.#accounts.filter(({ facts }) => facts?.fit && facts.role === 'primary')
    assert.ok(claims.length < 2, 'an automatic move while two claim to be the primary')
    const [writer] = this.#machine.asksRole ? claims : []
    if (
      writer !== undefined &&
      writer.facts !== facts &&
      !this.sending.has(this.#indexOf(writer))
    ) {
      assert.fail('somebody is promoted beside a primary')
    }
    if (plan.elect === 'role' && plan.promote === null) assert.ok(isElected)
    if (move.from >= 0 && this.reigns(move.from))
      this.#fromLiving(move, fitMs, nowMs - siteSinceMs, nowMs - this.#holdsSinceMs)
    else if (!isElected && !isFirst && !isLast && plan.allDown === 'stay') {
      const isKnown = plan.promote !== null || facts!.role === 'primary'
      assert.ok(isKnown || this.#accounts[move.to]!.inStep, 'a stale one takes over by itself')
    }
  }

  #indexOf(account: Account): number {
    return this.#accounts.indexOf(account)
  }

  /** The active lives: the preferred one is back, or the active's site is left. */
  #fromLiving(move: Move, fitMs: number, siteMs: number, holdsMs: number): void {
    const { plan } = this.#machine
    const from = this.#accounts[move.from]!.facts!
    if (!from.siteHolds) {
      assert.equal(move.kind, 'switchover')
      assert.ok(this.#accounts[move.to]!.facts!.siteHolds, 'a site is left for no better one')
      return
    }
    assert.equal(move.kind, 'failback')
    assert.equal(plan.failback, 'auto')
    assert.equal(plan.elect, 'priority')
    assert.ok(!this.#pinned, 'away from one that an operator chose')
    assert.ok(move.to < move.from, 'failback to a less preferred one')
    assert.ok(fitMs >= plan.stableForMs, `failback after ${fitMs} ms`)
    assert.ok(holdsMs >= plan.stableForMs, `failback from one that has held for ${holdsMs} ms`)
    assert.ok(siteMs >= plan.stableForMs, `failback after ${siteMs} ms of its site`)
  }
}
