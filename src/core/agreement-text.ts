// The values of the agreement's keys as text, and back. Whoever may write to etcd may write anything:
// what does not read as it should counts as absent. Pure.

import type {
  AgreedPool,
  AgreementSetup,
  HolderKey,
  MemberKey,
  PoolKey,
  Reign,
} from './agreement-contract.ts'

type Fields = Readonly<Record<string, unknown>>

/** What must be alike for two replicas to decide about the same thing. */
export function planText({ replicas }: AgreementSetup, { members }: AgreedPool): string {
  return JSON.stringify([members, replicas.toSorted()])
}

/** The members that such a text names, in their order; none if it is no such text. */
export function membersOf(plan: string): readonly unknown[] {
  try {
    const [members] = JSON.parse(plan) as [unknown]
    return Array.isArray(members) ? members : []
  } catch {
    return []
  }
}

export function sameReign(one: Reign | null | undefined, other: Reign | null | undefined): boolean {
  return one != null && other != null && one.epoch === other.epoch && one.id === other.id
}

/** Whether two states of a pool's key mean the same to a replica. */
export function sameKey(one: PoolKey | null, other: PoolKey | null): boolean {
  if (one === null || other === null) return one === other
  return (
    sameReign(one, other) &&
    one.active === other.active &&
    one.to === other.to &&
    one.moving === other.moving &&
    one.frozen?.by === other.frozen?.by &&
    one.frozen?.reason === other.frozen?.reason &&
    one.pinned === other.pinned
  )
}

export function sameMember(one: MemberKey, other: MemberKey): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

export function readPool(text: string): PoolKey | null {
  const value = read(text)
  if (value === null) return null
  const { epoch, id, active, to, moving, frozen, pinned, by } = value as Partial<PoolKey>
  if (!isEpoch(epoch) || typeof id !== 'string' || typeof moving !== 'boolean') return null
  if (!isName(active) || !isName(to)) return null
  if (frozen !== null && (typeof frozen?.by !== 'string' || typeof frozen.reason !== 'string'))
    return null
  if (typeof by !== 'string' || typeof pinned !== 'boolean') return null
  return { epoch, id, active, to, moving, frozen, pinned, by }
}

export function readMember(text: string): MemberKey | null {
  const value = read(text)
  if (value === null || typeof value['incarnation'] !== 'string') return null
  const { incarnation, replaced, greets, acks, seen, views, plans } = value
  return {
    incarnation,
    replaced: replaced === true,
    greets: entriesOf(greets, (incarnation) => typeof incarnation === 'string'),
    acks: entriesOf(acks, isReign),
    seen: entriesOf(seen, isEpoch),
    views: entriesOf(views, isView),
    plans: entriesOf(plans, (plan) => typeof plan === 'string'),
  }
}

export function readHolder(text: string): HolderKey | null {
  const value = read(text)
  if (value === null) return null
  const { replica, incarnation } = value
  if (typeof replica !== 'string' || typeof incarnation !== 'string') return null
  return { replica, incarnation }
}

function read(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text)
    const isFields = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isFields ? (value as Fields) : null
  } catch {
    return null
  }
}

function entriesOf<T>(value: unknown, is: (entry: unknown) => entry is T): Record<string, T> {
  if (typeof value !== 'object' || value === null) return {}
  const entries = Object.entries(value).filter((entry): entry is [string, T] => is(entry[1]))
  return Object.fromEntries(entries)
}

function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isName(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

function isReign(value: unknown): value is Reign {
  const reign = value as Partial<Reign> | null
  return isEpoch(reign?.epoch) && typeof reign?.id === 'string'
}

function isView(value: unknown): value is readonly (boolean | null)[] {
  return Array.isArray(value) && value.every((fit) => fit === null || typeof fit === 'boolean')
}
