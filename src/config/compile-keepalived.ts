// The virtual IP address of the tree to its plan, and whether the listeners are there for it.

import type { KeepalivedPlan, ListenerPlan } from '../core/plan.ts'
import { overlap } from './address.ts'
import type { Findings } from './findings.ts'
import type { ConfigTree } from './schema.ts'

/** Compiles `keepalived`; `null` without one. */
export function compileKeepalived(
  tree: ConfigTree,
  listeners: readonly ListenerPlan[],
  findings: Findings,
): KeepalivedPlan | null {
  if (tree.keepalived === undefined) return null
  const { trackFile, vip, handover } = tree.keepalived
  const isServed = listeners.some(
    ({ address }) =>
      address.kind === 'tcp' && overlap(address, { kind: 'tcp', host: vip, port: address.port }),
  )
  if (!isServed && listeners.length > 0) {
    findings.warning(
      ['keepalived', 'vip'],
      `no listener is on ${vip}, so nobody will answer there`,
      'bind a listener to it, or to every address (:8080)',
    )
  }
  if (tree.admin === null) {
    findings.warning(
      ['keepalived'],
      'keepalived finds a frozen Evenkeel through /readyz of the admin API, which is switched off',
      'remove admin: false; unix:/path will do',
      { on: 'key' },
    )
  }
  return { trackFile, vip, handoverMs: handover }
}
