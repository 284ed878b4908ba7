// What the live replicas together see of a backend. Pure.

import type { AgreementSetup, AgreementState } from './agreement-contract.ts'

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
  const { name } = setup.pools[pool]!
  const own = state.pools[pool]!.views[member] ?? null
  if (own === null) return 'unknown'
  let live = 1
  let alike = 1
  for (const other of state.others) {
    if (other.member === null) continue
    live++
    if (other.member.views[name]?.[member] === own) alike++
  }
  if (2 * alike <= live) return 'unknown'
  return own ? 'fit' : 'unfit'
}
