import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { planFromEnvironment } from '../../../src/config/from-environment.ts'
import { parse, top } from './cases.ts'

/** What is said of a configuration that is refused. */
function said(text: string): string {
  const result = parse(text)
  assert.ok(!result.ok)
  return formatDiagnostics(result.diagnostics)
}

const KEY = '-----BEGIN PRIVATE KEY-----'

test('a line around an error is shown without the secrets that are written in it', () => {
  for (const text of [
    top('admin: { tokens: { admin: hunter2hunter2hunter2, readOnly: short }, bnid: 1 }'),
    top('admin:\n  tokens:\n    admin: "hunter2\\t"'),
    top('admin: { tokens: [hunter2] }'),
    top('admin: { tokens: hunter2 }'),
    top('cluster: { etcd: { user: me, password: hunter2, endpoints: [nonsense] } }'),
    top(`admin: { tls: { cert: "hunter2", key: "${KEY} hunter2" } }`),
    top('x-all: { pw: &pw hunter2, odd: *nobody }\ncluster: { etcd: { user: a, password: *pw } }'),
    top('x-t: { <<: 1, tokens: &t { admin: hunter2, readOnly: *nobody } }'),
    // What is not YAML at all.
    top('admin: { tokens: { admin: hunter2, readOnly: "x }'),
    top('admin:\n  tokens:\n    admin: "hunter2'),
    top('admin:\n  tokens:\n    admin: x: hunter2'),
    top('cluster:\n  etcd:\n    user: me\n    password hunter2\n    endpoints: 1'),
    top('cluster: { etcd: { password: hunter2 ${X} } }'),
  ]) {
    const shown = said(text)
    assert.match(shown, /^ +\d+ \| /m)
    assert.doesNotMatch(shown, /hunter/, text)
  }
})

test('where a secret is may be seen, and everything that is none', () => {
  const shown = said(
    top('admin: { tokens: { admin: "${file:gone}", readOnly: "${NOBODY}" }, bnid: ":9900" }'),
  )
  assert.match(shown, /admin: "\$\{file:gone\}", readOnly: "\$\{NOBODY\}" \}, bnid: ":9900"/)
  const fallback = said(top('admin: { tokens: { admin: "${NOBODY:-hunter2}" } }'))
  assert.match(fallback, /admin: "\*{18}"/)
  // A pool may have any name.
  const named = said(`listeners: { web: { bind: ":8080", pool: tls } }
pools: { tls: { backends: { token: 10.0.0.1:80, key: 10.0.0.2 } } }`)
  assert.match(named, /backends: \{ token: 10\.0\.0\.1:80, key: 10\.0\.0\.2 \}/)
  const query = said(top('alerts: {}\nadmin: { bnid: 1 }').replace('[10', '["/x?y", 10'))
  assert.match(query, /\["\/x\?y", 10\.0\.0\.1:80/)
})

test('a token in a variable is not shown', () => {
  const env = { EVENKEEL_BACKENDS: '10.0.0.1:80', EVENKEEL_ADMIN_TOKEN: 'hunter2' }
  const result = planFromEnvironment(env)
  assert.ok(!result.ok)
  const shown = formatDiagnostics(result.diagnostics)
  assert.match(shown, /\| EVENKEEL_ADMIN_TOKEN=\*{7}\n/)
  assert.doesNotMatch(shown, /hunter/)
})

test('whatever is wrong with a file, no password of it is shown', () => {
  const pieces = fc.constantFrom(
    'password: hunter2',
    '"password": "hunter2"',
    'tokens: { admin: hunter2 }',
    'tokens:',
    '  admin: hunter2',
    '{',
    '}',
    '[',
    '"',
    ': ',
    '- ',
    '\n',
    '\n  ',
    '# x',
    'pools: x',
    '&a ',
    '*a',
    ', ',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const result = parse(`cluster: { etcd: { password: hunter2, ${parts.join(' ')}`)
      assert.ok(!result.ok)
      const excerpts = result.diagnostics.map(({ excerpt }) => excerpt ?? '').join('\n')
      assert.doesNotMatch(excerpts.split('# x')[0]!, /password: hunter2/)
    }),
    { numRuns: 500 },
  )
})
