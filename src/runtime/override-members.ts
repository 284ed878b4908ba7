// Whether a backend can be added to a pool, or removed from it, while Evenkeel runs, and what has to
// be remembered for that.

import type { OverrideAnswer, OverrideRequest, OverrideWish } from '../core/override-request.ts'
import type { PlanOverrides } from '../core/effective-plan.ts'
import { holdsIn } from '../core/effective-plan.ts'
import type { MemberWish, Overrides } from '../core/overrides.ts'
import { planOverrides } from '../core/overrides.ts'
import type { Plan, PoolPlan } from '../core/plan.ts'
import { readBackendAddress } from '../config/address.ts'
import { formatAddress } from '../core/address-text.ts'
import { namePattern } from '../config/leaf.ts'

export type WishedMember =
  | {
      readonly ok: true
      /** `null`: nothing beside the configuration. */
      readonly wish: MemberWish | null
      /** What was done. */
      readonly says: string
    }
  | Extract<OverrideAnswer, { ok: false }>

type MemberRequest = OverrideRequest & Extract<OverrideWish, { verb: 'add' | 'remove' }>
type AddRequest = Extract<MemberRequest, { verb: 'add' }>

/** @param now what operators have made of a backend of this name */
export function wishedMember(
  request: MemberRequest,
  pool: PoolPlan,
  now: MemberWish | null,
): WishedMember {
  if (!holdsIn(pool)) {
    return refuse(
      `The backends of pool '${pool.name}' are an order of preference, so they are changed in its configuration alone (evenkeel reload).`,
    )
  }
  const { backend } = request
  const names = pool.backends.map(({ name }) => name)
  if (request.verb === 'add') return wishedAdd(request, pool, now)
  if (!names.includes(backend)) {
    const message = `Pool '${pool.name}' has no backend '${backend}'.`
    return { ok: false, code: 'no-backend', message, names }
  }
  if (names.length === 1) return refuse(`'${backend}' is the last backend of pool '${pool.name}'.`)
  const says = 'removed; what runs there may finish'
  if (now?.kind === 'added') return { ok: true, wish: null, says }
  return {
    ok: true,
    wish: { kind: 'removed' },
    says: `${says}. evenkeel backend add brings it back`,
  }
}

function wishedAdd(request: AddRequest, pool: PoolPlan, now: MemberWish | null): WishedMember {
  const { backend, address, weight, zone, site } = request
  const there = pool.backends.find(({ name }) => name === backend)
  if (there !== undefined) {
    return refuse(
      `Pool '${pool.name}' has a backend '${backend}' already, at ${formatAddress(there.address)}.`,
    )
  }
  if (now?.kind === 'removed') {
    if (address === null && weight === null) return { ok: true, wish: null, says: 'back again' }
    return refuse(
      `'${backend}' is a backend of pool '${pool.name}' that was removed: leave the address and the weight out to bring it back as it was, or take another name.`,
    )
  }
  if (address === null) {
    return refuse(`No backend '${backend}' was removed from pool '${pool.name}': say its address.`)
  }
  if (!namePattern.test(backend)) {
    return refuse(
      `'${backend}' cannot be a name: use letters, digits, dots, - and _; begin with a letter or digit; at most 64.`,
    )
  }
  const read = readBackendAddress(address)
  if (!read.ok) {
    const hint = read.hint === null ? '' : ` (${read.hint})`
    return refuse(`The address: ${read.message}${hint}.`)
  }
  const same = pool.backends.find((one) => formatAddress(one.address) === formatAddress(read.value))
  if (same !== undefined) {
    return refuse(`'${same.name}' of pool '${pool.name}' is at ${address} already.`)
  }
  const odd = oddSite(pool, site)
  if (odd !== null) return refuse(odd)
  const wish = { kind: 'added', address: read.value, weight: weight ?? 1, zone, site } as const
  return { ok: true, wish, says: `added at ${formatAddress(read.value)}` }
}

/** Why a backend can't be added there; `null` if it can. */
function oddSite({ name, sites }: PoolPlan, site: string | null): string | null {
  const names = sites.map((one) => one.name).join(', ')
  if (site === null) {
    return names === '' ? null : `Pool '${name}' has sites: say in which (--site): ${names}.`
  }
  if (names === '') return `Pool '${name}' has no sites.`
  return sites.some((one) => one.name === site)
    ? null
    : `Pool '${name}' has no site '${site}'; there are ${names}.`
}

/**
 * Those that a configuration can take: one that was changed between two starts may have no place for
 * a backend that was added, or removed, before.
 */
export function applicable(
  overrides: Overrides,
  { pools }: Plan,
): { readonly wished: PlanOverrides; readonly left: Overrides } {
  const left = overrides.filter(({ pool: name, weight, member }) => {
    const pool = pools.find((one) => one.name === name)
    if (pool === undefined) return false
    if (!holdsIn(pool)) return member !== null || weight !== null
    return member?.wish.kind === 'added' && oddSite(pool, member.wish.site) !== null
  })
  return { wished: planOverrides(overrides.filter((one) => !left.includes(one))), left }
}

function refuse(message: string): Extract<OverrideAnswer, { ok: false }> {
  return { ok: false, code: 'refused', message }
}
