// The Docker source against a stand-in for the daemon on a real unix socket.

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { DockerSourcePlan } from '../../src/core/source-plan.ts'
import type { Source } from '../../src/discover/contract.ts'
import { dockerSource } from '../../src/discover/docker.ts'
import { openJsonApi } from '../../src/discover/json-api.ts'
import { hastyHost } from '../support/discovery.ts'
import type { FakeContainer } from '../support/docker.ts'
import { FakeDocker, labelsFor } from '../support/docker.ts'
import { waitFor } from '../support/wait.ts'

const ended: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end()
})

async function daemon(...options: ConstructorParameters<typeof FakeDocker>): Promise<FakeDocker> {
  const docker = await new FakeDocker(...options).start()
  ended.push(() => docker.stop())
  return docker
}

/** @param mostMs how long a pause lasts at most */
function follow(docker: FakeDocker, changes: Partial<DockerSourcePlan> = {}, mostMs = 50) {
  const { host, words, until } = hastyHost(mostMs)
  const plan = { kind: 'docker', network: null, label: null, port: null } as const
  const source: Source = dockerSource('web', { ...plan, socket: docker.socket, ...changes }, host, {
    open: (socketPath) => openJsonApi({ origin: 'http://docker', socketPath }),
  })
  ended.push(() => source.stop())
  source.start()
  return { words, until, source }
}

function web(name: string, changes: Partial<FakeContainer> = {}): FakeContainer {
  const host = name.charCodeAt(name.length - 1) - 96
  const networks = { bridge: `172.17.0.${host}` }
  return { name, labels: labelsFor('web'), networks, ports: [80], ...changes }
}

test('containers come, change their health and go, as the events tell it', async () => {
  const docker = await daemon()
  docker.run(web('a'))
  docker.run(web('x', { labels: labelsFor('other') }))
  docker.run(web('y', { labels: { 'evenkeel.pool': 'web' } }))
  // Without events a list would come in 30 s.
  const { until } = follow(docker, {}, 30_000)
  await until('a 172.17.0.1:80 1')
  docker.run(web('b', { health: 'starting' }))
  await until('a 172.17.0.1:80 1, b 172.17.0.2:80 0')
  docker.run(web('b', { health: 'healthy' }))
  await until('a 172.17.0.1:80 1, b 172.17.0.2:80 1')
  docker.remove('a')
  await until('b 172.17.0.2:80 1')
})

test('an event that is lost is made up for by the list that is read now and then', async () => {
  const docker = await daemon()
  docker.run(web('a'))
  const { until } = follow(docker)
  await until('a 172.17.0.1:80 1')
  docker.swap([web('c')])
  await until('c 172.17.0.3:80 1')
})

test('a further label narrows it down', async () => {
  const docker = await daemon()
  docker.run(web('a', { labels: labelsFor('web', { stage: 'live' }) }))
  docker.run(web('b', { labels: labelsFor('web', { stage: 'test' }) }))
  const { until } = follow(docker, { label: 'stage=live' })
  await until('a 172.17.0.1:80 1')
})

test('nobody with the labels is an empty answer that says which labels', async () => {
  const docker = await daemon()
  const { until } = follow(docker)
  await until(
    'empty: no running container has the labels evenkeel.enable=true and evenkeel.pool=web',
  )
})

test('the version of the API is one that the daemon takes', async () => {
  for (const [version, least, spoken] of [
    ['1.51', '1.44', 'v1.51'],
    ['1.41', '1.12', 'v1.41'],
    ['1.60', '1.44', 'v1.51'],
    ['1.60', '1.55', 'v1.60'],
    ['1.60', '1.60', 'v1.60'],
  ] as const) {
    const docker = await daemon({ version, least })
    docker.run(web('a'))
    const { until } = follow(docker)
    await until('a 172.17.0.1:80 1')
    const list = docker.asked.find((path) => path.endsWith('/containers/json'))
    assert.equal(list, `/${spoken}/containers/json`, `${version}, at least ${least}`)
  }
})

test('a daemon that restarts is found again without a word about it', async () => {
  const docker = await daemon()
  docker.run(web('a'))
  const { until, words } = follow(docker)
  await until('a 172.17.0.1:80 1')
  await waitFor(() => docker.followers === 1)
  docker.hangUp()
  docker.run(web('b'))
  await waitFor(() => docker.followers === 1)
  await until('a 172.17.0.1:80 1, b 172.17.0.2:80 1')
  assert.ok(words.every(({ kind }) => kind === 'answer'))
})

test('a daemon that is away is told of, and found again when it is back', async () => {
  const docker = await daemon()
  docker.run(web('a'))
  const { until } = follow(docker)
  await until('a 172.17.0.1:80 1')
  await docker.stop()
  await until(/^failure: (there is no such socket|connection refused)$/)
  await docker.start()
  docker.run(web('b'))
  await until('a 172.17.0.1:80 1, b 172.17.0.2:80 1')
})

test('a daemon with errors is told of in its own words', async () => {
  const docker = await daemon()
  docker.broken = 500
  const { until } = follow(docker)
  await until('failure: it answers 500: the daemon has a bad day')
})

test('a daemon that sends no head before the first event is followed as well', async () => {
  const docker = await daemon({ isShy: true })
  docker.run(web('a'))
  const { until } = follow(docker, {}, 1_000)
  await until('a 172.17.0.1:80 1')
  docker.run(web('b'))
  await until('a 172.17.0.1:80 1, b 172.17.0.2:80 1')
})

test('a source that is stopped lets go of the daemon', async () => {
  const docker = await daemon()
  const { until, source, words } = follow(docker)
  await until(/^empty/)
  await waitFor(() => docker.followers === 1)
  source.stop()
  await waitFor(() => docker.followers === 0)
  const told = words.length
  docker.run(web('a'))
  // Another one learns of it meanwhile.
  await follow(docker).until('a 172.17.0.1:80 1')
  assert.equal(words.length, told)
})
