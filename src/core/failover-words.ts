// The failover machine's state in one word, with the sentence that says why.

import type { FailoverState } from './failover-contract.ts'
import { canReign, failsBack, readiness } from './standby.ts'
import type { FailoverPhase } from './status.ts'
import { isPlanned, type Draft } from './switchover.ts'

/** Phase and reason follow from the rest; a change is announced once. */
export function describe(draft: Draft, before: FailoverState): void {
  const { phase, reason } = wordsOf(draft)
  const { state, nowMs } = draft
  if (phase === before.phase && reason === before.reason) return
  const sinceMs = phase === before.phase ? before.sinceMs : nowMs
  draft.state = { ...state, phase, reason, sinceMs }
  if (phase !== before.phase) {
    draft.effects.push({ kind: 'turned', from: before.phase, to: phase, reason })
  }
}

interface Words {
  readonly phase: FailoverPhase
  readonly reason: string
}

function wordsOf(draft: Draft): Words {
  const { machine, state } = draft
  const { move, following, frozen, agreement } = state
  if (move !== null) {
    const phase = isPlanned(move.kind) ? 'switching' : 'failing-over'
    return { phase, reason: `${move.kind} to ${nameOf(draft, move.to)}: ${move.reason}` }
  }
  if (following !== null) {
    const reason = `another replica moves it to ${nameOf(draft, following.to)}`
    return { phase: 'failing-over', reason }
  }
  const outage = outageOf(draft)
  if (!agreement.ok) return { phase: 'frozen', reason: agreement.reason }
  if (frozen !== null) {
    const aside = outage === null ? '' : `; ${outage}`
    return { phase: 'frozen', reason: `frozen by ${frozen.by}: ${frozen.reason}${aside}` }
  }
  if (outage !== null) return { phase: 'none', reason: outage }
  const active = state.members[state.active]!
  const name = nameOf(draft, state.active)
  if (active.doubtful) return { phase: 'suspect', reason: `${name}: ${active.reason}` }
  const waiting = machine.members.findIndex((_, index) => waitsForFailback(draft, index))
  if (waiting < 0) return { phase: 'steady', reason: `${name} is the active` }
  const reason = `${nameOf(draft, waiting)} is back and has to stay fit for a while`
  return { phase: 'failback-wait', reason }
}

/** Why nobody serves; `null` if the active does. */
function outageOf(draft: Draft): string | null {
  const { machine, state, nowMs } = draft
  const { active, last, gone, failedTo } = state
  if (active >= 0) {
    const { judged, reason } = state.members[active]!
    const name = nameOf(draft, active)
    if (!judged) return `${name} was the active; its first check has to pass`
    if (canReign(machine, state, active)) return null
    return `${name} is lost (${reason}), and ${waitsFor(draft)}`
  }
  if (last < 0) {
    if (gone === null) return 'no backend can be the first active yet'
    return `no active: ${goneText(gone)}, and nobody is ready to take over; an operator can take one that may be stale`
  }
  const { ready, reason } = readiness(machine, state, last, 'failover', nowMs)
  const name = nameOf(draft, last)
  const why = ready ? `${name} can resume and is tried again` : `${name} can't resume: ${reason}`
  if (failedTo >= 0) return `no active: the move to ${nameOf(draft, failedTo)} failed; ${why}`
  return `no active: ${why}`
}

/** Of the last active, after a restart without it. */
export function goneText(name: string): string {
  return `${name}, the last active, is not configured any more`
}

/** Why nobody takes over yet. */
function waitsFor({ state, nowMs }: Draft): string {
  if (!state.leads) return 'another replica decides who takes over'
  if (state.failures > 0 && nowMs < state.retryMs) return 'a move failed; it is tried again soon'
  return 'nobody is ready to take over'
}

function waitsForFailback({ machine, state, nowMs }: Draft, index: number): boolean {
  if (!failsBack(machine, state) || index >= state.active) return false
  const { ready, untilMs } = readiness(machine, state, index, 'planned', nowMs)
  return ready || untilMs < Infinity
}

function nameOf({ machine }: Draft, index: number): string {
  return machine.members[index]?.name ?? 'nobody'
}
