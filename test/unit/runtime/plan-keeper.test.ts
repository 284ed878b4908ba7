import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { NO_OVERRIDES } from '../../../src/core/effective-plan.ts'
import type { ListenerPlan, Plan } from '../../../src/core/plan.ts'
import type { KeeperPorts } from '../../../src/runtime/plan-keeper.ts'
import { PlanKeeper } from '../../../src/runtime/plan-keeper.ts'
import { planOf, slotsByName, smallPlan } from '../../support/plans.ts'

const room = { listeners: 8, pools: 8, slots: 32 }
const first = smallPlan({ front: ':0 web' }, { web: 'a=10.0.0.1:80 b=10.0.0.2:80' })
const second = smallPlan({ front: ':0 web' }, { web: 'b=10.0.0.2:80 c=10.0.0.3:80' })
const third = smallPlan({ front: ':0 web' }, { web: 'a=10.0.0.1:80' })
const member = { name: 'm', address: { kind: 'tcp', host: '10.1.0.1', port: 80 } } as const

interface World {
  readonly keeper: PlanKeeper
  /** Plans that were applied, in order. */
  readonly applied: Plan[]
  readonly failures: unknown[]
  /** What `apply` does besides. */
  during: (plan: Plan) => Promise<void>
  refusal: (plan: Plan) => string | null
  prepare: (plan: Plan) => void
}

function withPort(listener: ListenerPlan, port: number): ListenerPlan {
  const { address } = listener
  return { ...listener, address: address.kind === 'unix' ? address : { ...address, port } }
}

function start(begin = true): World {
  const keeper = new PlanKeeper({ configured: first })
  const world: World = {
    keeper,
    applied: [],
    failures: [],
    during: async () => {},
    refusal: () => null,
    prepare: () => {},
  }
  let port = 5_000
  const ports: KeeperPorts = {
    refusal: (plan) => world.refusal(plan),
    settle: async (listener) => withPort(listener, ++port),
    prepare: (plan) => world.prepare(plan),
    apply: async (plan) => {
      world.applied.push(plan)
      await world.during(plan)
    },
    failed: (_, error) => world.failures.push(error),
  }
  if (begin) {
    const plan = keeper.plan
    keeper.settled([withPort(plan.listeners[0]!, 4_000)])
    keeper.begin(room, ports)
  }
  return world
}

const names = (plan: Plan | undefined): string[] | undefined =>
  plan?.pools[0]!.backends.map(({ name }) => name)
const portsOf = (plan: Plan): number[] =>
  plan.listeners.map(({ address }) => (address.kind === 'tcp' ? address.port : 0))

const applied = { outcome: 'applied', message: '' }

test('another configuration is applied, and what is kept keeps its slot and its settled port', async () => {
  const { keeper, applied: plans } = start()
  assert.deepEqual(await keeper.setConfigured(second), applied)
  assert.equal(plans.length, 1)
  assert.deepEqual(slotsByName(keeper.plan), { front: 0, 'web/': 0, 'web/b': 1, 'web/c': 2 })
  assert.deepEqual(portsOf(keeper.plan), [4_000])
  assert.equal(keeper.configured, second)
})

test('members from the start stay, whatever becomes of the list they came in', async () => {
  const start = new Map([['web', [member]]])
  const keeper = new PlanKeeper({ configured: first, members: start })
  start.clear()
  assert.deepEqual(keeper.members('web'), [member])
})

test('the same configuration is applied to nobody', async () => {
  const { keeper, applied: plans } = start()
  const same = smallPlan({ front: ':0 web' }, { web: 'a=10.0.0.1:80 b=10.0.0.2:80' })
  assert.deepEqual(await keeper.setConfigured(same), { outcome: 'unchanged', message: '' })
  assert.equal(plans.length, 0)
})

test('only a new listener gets a port of its own', async () => {
  const { keeper } = start()
  const two = smallPlan({ back: ':0 web', front: ':0 web' }, { web: 'a=10.0.0.1:80 b=10.0.0.2:80' })
  await keeper.setConfigured(two)
  assert.deepEqual(portsOf(keeper.plan), [5_001, 4_000])
  await keeper.setConfigured(two)
  assert.deepEqual(portsOf(keeper.plan), [5_001, 4_000])
})

