// The Kubernetes source against a stand-in for the API server, over TCP and TLS.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, mock, test } from 'node:test'
import type { KubernetesSourcePlan } from '../../src/core/source-plan.ts'
import { kubernetesAccess, openSource } from '../../src/runtime/discovery-sources.ts'
import { makeAuthority, type Certificate } from '../support/certificates.ts'
import { hastyHost } from '../support/discovery.ts'
import type { FakeSlice } from '../support/kubernetes.ts'
import { FakeKubernetes, NAMESPACE, SERVICE } from '../support/kubernetes.ts'
import { temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const ended: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end()
})

async function cluster(tls: Certificate | null = null): Promise<FakeKubernetes> {
  const server = await new FakeKubernetes(tls).start()
  ended.push(() => server.stop())
  return server
}

function follow(server: FakeKubernetes, mostMs = 50, caFile: string | null = null) {
  const { host, words, until } = hastyHost(mostMs)
  const tokenFile = join(temporaryFolder('account'), 'token')
  writeFileSync(tokenFile, 'one\n')
  const plan: KubernetesSourcePlan = {
    kind: 'kubernetes',
    service: SERVICE,
    namespace: NAMESPACE,
    port: null,
    server: server.origin,
    tokenFile,
    caFile,
  }
  const source = openSource('web', plan, host)
  ended.push(() => source.stop())
  source.start()
  return { words, until, source, tokenFile }
}

function slice(name: string, ...pods: readonly string[]): FakeSlice {
  const endpoints = pods.map((pod) => ({ address: `10.1.0.${pod.slice(1)}`, pod, ready: true }))
  return { name, endpoints }
}

test('slices are listed and then watched from the version of the list on', async () => {
  const server = await cluster()
  server.put(slice('s1', 'p1'))
  const { until } = follow(server)
  await until('p1 10.1.0.1:8080 1')
  await waitFor(() => server.watches === 1)
  server.put(slice('s2', 'p2'))
  await until('p1 10.1.0.1:8080 1, p2 10.1.0.2:8080 1')
  server.put({
    ...slice('s2', 'p2'),
    endpoints: [{ address: '10.1.0.2', pod: 'p2', ready: false }],
  })
  await until('p1 10.1.0.1:8080 1, p2 10.1.0.2:8080 0')
  server.put({ ...slice('other', 'p9'), service: 'other' })
  server.remove('s1')
  await until('p2 10.1.0.2:8080 0')
  assert.deepEqual(server.asked, ['list', 'watch 2'])
})

test('a list in pages is read to its end', async () => {
  const server = await cluster()
  server.page = 2
  for (let i = 1; i <= 5; i++) server.put(slice(`s${i}`, `p${i}`))
  const { until } = follow(server)
  await until(/^p1 .*, p5 10\.1\.0\.5:8080 1$/)
  assert.deepEqual(server.asked.slice(0, 3), ['list', 'list continue', 'list continue'])
})

test('a watch that ends in time goes on from the last bookmark', async () => {
  const server = await cluster()
  server.put(slice('s1', 'p1'))
  const { until, words } = follow(server)
  await waitFor(() => server.watches === 1)
  server.bookmark()
  server.bookmark()
  server.endWatches('end')
  await waitFor(() => server.watches === 1)
  server.put(slice('s2', 'p2'))
  await until('p1 10.1.0.1:8080 1, p2 10.1.0.2:8080 1')
  assert.deepEqual(server.asked, ['list', 'watch 2', 'watch 4'])
  assert.ok(words.every(({ kind }) => kind === 'answer'))
})

test('a version that is not kept any more leads to a new list, without a word about it', async () => {
  const server = await cluster()
  server.put(slice('s1', 'p1'))
  const { until, words } = follow(server)
  await waitFor(() => server.watches === 1)
  server.endWatches('end')
  server.remove('s1')
  server.put(slice('s2', 'p2'))
  server.compact()
  await until('p2 10.1.0.2:8080 1')
  assert.ok(words.every(({ kind }) => kind === 'answer'))
  assert.equal(server.asked.filter((one) => one === 'list').length, 2)
})

