// Who the members of a pool are, when something outside says so: the one form in which DNS, files,
// Docker and Kubernetes tell it, stable names, and how several sources make one list.
// Pure: what a source saw when is membership-source.ts, asking it is `discover/`.

import { formatAddress } from './address-text.ts'
import type { Address } from './plan.ts'

/** A backend that was found. Its name is stable: the same server has the same one each time. */
export interface Member {
  readonly name: string
  readonly address: Address
  /** 0…65535; 0 takes no new traffic, and what runs may finish. */
  readonly weight: number
  readonly zone: string | null
}

/** What a source says of one server. */
export interface Found {
  /** `null`, or a name that cannot be one: its address is its name. */
  readonly name: string | null
  readonly address: Address
  readonly weight: number
  readonly zone: string | null
}

/**
 * Names go into logs, labels and URLs, and this one comes from outside. The brackets are those of
 * IPv6 addresses.
 */
const NAME = /^[A-Za-z0-9[][A-Za-z0-9._:\]-]{0,127}$/
export const WEIGHT_MAX = 65_535

/**
 * The members that a source has found: sorted by name, each address once. Of two with one address
 * the first name wins and the greater weight; of two with one name the later address gets a number.
 */
export function membersOf(found: readonly Found[]): readonly Member[] {
  const byAddress = new Map<string, Member>()
  for (const one of found.map(memberOf).sort(byName)) {
    const key = formatAddress(one.address)
    const other = byAddress.get(key)
    if (other === undefined) byAddress.set(key, one)
    else if (one.weight > other.weight) byAddress.set(key, { ...other, weight: one.weight })
  }
  return uniqueNames([...byAddress.values()], new Set())
}

function memberOf({ name, address, weight, zone }: Found): Member {
  const plain = formatAddress(address)
  return {
    name: name !== null && NAME.test(name) ? name : plain,
    address,
    weight: Math.min(WEIGHT_MAX, Math.max(0, Math.round(weight))),
    zone,
  }
}

function uniqueNames(members: readonly Member[], taken: Set<string>): readonly Member[] {
  const named = members.map((member) => {
    let { name } = member
    for (let copy = 2; taken.has(name); copy++) name = `${member.name}#${copy}`
    taken.add(name)
    return name === member.name ? member : { ...member, name }
  })
  return named.sort(byName)
}

function byName(one: Member, other: Member): number {
  if (one.name !== other.name) return one.name < other.name ? -1 : 1
  const [a, b] = [formatAddress(one.address), formatAddress(other.address)]
  return a === b ? 0 : a < b ? -1 : 1
}

/**
 * One list from those of several sources; an address that an earlier one has is not taken again,
 * nor one that the configuration names.
 */
export function mergeMembers(
  configured: readonly { readonly name: string; readonly address: Address }[],
  lists: readonly (readonly Member[])[],
): readonly Member[] {
  const names = new Set(configured.map(({ name }) => name))
  const addresses = new Set(configured.map(({ address }) => formatAddress(address)))
  const merged: Member[] = []
  for (const list of lists) {
    const fresh = list.filter(({ address }) => !addresses.has(formatAddress(address)))
    for (const { address } of fresh) addresses.add(formatAddress(address))
    merged.push(...uniqueNames(fresh, names))
  }
  return merged.sort(byName)
}

/** Whether two lists, both sorted by name, say the same. */
export function isSameMembers(one: readonly Member[], other: readonly Member[]): boolean {
  return one.length === other.length && one.every((member, i) => isSame(member, other[i]!))
}

function isSame(one: Member, other: Member): boolean {
  return (
    one.name === other.name &&
    one.weight === other.weight &&
    one.zone === other.zone &&
    formatAddress(one.address) === formatAddress(other.address)
  )
}

/** Names that came and names that went. One whose address changed did both. */
export function difference(
  before: readonly Member[],
  after: readonly Member[],
): { readonly added: readonly string[]; readonly removed: readonly string[] } {
  return { added: missingFrom(before, after), removed: missingFrom(after, before) }
}

function missingFrom(list: readonly Member[], others: readonly Member[]): readonly string[] {
  const known = new Set(list.map(identityOf))
  return others.filter((member) => !known.has(identityOf(member))).map(({ name }) => name)
}

/** What makes a member the same one: its name and its address. */
export function identityOf({ name, address }: Member): string {
  return `${name} ${formatAddress(address)}`
}
