// What an operator asks of a pool with an active: from the body of a request to the machine that
// judges it, and its answer back. Every word that reaches the machine leaves an audit entry.

import type { OperatorNews } from '../core/events.ts'
import type { ActAnswer, OperatorRequest, OperatorVerb } from '../core/operator.ts'
import { BY_CHARS_MAX, REASON_CHARS_MAX } from '../core/operator.ts'
import type { Answer } from './answer.ts'
import { json, problem } from './answer.ts'
import type { Key, Read } from './change.ts'
import { readWords } from './change.ts'

/** Whoever carries requests out. */
export interface Actor {
  /** Resolves once what is asked for is over. */
  act(pool: string, request: OperatorRequest): Promise<ActAnswer>
}

/** What hears of it. */
export interface ActEvents {
  /** An operator's word was carried out or refused. */
  audit(news: OperatorNews): void
  /** An error in our own code. */
  failed(error: unknown): void
}

/** What acting needs. */
export interface ActContext {
  readonly actor: Actor
  readonly events: ActEvents
  /** Address of the client. */
  readonly from: string
  /** How long the client may wait for the end of a move. */
  readonly waitMs: number
}

const reason: Key = { kind: 'text', charsMax: REASON_CHARS_MAX, required: true }
const by: Key = { kind: 'text', charsMax: BY_CHARS_MAX, required: false }
const flag: Key = { kind: 'flag' }

const keys: Readonly<Record<OperatorVerb, Readonly<Record<string, Key>>>> = {
  switchover: {
    to: { kind: 'text', charsMax: REASON_CHARS_MAX, required: true },
    reason,
    by,
    force: flag,
    dryRun: flag,
  },
  failback: { reason, by, force: flag, dryRun: flag },
  freeze: { reason, by },
  unfreeze: { reason, by },
}

/** The request that a body makes. */
export function readRequest(
  verb: OperatorVerb,
  body: unknown,
  from: string,
): Read<OperatorRequest> {
  const read = readWords(body, keys[verb])
  if (!read.ok) return read
  const { texts, flags } = read.value
  const signed = { reason: texts['reason']!, by: texts['by'] ?? `admin API (${from})` }
  const { force = false, dryRun = false } = flags
  if (verb === 'freeze' || verb === 'unfreeze') return { ok: true, value: { verb, ...signed } }
  if (verb === 'failback') return { ok: true, value: { verb, force, dryRun, ...signed } }
  return { ok: true, value: { verb, to: texts['to']!, force, dryRun, ...signed } }
}

/** Has a request carried out and says how it ended. */
export async function act(
  pool: string,
  request: OperatorRequest,
  context: ActContext,
): Promise<Answer> {
  const running = carryOut(pool, request, context)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), context.waitMs)
  })
  const answer = await Promise.race([running, late])
  clearTimeout(timer)
  if (answer !== null) return answerTo(pool, answer)
  // The move goes on, and its audit entry comes when it is over.
  const message = `It is still in progress after ${Math.round(context.waitMs / 1_000)} s; the status of the pool shows how it ends.`
  return json(202, { message, report: null })
}

async function carryOut(
  pool: string,
  request: OperatorRequest,
  { actor, events, from }: ActContext,
): Promise<ActAnswer> {
  const startMs = performance.now()
  let answer: ActAnswer
  try {
    answer = await actor.act(pool, request)
  } catch (error) {
    events.failed(error)
    const message = 'Evenkeel met an error of its own; see its log.'
    answer = { ok: false, code: 'failed', message }
  }
  const outcome = answer.ok ? 'done' : answer.code
  const tookMs = Math.round(performance.now() - startMs)
  const { verb, by, reason, ...wishes } = request
  const { message } = answer
  events.audit({
    verb,
    pool,
    backend: null,
    wishes,
    by,
    from,
    reason,
    outcome,
    message,
    tookMs,
  })
  return answer
}

const titles: Readonly<Record<Extract<ActAnswer, { ok: false }>['code'], string>> = {
  'no-pool': 'No such pool',
  'not-standby': 'Not an active-standby pool',
  'no-backend': 'No such backend',
  refused: 'Refused',
  failed: 'Failed',
}

function answerTo(pool: string, answer: ActAnswer): Answer {
  if (answer.ok) return json(200, { message: answer.message, report: answer.report })
  const { code, message, names, report } = answer
  const status = code === 'no-pool' || code === 'no-backend' ? 404 : 409
  const more: Record<string, unknown> = { code, pool }
  if (names !== undefined) more[code === 'no-backend' ? 'backends' : 'pools'] = names
  if (report !== undefined) more['report'] = report
  return problem(status, titles[code], message, more)
}
