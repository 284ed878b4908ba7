// One probe by the real prober, awaited.

import assert from 'node:assert/strict'
import type { Address } from '../../src/core/plan.ts'
import type { CheckPlan } from '../../src/core/check-plan.ts'
import type { ProbeResult } from '../../src/probe/contract.ts'
import { socketProber } from '../../src/probe/prober.ts'

/** Probes a port of 127.0.0.1, or an address. */
export function probeOnce(
  where: number | Address,
  check: CheckPlan,
  timeoutMs = 2_000,
): Promise<ProbeResult> {
  const address: Address =
    typeof where === 'number' ? { kind: 'tcp', host: '127.0.0.1', port: where } : where
  return new Promise((resolve) => {
    let within = true
    socketProber.probe({ address, check, port: null, timeoutMs }, (result) => {
      assert.equal(within, false, 'done must not be called within probe()')
      resolve(result)
    })
    within = false
  })
}

/** The verdict and text, without the time it took. */
export function words({ verdict, text }: ProbeResult): string {
  return `${verdict}: ${text.replace(/\d+ ms$/, '_ ms')}`
}
