// Questions to DNS servers, each bounded in time. On c-ares, in which nothing blocks: the system's
// own look-up (getaddrinfo) keeps one of four threads of the process as long as a server is silent.
// c-ares takes the servers from resolv.conf but does not go through its search list: dns-names.ts.

import { Resolver } from 'node:dns/promises'

/** An address and for how many seconds it may be kept. */
export interface AddressRecord {
  readonly address: string
  readonly ttl: number
}

/** RFC 2782. Node does not tell the TTL of these. */
export interface ServiceRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** `none`: the server said that there is nothing of the kind. `failed`: it said nothing of use. */
export type DnsAnswer<T> =
  | { readonly kind: 'records'; readonly records: readonly T[] }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

/** One round of questions. */
export interface DnsQuestions {
  addresses(name: string, family: 4 | 6): Promise<DnsAnswer<AddressRecord>>
  services(name: string): Promise<DnsAnswer<ServiceRecord>>
  /** Ends what is under way: it fails. */
  cancel(): void
}

/** Of one try; the second one takes twice as long. */
const TRY_MS = 1_000
const TRIES = 2

/**
 * New questions, to the servers that the system names now.
 * @param servers such as `10.0.0.2:53`; empty for those of the system
 */
export function dnsQuestions(servers: readonly string[]): DnsQuestions {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES })
  if (servers.length > 0) resolver.setServers(servers)
  return {
    addresses: (name, family) =>
      answered(
        family === 4
          ? resolver.resolve4(name, { ttl: true })
          : resolver.resolve6(name, { ttl: true }),
      ),
    services: (name) => answered(resolver.resolveSrv(name)),
    cancel: () => resolver.cancel(),
  }
}

async function answered<T>(question: Promise<readonly T[]>): Promise<DnsAnswer<T>> {
  try {
    const records = await question
    if (records.length > 0) return { kind: 'records', records }
    return { kind: 'none', reason: 'its answer is empty' }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    const none = NONE[code]
    if (none !== undefined) return { kind: 'none', reason: none }
    return { kind: 'failed', reason: FAILED[code] ?? (code === '' ? message : code) }
  }
}

const NONE: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such name',
  ENODATA: 'the name has no such record',
}

const FAILED: Readonly<Record<string, string>> = {
  ESERVFAIL: 'the server failed (SERVFAIL)',
  EREFUSED: 'the server refuses to answer (REFUSED)',
  ENOTIMP: 'the server does not know such questions',
  EFORMERR: 'the server does not understand the question',
  EBADRESP: 'the answer makes no sense',
  EBADNAME: 'this is no name',
  ECONNREFUSED: 'there is no DNS server',
  ETIMEOUT: 'no answer in time',
  ECANCELLED: 'no answer in time',
}
