// Has a change carried out, answers with what became of it, and leaves exactly one audit entry. Every
// change goes through here, so none can be forgotten.

import type { OperatorNews } from '../core/events.ts'
import type { Answer } from './answer.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Caller, ChangeCall, ChangeRoute, Outcome } from './route.ts'

/** What hears of it. */
export interface AdminEvents {
  /** An operator's word was carried out or refused. */
  audit(news: OperatorNews): void
  /** An error in our own code. */
  failed(error: unknown): void
  /** Somebody was turned away, without a token or with a wrong one. */
  stranger?(from: string, isWrong: boolean): void
}

/** How long a client waits for the end of a change, unless the route says otherwise. */
const CHANGE_WAIT_MS = 120_000

/** Answers when it is over, or with 202 when that takes too long. */
export async function carryOut(
  route: ChangeRoute,
  call: ChangeCall,
  events: AdminEvents,
): Promise<Answer> {
  const running = audited(route, call, events)
  const waitMs = route.waitMs ?? CHANGE_WAIT_MS
  if (waitMs === Infinity) return answerTo(await running, call)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), waitMs)
  })
  const outcome = await Promise.race([running, late])
  clearTimeout(timer)
  if (outcome !== null) return answerTo(outcome, call)
  // The change goes on, and its audit entry comes when it is over.
  const message = `It is still in progress after ${Math.round(waitMs / 1_000)} s; the status shows how it ends.`
  return json(202, { message, report: null })
}

async function audited(
  route: ChangeRoute,
  call: ChangeCall,
  events: AdminEvents,
): Promise<Outcome> {
  const startMs = performance.now()
  let outcome: Outcome
  try {
    outcome = await route.change(call)
  } catch (error) {
    events.failed(error)
    const message = 'Evenkeel met an error of its own; see its log.'
    outcome = { ok: false, code: 'failed', message }
  }
  const { params, by, reason, who } = call
  events.audit({
    verb: route.verb,
    pool: params['pool'] ?? null,
    backend: params['backend'] ?? null,
    wishes: wishesOf(route, call),
    by,
    from: who.from,
    reason,
    outcome: outcome.ok ? 'done' : outcome.code,
    message: outcome.message,
    tookMs: Math.round(performance.now() - startMs),
  })
  return outcome
}

function wishesOf(route: ChangeRoute, call: ChangeCall): Readonly<Record<string, unknown>> {
  if (route.wishes !== undefined) return route.wishes(call)
  const { body, dryRun } = call
  const rest = typeof body === 'object' && body !== null ? { ...body } : {}
  const { by: _, reason: _why, ...wishes } = rest as Record<string, unknown>
  return route.dryRun === true ? { ...wishes, dryRun } : wishes
}

function answerTo(outcome: Outcome, { params }: ChangeCall): Answer {
  if (outcome.ok) {
    return json(200, { message: outcome.message, ...outcome.body }, outcome.headers)
  }
  return problem(outcome.code, outcome.message, { ...params, ...outcome.body })
}

/** Who asked, for records: what he says of himself, bound to what he proved. */
export function nameOf(said: string | undefined, { name, from }: Caller): string {
  if (name === null) return said ?? `admin API (${from})`
  return said === undefined || said === name ? name : `${name} for ${said}`
}
