// What a health check is compiled to, and what is refused.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckPlan } from '../../../src/core/check-plan.ts'
import { readBytes } from '../../../src/config/byte-text.ts'
import { bad, parse, pool } from './cases.ts'

function compiled(check: string): CheckPlan {
  const result = parse(pool(`healthCheck: ${check}`))
  assert.ok(result.ok, check)
  return result.plan.pools[0]!.healthCheck!.check
}

test('a redis check has a user and a password if it is given them', () => {
  const nobody = { kind: 'redis', user: null, password: null }
  for (const text of ['{ redis: {} }', '{ redis: }', '{ redis: true }']) {
    assert.deepEqual(compiled(text), nobody)
  }
  assert.deepEqual(compiled('{ redis: { password: "" } }'), nobody)
  assert.deepEqual(compiled('{ redis: { user: ada, password: "${file:secret}" } }'), {
    kind: 'redis',
    user: 'ada',
    password: 'hunter2',
  })
})

test('a postgres check is that of user and database postgres unless it says otherwise', () => {
  const usual = { kind: 'postgres', user: 'postgres', password: null, database: 'postgres' }
  for (const text of ['{ postgres: {} }', '{ postgres: }', '{ postgres: true }']) {
    assert.deepEqual(compiled(text), usual)
  }
  assert.deepEqual(compiled('{ postgres: { user: ada, password: x1, database: app } }'), {
    kind: 'postgres',
    user: 'ada',
    password: 'x1',
    database: 'app',
  })
})

test('a mysql check has a user, and a password if it is given one', () => {
  assert.deepEqual(compiled('{ mysql: { user: ada } }'), {
    kind: 'mysql',
    user: 'ada',
    password: null,
  })
  assert.deepEqual(compiled('{ mysql: { user: ada, password: 123 } }'), {
    kind: 'mysql',
    user: 'ada',
    password: '123',
  })
})

test('an http check asks for the role if it has paths for that', () => {
  const roles = (text: string): unknown => {
    const plan = compiled(text)
    assert.ok(plan.kind === 'http')
    return plan.roles
  }
  assert.equal(roles('{ http: /health }'), null)
  assert.deepEqual(roles('{ http: { primary: /primary } }'), { primary: '/primary', replica: null })
  assert.deepEqual(roles('{ http: { primary: /primary, replica: "/replica?lag=10MB" } }'), {
    primary: '/primary',
    replica: '/replica?lag=10MB',
  })
})

test('a tcp check sends and expects in the order of its steps', () => {
  assert.deepEqual(compiled('{ tcp: [] }'), { kind: 'tcp', steps: [] })
  assert.deepEqual(compiled(`{ tcp: { expect: '+PONG', send: 'PING\\r\\n' } }`), {
    kind: 'tcp',
    steps: [
      { kind: 'send', bytes: 'PING\r\n' },
      { kind: 'expect', bytes: '+PONG' },
    ],
  })
  assert.deepEqual(compiled(`{ tcp: [{ expect: '220' }, { send: "QUIT\\r\\n" }] }`), {
    kind: 'tcp',
    steps: [
      { kind: 'expect', bytes: '220' },
      { kind: 'send', bytes: 'QUIT\r\n' },
    ],
  })
})

test('text stands for bytes in UTF-8, with escapes', () => {
  const bytes = (text: string): string => {
    const reading = readBytes(text)
    assert.ok(reading.ok, text)
    return Buffer.from(reading.value, 'latin1').toString('hex')
  }
  assert.equal(bytes('a\\r\\n\\t\\0z'), '610d0a09007a')
  assert.equal(bytes('\\x00\\xff\\xFe\\\\n'), '00fffe5c6e')
  assert.equal(bytes('é\\xe9'), 'c3a9e9')
  assert.equal(bytes('line\r\n'), '6c696e650d0a')
  for (const text of ['\\', '\\q', '\\x4', '\\xg0', 'a\\']) assert.ok(!readBytes(text).ok, text)
})

bad(
  'a password that ends inside',
  pool('healthCheck: { postgres: { password: "a\\0b" } }'),
  `
bad.yaml:6:42: error: pools.app.healthCheck.postgres.password: must not hold a NUL
    6 |     healthCheck: { postgres: { password: "****" } }
      |                                          ^^^^^^
`,
)

bad(
  'a check of two kinds',
  pool('healthCheck: { tcp: {}, redis: {} }'),
  `
bad.yaml:6:29: error: pools.app.healthCheck.redis: tcp and redis are both given
    6 |     healthCheck: { tcp: {}, redis: {} }
      |                             ^^^^^
  hint: keep one of the two
`,
)

bad(
  'a check of three kinds',
  pool('healthCheck: { postgres: {}, mysql: { user: a }, http: / }'),
  `
bad.yaml:6:34: error: pools.app.healthCheck.mysql: http, postgres and mysql are all given
    6 |     healthCheck: { postgres: {}, mysql: { user: a }, http: / }
      |                                  ^^^^^
  hint: keep one of them
`,
)

bad(
  'a Redis user without a password',
  pool('healthCheck: { redis: { user: ada } }'),
  `
bad.yaml:6:29: error: pools.app.healthCheck.redis.user: needs a password
    6 |     healthCheck: { redis: { user: ada } }
      |                             ^^^^
  hint: add password
`,
)

bad(
  'a MySQL check without a user',
  pool('healthCheck: { mysql: {} }'),
  `
bad.yaml:6:20: error: pools.app.healthCheck.mysql.user: is missing
    6 |     healthCheck: { mysql: {} }
      |                    ^^^^^
  hint: expected a name
`,
)

bad(
  'the check of another name',
  pool('healthCheck: { mariadb: {} }'),
  `
bad.yaml:6:20: error: pools.app.healthCheck.mariadb: there is no such key
    6 |     healthCheck: { mariadb: {} }
      |                    ^^^^^^^
  hint: did you mean mysql?
`,
)

bad(
  'a replica path without a primary one',
  pool('healthCheck: { http: { replica: /replica } }'),
  `
bad.yaml:6:28: error: pools.app.healthCheck.http.replica: has no meaning without primary
    6 |     healthCheck: { http: { replica: /replica } }
      |                            ^^^^^^^
  hint: add primary, such as primary: /primary
`,
)

bad(
  'an unknown escape',
  pool(`healthCheck: { tcp: { send: 'PING\\d' } }`),
  `
bad.yaml:6:33: error: pools.app.healthCheck.tcp.send: \\d is no escape
    6 |     healthCheck: { tcp: { send: '******' } }
      |                                 ^^^^^^^^
  hint: there are \\r, \\n, \\t, \\0, \\xNN and \\\\; a backslash itself is \\\\
`,
)

bad(
  'a step without anything to do',
  pool('healthCheck: { tcp: [{ expect: a }, {}] }'),
  `
bad.yaml:6:41: error: pools.app.healthCheck.tcp[1]: does nothing
    6 |     healthCheck: { tcp: [{ expect: a }, {}] }
      |                                         ^^
  hint: write send, expect, or both
`,
)