test('a watch that breaks off is begun anew without a word, an API that is away is told of', async () => {
  const server = await cluster()
  server.put(slice('s1', 'p1'))
  const { until, words } = follow(server)
  await waitFor(() => server.watches === 1)
  server.endWatches('reset')
  await waitFor(() => server.watches === 1)
  assert.ok(words.every(({ kind }) => kind === 'answer'))
  await server.stop()
  await until(/^failure: connection (refused|closed|reset)$/)
  await server.start()
  await until('p1 10.1.0.1:8080 1')
})

test('a token that was changed is read anew', async () => {
  const server = await cluster()
  server.token = 'one'
  server.put(slice('s1', 'p1'))
  const { until, tokenFile } = follow(server)
  await until('p1 10.1.0.1:8080 1')
  await waitFor(() => server.watches === 1)
  server.token = 'two'
  server.endWatches('end')
  await until('failure: it answers 401: Unauthorized (the token is not accepted)')
  writeFileSync(tokenFile, 'two')
  await until('p1 10.1.0.1:8080 1')
})

test('what is not permitted says what permission it needs', async () => {
  const server = await cluster()
  server.broken = 403
  const { until } = follow(server)
  await until(
    'failure: it answers 403: the server has a bad day (the service account needs list and watch on endpointslices)',
  )
  server.broken = 503
  await until('failure: it answers 503: the server has a bad day')
})

test('a service without endpoints is an empty answer', async () => {
  const server = await cluster()
  const { until } = follow(server)
  await until('empty: service api has no endpoints')
})

test('lines of a watch that make no sense lead to a new list', async () => {
  const server = await cluster()
  server.put(slice('s1', 'p1'))
  const { until } = follow(server)
  await waitFor(() => server.watches === 1)
  server.say('nonsense')
  await until('failure: its watch makes no sense')
  await until('p1 10.1.0.1:8080 1')
})

test('a connection on which nothing is said is asked every few seconds whether it still holds', async () => {
  const authority = makeAuthority('cluster authority')
  const caFile = join(temporaryFolder('authority'), 'ca.crt')
  writeFileSync(caFile, authority.cert)
  for (const tls of [null, authority.issue('kubernetes')]) {
    const server = await cluster(tls)
    server.put(slice('s1', 'p1'))
    const alive = mock.method(Socket.prototype, 'setKeepAlive')
    ended.push(() => alive.mock.restore())
    follow(server, 50, tls === null ? null : caFile)
    await waitFor(() => server.watches === 1)
    const asked = alive.mock.calls.map((call) => call.arguments)
    assert.ok(asked.length > 0)
    for (const each of asked) assert.deepEqual(each, [true, 10_000])
    alive.mock.restore()
  }
})

test('over TLS the cluster is known by its authority, and nobody else is believed', async () => {
  const authority = makeAuthority('cluster authority')
  const server = await cluster(authority.issue('kubernetes'))
  server.put(slice('s1', 'p1'))
  const folder = temporaryFolder('authority')
  const caFile = join(folder, 'ca.crt')
  writeFileSync(caFile, makeAuthority('somebody').cert)
  const { until, words } = follow(server, 50, caFile)
  await until(/^failure: .*certificate/)
  assert.deepEqual(server.asked, [], 'a server that is not known has been asked, with our token')
  writeFileSync(caFile, authority.cert)
  await until('p1 10.1.0.1:8080 1')
  await waitFor(() => server.watches === 1)
  server.put(slice('s2', 'p2'))
  await until('p1 10.1.0.1:8080 1, p2 10.1.0.2:8080 1')
  assert.ok(words.length >= 3)
})

test('outside of a pod it says what is missing', async () => {
  const plan: KubernetesSourcePlan = {
    kind: 'kubernetes',
    service: SERVICE,
    namespace: null,
    port: null,
    server: null,
    tokenFile: null,
    caFile: null,
  }
  await assert.rejects(kubernetesAccess(plan, {}), {
    message: 'this is no pod: KUBERNETES_SERVICE_HOST is not set, and no server is given',
  })
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
  await assert.rejects(kubernetesAccess(plan, env), /^Error: the authority cannot be read from /)
  const tokenFile = join(temporaryFolder('account'), 'token')
  writeFileSync(tokenFile, 't')
  const access = await kubernetesAccess(
    { ...plan, namespace: 'x', tokenFile, caFile: tokenFile },
    env,
  )
  assert.equal(access.server, 'https://[fd00::1]:6443')
  assert.equal(await access.token(), 't')
})
