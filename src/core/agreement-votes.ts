// What the live replicas together see of a backend. Pure.

import type { AgreementSetup, AgreementState } from './agreement-contract.ts'
import { membersOf, planText } from './agreement-text.ts'

/**
 * The verdict of the live replicas on one member of a pool: `unfit` or `fit` if more than half of
 * them say so and this one is among them, else `unknown`. Live is who has a key in etcd, so a
 * replica that is cut off neither votes nor counts.
 */
export function quorumSees(
  setup: AgreementSetup,
  state: AgreementState,
  pool: number,
  member: number,
): 'fit' | 'unfit' | 'unknown' {
  const { name, members } = setup.pools[pool]!
  const plan = planText(setup, setup.pools[pool]!)
  const own = state.pools[pool]!.views[member] ?? null
  if (own === null) return 'unknown'
  let live = 1
  let alike = 1
  for (const other of state.others) {
    if (other.member === null) continue
    live++
    const theirs = other.member.plans[name] ?? ''
    // While configurations are changed one by one, another one's may have another order.
    const place = theirs === plan ? member : membersOf(theirs).indexOf(members[member]!)
    if (place >= 0 && other.member.views[name]?.[place] === own) alike++
  }
  if (2 * alike <= live) return 'unknown'
  return own ? 'fit' : 'unfit'
}
