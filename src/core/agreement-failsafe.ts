// Going on without etcd (rule 4 of core/agreement.ts): asking all others whether they know of no
// move, and answering those who ask. What is confirmed is remembered by whoever confirmed it. Pure.

import type {
  AgreementEvent,
  AgreedPoolState,
  Question,
  Reign,
  Round,
} from './agreement-contract.ts'
import { changeOther, changePool, wakeAt, type AgreementDraft } from './agreement-draft.ts'
import { extendRight, isLost, isOverdue, isSettledHere } from './agreement-right.ts'
import { sameReign } from './agreement-text.ts'
import { lapseMs, questionMs, rightMs, roundMs } from './agreement-times.ts'

/** Asks all others, as long as etcd is away. */
export function failsafe(draft: AgreementDraft): void {
  const { state, nowMs } = draft
  if (state.hasLeft || state.isUsurped || state.renewedMs === -Infinity || !isOverdue(draft)) {
    if (!isOverdue(draft)) endAsking(draft)
    return
  }
  if (state.round === null && nowMs >= state.roundMs) beginRound(draft)
  if (draft.state.round === null) wakeAt(draft, draft.state.roundMs)
}

/** etcd is back. */
function endAsking(draft: AgreementDraft): void {
  draft.state = { ...draft.state, round: null }
  for (const [index, { unconfirmed }] of draft.state.pools.entries()) {
    if (unconfirmed !== null) changePool(draft, index, { unconfirmed: null })
  }
}

function beginRound(draft: AgreementDraft): void {
  const { state, setup, nowMs } = draft
  const asked: Record<string, Reign> = {}
  for (const [index, { name }] of setup.pools.entries()) {
    const pool = state.pools[index]!
    if (!isAskable(pool)) continue
    asked[name] = { epoch: pool.known!.epoch, id: pool.known!.id }
  }
  // Where such a one can be asked, nobody here knows; and it may see etcd, and move a pool.
  const stranger = state.others.find(({ isConfigured }) => !isConfigured)
  const refusals: Record<string, string> = {}
  if (stranger !== undefined) {
    const why = `replica ${stranger.name} takes part too, and can't be asked: it is not configured here`
    for (const pool of Object.keys(asked)) refusals[pool] = why
  }
  const waiting = state.others.flatMap(({ name, isConfigured }) => (isConfigured ? [name] : []))
  const id = state.rounds + 1
  const round: Round = { id, sentMs: nowMs, asked, waiting, refusals }
  draft.state = { ...state, rounds: id, round }
  for (const replica of waiting) {
    draft.effects.push({ kind: 'ask', round: id, replica, pools: asked })
  }
  if (waiting.length === 0) endRound(draft, round)
}

/** Somebody is the active, and this replica does what it was told last. */
function isAskable(pool: AgreedPoolState): boolean {
  return pool.known !== null && !pool.known.moving && isSettledHere(pool)
}

/** An answer to our question, or that none came. */
export function hearAnswer(
  draft: AgreementDraft,
  event: Extract<AgreementEvent, { kind: 'answered' | 'unanswered' }>,
): void {
  const { round } = draft.state
  if (round === null || round.id !== event.round || !round.waiting.includes(event.replica)) return
  const refusals: Record<string, string> = { ...round.refusals }
  for (const pool of Object.keys(round.asked)) {
    const why = event.kind === 'unanswered' ? event.reason : (event.pools[pool] ?? null)
    const isMissing = event.kind === 'answered' && !(pool in event.pools)
    if (why === null && !isMissing) continue
    refusals[pool] ??= `replica ${event.replica} does not confirm it: ${why ?? 'no answer for it'}`
  }
  const waiting = round.waiting.filter((name) => name !== event.replica)
  const next: Round = { ...round, refusals, waiting }
  draft.state = { ...draft.state, round: next }
  if (waiting.length === 0) endRound(draft, next)
}

