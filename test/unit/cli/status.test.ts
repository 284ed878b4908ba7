import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendStatus, PoolStatus } from '../../../src/core/status.ts'
import { formatAge, formatPools } from '../../../src/cli/status.ts'
import { table } from '../../../src/cli/table.ts'

const backend: BackendStatus = {
  name: 'a',
  address: '10.0.0.1:80',
  weight: 2,
  effectiveWeight: 0.2,
  availability: 'starting',
  reason: 'slow start',
  sinceMs: 3_500,
  health: 'up',
  role: null,
  lag: null,
  lastProbe: '200 in 3 ms',
  admin: 'ready',
  traffic: 'ok',
  ejectedForMs: null,
  inFlight: 3,
  attempts: 1234,
  failures: 0,
}
const pool: PoolStatus = {
  name: 'web',
  mode: 'active-active',
  balance: 'round-robin',
  available: 1,
  total: 2,
  minAvailable: 1,
  failover: null,
  sites: [],
  queued: 4,
  backends: [backend, { ...backend, name: 'long-name', availability: 'down', lastProbe: null }],
}

test('a pool is a line and a table with numbers to the right', () => {
  assert.equal(
    formatPools([pool], false),
    `web (active-active, round-robin): 1 of 2 available, 4 queued
  BACKEND    ADDRESS      STATE     SINCE  WEIGHT  IN FLIGHT  ATTEMPTS  FAILED  LAST PROBE   REASON
  a          10.0.0.1:80  starting     3s     0.2          3      1234       0  200 in 3 ms  slow start
  long-name  10.0.0.1:80  down         3s     0.2          3      1234       0  -            slow start
`,
  )
})

test('roles are a column where a backend has one', () => {
  const lag = { ms: 0, bytes: 0 }
  const plain = { ...backend, effectiveWeight: 1 }
  const roles: Partial<BackendStatus>[] = [
    { role: 'primary' },
    { role: 'replica', lag },
    { role: 'replica', lag: { ms: 3_200, bytes: 4_096 } },
    { role: 'replica', lag: { ms: 900, bytes: 4_097 } },
    { role: 'replica', lag: { ms: null, bytes: 3 << 20 } },
    { role: 'replica', lag: { ms: null, bytes: null } },
    { role: null },
  ]
  const backends = roles.map((one): BackendStatus => Object.assign({}, plain, one))
  assert.equal(
    formatPools([{ ...pool, backends }], false),
    `web (active-active, round-robin): 1 of 2 available, 4 queued
  BACKEND  ADDRESS      STATE     SINCE  WEIGHT  IN FLIGHT  ATTEMPTS  FAILED  ROLE                   LAST PROBE   REASON
  a        10.0.0.1:80  starting     3s       1          3      1234       0  primary                200 in 3 ms  slow start
  a        10.0.0.1:80  starting     3s       1          3      1234       0  replica                200 in 3 ms  slow start
  a        10.0.0.1:80  starting     3s       1          3      1234       0  replica, 3s behind     200 in 3 ms  slow start
  a        10.0.0.1:80  starting     3s       1          3      1234       0  replica, 5 KiB behind  200 in 3 ms  slow start
  a        10.0.0.1:80  starting     3s       1          3      1234       0  replica, 3 MiB behind  200 in 3 ms  slow start
  a        10.0.0.1:80  starting     3s       1          3      1234       0  replica                200 in 3 ms  slow start
  a        10.0.0.1:80  starting     3s       1          3      1234       0  -                      200 in 3 ms  slow start
`,
  )
})

test('colours change no width', () => {
  const strip = (text: string): string =>
    text
      .split('\u001b')
      .map((part, i) => (i === 0 ? part : part.slice(part.indexOf('m') + 1)))
      .join('')
  const colored = formatPools([pool, pool], true)
  assert.ok(colored.includes('\u001b[31mdown'))
  assert.equal(strip(colored), formatPools([pool, pool], false))
})

test('an age is given in its largest unit', () => {
  assert.deepEqual([0, 999, 1_000, 59_999, 60_000, 3_600_000, 86_400_000 * 3.5].map(formatAge), [
    '0s',
    '0s',
    '1s',
    '59s',
    '1m',
    '1h',
    '3d',
  ])
})

test('no line of a table ends in spaces', () => {
  assert.deepEqual(
    table(
      [
        ['a', ''],
        ['bbb', 'c'],
      ],
      new Set(),
    ),
    ['a', 'bbb  c'],
  )
})
