// A reload over several data threads: when all have adopted the plan, what becomes of one that dies
// meanwhile, and of a listener that can't be opened.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, describe, test } from 'node:test'
import { BroadcastChannel } from 'node:worker_threads'
import type { Plan } from '../../src/core/plan.ts'
import { seededRandom } from '../../src/core/random.ts'
import { LISTENER, SharedTable, THREAD } from '../../src/core/shared-layout.ts'
import { ELIGIBILITY } from '../../src/core/snapshot.ts'
import type { DataMessage, PoolSnapshot, Snapshot } from '../../src/core/snapshot.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { DataPlane } from '../../src/runtime/data-plane.ts'
import { DataPlaneHere } from '../../src/runtime/data-plane-here.ts'
import { DataThreads } from '../../src/runtime/data-threads.ts'
import type { DataPlanes } from '../../src/runtime/data-planes.ts'
import { canReusePort } from '../../src/runtime/reuse-port.ts'
import { CHANNEL } from '../support/hurtful-data-plane.ts'
import type { Hurt } from '../support/hurtful-data-plane.ts'
import { planOf } from '../support/plane.ts'
import { freePort, isListening } from '../support/ports.ts'
import { serve } from '../support/raw.ts'
import { answering } from '../support/standby.ts'
import { waitFor } from '../support/wait.ts'

const reusePort = await canReusePort()
const threadsHere = reusePort ? 2 : 1
const module = new URL('../support/hurtful-data-plane.js', import.meta.url)

interface Rig {
  readonly planes: DataPlanes
  readonly table: SharedTable
  readonly downs: string[]
  readonly failures: string[]
  /** Publishes a plan, as the control plane would, and resolves when it is adopted. */
  reload(plan: Plan): Promise<void>
}

/** Everybody may be sent to. */
function everybody(plan: Plan): readonly PoolSnapshot[] {
  return plan.pools.map(({ index, backends }) => ({
    pool: index,
    eligibility: Uint8Array.from(backends, () => ELIGIBILITY.yes),
    weight: Float64Array.from(backends, () => 1),
    probationThread: Int8Array.from(backends, () => -1),
    halfAvailable: true,
    epoch: 0,
    holdUntilMs: 0,
  }))
}

async function startRig(first: Plan, where: 'threads' | 'here'): Promise<Rig> {
  const clock = systemClock()
  const random = seededRandom(1)
  const threads = where === 'here' ? 1 : threadsHere
  const table = SharedTable.allocate({ threads, listeners: 8, pools: 8, slots: 8 })
  let snapshot: Snapshot = { version: 1, pools: everybody(first) }
  const downs: string[] = []
  const failures: string[] = []
  const receive = (message: DataMessage): void => {
    if (message.kind === 'listen-failed') failures.push(message.listener)
  }
  const current = (): Snapshot => snapshot
  const common = { plan: first, table, clock, random }
  const planes =
    where === 'here'
      ? new DataPlaneHere(
          (options) => new DataPlane(options),
          { ...common, thread: 0, reusePort: false },
          current,
          receive,
        )
      : new DataThreads({
          ...common,
          reusePort,
          module,
          current,
          events: {
            message: (_thread, message) => receive(message),
            down: (_thread, reason) => downs.push(reason.split('\n')[0]!),
            stuck: () => {},
            replaced: () => {},
            looping: () => {},
          },
        })
  after(() => planes.close())
  await planes.start()
  return {
    planes,
    table,
    downs,
    failures,
    reload(plan) {
      snapshot = { version: snapshot.version + 1, pools: everybody(plan) }
      planes.publish({ ...snapshot, plan })
      return planes.adopted()
    },
  }
}

/** `name: port` of its listeners, all of which lead to one backend. */
function plan(ports: Readonly<Record<string, number>>, backend: string): Plan {
  return planOf({
    log: { access: 'off' },
    admin: false,
    listeners: Object.fromEntries(
      Object.entries(ports).map(([name, port]) => [
        name,
        { bind: `127.0.0.1:${port}`, pool: 'main' },
      ]),
    ),
    pools: { main: { backends: { a: backend }, healthCheck: false } },
  })
}

/** The same with the rows of the listeners given. */
function slotted(made: Plan, slots: readonly number[]): Plan {
  return {
    ...made,
    listeners: made.listeners.map((listener, index) => ({ ...listener, slot: slots[index]! })),
  }
}

