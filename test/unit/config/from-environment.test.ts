import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import type { Environment } from '../../../src/config/environment.ts'
import { environmentVariables, planFromEnvironment } from '../../../src/config/from-environment.ts'
import { parseConfig } from '../../../src/config/load.ts'

function plan(env: Environment) {
  const result = planFromEnvironment(env)
  if (!result.ok) assert.fail(formatDiagnostics(result.diagnostics))
  assert.equal(formatDiagnostics(result.warnings), '')
  return result.plan
}

function fromFile(text: string) {
  const result = parseConfig(text, { file: 'a.yaml', env: {} })
  if (!result.ok) assert.fail(formatDiagnostics(result.diagnostics))
  return result.plan
}

function refused(env: Environment, expected: string) {
  const result = planFromEnvironment(env)
  assert.ok(!result.ok)
  assert.equal(formatDiagnostics(result.diagnostics), expected.replace(/^\n/, ''))
}

test('backends alone make a plan, the same as from a file', () => {
  assert.deepEqual(
    plan({ EVENKEEL_BACKENDS: '10.0.0.1:80, 10.0.0.2:80,', PATH: '/bin' }),
    fromFile(`
listeners: { main: { bind: ":8080", pool: main } }
pools: { main: { backends: [10.0.0.1:80, 10.0.0.2:80], healthCheck: { tcp: {} } } }
`),
  )
})

test('every variable reaches its key', () => {
  const env: Record<string, string> = {
    EVENKEEL_BACKENDS: 'a:80,b:80',
    EVENKEEL_LISTEN: '127.0.0.1:81',
    EVENKEEL_PROTOCOL: 'http',
    EVENKEEL_MAX_CONNECTIONS: '77',
    EVENKEEL_TRUST_FORWARDED: '10.0.0.0/8,192.0.2.1',
    EVENKEEL_MODE: 'active-active',
    EVENKEEL_FAILBACK: '',
    EVENKEEL_BALANCE: 'least-connections',
    EVENKEEL_HEALTH: 'on',
    EVENKEEL_HEALTH_PATH: '/up',
    EVENKEEL_HEALTH_INTERVAL: '5s',
    EVENKEEL_HEALTH_TIMEOUT: '3s',
    EVENKEEL_CONNECT_TIMEOUT: '2s',
    EVENKEEL_RESPONSE_TIMEOUT: '7s',
    EVENKEEL_TOTAL_TIMEOUT: '40s',
    EVENKEEL_RETRIES: '1',
    EVENKEEL_PER_BACKEND: '9',
    EVENKEEL_SLOW_START: '3s',
    EVENKEEL_ADMIN: '127.0.0.1:82',
    EVENKEEL_ADMIN_TOKEN: '0123456789abcdef',
    EVENKEEL_READ_TOKEN: 'fedcba9876543210',
    EVENKEEL_METRICS: ':83',
    EVENKEEL_LOG_LEVEL: 'warn',
    EVENKEEL_ACCESS_LOG: 'combined',
    EVENKEEL_THREADS: '2',
    EVENKEEL_DRAIN: '3s',
    EVENKEEL_STATE_DIR: '/var/lib/evenkeel',
    EVENKEEL_CONFIG: '',
    EVENKEEL_BINARY: '',
    EVENKEEL_TOKEN: '',
  }
  assert.deepEqual(Object.keys(env).sort(), [...environmentVariables].sort())
  assert.deepEqual(
    plan(env),
    fromFile(`
runtime: { threads: 2, drain: 3s, stateDir: /var/lib/evenkeel }
admin:
  bind: 127.0.0.1:82
  tokens: { admin: 0123456789abcdef, readOnly: fedcba9876543210 }
  metrics: :83
log: { level: warn, access: combined }
listeners:
  main: { bind: 127.0.0.1:81, maxConnections: 77, trustForwarded: [10.0.0.0/8, 192.0.2.1], pool: main }
pools:
  main:
    backends: [a:80, b:80]
    balance: least-connections
    healthCheck: { http: /up, interval: 5s, timeout: 3s }
    timeouts: { connect: 2s, response: 7s, total: 40s }
    retry: { attempts: 1 }
    limits: { perBackend: 9 }
    slowStart: 3s
`),
  )
})

test('a pair of which one serves needs three variables', () => {
  const [pool] = plan({
    EVENKEEL_BACKENDS: 'a:80,b:80',
    EVENKEEL_MODE: 'active-standby',
    EVENKEEL_FAILBACK: 'auto',
    EVENKEEL_STATE_DIR: '/var/lib/evenkeel',
  }).pools
  assert.equal(pool?.mode, 'active-standby')
  assert.equal(pool.failover?.failback, 'auto')
  refused(
    { EVENKEEL_BACKENDS: 'a:80,b:80', EVENKEEL_MODE: 'active-standby', EVENKEEL_HEALTH: 'off' },
    `
environment: error: EVENKEEL_HEALTH: active-standby needs a health check: nothing would notice that the active is lost, or that a standby is ready
      | EVENKEEL_HEALTH=off
      |                 ^^^
  hint: add a healthCheck, such as healthCheck: { tcp: {} }
`,
  )
})

