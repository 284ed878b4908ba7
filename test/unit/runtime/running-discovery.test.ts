import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { openMembers } from '../../../src/ha/member-file.ts'
import { PlanKeeper } from '../../../src/runtime/plan-keeper.ts'
import { RunningDiscovery } from '../../../src/runtime/running-discovery.ts'
import { planOf } from '../../support/embedded.ts'

const listeners = { web: { bind: '127.0.0.1:0', pool: 'web' } }
const web = { backends: ['10.0.0.1:80'], healthCheck: false }
const api = {
  discovery: { file: { path: '/nonexistent/members.yaml' }, seed: ['10.0.9.9:80'] },
  healthCheck: { tcp: {} },
}

test('a configuration that is taken back has its last known members, not its seeds', async () => {
  const without = planOf({ listeners, pools: { web } })
  const keeper = new PlanKeeper({ configured: without })
  const room = { listeners: 8, pools: 8, slots: 64 }
  keeper.begin(room, {
    refusal: () => null,
    settle: async (listener) => listener,
    prepare: () => {},
    apply: async () => {},
    failed: (_, error) => assert.fail(String(error)),
  })
  const discovery = await RunningDiscovery.start(without, new Map(), await openMembers(null))
  after(() => discovery.stop())
  discovery.begin(keeper, () => {})
  const names = (): string[] => keeper.plan.pools[1]!.backends.map(({ name }) => name)
  const member = { name: 'five', address: { kind: 'tcp', host: '10.0.0.5', port: 80 } } as const
  const before = planOf({ listeners, pools: { web, api } })
  await keeper.setConfigured(before, new Map([['api', [member]]]))
  assert.deepEqual(names(), ['five'])
  // Longer than changes are gathered.
  await wait(250)
  assert.deepEqual(names(), ['five'])
})