test('members and overrides outlast a reload, and members go with their pool', async () => {
  const { keeper } = start()
  await keeper.setMembers('web', [member])
  await keeper.setOverrides({ ...NO_OVERRIDES, removed: [{ pool: 'web', backend: 'b' }] })
  assert.deepEqual(names(keeper.plan), ['a', 'm'])
  await keeper.setConfigured(second)
  assert.deepEqual(names(keeper.plan), ['c', 'm'])
  assert.deepEqual(keeper.members('web'), [member])
  const known = ['b', 'c', 'm', 'x'].map((name) => keeper.knows('web', name))
  assert.deepEqual(known, [true, true, true, false])
  await keeper.setConfigured(smallPlan({ front: ':0 api' }, { api: 'a=10.0.0.1:80' }))
  assert.deepEqual(keeper.members('web'), [])
  assert.deepEqual(keeper.overrides.removed, [{ pool: 'web', backend: 'b' }])
})

test('members go with the discovery that found them', async () => {
  const { keeper } = start()
  const found = planOf(
    'listeners: { front: { bind: ":0", pool: web } }\n' +
      'pools: { web: { discovery: { dns: { name: web.internal, port: 80 } } } }',
  )
  await keeper.setConfigured(found)
  await keeper.setMembers('web', [member])
  assert.deepEqual(names(keeper.plan), ['m'])
  const proposal = await keeper.propose(first)
  assert.deepEqual(proposal.ok && names(proposal.plan), ['a', 'b'], 'what would be is what will be')
  await keeper.setConfigured(first)
  assert.deepEqual(names(keeper.plan), ['a', 'b'])
})

test('members that were found while a reload ended their discovery do not come back after it', async () => {
  const found = [
    'listeners: { front: { bind: "127.0.0.1:0", pool: web } }',
    'pools: { web: { discovery: { dns: { name: web.internal, port: 80 } } } }',
  ].join('\n')
  const world = start()
  const { keeper } = world
  await keeper.setConfigured(planOf(found))
  const late: Promise<unknown>[] = []
  world.during = async () => void late.push(keeper.setMembers('web', [member]))
  assert.deepEqual(await keeper.setConfigured(first), applied)
  assert.deepEqual(await Promise.all(late), [{ outcome: 'unchanged', message: '' }])
  assert.deepEqual(names(keeper.plan), ['a', 'b'])
})

test('a plan that fails while everything ends is not taken back', async () => {
  const world = start()
  world.during = async () => {
    world.keeper.stop('Evenkeel is stopping')
    throw new Error('the balancer is being stopped')
  }
  assert.equal((await world.keeper.setConfigured(second)).outcome, 'refused')
  assert.equal(world.applied.length, 1)
})

test('what is known at the start is in the first plan', () => {
  const keeper = new PlanKeeper({
    configured: first,
    members: new Map([['web', [member]]]),
    overrides: { ...NO_OVERRIDES, removed: [{ pool: 'web', backend: 'a' }] },
  })
  assert.deepEqual(slotsByName(keeper.plan), { front: 0, 'web/': 0, 'web/b': 0, 'web/m': 1 })
})

test('what is asked for before the process can change waits for that', async () => {
  const { keeper, applied: plans } = start(false)
  const waiting = keeper.setMembers('web', [member])
  await setImmediate()
  assert.equal(plans.length, 0)
  const ports: KeeperPorts = {
    refusal: () => null,
    settle: async (listener) => listener,
    prepare: () => {},
    apply: async () => {},
    failed: () => {},
  }
  keeper.begin(room, ports)
  assert.deepEqual(await waiting, applied)
  assert.deepEqual(names(keeper.plan), ['a', 'b', 'm'])
})

test('a refusal changes nothing and is not remembered', async () => {
  const world = start()
  const { keeper, applied: plans } = world
  world.refusal = () => 'a move is in progress'
  const before = keeper.plan
  const no = { outcome: 'refused', message: 'a move is in progress' }
  assert.deepEqual(await keeper.setMembers('web', [member]), no)
  assert.deepEqual(await keeper.setConfigured(second), no)
  assert.equal(keeper.plan, before)
  assert.equal(keeper.configured, first)
  assert.deepEqual(keeper.members('web'), [])
  assert.equal(plans.length, 0)
  assert.deepEqual(await keeper.propose(second), { ok: false, message: 'a move is in progress' })
})

