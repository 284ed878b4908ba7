// What the process as a whole announces of itself.

import type { VersionInfo } from '../admin/process-routes.ts'
import { formatAddress } from '../core/address-text.ts'
import type { EventBody } from '../core/events.ts'
import type { Plan } from '../core/plan.ts'
import type { RunningBalancer } from './running-balancer.ts'
import { packageVersion } from './version.ts'

/** It serves. */
export function runningNews(
  plan: Plan,
  { addresses, adminAddress }: Pick<RunningBalancer, 'addresses' | 'adminAddress'>,
  threads: number,
): EventBody {
  const fields = {
    listeners: addresses.map(
      (address, i) => `${plan.listeners[i]!.name} on ${formatAddress(address)}`,
    ),
    admin: adminAddress === null ? 'off' : formatAddress(adminAddress),
    threads,
    node: process.versions.node,
  }
  const message = `evenkeel ${packageVersion()} is running`
  return { kind: 'process', state: 'running', message, fields }
}

/** It stops accepting. @param isReplaced since another process does */
export function endingNews(isReplaced: boolean, drainMs: number): EventBody {
  const [state, why] = isReplaced
    ? (['replaced', 'another process takes over'] as const)
    : (['draining', 'draining: no new connections'] as const)
  return { kind: 'process', state, message: `${why}, finishing what runs`, fields: { drainMs } }
}

/** What it says of itself when asked. @param startedMs monotonic */
export function versionInfo(version: string, startedMs: number, threads: number): VersionInfo {
  const uptimeSeconds = Math.round((performance.now() - startedMs) / 1000)
  return { version, node: process.versions.node, pid: process.pid, uptimeSeconds, threads }
}
