import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHostAllowed } from '../../../src/admin/host-check.ts'

const cases: readonly [string | undefined, boolean, boolean][] = [
  // host, allowed on loopback, allowed on a network
  [undefined, false, false],
  ['', false, false],
  ['localhost', true, true],
  ['LOCALHOST:9900', true, true],
  ['a.localhost', true, true],
  ['127.0.0.1:9900', true, true],
  ['10.1.2.3', true, true],
  ['[::1]:9900', true, true],
  ['[nonsense', false, false],
  ['evenkeel:9900', false, true],
  ['lb.monitoring.svc', false, true],
  ['lb.internal.', false, true],
  ['evil.example', false, false],
  ['localhost.evil.example', false, false],
  ['user@localhost', false, false],
  ['localhost/x', false, false],
]

for (const [host, onLoopback, onNetwork] of cases) {
  test(`the name '${host}' is ${onNetwork ? '' : 'not '}answered on a network, ${onLoopback ? '' : 'not '}on loopback`, () => {
    assert.equal(isHostAllowed(host, 'loopback'), onLoopback)
    assert.equal(isHostAllowed(host, 'network'), onNetwork)
    assert.equal(isHostAllowed(host, 'file'), true)
  })
}
