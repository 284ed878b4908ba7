import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configView } from '../../../src/runtime/config-view.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { planOf } from '../../support/embedded.ts'

const secrets = ['token-of-the-admin', 'token-of-the-reader', 'hunter2-hunter2', 'x-api-secret']
const { cert, key } = makeAuthority('CA')

const view = configView(
  planOf({
    admin: {
      bind: '0.0.0.0:9900',
      tokens: { admin: secrets[0], readOnly: secrets[1] },
      tls: { cert, key },
      metrics: '0.0.0.0:9901',
    },
    listeners: { db: { bind: '127.0.0.1:6379', protocol: 'tcp', pool: 'db' } },
    pools: {
      db: {
        mode: 'active-standby',
        backends: { a: '10.0.0.1:6379', b: { address: '10.0.0.2:6379', weight: 2 } },
        healthCheck: { redis: { password: secrets[2] } },
        failover: { promote: { webhook: 'https://example.com', headers: { a: secrets[3] } } },
      },
    },
  }),
)

test('what is configured is told in the words of the configuration, with its defaults', () => {
  assert.equal(view.settings['admin.bind'], '0.0.0.0:9900')
  assert.equal(view.settings['admin.metrics'], '0.0.0.0:9901')
  assert.equal(view.settings['runtime.drain'], '8s')
  assert.deepEqual(view.listeners['db']!['bind'], '127.0.0.1:6379')
  assert.equal(view.pools['db']!.settings['mode'], 'active-standby')
  assert.deepEqual(view.pools['db']!.backends['b'], { address: '10.0.0.2:6379', weight: '2' })
})

test('no secret is told', () => {
  const text = JSON.stringify(view)
  for (const secret of [...secrets, 'PRIVATE KEY', 'CERTIFICATE']) {
    assert.ok(!text.includes(secret), secret)
  }
  assert.equal(view.settings['admin.tokens.admin'], '(hidden)')
})
