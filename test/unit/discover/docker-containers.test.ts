import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/core/address-text.ts'
import type { DockerSourcePlan } from '../../../src/core/source-plan.ts'
import { readContainers } from '../../../src/discover/docker-containers.ts'

const PLAN: DockerSourcePlan = {
  kind: 'docker',
  socket: '/var/run/docker.sock',
  network: null,
  label: null,
  port: null,
}

interface Changes {
  readonly labels?: object
  readonly networks?: object
  readonly ports?: readonly object[]
  readonly status?: string
  readonly more?: object
}

function container({ labels = {}, networks, ports, status, more = {} }: Changes = {}) {
  return {
    Id: 'abcdef0123456789',
    Names: ['/web-1'],
    Labels: labels,
    Status: status ?? 'Up 3 minutes',
    Ports: ports ?? [{ PrivatePort: 80, Type: 'tcp' }],
    NetworkSettings: {
      Networks: networks ?? { bridge: { IPAddress: '172.17.0.2', GlobalIPv6Address: '' } },
    },
    ...more,
  }
}

function read(one: object, changes: Partial<DockerSourcePlan> = {}): string {
  const { found, refused } = readContainers([one], { ...PLAN, ...changes })!
  if (found.length === 0) return refused[0]!
  const { name, address, weight, zone } = found[0]!
  return `${name} ${formatAddress(address)} ${weight}${zone === null ? '' : ` ${zone}`}`
}

test('a container is a backend at its address and its only port', () => {
  assert.equal(read(container()), 'web-1 172.17.0.2:80 1')
  const labels = { 'evenkeel.port': '8080', 'evenkeel.weight': '7', 'evenkeel.zone': 'b' }
  assert.equal(read(container({ labels })), 'web-1 172.17.0.2:8080 7 b')
})

test('a port is the label, else what is configured, else the only one exposed', () => {
  const two = [
    { PrivatePort: 80, Type: 'tcp' },
    { PrivatePort: 443, Type: 'tcp' },
  ]
  assert.equal(read(container({ ports: two }), { port: 443 }), 'web-1 172.17.0.2:443 1')
  assert.equal(
    read(container({ ports: two })),
    'container web-1 exposes several ports: give it a label evenkeel.port',
  )
  const published = [
    { PrivatePort: 80, Type: 'tcp', PublicPort: 8080, IP: '0.0.0.0' },
    { PrivatePort: 80, Type: 'tcp', PublicPort: 8080, IP: '::' },
    { PrivatePort: 53, Type: 'udp' },
  ]
  assert.equal(read(container({ ports: published })), 'web-1 172.17.0.2:80 1')
  assert.match(read(container({ ports: [] })), /exposes no port/)
})

test('a network is the one that is configured, else the only one', () => {
  const networks = {
    front: { IPAddress: '172.18.0.2' },
    back: { IPAddress: '172.19.0.2' },
    none: { IPAddress: '' },
  }
  assert.equal(read(container({ networks }), { network: 'back' }), 'web-1 172.19.0.2:80 1')
  assert.equal(
    read(container({ networks })),
    'container web-1 is in several networks (back, front): say which by network',
  )
  assert.match(read(container({ networks }), { network: 'x' }), /has no address in network x/)
  assert.match(
    read(container({ networks: { host: { IPAddress: '' } } })),
    /uses the host's network/,
  )
  const six = { front: { IPAddress: '', GlobalIPv6Address: 'fd00::2' } }
  assert.equal(read(container({ networks: six })), 'web-1 [fd00::2]:80 1')
})

test("Docker's own check is respected, as old and new daemons tell it", () => {
  assert.match(read(container({ status: 'Up 1 hour (healthy)' })), / 1$/)
  assert.match(read(container({ status: 'Up 1 hour (unhealthy)' })), / 0$/)
  assert.match(read(container({ status: 'Up 2 seconds (health: starting)' })), / 0$/)
  for (const [health, weight] of [
    ['healthy', 1],
    ['none', 1],
    ['starting', 0],
    ['unhealthy', 0],
  ] as const) {
    const more = { Health: { Status: health, FailingStreak: 0 } }
    assert.match(read(container({ more })), new RegExp(` ${weight}$`), health)
  }
})

test('labels that are nonsense leave the container out, with the reason', () => {
  for (const port of ['0', '65536', 'http', '-1', '', '8080 ']) {
    assert.match(read(container({ labels: { 'evenkeel.port': port } })), /that is no port$/)
  }
  for (const weight of ['-1', '65536', 'x', '1.5', '']) {
    assert.match(read(container({ labels: { 'evenkeel.weight': weight } })), /that is no weight$/)
  }
})

test('an answer of any other shape does no harm', () => {
  assert.equal(readContainers({ message: 'no' }, PLAN), null)
  for (const odd of [null, 1, 'x', {}, [], { Names: 1, Labels: 2, NetworkSettings: [] }]) {
    assert.deepEqual(readContainers([odd], PLAN)!.found, [])
  }
  const bad = { bridge: { IPAddress: '1.2.3.4 evil' } }
  assert.match(read(container({ networks: bad })), /has no address/)
})