test('one at a time, and of the configurations that wait the latest counts', async () => {
  const world = start()
  const { keeper } = world
  const running = { now: 0, most: 0 }
  world.during = async () => {
    running.most = Math.max(running.most, ++running.now)
    await setImmediate()
    running.now--
  }
  const results = await Promise.all([
    keeper.setConfigured(second),
    keeper.setConfigured(third),
    keeper.setMembers('web', []),
    keeper.setMembers('web', [member]),
    keeper.setConfigured(first),
  ])
  assert.deepEqual(results, [
    applied,
    {
      outcome: 'refused',
      message: 'a later configuration took its place before it was begun',
    },
    applied,
    applied,
    applied,
  ])
  assert.equal(running.most, 1)
  assert.deepEqual(world.applied.map(names), [
    ['b', 'c'],
    ['b', 'c', 'm'],
    ['a', 'b', 'm'],
  ])
})

test('a plan that fails half-way is taken back, and what it had let go comes back anew', async () => {
  const world = start()
  const { keeper } = world
  world.during = async (plan) => {
    if (names(plan)!.includes('c')) throw new Error("listener 'front' can't be opened")
  }
  const result = await keeper.setConfigured(second)
  assert.deepEqual(result, { outcome: 'refused', message: "listener 'front' can't be opened" })
  assert.deepEqual(slotsByName(keeper.plan), { front: 0, 'web/': 0, 'web/a': 3, 'web/b': 1 })
  assert.equal(keeper.configured, first)
  assert.deepEqual(world.failures, [])
  // Slots 0 and 2 are still counted in.
  world.during = async () => {}
  await keeper.setMembers('web', [member])
  assert.equal(slotsByName(keeper.plan)['web/m'], 4)
  keeper.freed({ listeners: [], pools: [], backends: [0] })
  await keeper.setMembers('web', [member, { ...member, name: 'n' }])
  assert.equal(slotsByName(keeper.plan)['web/n'], 0)
})

test('what fails before anything is applied does no harm', async () => {
  const world = start()
  const before = world.keeper.plan
  world.prepare = () => {
    throw new Error("the access log can't be opened")
  }
  const result = await world.keeper.setConfigured(second)
  assert.deepEqual(result, { outcome: 'refused', message: "the access log can't be opened" })
  assert.equal(world.keeper.plan, before)
  assert.equal(world.applied.length, 0)
})

test('failing twice is told', async () => {
  const world = start()
  world.during = () => Promise.reject(new Error('no'))
  assert.equal((await world.keeper.setConfigured(second)).outcome, 'refused')
  assert.deepEqual(world.failures.map(String), ['Error: no'])
})

test('who wants to know learns of each plan once it is in force', async () => {
  const { keeper } = start()
  const heard: (string[] | undefined)[] = []
  const end = keeper.onApplied((plan) => heard.push(names(plan)))
  await keeper.setConfigured(second)
  await keeper.setConfigured(second)
  end()
  await keeper.setConfigured(first)
  assert.deepEqual(heard, [['b', 'c']])
})

test('a listener that fails hurts neither the plan nor the others', async () => {
  const { keeper, failures } = start()
  const heard: (string[] | undefined)[] = []
  keeper.onApplied(() => {
    throw new Error('bug')
  })
  keeper.onApplied((plan) => heard.push(names(plan)))
  assert.deepEqual(await keeper.setConfigured(second), applied)
  assert.deepEqual(await keeper.setConfigured(third), applied)
  assert.deepEqual(heard, [['b', 'c'], ['a']])
  assert.deepEqual(failures.map(String), ['Error: bug', 'Error: bug'])
})

test('after the end everything is refused, what waits included', async () => {
  const world = start()
  const { keeper } = world
  let release = (): void => {}
  world.during = () => new Promise((resolve) => (release = resolve))
  const running = keeper.setConfigured(second)
  const waiting = keeper.setMembers('web', [member])
  await setImmediate()
  keeper.stop('Evenkeel is stopping')
  const no = { outcome: 'refused', message: 'Evenkeel is stopping' }
  assert.deepEqual(await waiting, no)
  assert.deepEqual(await keeper.setConfigured(third), no)
  release()
  assert.deepEqual(await running, applied)
})
