// Host names of backends for probes: the system's resolver through a cache, so that a probe every
// second is no question every second, and a resolver that fails does not look like a dead backend.

import dns from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { NameCache } from '../core/name-cache.ts'

const names = new NameCache({
  nowMs: () => performance.now(),
  ask: (host, done) => {
    dns.lookup(host, { verbatim: false }, (error, address) => {
      if (error === null) done(address, '')
      else done('', error.code ?? 'ENOTFOUND')
    })
  },
})

/** For the `lookup` option of a connection. */
export const probeLookup: LookupFunction = (host, options, done) => {
  names.resolve(host, (address, code) => {
    if (address === '') {
      done(Object.assign(new Error(`${host} does not resolve`), { code }), '', 0)
    } else if (options.all === true) done(null, [{ address, family: isIP(address) }])
    else done(null, address, isIP(address))
  })
}
