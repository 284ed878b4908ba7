// What the mirror of etcd tells, taken into what a replica knows: the keys of pools, of the other
// replicas, and of whoever decides. Nothing is decided here. Pure.

import type { KeyChange, MemberKey, OtherReplica } from './agreement-contract.ts'
import { changeOther, changePool, unregister, type AgreementDraft } from './agreement-draft.ts'
import { readHolder, readMember, readPool } from './agreement-text.ts'
import { lapseMs } from './agreement-times.ts'

/** Takes in changes, oldest first. */
export function fold(draft: AgreementDraft, changes: readonly KeyChange[]): void {
  for (const change of changes) {
    const [folder, name = ''] = split(change.key)
    if (folder === 'holder') foldHolder(draft, change)
    else if (folder === 'members' && name === draft.setup.replica) foldOwn(draft, change)
    else if (folder === 'members') foldMember(draft, name, change)
    else if (folder === 'pools') foldPool(draft, name, change)
  }
  lookUp(draft)
}

/** Takes in all there is in an etcd that was set back. */
export function foldAnew(draft: AgreementDraft, changes: readonly KeyChange[]): void {
  forget(draft)
  fold(draft, changes)
  for (const [index, { seen }] of draft.state.pools.entries()) {
    changePool(draft, index, { doubtEpoch: seen })
  }
}

/** What the others may do is judged as if they had vanished. */
function forget(draft: AgreementDraft): void {
  unregister(draft)
  const ownRevision = draft.state.busy.put ? null : 0
  const era = draft.state.era + 1
  const none = { holder: null, mirroredOwn: null, isUsurped: false }
  draft.state = { ...draft.state, ...none, era, ownRevision }
  for (const [index, { rightMs, doubtMs }] of draft.state.pools.entries()) {
    // As long as the right lasts, nobody can have begun a later epoch.
    const since = draft.nowMs < rightMs ? doubtMs : draft.nowMs + lapseMs(draft.setup)
    changePool(draft, index, {
      key: null,
      modRevision: 0,
      mirroredRevision: 0,
      doubtMs: since,
    })
  }
  const goneMs = draft.nowMs + lapseMs(draft.setup)
  for (const { name } of draft.state.others) changeOther(draft, name, { member: null, goneMs })
}

/** `members/a` is `members` and `a`. Names hold no slash. */
function split(key: string): readonly string[] {
  const slash = key.indexOf('/')
  return slash < 0 ? [key] : [key.slice(0, slash), key.slice(slash + 1)]
}

function foldHolder(draft: AgreementDraft, { value, createRevision }: KeyChange): void {
  const holder = value === null ? null : readHolder(value)
  const unreadable = value !== null && holder === null
  const someone = unreadable ? { replica: '', incarnation: '' } : holder
  draft.state = {
    ...draft.state,
    holder: someone === null ? null : { ...someone, createRevision },
  }
}

function foldOwn(draft: AgreementDraft, { value, modRevision, lease }: KeyChange): void {
  const { state, setup } = draft
  const { ownRevision } = state
  // Older than what we have put since: the put's own answer was faster than the mirror.
  if (ownRevision !== null && modRevision < ownRevision) return
  const member = value === null ? null : readMember(value)
  const incarnation = value === null ? null : (member?.incarnation ?? '')
  const isOurs = incarnation === setup.incarnation && lease === state.lease
  draft.state = {
    ...state,
    mirroredOwn: { revision: value === null ? 0 : modRevision, incarnation },
    ownRevision: state.busy.put ? state.ownRevision : value === null ? 0 : modRevision,
    registered: isOurs ? member : state.registered,
    isUsurped: state.wasRegistered && incarnation !== null && incarnation !== setup.incarnation,
  }
  if (!isOurs) unregister(draft)
}

function foldMember(draft: AgreementDraft, name: string, change: KeyChange): void {
  const { state, nowMs, setup } = draft
  const now = change.value === null ? null : readMember(change.value)
  const before = state.others.find((other) => other.name === name)
  if (before === undefined) {
    // In nobody's list that we know of, but it takes part: it has to be waited for, too.
    if (now !== null) draft.state = { ...state, others: [...state.others, stranger(name, now)] }
    return
  }
  if (now === null) {
    if (before.member !== null)
      changeOther(draft, name, { member: null, goneMs: nowMs + lapseMs(setup) })
    return
  }
  const isNew = before.member?.incarnation !== now.incarnation
  const hasReplaced = isNew && (now.replaced || before.member !== null)
  const replacedMs = hasReplaced ? nowMs + lapseMs(setup) : before.replacedMs
  changeOther(draft, name, { member: now, replacedMs })
}

function stranger(name: string, member: MemberKey): OtherReplica {
  return {
    name,
    isConfigured: false,
    member,
    goneMs: -Infinity,
    replacedMs: -Infinity,
    confirmMs: -Infinity,
    confirmed: null,
  }
}

function foldPool(draft: AgreementDraft, name: string, change: KeyChange): void {
  const index = draft.setup.pools.findIndex((pool) => pool.name === name)
  if (index < 0) return
  const { modRevision } = draft.state.pools[index]!
  const mirroredRevision = change.modRevision
  if (change.modRevision < modRevision) {
    changePool(draft, index, { mirroredRevision })
    return
  }
  const key = change.value === null ? null : readPool(change.value)
  const revision = change.value === null ? 0 : change.modRevision
  changePool(draft, index, { key, modRevision: revision, mirroredRevision })
}

/** The highest epochs that anybody knows of. */
function lookUp(draft: AgreementDraft): void {
  const { state, setup } = draft
  for (const [index, { name }] of setup.pools.entries()) {
    const pool = draft.state.pools[index]!
    let seen = Math.max(pool.seen, pool.key?.epoch ?? 0)
    for (const { member } of state.others) seen = Math.max(seen, member?.seen[name] ?? 0)
    if (seen > pool.seen) changePool(draft, index, { seen })
  }
}
