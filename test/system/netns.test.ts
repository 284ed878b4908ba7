// The network of namespaces that the tests of several replicas run in.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createNetwork, type NetworkNode } from '../support/netns.ts'
import { runProcess, startProcess } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

// A node answers a connection to a port without a listener with a reset; a cut link says nothing.
const knock = `
const socket = require('node:net').connect({ host: process.argv[1], port: 9, timeout: 200 })
socket.on('error', (error) => { console.log(error.code); process.exit() })
socket.on('timeout', () => { console.log('silence'); process.exit() })`

async function reaches(from: NetworkNode, address: string): Promise<string> {
  return (await from.run(process.execPath, ['-e', knock, address])).trim()
}

test('nodes reach each other, and a cut link takes nothing but its own two ends apart', async () => {
  const network = await createNetwork(['a', 'b', 'c'], { host: true })
  after(() => network.remove())
  const [a, b, c] = network.nodes as [NetworkNode, NetworkNode, NetworkNode]
  assert.equal(await reaches(a, b.address), 'ECONNREFUSED')
  await network.cut('a', 'b')
  assert.equal(await reaches(a, b.address), 'silence')
  assert.equal(await reaches(b, a.address), 'silence')
  assert.equal(await reaches(a, c.address), 'ECONNREFUSED')
  await network.isolate('c')
  assert.equal(await reaches(c, network.hostAddress!), 'silence')
  await network.heal('a', 'b')
  assert.equal(await reaches(a, b.address), 'ECONNREFUSED')
  assert.equal(await reaches(a, c.address), 'silence')
  await network.heal()
  // It asks for a neighbour that did not answer once a second.
  await waitFor(async () => (await reaches(c, network.hostAddress!)) === 'ECONNREFUSED')
  await network.cut('a', 'b', { oneWay: true })
  assert.equal(await reaches(b, a.address), 'silence')
})

test('the test process talks to a node, and a node without its cable is gone', async () => {
  const network = await createNetwork(['a'], { host: true })
  after(() => network.remove())
  const [a] = network.nodes as [NetworkNode]
  const serve = `require('node:net').createServer((s) => s.end('hello')).listen(80)`
  const server = a.start(process.execPath, ['-e', serve])
  const hello = await waitFor(
    () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: a.address, port: 80 }).setEncoding('utf8')
        socket.once('data', resolve).once('error', reject)
      }),
  )
  assert.equal(hello, 'hello')
  await network.unplug('a')
  await waitFor(async () => (await a.run('ip', ['link', 'show', 'eth0'])).includes('NO-CARRIER'))
  await network.plug('a')
  await waitFor(async () => (await a.run('ip', ['link', 'show', 'eth0'])).includes(' UP '))
  assert.ok(server.isRunning())
  await network.remove()
  assert.deepEqual(await server.exited, { code: null, signal: 'SIGKILL' })
})

test('a test that is killed leaves no namespace and no process behind', async () => {
  const module = fileURLToPath(new URL('../support/netns.js', import.meta.url))
  const child = startProcess(process.execPath, [
    '--input-type=module',
    '-e',
    `import { createNetwork } from '${module}'
    const { nodes } = await createNetwork(['a', 'b'])
    const { pid } = nodes[0].start('sleep', ['100'])
    console.log(nodes[0].namespace, pid)
    setInterval(() => {}, 1000)`,
  ])
  const line = await waitFor(() => /^\S+ \d+$/m.exec(child.stdout())?.[0], { what: child.stderr() })
  const [namespace, pid] = line.split(' ') as [string, string]
  const names = async () => (await runProcess('ip', ['netns', 'list'])).stdout
  assert.ok((await names()).includes(namespace))
  child.signal('SIGKILL')
  await waitFor(async () => !(await names()).includes(namespace), { what: 'the namespace to go' })
  await waitFor(() => !isAlive(Number(pid)), { what: 'the process to go' })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
