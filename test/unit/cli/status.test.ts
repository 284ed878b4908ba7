import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendStatus, PoolStatus } from '../../../src/core/status.ts'
import { formatAge } from '../../../src/cli/age.ts'
import { formatPools } from '../../../src/cli/status.ts'
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
  drained: false,
  override: null,
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
  traffic: { requests: 0, failures: 0, retries: 0, latency: [] },
  backends: [backend, { ...backend, name: 'long-name', availability: 'down', lastProbe: null }],
  removed: [],
}

test('a pool is a line and a table with numbers to the right', () => {
  assert.equal(
    formatPools([pool], 0, false),
    `web (active-active, round-robin): 1 of 2 available, 4 queued
  BACKEND    ADDRESS      STATE     SINCE  WEIGHT  IN FLIGHT  ATTEMPTS  FAILED  LAST PROBE   REASON
  a          10.0.0.1:80  starting     3s     0.2          3      1234       0  200 in 3 ms  slow start
  long-name  10.0.0.1:80  down         3s     0.2          3      1234       0  -            slow start
`,
  )
})

test('a pool is well, though some stand by', () => {
  const tintOf = (...states: BackendStatus['availability'][]): string | undefined => {
    const backends = states.map((availability) => ({ ...backend, availability }))
    const available = states.filter((state) => state === 'available').length
    const text = formatPools([{ ...pool, available, total: states.length, backends }], 0, true)
    return /\[(\d+)m\d of \d available/.exec(text)?.[1]
  }
  assert.equal(tintOf('available', 'standby'), '32')
  assert.equal(tintOf('available', 'down'), '33')
  assert.equal(tintOf('available', 'drain', 'standby'), '33')
  assert.equal(tintOf('down', 'standby'), '31')
  assert.equal(tintOf(), '31')
})

test('what operators have changed is told with who, when and why', () => {
  const kim = { by: 'kim', reason: 'new kernel', at: 0 }
  const backends: BackendStatus[] = [
    {
      ...backend,
      availability: 'drain',
      reason: 'drain by kim 5 min ago: new kernel; drained',
      drained: true,
      override: {
        admin: { ...kim, state: 'drain' },
        weight: { ...kim, text: '50 %' },
        added: null,
      },
    },
    { ...backend, name: 'b', override: { admin: null, weight: null, added: kim } },
  ]
  const removed = [{ name: 'c', ...kim, reason: '' }]
  assert.equal(
    formatPools([{ ...pool, backends, removed }], 300_000, false),
    `web (active-active, round-robin): 1 of 2 available, 4 queued
  BACKEND  ADDRESS      STATE     SINCE  WEIGHT  IN FLIGHT  ATTEMPTS  FAILED  LAST PROBE   REASON
  a        10.0.0.1:80  drained      3s     0.2          3      1234       0  200 in 3 ms  drain by kim 5 min ago: new kernel; drained
  b        10.0.0.1:80  starting     3s     0.2          3      1234       0  200 in 3 ms  slow start
  weight of a was set to 50 % by kim 5m ago: new kernel
  b was added by kim 5m ago: new kernel
  c was removed by kim 5m ago
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
    formatPools([{ ...pool, backends }], 0, false),
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

const standby: PoolStatus = {
  ...pool,
  name: 'db',
  mode: 'active-standby',
  queued: 0,
  failover: {
    state: 'switching',
    reason: 'switchover to b: kernel',
    sinceMs: 212,
    active: null,
    epoch: 7,
    preferred: 'a',
    frozen: null,
    standbys: [
      { name: 'a', ready: false, reason: 'it was left 1.0 s ago; ready in 2.0 s' },
      { name: 'b', ready: true, reason: 'fit for 5m' },
    ],
    move: { kind: 'switchover', from: 'a', to: 'b', step: 'prove', forMs: 212 },
    lastMoves: [
      {
        kind: 'failover',
        outcome: 'moved',
        from: 'b',
        to: 'a',
        epoch: 6,
        reason: 'b is down',
        by: 'evenkeel',
        at: 0,
        detectionMs: 1_200,
        moveMs: 212,
        sessions: { at: 4, finished: 3, cut: 1 },
        metObjective: true,
      },
    ],
  },
  backends: [backend],
}

test('a pool with an active says who it is, why, who could follow and what the last move took', () => {
  assert.equal(
    formatPools([standby], 60_000, false),
    `db (active-standby): nobody is active, epoch 7
  switching for 0s: switchover to b: kernel
  moving from a to b: prove, for 212 ms so far
  standby a is not ready: it was left 1.0 s ago; ready in 2.0 s
  standby b is ready: fit for 5m
  last move 1m ago: failover from b to a in 1.4 s (found in 1.2 s, moved in 212 ms), epoch 6, objective met, by evenkeel: b is down; 3 sessions finished, 1 cut
  BACKEND  ADDRESS      STATE     SINCE  WEIGHT  IN FLIGHT  ATTEMPTS  FAILED  LAST PROBE   REASON
  a        10.0.0.1:80  starting     3s     0.2          3      1234       0  200 in 3 ms  slow start
`,
  )
  const { failover } = standby
  const steady: PoolStatus = {
    ...standby,
    queued: 2,
    failover: {
      ...failover!,
      state: 'frozen',
      reason: 'frozen by kim: kernel',
      active: 'a',
      move: null,
      standbys: [],
      lastMoves: [
        {
          ...failover!.lastMoves[0]!,
          kind: 'switchover',
          outcome: 'rolled-back',
          from: null,
          detectionMs: 0,
          sessions: { at: 0, finished: 0, cut: 0 },
          metObjective: null,
        },
      ],
    },
  }
  assert.deepEqual(formatPools([steady], 0, false).split('\n').slice(0, 3), [
    'db (active-standby): a is active, epoch 7, 2 queued',
    '  frozen for 0s: frozen by kim: kernel',
    '  last move 0s ago: switchover to a was rolled back after 212 ms, epoch 6, by evenkeel: b is down',
  ])
  const sites = formatPools([{ ...steady, mode: 'active-active' }], 0, false)
  assert.match(
    sites,
    /^db \(active-active, round-robin\): 1 of 2 available, a is active, epoch 7, 2 queued\n {2}frozen/,
  )
})

test('colours change no width', () => {
  const strip = (text: string): string =>
    text
      .split('\u001b')
      .map((part, i) => (i === 0 ? part : part.slice(part.indexOf('m') + 1)))
      .join('')
  const colored = formatPools([pool, standby], 60_000, true)
  assert.ok(colored.includes('\u001b[31mdown'))
  assert.equal(strip(colored), formatPools([pool, standby], 60_000, false))
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

test('sites are a table of their own, above the backends', () => {
  const { failover } = standby
  const sites: PoolStatus['sites'] = [
    {
      name: 'seoul',
      kind: 'hot',
      state: 'active',
      healthy: 1,
      total: 2,
      minHealthy: 1,
      share: 0.7,
      reason: '1 of 2 healthy (b: connection refused)',
    },
    {
      name: 'busan',
      kind: 'cold',
      state: 'standby',
      healthy: 12,
      total: 12,
      minHealthy: 2,
      share: 0,
      reason: 'its site is taken by an operator only',
    },
  ]
  const steady = { ...failover!, state: 'steady', active: 'seoul', move: null } as const
  const quiet = { ...steady, reason: 'seoul is the active', standbys: [], lastMoves: [] }
  assert.equal(
    formatPools([{ ...pool, failover: quiet, sites, backends: [backend] }], 0, false),
    `web (active-active, round-robin): 1 of 2 available, seoul is active, epoch 7, 4 queued
  steady for 0s: seoul is the active
  SITE   CLASS  STATE    HEALTHY  LOAD  REASON
  seoul  hot    active       1/2   70%  1 of 2 healthy (b: connection refused)
  busan  cold   standby    12/12    0%  its site is taken by an operator only
  BACKEND  ADDRESS      STATE     SINCE  WEIGHT  IN FLIGHT  ATTEMPTS  FAILED  LAST PROBE   REASON
  a        10.0.0.1:80  starting     3s     0.2          3      1234       0  200 in 3 ms  slow start
`,
  )
})

test('a pool says where its backends come from, and how old that is', () => {
  const source = {
    kind: 'dns',
    source: 'dns api.internal',
    state: 'stale',
    reason: 'what it said last still holds: no answer in time',
    sinceMs: 5_000,
    answeredMs: 240_000,
    members: 3,
    refused: 0,
    failures: 2,
    changes: 1,
  } as const
  const [, line] = formatPools([{ ...pool, discovery: [source] }], 0, false).split('\n')
  assert.equal(
    line,
    '  from dns api.internal: stale, 3 backends, 4m old: what it said last still holds: no answer in time',
  )
})

test('a pool that still waits for its backends is a line that says for what', () => {
  const source = {
    kind: 'file',
    source: 'file /etc/list.yaml',
    state: 'waiting',
    reason: 'no answer yet: there is no such file',
    sinceMs: 5_000,
    answeredMs: null,
    members: 0,
    refused: 0,
    failures: 1,
    changes: 0,
  } as const
  const empty = { ...pool, available: 0, total: 0, queued: 0, backends: [], discovery: [source] }
  assert.equal(
    formatPools([empty], 0, false),
    `web (active-active, round-robin): 0 of 0 available
  from file /etc/list.yaml: waiting, 0 backends, for 5s: no answer yet: there is no such file
`,
  )
})
