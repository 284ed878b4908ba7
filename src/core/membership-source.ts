// What one source of members has said so far, and what follows from its next word. The rules that
// keep a pool from harm: a source that fails or says nothing takes nobody away, an incomplete answer
// only adds, a source that is known to stutter must leave somebody out twice, and a flood is cut.

import { difference, identityOf, isSameMembers, membersOf } from './membership.ts'
import type { Found, Member } from './membership.ts'

export interface SourceRules {
  /** Members taken; beyond it nobody is. */
  readonly membersMax: number
  /** An empty answer means that there is nobody. */
  readonly allowEmpty: boolean
  /** Answers in a row that must leave a member out before it is removed; at least 1. */
  readonly agreeing: number
}

/** A source's next word. */
export type SourceWord =
  | {
      readonly kind: 'answer'
      readonly found: readonly Found[]
      /** `null`: that is all of them; else why there may be more. */
      readonly incomplete: string | null
      /** What cannot be a member, each with its reason: `10.0.0.9:80 is ourselves`. */
      readonly refused: readonly string[]
      /** Why nobody was found, for people. */
      readonly empty?: string
      /** Why changes may be heard of late, though that is all of them. */
      readonly unsteady?: string
    }
  /** A few words: `no such name`, `no answer within 2s`. */
  | { readonly kind: 'failure'; readonly reason: string }

type Answer = Extract<SourceWord, { kind: 'answer' }>

/**
 * `waiting`: no good answer yet. `stale`: the last one failed, or none has come to this process; what
 * was known before stays.
 */
export type SourceCondition = 'waiting' | 'ok' | 'stale'

export interface SourceState {
  readonly condition: SourceCondition
  /** Monotonic ms since which the condition holds. */
  readonly sinceMs: number
  /** Monotonic ms of the last good answer; `null` before the first. */
  readonly answeredMs: number | null
  /** That was to a process before this one, which has had none yet. */
  readonly isRecalled: boolean
  /** Sorted by name. */
  readonly members: readonly Member[]
  /**
   * What was wrong with the last word; `null` if nothing was. With `ok` its answer was incomplete, or
   * the source is `unsteady`.
   */
  readonly trouble: string | null
  /** The last answer was whole, but changes may be heard of late. */
  readonly unsteady: boolean
  /** Bad words in a row. */
  readonly failures: number
  /** Of the last answer: what was not taken. */
  readonly refused: readonly string[]
  /** Identities that the last answers left out, and how many in a row did. */
  readonly missing: ReadonlyMap<string, number>
}

