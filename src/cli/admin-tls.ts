// A TLS connection to the admin API. Who answers is checked before a byte of ours, a token above all,
// is on its way.

import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import type { Address } from '../core/plan.ts'

/** Whom to believe, and who we are; PEM texts. Absent `ca`: the system's authorities. */
export interface Trust {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** The very certificate that must be shown, as the configuration has it. */
  readonly pinned?: string
}

/** Opens it. @throws Error when nobody answers, or somebody else */
export function openTls(
  { host, port }: Extract<Address, { kind: 'tcp' }>,
  { pinned, ...trust }: Trust,
  timeoutMs: number,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...trust,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      // What is pinned need not be signed by anybody, nor be made out for this address.
      rejectUnauthorized: pinned === undefined,
    })
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)))
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate()
      if (pinned !== undefined && shown?.fingerprint256 !== fingerprint(pinned)) {
        socket.destroy()
        reject(new Error('its certificate is not the one of the configuration'))
        return
      }
      socket.setTimeout(0)
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}
