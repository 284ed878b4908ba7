// What is refused in `admin`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileAdmin } from '../../../src/config/compile-admin.ts'
import type { Source } from '../../../src/config/diagnostics.ts'
import { Findings } from '../../../src/config/findings.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { bad, top } from './cases.ts'

bad(
  'an admin address that others reach, and that asks for nothing,',
  top('admin: { bind: ":9900" }'),
  `
bad.yaml:1:16: error: admin.bind: whoever reaches this address could read and steer Evenkeel: nothing is asked for
    1 | admin: { bind: ":9900" }
      |                ^^^^^^^
  hint: bind it to 127.0.0.1 or unix:/path (with metrics: 0.0.0.0:9901 for probes and scrapes), or set admin.tokens, or admin.tls.clientCa
`,
)

bad(
  'a token that can be guessed',
  top('admin: { tokens: { admin: hunter2 } }'),
  `
bad.yaml:1:27: error: admin.tokens.admin: has 7 characters; 16 are the least
    1 | admin: { tokens: { admin: ******* } }
      |                           ^^^^^^^
  hint: make one with: openssl rand -hex 32
`,
)

bad(
  'a token that no header takes',
  top('admin: { tokens: { admin: 0123456789 abcdef } }'),
  `
bad.yaml:1:27: error: admin.tokens.admin: has blanks or characters beyond ASCII
    1 | admin: { tokens: { admin: ********** ****** } }
      |                           ^^^^^^^^^^^^^^^^^
  hint: make one with: openssl rand -hex 32
`,
)

bad(
  'one token for both',
  top('admin: { tokens: { admin: 0123456789abcdef, readOnly: 0123456789abcdef } }'),
  `
bad.yaml:1:55: error: admin.tokens.readOnly: is the same as admin, so it would change everything
    1 | admin: { tokens: { admin: ****************, readOnly: **************** } }
      |                                                       ^^^^^^^^^^^^^^^^
  hint: make another one, for instance with: openssl rand -hex 32
`,
)

bad(
  'a certificate that is none',
  top('admin: { tls: { cert: "${file:cert}", key: "${file:cert}" } }'),
  `
bad.yaml:1:10: error: admin.tls: cert is no certificate that can be read
    1 | admin: { tls: { cert: "\${file:cert}", key: "\${file:cert}" } }
      |          ^^^
  hint: is it cut off?
bad.yaml:1:10: error: admin.tls: key is no key that can be read
    1 | admin: { tls: { cert: "\${file:cert}", key: "\${file:cert}" } }
      |          ^^^
  hint: it begins with -----BEGIN PRIVATE KEY-----, and has no passphrase
`,
)

bad(
  'a key without its certificate',
  top('admin: { tls: { key: "${file:cert}" } }'),
  `
bad.yaml:1:10: error: admin.tls.cert: is missing
    1 | admin: { tls: { key: "\${file:cert}" } }
      |          ^^^
  hint: expected certificates
`,
)

bad(
  'metrics at the address of the admin API',
  top('admin: { bind: 127.0.0.1:9900, metrics: ":9900" }'),
  `
bad.yaml:1:16: error: admin.bind: 127.0.0.1:9900 overlaps :9900 of the metrics (line 1)
    1 | admin: { bind: 127.0.0.1:9900, metrics: ":9900" }
      |                ^^^^^^^^^^^^^^
  hint: give each listener a port or address of its own
`,
)

test('a certificate and a key that is not its own are told apart', () => {
  const authority = makeAuthority('CA')
  const findings = new Findings()
  const tls = { cert: authority.cert, key: authority.issue('x').key }
  const tree = configSchema.shape.admin.parse({ tls })
  compileAdmin(tree, { has: () => false } as unknown as Source, findings)
  assert.deepEqual(
    findings.problems.map(({ path, message }) => [path.join('.'), message]),
    [['admin.tls', 'key is not the one of this certificate']],
  )
  const right = configSchema.shape.admin.parse({
    tls: { cert: authority.cert, key: authority.key },
  })
  const none = new Findings()
  compileAdmin(right, { has: () => false } as unknown as Source, none)
  assert.deepEqual(none.problems, [])
})
