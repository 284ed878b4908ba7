// The real prober: chooses the kind of probe a check asks for.

import type { ProbeRequest, ProbeResult, Prober } from './contract.ts'
import { probeHttp } from './http.ts'
import { probeTcp } from './tcp.ts'

/** Probes over real sockets. Holds nothing between two probes. */
export const socketProber: Prober = {
  probe(request: ProbeRequest, done: (result: ProbeResult) => void): () => void {
    const { check } = request
    return check.kind === 'http' ? probeHttp(request, check, done) : probeTcp(request, done)
  },
}
