// Control plane and data plane together over real sockets: what a reload replaces is served from at
// once, and requests that come before its first verdict wait for it.

import assert from 'node:assert/strict'
import { Agent, get } from 'node:http'
import { test } from 'node:test'
import { assignSlots, NONE_GONE } from '../../src/config/plan-slots.ts'
import type { Address, Plan } from '../../src/core/plan.ts'
import { seededRandom } from '../../src/core/random.ts'
import { SharedTable } from '../../src/core/shared-layout.ts'
import { fileStore } from '../../src/ha/failover-store.ts'
import { openState } from '../support/open-state.ts'
import { socketProber } from '../../src/probe/prober.ts'
import { systemClock, systemTimers } from '../../src/runtime/clock.ts'
import { ControlPlane } from '../../src/runtime/control-plane.ts'
import { DataPlane } from '../../src/runtime/data-plane.ts'
import { DataPlaneHere } from '../../src/runtime/data-plane-here.ts'
import { startBackend } from '../support/backend.ts'
import { planOf } from '../support/embedded.ts'
import { waitFor } from '../support/wait.ts'

const ROOM = { listeners: 4, pools: 4, slots: 64 }

/** A balancer without an operator's side. */
class Planes {
  readonly table = SharedTable.allocate({ threads: 1, ...ROOM })
  readonly control: ControlPlane
  readonly data: DataPlaneHere
  readonly #used: number[] = []

  private constructor(plan: Plan, store: ReturnType<typeof fileStore>) {
    const base = { plan, table: this.table, clock: systemClock(), random: seededRandom(1) }
    this.control = new ControlPlane({
      ...base,
      prober: socketProber,
      timers: systemTimers,
      publish: (snapshot) => this.data.publish(snapshot),
      onTransition: () => {},
      failover: {
        store,
        wallMs: () => Date.now(),
        applied: () => this.data.applied(),
        hook: () => assert.fail('there is none'),
        onMove: () => {},
        onSite: () => {},
        onTurn: () => {},
      },
    })
    this.data = new DataPlaneHere(
      (options) => new DataPlane(options),
      { ...base, thread: 0, reusePort: false },
      () => this.control.current(),
      (message) => {
        if (message.kind === 'suspect') this.control.suspect(message.slots, message.causes)
      },
    )
  }

  static async start(config: object): Promise<{ planes: Planes; address: Address }> {
    const store = fileStore(await openState(null), (error) => assert.fail(error))
    const planes = new Planes(planOf(config), store)
    planes.control.start()
    await waitFor(() => planes.control.ready())
    const [address] = await planes.data.start()
    return { planes, address: address! }
  }

  reload(config: object): void {
    const { listeners } = this.control.plan
    const next = { ...planOf(config), listeners }
    // No row is used twice here.
    const slots = this.control.plan.pools.flatMap(({ backends }) => backends)
    this.#used.push(...slots.map(({ slot }) => slot))
    const gone = { ...NONE_GONE, backends: this.#used }
    const slotted = assignSlots(this.control.plan, next, gone, ROOM)
    assert.ok(slotted.ok)
    assert.equal(this.control.refusal(slotted.plan), null)
    this.control.adopt(slotted.plan)
  }

  async stop(): Promise<void> {
    await this.data.close()
    this.control.stop()
  }
}

function ask(port: number, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, path: '/' }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!))
    }).on('error', reject)
  })
}

test('reloads that replace every backend lose no request and meet no 503', async () => {
  const servers = await Promise.all(Array.from({ length: 6 }, () => startBackend({ name: 's' })))
  const config = (first: number) => ({
    listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
    pools: {
      web: {
        backends: Object.fromEntries(
          servers.slice(first, first + 2).map(({ port }) => [`b${port}`, `127.0.0.1:${port}`]),
        ),
        healthCheck: { http: { path: '/health' }, interval: '1s', fastInterval: '100ms' },
      },
    },
  })
  const { planes, address } = await Planes.start(config(0))
  const { port } = address as Extract<Address, { kind: 'tcp' }>
  const agent = new Agent({ keepAlive: true })
  const statuses = new Map<number, number>()
  const load = { isOver: false }
  const clients = Array.from({ length: 8 }, async () => {
    while (!load.isOver) {
      const status = await ask(port, agent)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })
  for (let i = 1; i <= 12; i++) {
    const before = statuses.get(200) ?? 0
    await waitFor(() => (statuses.get(200) ?? 0) > before + 20)
    planes.reload(config((i % 3) * 2))
  }
  load.isOver = true
  await Promise.all(clients)
  agent.destroy()
  await planes.stop()
  await Promise.all(servers.map((server) => server.stop()))
  assert.deepEqual([...statuses.keys()], [200])
})