function endRound(draft: AgreementDraft, round: Round): void {
  const { setup } = draft
  for (const [index, { name }] of setup.pools.entries()) {
    const pool = draft.state.pools[index]!
    const asked = round.asked[name]
    const refusal = round.refusals[name] ?? (asked === undefined ? unasked(pool) : null)
    changePool(draft, index, { unconfirmed: refusal })
    if (refusal !== null || !isAskable(pool) || !sameReign(pool.known, asked)) continue
    extendRight(draft, index, round.sentMs + rightMs(setup))
  }
  const isFull = draft.state.pools.every(({ unconfirmed }) => unconfirmed === null)
  const nextMs = round.sentMs + roundMs(setup, isFull)
  draft.state = { ...draft.state, round: null, roundMs: Math.max(nextMs, draft.nowMs + 1) }
}

function unasked({ known }: AgreedPoolState): string {
  if (known === null) return 'who is the active was never heard from etcd'
  return known.moving ? 'it was within a move' : 'the last move is not carried out here yet'
}

// --- being asked ---------------------------------------------------------------------------

/** Another replica asks. Whether etcd is away for us as well has to be found out first. */
export function hearQuestion(
  draft: AgreementDraft,
  { id, from, incarnation, pools }: Extract<AgreementEvent, { kind: 'asked' }>,
): void {
  const { state, nowMs, setup } = draft
  const isKnown = state.others.some((other) => other.name === from)
  const question: Question = { id, from, incarnation, pools, untilMs: nowMs + questionMs(setup) }
  if (!isKnown || state.hasLeft) {
    const why = state.hasLeft ? 'it is shutting down' : `it knows no replica '${from}'`
    refuseAll(draft, question, why)
    return
  }
  draft.state = {
    ...state,
    questions: [...state.questions, question],
    cycleMs: Math.min(state.cycleMs, nowMs),
  }
  if (state.failing) settleQuestions(draft, 'away')
}

/** Answers what can be answered: etcd has said something, or has been silent for long enough. */
export function settleQuestions(draft: AgreementDraft, etcd?: 'at hand' | 'away'): void {
  const { questions } = draft.state
  if (questions.length === 0) return
  const rest: Question[] = []
  for (const question of questions) {
    if (etcd === 'at hand') refuseAll(draft, question, 'etcd answers it')
    else if (etcd === 'away' || draft.nowMs >= question.untilMs) confirm(draft, question)
    else rest.push(question)
  }
  draft.state = { ...draft.state, questions: rest }
  for (const { untilMs } of rest) wakeAt(draft, untilMs)
}

function refuseAll(draft: AgreementDraft, { id, pools }: Question, why: string): void {
  const answers = Object.fromEntries(Object.keys(pools).map((name) => [name, why]))
  draft.effects.push({ kind: 'answer', id, pools: answers })
}

function confirm(draft: AgreementDraft, { id, from, incarnation, pools }: Question): void {
  const answers: Record<string, string | null> = {}
  for (const [name, reign] of Object.entries(pools)) {
    const index = draft.setup.pools.findIndex((pool) => pool.name === name)
    answers[name] = index < 0 ? 'it has no such pool' : doubt(draft.state.pools[index]!, reign)
  }
  if (Object.values(answers).includes(null)) {
    const confirmMs = draft.nowMs + lapseMs(draft.setup)
    changeOther(draft, from, { confirmMs, confirmed: incarnation })
  }
  draft.effects.push({ kind: 'answer', id, pools: answers })
}

/** Why this replica can't confirm; `null` if it can: it has read this very epoch, and nothing since. */
function doubt(pool: AgreedPoolState, reign: Reign): string | null {
  const { known, key, writing, commit } = pool
  if (known === null) return 'it has not heard from etcd since it started'
  if (known.moving || key?.moving === true || writing !== null || commit !== null)
    return 'it knows of a move under way'
  if (isLost(pool) || !sameReign(known, reign)) return `it knows of epoch ${pool.seen}`
  return null
}