async function ask(port: number, agent = new Agent()): Promise<string> {
  const [response] = (await once(get({ host: '127.0.0.1', port, agent }), 'response')) as [
    IncomingMessage,
  ]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return body
}

function hurt(message: Hurt): void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.postMessage(message)
  setImmediate(() => channel.close())
}

async function startBackend(): Promise<string> {
  const server = await serve(answering('it'))
  after(() => server.stop())
  return server.address
}

for (const where of ['threads', 'here'] as const) {
  describe(`a reload of data planes: ${where}`, () => {
    test('it is adopted when listeners are opened and closed on all of them', async () => {
      const backend = await startBackend()
      const [one, two, three] = [await freePort(), await freePort(), await freePort()]
      const rig = await startRig(plan({ one, two }, backend), where)
      await rig.planes.adopted()
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      after(() => agent.destroy())
      assert.equal(await ask(one, agent), 'it GET ')
      await rig.reload(slotted(plan({ three, one }, backend), [2, 0]))
      assert.deepEqual(
        rig.planes.addresses().map((address) => (address.kind === 'tcp' ? address.port : 0)),
        [three, one],
      )
      assert.equal(await isListening(two), false)
      for (let i = 0; i < 20; i++) assert.equal(await ask(three), 'it GET ')
      assert.equal(await ask(one, agent), 'it GET ')
      assert.equal(rig.table.sum(rig.table.listenerBase(0) + LISTENER.accepted), 1)
      assert.equal(rig.table.sum(rig.table.listenerBase(2) + LISTENER.requests), 20)
      await waitFor(() => rig.table.sum(THREAD.connections) === 1)
    })

    test('a listener that cannot be opened is an error; the others are, and it can be undone', async () => {
      const backend = await startBackend()
      const taken = Number(backend.split(':')[1])
      const [one, two] = [await freePort(), await freePort()]
      const before = plan({ one }, backend)
      const rig = await startRig(before, where)
      await assert.rejects(
        rig.reload(slotted(plan({ bad: taken, two }, backend), [1, 2])),
        new RegExp(
          `^Error: listener 'bad' can't be opened: .*${taken}.* in use by another program$`,
        ),
      )
      assert.deepEqual(new Set(rig.failures), new Set(['bad']))
      assert.equal(await ask(two), 'it GET ')
      await rig.reload(before)
      assert.equal(await ask(one), 'it GET ')
      assert.equal(await isListening(two), false)
      assert.deepEqual(rig.downs, [])
    })

    test('one after the other, without waiting', async () => {
      const backend = await startBackend()
      const ports = [await freePort(), await freePort(), await freePort()]
      const rig = await startRig(plan({ a: ports[0]! }, backend), where)
      const all = []
      for (let i = 1; i < 30; i++) {
        all.push(rig.reload(slotted(plan({ a: ports[i % 3]! }, backend), [i % 3])))
      }
      await Promise.all(all)
      assert.deepEqual(await Promise.all(ports.map(isListening)), [false, false, true])
      assert.equal(await ask(ports[2]!), 'it GET ')
    })

    test('a stop does not wait for a plan', async () => {
      const backend = await startBackend()
      const rig = await startRig(plan({ one: await freePort() }, backend), where)
      const adopted = rig.reload(slotted(plan({ two: await freePort() }, backend), [1]))
      const outcome = assert.rejects(adopted, /the balancer is being stopped/)
      await rig.planes.close()
      await outcome
    })
  })
}

test('a thread that dies has adopted the plan when its replacement runs by it', async () => {
  const backend = await startBackend()
  const [one, two] = [await freePort(), await freePort()]
  const rig = await startRig(plan({ one }, backend), 'threads')
  for (let thread = 0; thread < threadsHere; thread++) hurt({ thread, how: 'loop' })
  // They may get the plan before they loop, or never.
  await waitFor(() => rig.table.rows.every((row) => row[THREAD.heartbeatMs]! > 0))
  await rig.reload(slotted(plan({ two }, backend), [1]))
  await waitFor(() => rig.downs.length === threadsHere)
  await waitFor(() => rig.planes.running === threadsHere)
  assert.equal(await ask(two), 'it GET ')
  assert.equal(await isListening(one), false)
  assert.equal(
    rig.table.rows.every((row) => row[THREAD.appliedVersion] === 2),
    true,
  )
})
