// How discovery is told of: in the log, in status and by the admin API.

import { agoText } from '../core/overrides.ts'
import type { SourceNews, SourceState } from '../core/membership-source.ts'
import type { SourcePlan } from '../core/source-plan.ts'
import type { DiscoveryStatus } from '../core/status.ts'

/** For people: `dns api.internal`, `file /etc/backends.json`. */
export function describeSource(plan: SourcePlan): string {
  return `${plan.kind} ${placeOf(plan)}`
}

function placeOf(plan: SourcePlan): string {
  if (plan.kind === 'dns')
    return plan.type === 'address' ? plan.name : `${plan.name} (${plan.type})`
  if (plan.kind === 'file') return plan.path
  if (plan.kind === 'docker') return plan.socket
  return plan.namespace === null ? plan.service : `${plan.namespace}/${plan.service}`
}

/** One sentence about a source that has said nothing yet, and what a process before this one knew. */
export function recalledText(
  pool: string,
  source: string,
  { state, nowMs }: { readonly state: SourceState; readonly nowMs: number },
): string {
  return `${source} has not answered yet: ${toldText(pool, state, nowMs)} stay until it does`
}

function toldText(pool: string, state: SourceState, nowMs: number): string {
  const { members, answeredMs, isRecalled } = state
  const ago = isRecalled && answeredMs !== null ? ` ${agoText(nowMs - answeredMs)}` : ''
  return `${countOf(members.length)} of pool ${pool} that it told of${ago}`
}

interface SourceTurn {
  readonly news: SourceNews
  readonly state: SourceState
  readonly nowMs: number
}

/** One sentence about what a source's word has changed. */
export function newsText(pool: string, source: string, { news, state, nowMs }: SourceTurn): string {
  if (news.state === 'failed') {
    const kept = `${toldText(pool, state, nowMs)} stay`
    const known = state.answeredMs === null ? `pool ${pool} waits for it` : kept
    return `${source} fails: ${state.trouble}; ${known}`
  }
  const changes = [
    ...(news.added.length > 0 ? [`${news.added.length} added`] : []),
    ...(news.removed.length > 0 ? [`${news.removed.length} removed`] : []),
  ]
  const what = changes.length === 0 ? '' : ` (${changes.join(', ')})`
  const verb = news.state === 'recovered' ? 'answers again and knows' : 'knows'
  const refused = state.refused.length === 0 ? '' : `; ${refusedText(state.refused)}`
  return `${source} ${verb} ${countOf(state.members.length)} of pool ${pool}${what}${refused}`
}

interface Facts {
  readonly failures: number
  readonly changes: number
  /** Why the plan could not take the members; `null` if it did. */
  readonly refusal: string | null
  readonly nowMs: number
}

/** One source as people are shown it. */
export function statusOf(plan: SourcePlan, state: SourceState, facts: Facts): DiscoveryStatus {
  const { condition, members, answeredMs, refused } = state
  return {
    kind: plan.kind,
    source: describeSource(plan),
    state: condition,
    reason: reasonOf(state, facts),
    sinceMs: facts.nowMs - state.sinceMs,
    answeredMs: answeredMs === null ? null : facts.nowMs - answeredMs,
    members: members.length,
    refused: refused.length,
    failures: facts.failures,
    changes: facts.changes,
  }
}

function reasonOf({ condition, trouble, unsteady, refused }: SourceState, facts: Facts): string {
  const more = [
    ...(refused.length > 0 ? [refusedText(refused)] : []),
    ...(facts.refusal === null ? [] : [`not taken yet: ${facts.refusal}`]),
  ]
  const answers = unsteady ? 'answers, but cannot be followed' : 'answers in part'
  const first = {
    waiting: trouble === null ? 'no answer yet' : `no answer yet: ${trouble}`,
    ok: trouble === null ? 'answers' : `${answers}: ${trouble}`,
    stale: `what it said last still holds: ${trouble ?? 'no answer yet'}`,
  }[condition]
  return [first, ...more].join('; ')
}

function refusedText(refused: readonly string[]): string {
  const others = refused.length > 1 ? ` and ${refused.length - 1} more` : ''
  return `left out: ${refused[0]}${others}`
}

function countOf(count: number): string {
  return `${count} backend${count === 1 ? '' : 's'}`
}
