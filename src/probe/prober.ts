// The real prober: chooses the kind of probe a check asks for.

import type { ProbeRequest, ProbeResult, Prober } from './contract.ts'
import { probeHttp } from './http.ts'
import { probeMysql } from './mysql.ts'
import { probePostgres } from './postgres.ts'
import { probeRedis } from './redis.ts'
import { probeTcp } from './tcp.ts'

/** Probes over real sockets. Holds nothing between two probes. */
export const socketProber: Prober = {
  probe(request: ProbeRequest, done: (result: ProbeResult) => void): () => void {
    const { check } = request
    if (check.kind === 'http') return probeHttp(request, check, done)
    if (check.kind === 'tcp') return probeTcp(request, check, done)
    if (check.kind === 'redis') return probeRedis(request, check, done)
    if (check.kind === 'postgres') return probePostgres(request, check, done)
    return probeMysql(request, check, done)
  },
}
