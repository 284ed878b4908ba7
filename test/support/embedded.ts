// A balancer inside the test's own process, from the same configuration a file would hold.

import { after } from 'node:test'
import { stringify } from 'yaml'
import { formatDiagnostics } from '../../src/config/diagnostics.ts'
import { parseConfig } from '../../src/config/load.ts'
import type { Address, Plan } from '../../src/core/plan.ts'
import { startBalancer } from '../../src/runtime/balancer.ts'
import type { BalancerOptions, RunningBalancer } from '../../src/runtime/running-balancer.ts'

/** Compiles a configuration given as a value. @throws Error with its diagnostics */
export function planOf(config: object): Plan {
  const quiet = { log: { access: { format: 'off' } }, admin: false, ...config }
  const loaded = parseConfig(stringify(quiet), { file: 'test.yaml', env: {} })
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics))
  return loaded.plan
}

/** Starts it in this process, or with `inProcess: false` in threads, and closes it after the test. */
export async function embed(
  config: object,
  options: BalancerOptions = {},
): Promise<RunningBalancer> {
  const balancer = await startBalancer(planOf(config), { inProcess: true, ...options })
  after(() => balancer.close())
  return balancer
}

/** `http://host:port` of an address. */
export function urlOf(address: Address | null | undefined): string {
  if (address?.kind !== 'tcp') throw new Error('not a tcp address')
  return `http://${address.host}:${address.port}`
}
