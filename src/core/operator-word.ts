// What operators may ask of the failover machine, and when it is refused: never what would send
// traffic to a backend that can't take it, whatever the force.

import type { FailoverEvent, OperatorWord } from './failover-contract.ts'
import { readiness } from './standby.ts'
import { beginMove, type Draft } from './switchover.ts'

/** Takes an operator's word, or says why not. */
export function obey(draft: Draft, event: Extract<FailoverEvent, { kind: 'operator' }>): void {
  const { word, by, reason } = event
  const refusal = refuse(draft, word)
  if (refusal !== null) {
    draft.effects.push({ kind: 'refused', reason: refusal })
    return
  }
  draft.effects.push({ kind: 'accepted' })
  if (word.verb === 'freeze' || word.verb === 'unfreeze') {
    const frozen = word.verb === 'freeze' ? { by, reason } : null
    const freezing = draft.machine.plan.agreement === 'etcd'
    draft.state = { ...draft.state, frozen, freezing }
    draft.effects.push({ kind: 'save' }, { kind: 'freeze', frozen })
    return
  }
  const to = word.verb === 'switchover' ? word.to : failbackTarget(draft, word.force)
  beginMove(draft, { kind: word.verb, to, reason, by })
}

/** Why an operator's word can't be taken now; `null` if it can. */
function refuse(draft: Draft, word: OperatorWord): string | null {
  const { state, machine } = draft
  if (!state.agreement.ok) return `the replicas do not agree at present: ${state.agreement.reason}`
  if (!state.leads) return 'another replica decides for this pool; ask that one'
  if (state.move !== null) {
    const name = machine.members[state.move.to]!.name
    return `a move to ${name} is in progress (${state.move.step}); wait until it has ended`
  }
  if (state.following !== null) {
    const name = machine.members[state.following.to]?.name ?? 'nobody'
    return `a move to ${name} that another replica began is in progress; wait until it has ended`
  }
  if (word.verb === 'freeze') {
    return state.frozen === null ? null : `it is frozen already, by ${state.frozen.by}`
  }
  if (word.verb === 'unfreeze') return state.frozen === null ? 'it is not frozen' : null
  if (state.frozen !== null) {
    return `the pool is frozen by ${state.frozen.by} (${state.frozen.reason}); unfreeze it first`
  }
  if (word.verb === 'failback' && machine.plan.failback === 'never') {
    return 'its configuration says failback: never; a switchover names the backend'
  }
  const to = word.verb === 'switchover' ? word.to : failbackTarget(draft, word.force)
  if (to < 0) {
    const first = machine.members[0]!.name
    if (state.active === 0) return `${first} is the preferred backend and the active already`
    return `${first} can't take over: ${refusalOf(draft, 0, word.force)}`
  }
  const { name } = machine.members[to]!
  if (to === state.active) return `${name} is the active already`
  const refusal = refusalOf(draft, to, word.force)
  return refusal === null ? null : `${name} can't take over: ${refusal}`
}

function refusalOf(draft: Draft, index: number, force: boolean): string | null {
  const { machine, state, nowMs } = draft
  const answer = readiness(machine, state, index, force ? 'forced' : 'operator', nowMs)
  if (answer.ready) return null
  if (force) return answer.reason
  const forced = readiness(machine, state, index, 'forced', nowMs).ready
  return forced ? `${answer.reason} (--force overrides)` : answer.reason
}

function failbackTarget(draft: Draft, force: boolean): number {
  const { machine, state, nowMs } = draft
  const before = state.active < 0 ? state.members.length : state.active
  for (let index = 0; index < before; index++) {
    if (readiness(machine, state, index, force ? 'forced' : 'operator', nowMs).ready) return index
  }
  return -1
}