test('what can be switched off is switched off', () => {
  const off = plan({
    EVENKEEL_BACKENDS: 'a:80,b:80',
    EVENKEEL_PROTOCOL: 'tcp',
    EVENKEEL_HEALTH: 'off',
    EVENKEEL_ADMIN: 'off',
    EVENKEEL_RETRIES: '0',
    EVENKEEL_ACCESS_LOG: 'off',
    EVENKEEL_SLOW_START: 'false',
  })
  assert.equal(off.admin, null)
  assert.equal(off.pools[0]?.healthCheck, null)
  assert.equal(off.pools[0]?.retry, null)
  assert.equal(off.log.access.format, 'off')
  assert.equal(off.pools[0].slowStart.durationMs, 0)
  assert.equal(off.listeners[0]?.pool, 0)
})

test('without backends the message says which variable to set', () => {
  refused(
    { EVENKEEL_BACKENDS: ' ' },
    `
environment: error: EVENKEEL_BACKENDS: is not set
  hint: set it to the servers behind, such as EVENKEEL_BACKENDS=10.0.0.1:8080,10.0.0.2:8080
`,
  )
})

test('errors name the variable and underline the piece', () => {
  refused(
    { EVENKEEL_BACKENDS: 'a:80, b,c:99999', EVENKEEL_LISTEN: '8080', EVENKEEL_PROTOCOL: 'udp' },
    `
environment: error: EVENKEEL_LISTEN: "8080" is a port without an address
      | EVENKEEL_LISTEN=8080
      |                 ^^^^
  hint: write 127.0.0.1:8080 for this machine only, or :8080 for all addresses
environment: error: EVENKEEL_PROTOCOL: "udp" is unknown here
      | EVENKEEL_PROTOCOL=udp
      |                   ^^^
  hint: available: http, tcp
environment: error: EVENKEEL_BACKENDS: "b" has no port
      | EVENKEEL_BACKENDS=a:80, b,c:99999
      |                         ^
  hint: write b:8080
environment: error: EVENKEEL_BACKENDS: port 99999 is out of range
      | EVENKEEL_BACKENDS=a:80, b,c:99999
      |                           ^^^^^^^
  hint: ports go from 1 to 65535
`,
  )
})

test('variables that contradict each other are found as in a file', () => {
  refused(
    {
      EVENKEEL_BACKENDS: 'a:80,b:80',
      EVENKEEL_PROTOCOL: 'tcp',
      EVENKEEL_TRUST_FORWARDED: '10.0.0.0/8',
      EVENKEEL_HEALTH_INTERVAL: '1s',
      EVENKEEL_HEALTH_TIMEOUT: '2s',
      EVENKEEL_LISTEN: ':80',
      EVENKEEL_ADMIN: '127.0.0.1:80',
    },
    `
environment: error: EVENKEEL_HEALTH_TIMEOUT: 2s is longer than the interval of 1s
      | EVENKEEL_HEALTH_TIMEOUT=2s
      |                         ^^
  hint: make it at most 1s, or raise interval
environment: error: EVENKEEL_TRUST_FORWARDED: is for protocol: http only, and this listener is tcp
      | EVENKEEL_TRUST_FORWARDED=10.0.0.0/8
      |                          ^^^^^^^^^^
  hint: remove it
environment: error: EVENKEEL_ADMIN: 127.0.0.1:80 overlaps :80 of listener main (EVENKEEL_LISTEN)
      | EVENKEEL_ADMIN=127.0.0.1:80
      |                ^^^^^^^^^^^^
  hint: give each listener a port or address of its own
`,
  )
})

test('an unknown variable is a warning, but not those that Kubernetes sets', () => {
  const result = planFromEnvironment({
    EVENKEEL_BACKENDS: 'a:80,b:80',
    EVENKEEL_BALNCE: 'random-two',
    EVENKEEL_SERVICE_HOST: '10.0.0.1',
    EVENKEEL_PORT: 'tcp://10.0.0.1:80',
    EVENKEEL_PORT_80_TCP: 'tcp://10.0.0.1:80',
  })
  assert.ok(result.ok)
  assert.equal(
    formatDiagnostics(result.warnings),
    'environment: warning: EVENKEEL_BALNCE: is not a known variable\n  hint: did you mean EVENKEEL_BALANCE?\n',
  )
})
