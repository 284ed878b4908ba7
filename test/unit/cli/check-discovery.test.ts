import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { reportSources, sourceLines } from '../../../src/cli/check-discovery.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { temporaryFolder } from '../../support/processes.ts'

function report(discovery: string, env: Readonly<Record<string, string>> = {}): string {
  const text = `listeners: { web: { bind: ":8080", pool: app } }\npools: { app: { discovery: ${discovery} } }`
  const result = parseConfig(text, { file: 'x.yaml', env: {} })
  assert.ok(result.ok)
  const [pool] = result.plan.pools
  return sourceLines(reportSources(result.plan, env), 'app', pool!.discovery).join('\n')
}

const NOTHING = '\n    until the first answer: none; an empty answer changes nothing'

test('DNS is explained with what is asked, of whom and how often', () => {
  assert.equal(
    report('{ dns: { name: api.internal, port: 80 } }'),
    `    backends from dns api.internal (A and AAAA, port 80), asked of the system's servers every 1 to 60 s, as the TTL says${NOTHING}`,
  )
  assert.equal(
    report(
      '{ dns: { name: _x._tcp.a, type: SRV, servers: 10.0.0.2 }, seed: [10.0.0.1:80], allowEmpty: true }',
    ),
    '    backends from dns _x._tcp.a (SRV), asked of 10.0.0.2:53 every 1 to 60 s, as the TTL says\n' +
      '    until the first answer: the 1 of seed; an empty answer empties the pool',
  )
})

test('a file that is missing or broken, and a socket that is none, are warned of', () => {
  const folder = temporaryFolder('check')
  const path = join(folder, 'list.yaml')
  const file = `{ file: { path: ${path} } }`
  const first = `    backends from file ${path}, read when it changes`
  assert.equal(report(file), `${first}\n      warning: there is no such file yet${NOTHING}`)
  writeFileSync(path, '- 10.0.0.1')
  assert.match(report(file), /\n {6}warning: line 1, column 3: \[0\]: "10\.0\.0\.1" has no port/)
  writeFileSync(path, '- 10.0.0.1:80')
  assert.equal(report(file), `${first}${NOTHING}`)
  assert.equal(
    report(`{ docker: { socket: ${path}, network: front } }`),
    `    backends from docker ${path}: containers in network front with evenkeel.enable=true and evenkeel.pool=app\n` +
      `      warning: it is no socket${NOTHING}`,
  )
})

test('Kubernetes without a pod around it is warned of', () => {
  assert.equal(
    report('{ kubernetes: { service: api, port: http } }'),
    "    backends from kubernetes: endpoints of service api in this pod's namespace, port http\n" +
      `      warning: this is no pod: KUBERNETES_SERVICE_HOST is not set, and no server is given${NOTHING}`,
  )
  const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1' }
  const missing = join(temporaryFolder('check'), 'token')
  assert.match(
    report(`{ kubernetes: { service: api, namespace: shop, tokenFile: ${missing} } }`, env),
    /\n {6}warning: the token .* cannot be read by this user/,
  )
})
