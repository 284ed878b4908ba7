import assert from 'node:assert/strict'
import { test } from 'node:test'
import { detailOf, messageOf } from '../../../src/cli/admin-client.ts'
import { harmless } from '../../../src/cli/terminal.ts'

test('texts of an answer cannot steer the terminal, feign a line or turn its direction', () => {
  const body = JSON.stringify({ pools: [{ reason: 'a\u001b[31m\u009b\n\u202eb', n: 1 }] })
  assert.deepEqual(JSON.parse(body, harmless), { pools: [{ reason: 'a?[31m???b', n: 1 }] })
  assert.equal(detailOf('{"detail":"no \\u001b[1mpool"}'), 'no ?[1mpool')
  assert.equal(messageOf('{"message":"web \\u001b[1m"}'), 'web ?[1m')
  const prefix = 'the admin API answered what is not understood: '
  assert.equal(detailOf('no\u001b[2Jjson'), `${prefix}no?[2Jjson`)
})
