import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../../src/config/load.ts'
import type { Address, Plan } from '../../../src/core/plan.ts'
import type { HeritableSocket } from '../../../src/runtime/upgrade-protocol.ts'
import { fromServiceManager, shareOut } from '../../../src/runtime/upgrade-sockets.ts'

function planOf(listeners: Readonly<Record<string, string>>, admin = '127.0.0.1:9900'): Plan {
  const lines = Object.entries(listeners).map(
    ([name, bind]) => `  ${name}: { bind: '${bind}', pool: web }`,
  )
  const text = `
admin: { bind: '${admin}' }
listeners:
${lines.join('\n')}
pools: { web: { backends: ['127.0.0.1:1'] } }`
  const loaded = parseConfig(text, { file: 'test', env: {} })
  assert.ok(loaded.ok)
  return loaded.plan
}

function tcp(port: number, host = '0.0.0.0'): Address {
  return { kind: 'tcp', host, port }
}

function socket(
  fd: number,
  listener: string | null,
  address: Address,
  more: Partial<HeritableSocket> = {},
): HeritableSocket {
  return { fd, listener, address, isShared: true, isActivated: false, ...more }
}

function fdsOf(inherited: readonly (readonly { readonly fd: number }[])[]): number[][] {
  return inherited.map((own) => own.map(({ fd }) => fd))
}

const web = planOf({ web: '0.0.0.0:80' })

test('every thread gets its socket, and with fewer threads each gets several', () => {
  const sockets = [4, 5, 6, 7].map((fd) => socket(fd, 'web', tcp(80)))
  assert.deepEqual(fdsOf(shareOut(web, sockets, 4).inherited), [[4], [5], [6], [7]])
  assert.deepEqual(fdsOf(shareOut(web, sockets, 3).inherited), [[4, 7], [5], [6]])
  assert.deepEqual(fdsOf(shareOut(web, sockets, 1).inherited), [[4, 5, 6, 7]])
  const more = shareOut(web, sockets, 6)
  assert.deepEqual(fdsOf(more.inherited), [[4], [5], [6], [7], [], []])
  assert.deepEqual(more.alone, [])
})

test('what can not be shared is the first thread’s alone', () => {
  const { inherited, alone } = shareOut(web, [socket(4, 'web', tcp(80), { isShared: false })], 2)
  assert.deepEqual(fdsOf(inherited), [[4], []])
  assert.deepEqual(alone, ['web'])
})

test('the address decides whose a socket is, and not the name', () => {
  const plan = planOf({ site: '0.0.0.0:80', web: '0.0.0.0:81' })
  const { inherited, settled, unwanted } = shareOut(plan, [socket(4, 'web', tcp(80))], 1)
  assert.deepEqual(
    inherited[0]!.map(({ listener }) => listener),
    ['site'],
  )
  assert.deepEqual([...settled], ['site'])
  assert.deepEqual(unwanted, [])
})

test('any port will do for a listener that asks for any', () => {
  const plan = planOf({ web: '127.0.0.1:0', other: '127.0.0.1:0' })
  const { plan: settled, unwanted } = shareOut(plan, [socket(4, 'web', tcp(4711, '127.0.0.1'))], 1)
  assert.deepEqual(
    settled.listeners.map(({ address }) => address.kind === 'tcp' && address.port),
    [4711, 0],
  )
  assert.deepEqual(unwanted, [])
})

test('the admin API has its own; what nobody wants is left over', () => {
  const admin = socket(5, null, tcp(9900, '127.0.0.1'))
  const sockets = [socket(4, 'web', tcp(80)), admin, socket(6, 'gone', tcp(90))]
  const shares = shareOut(web, sockets, 1)
  assert.equal(shares.admin, admin)
  assert.deepEqual(
    shares.unwanted.map(({ fd }) => fd),
    [6],
  )
  const moved = shareOut(planOf({ web: '0.0.0.0:80' }, '127.0.0.1:9901'), sockets, 1)
  assert.equal(moved.admin, null)
  assert.deepEqual(
    moved.unwanted.map(({ fd }) => fd),
    [5, 6],
  )
})

test('a unix socket passes by its path', () => {
  const plan = planOf({ web: 'unix:/run/web.sock' })
  const unix = { isShared: false }
  const right = socket(4, 'web', { kind: 'unix', path: '/run/web.sock' }, unix)
  const wrong = socket(5, 'web', { kind: 'unix', path: '/run/old.sock' }, unix)
  const { inherited, unwanted, alone } = shareOut(plan, [right, wrong], 2)
  assert.deepEqual(fdsOf(inherited), [[4], []])
  assert.deepEqual(unwanted, [wrong])
  assert.deepEqual(alone, [])
})

test('a service manager’s socket is the listener’s of that name, wherever it listens', () => {
  const given = fromServiceManager(web, [
    { fd: 3, name: 'web', address: tcp(8080, '10.0.0.1') },
    { fd: 4, name: 'admin', address: tcp(9999, '127.0.0.1') },
  ])
  const shares = shareOut(web, given, 2)
  assert.deepEqual(shares.plan.listeners[0]!.address, tcp(8080, '10.0.0.1'))
  assert.deepEqual(shares.activated, ['web'])
  assert.deepEqual(shares.alone, ['web'])
  assert.equal(shares.admin?.fd, 4)
})

test('several sockets of a service manager on one address can be shared', () => {
  const address = tcp(80)
  const given = fromServiceManager(
    web,
    [3, 4].map((fd) => ({ fd, name: 'web', address })),
  )
  const { inherited, alone } = shareOut(web, given, 2)
  assert.deepEqual(fdsOf(inherited), [[3], [4]])
  assert.deepEqual(alone, [])
})

test('every address is one that systemd shows as ::', () => {
  const plan = planOf({ web: ':80' })
  const given = fromServiceManager(plan, [
    { fd: 3, name: 'evenkeel.socket', address: tcp(80, '::') },
  ])
  assert.deepEqual([...shareOut(plan, given, 1).settled], ['web'])
})
