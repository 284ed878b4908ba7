// The keys of `admin`: where the admin API is, and who may use it.

import type { z } from 'zod'
import { readBind } from './address.ts'
import { addressJson, map, text } from './leaf.ts'
import { readPem, readToken } from './outside-values.ts'

const token = text('a token', readToken, { type: 'string' }).optional()
const pem = (what: string) => text(what, readPem, { type: 'string' })

const tokens = map({
  admin: token.describe('Bearer token that may do everything; write ${file:/path}.'),
  readOnly: token.describe('Bearer token that may look and change nothing; write ${file:/path}.'),
})

const tls = map({
  cert: pem('certificates').describe('Certificate and its chain, as PEM text: ${file:/path}.'),
  key: pem('a key').describe('Its key, as PEM text: ${file:/path}.'),
  clientCa: pem('certificates')
    .optional()
    .describe('Authorities whose client certificates may do everything, as PEM text.'),
})

/** `admin`. */
export const adminSchema = map({
  bind: text('an address such as 127.0.0.1:9900', readBind, addressJson)
    .prefault('127.0.0.1:9900')
    .describe('Address of the admin API, /metrics, /livez and /readyz; unix:/path works too.'),
  tokens: tokens
    .prefault({})
    .describe('Asked for on every TCP connection, from this machine, too; never on a unix socket.'),
  tls: tls.optional().describe('Speak TLS. Absent: plain HTTP.'),
  metrics: text('an address such as 0.0.0.0:9901', readBind, addressJson)
    .optional()
    .describe('A second address that has /metrics, /livez and /readyz alone, for everybody.'),
})

export type AdminTree = z.output<typeof adminSchema>