/** What is worth telling after a word. */
export interface SourceNews {
  readonly state: 'changed' | 'failed' | 'recovered'
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

export interface SourceStep {
  readonly state: SourceState
  /** The members are others now, or have other weights. */
  readonly changed: boolean
  /** `null`: all is as before. */
  readonly news: SourceNews | null
  /** A further answer soon would tell whether those left out are really gone. */
  readonly unsure: boolean
}

export function firstState(nowMs: number): SourceState {
  return {
    condition: 'waiting',
    sinceMs: nowMs,
    answeredMs: null,
    isRecalled: false,
    members: [],
    trouble: null,
    unsteady: false,
    failures: 0,
    refused: [],
    missing: new Map(),
  }
}

/** What a process before this one knew, until the source answers here. */
export function recalledState(
  members: readonly Member[],
  answeredMs: number,
  nowMs: number,
): SourceState {
  return { ...firstState(nowMs), condition: 'stale', answeredMs, isRecalled: true, members }
}

/** The same with what other rules leave of it; nothing left is nothing known. */
export function judged(state: SourceState, members: readonly Member[]): SourceState {
  if (members.length > 0) return { ...state, members }
  return { ...state, condition: 'waiting', answeredMs: null, isRecalled: false, members }
}

/** It has answered in this process. */
export function hasAnswered({ answeredMs, isRecalled }: SourceState): boolean {
  return answeredMs !== null && !isRecalled
}

/** What a source's word makes of what was known. */
export function hear(
  state: SourceState,
  word: SourceWord,
  rules: SourceRules,
  nowMs: number,
): SourceStep {
  if (word.kind === 'failure') return fail(state, word.reason, nowMs)
  const all = membersOf(word.found)
  const useless = uselessness(all, word, rules)
  if (useless !== null) return fail({ ...state, refused: word.refused }, useless, nowMs)
  const { members, left } = cut(all, state.members, rules.membersMax)
  const kept = keep(state, all, members, { ...word, rules })
  const refused = left === 0 ? word.refused : [...word.refused, tooMany(all.length, rules)]
  const next: SourceState = {
    condition: 'ok',
    sinceMs: state.condition === 'ok' ? state.sinceMs : nowMs,
    answeredMs: nowMs,
    isRecalled: false,
    members: kept.members,
    trouble: word.incomplete ?? word.unsteady ?? null,
    unsteady: word.incomplete === null && word.unsteady !== undefined,
    failures: 0,
    refused,
    missing: kept.missing,
  }
  const changed = !isSameMembers(state.members, next.members)
  const unsure = word.incomplete === null && kept.missing.size > 0
  return { state: next, changed, news: newsOf(state, next, changed), unsure }
}

function newsOf(before: SourceState, after: SourceState, changed: boolean): SourceNews | null {
  const names = difference(before.members, after.members)
  if (after.trouble !== null && after.trouble !== before.trouble) {
    return { state: 'failed', ...names }
  }
  if (after.trouble === null && before.trouble !== null) return { state: 'recovered', ...names }
  return changed || !hasAnswered(before) ? { state: 'changed', ...names } : null
}

function fail(state: SourceState, trouble: string, nowMs: number): SourceStep {
  const condition = state.answeredMs === null ? 'waiting' : 'stale'
  const next: SourceState = {
    ...state,
    condition,
    sinceMs: state.condition === condition ? state.sinceMs : nowMs,
    trouble,
    unsteady: false,
    failures: state.failures + 1,
    // What was left out before the failure has to be left out anew.
    missing: new Map(),
  }
  // Told once, and again when the trouble is another one.
  const isNews = trouble !== state.trouble
  const news: SourceNews | null = isNews ? { state: 'failed', added: [], removed: [] } : null
  return { state: next, changed: false, news, unsure: false }
}

/** Why an answer is as good as none; `null` if it isn't. */
function uselessness(
  members: readonly Member[],
  { refused, empty = 'its answer is empty' }: Answer,
  { allowEmpty }: SourceRules,
): string | null {
  if (members.length === 0 && refused.length > 0) {
    return `nothing it tells of can be a backend: ${refused[0]}`
  }
  if (allowEmpty) return null
  if (members.length === 0) return empty
  if (members.some(({ weight }) => weight > 0)) return null
  return `none of its ${members.length} is ready`
}

// Those that are members already go first, as a flood must not push them out; but a place is for
// somebody who may get traffic.
function cut(
  all: readonly Member[],
  before: readonly Member[],
  max: number,
): { readonly members: readonly Member[]; readonly left: number } {
  if (all.length <= max) return { members: all, left: 0 }
  const known = new Set(before.map(identityOf))
  const rank = (member: Member): number => {
    if (member.weight === 0) return 2
    return known.has(identityOf(member)) ? 0 : 1
  }
  const ranked = [...all].sort((one, other) => rank(one) - rank(other))
  return { members: ranked.slice(0, max).sort(byName), left: all.length - max }
}

function tooMany(count: number, { membersMax }: SourceRules): string {
  return `${count} are more than the ${membersMax} that may be (maxMembers)`
}

interface Answered {
  readonly incomplete: string | null
  readonly rules: SourceRules
}

/** Members of the answer, and those of before that it leaves out but that are not given up yet. */
function keep(
  state: SourceState,
  all: readonly Member[],
  members: readonly Member[],
  { incomplete, rules }: Answered,
): { readonly members: readonly Member[]; readonly missing: ReadonlyMap<string, number> } {
  const told = new Set(all.map(identityOf))
  // A name that has moved to another address is told of, so its old address is really gone.
  const names = new Set(all.map(({ name }) => name))
  const missing = new Map<string, number>()
  const kept: Member[] = []
  for (const member of state.members) {
    const identity = identityOf(member)
    if (told.has(identity) || names.has(member.name)) continue
    const times = (state.missing.get(identity) ?? 0) + (incomplete === null ? 1 : 0)
    if (times >= rules.agreeing && incomplete === null) continue
    if (members.length + kept.length >= rules.membersMax) continue
    kept.push(member)
    missing.set(identity, times)
  }
  if (kept.length === 0) return { members, missing }
  return { members: [...members, ...kept].sort(byName), missing }
}

function byName(one: Member, other: Member): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0
}
