// Probe by connecting: whoever accepts a connection is up. It can't see a backend that has stopped
// but whose queue of new connections still has room; live traffic (outlier detection) can.

import { connect } from 'node:net'
import type { Address } from '../core/plan.ts'
import { ProbeAttempt } from './attempt.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'

/** Where a probe connects to. */
export function probeTarget(
  address: Address,
  port: number | null,
): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (address.kind === 'unix') return { path: address.path }
  return { host: address.host, port: port ?? address.port }
}

/** One connect and close. See `Prober`. */
export function probeTcp(request: ProbeRequest, done: (result: ProbeResult) => void): () => void {
  const socket = connect(probeTarget(request.address, request.port))
  const attempt = new ProbeAttempt(request.timeoutMs, done, () => socket.destroy())
  socket.on('connect', () => attempt.end('pass', `connected in ${Math.round(attempt.tookMs)} ms`))
  socket.on('error', (error) => attempt.fail(error))
  return () => attempt.cancel()
}
