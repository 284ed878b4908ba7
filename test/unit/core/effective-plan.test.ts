import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Member, PlanOverrides } from '../../../src/core/effective-plan.ts'
import { NO_OVERRIDES, effectivePlan } from '../../../src/core/effective-plan.ts'
import type { Plan } from '../../../src/core/plan.ts'
import { planOf, smallPlan } from '../../support/plans.ts'

const configured = smallPlan({ front: ':8080 web' }, { web: 'a=10.0.0.1:80 b=10.0.0.2:80' })

const member = (name: string, port = 80): Member => ({
  name,
  address: { kind: 'tcp', host: '10.1.0.1', port },
})

function compose(
  members: Readonly<Record<string, readonly Member[]>>,
  overrides: Partial<PlanOverrides> = {},
  plan = configured,
): Plan {
  const inputs = {
    members: new Map(Object.entries(members)),
    overrides: { ...NO_OVERRIDES, ...overrides },
  }
  const composed = effectivePlan(plan, inputs)
  if (!composed.ok) assert.fail(composed.message)
  return composed.plan
}

const names = (plan: Plan, pool = 0): string[] => plan.pools[pool]!.backends.map((one) => one.name)
const weights = (plan: Plan, pool = 0): number[] => plan.pools[pool]!.backends.map((b) => b.weight)

test('without members and overrides the plan in force is the configured one', () => {
  assert.deepEqual(compose({}), configured)
})

test('members come after the configured backends, in their own order', () => {
  const plan = compose({ web: [member('z'), member('c', 81)] })
  assert.deepEqual(names(plan), ['a', 'b', 'z', 'c'])
  assert.deepEqual(plan.pools[0]!.backends[3], {
    name: 'c',
    slot: -1,
    address: { kind: 'tcp', host: '10.1.0.1', port: 81 },
    weight: 1,
    zone: null,
    site: -1,
  })
})

test('a configured backend wins over a member and over an added one of its name', () => {
  const added = [{ pool: 'web', ...member('a') }]
  assert.deepEqual(compose({ web: [member('b')] }, { added }), configured)
})

test('a member wins over an added backend of its name', () => {
  const plan = compose({ web: [member('c', 81)] }, { added: [{ pool: 'web', ...member('c', 82) }] })
  assert.deepEqual(names(plan), ['a', 'b', 'c'])
  assert.equal((plan.pools[0]!.backends[2]!.address as { port: number }).port, 81)
})

test('a removed backend is left out, configured or discovered', () => {
  const removed = [
    { pool: 'web', backend: 'a' },
    { pool: 'web', backend: 'c' },
  ]
  assert.deepEqual(names(compose({ web: [member('c')] }, { removed })), ['b'])
})

test('a weight is set as such or as a share of the configured one, which it follows', () => {
  const heavy = planOf(`
listeners: { front: { bind: ":8080", pool: web } }
pools:
  web:
    backends:
      a: { address: "10.0.0.1:80", weight: 7 }
      b: { address: "10.0.0.2:80", weight: 1 }
      c: { address: "10.0.0.3:80", weight: 0 }`)
  const all = (kind: 'absolute' | 'share', value: number) => ({
    weights: ['a', 'b', 'c'].map((backend) => ({
      pool: 'web',
      backend,
      weight: { kind, value },
    })),
  })
  assert.deepEqual(weights(compose({}, all('absolute', 3), heavy)), [3, 3, 3])
  assert.deepEqual(weights(compose({}, all('share', 0.5), heavy)), [3.5, 0.5, 0])
  assert.deepEqual(weights(compose({}, all('share', 0.1), heavy)), [0.7, 0.1, 0])
  assert.deepEqual(weights(compose({}, all('share', 0), heavy)), [0, 0, 0])
})

test('no weight lifts the 0 that a source gives a member', () => {
  const word = (backend: string, kind: 'absolute' | 'share', value: number) => {
    return { pool: 'web', backend, weight: { kind, value } } as const
  }
  const words = [word('c', 'absolute', 5), word('d', 'share', 5), word('e', 'absolute', 5)]
  const going = (name: string, port: number): Member => ({ ...member(name, port), weight: 0 })
  const members = { web: [going('c', 81), going('d', 82), member('e', 83)] }
  assert.deepEqual(weights(compose(members, { weights: words })), [1, 1, 0, 0, 5])
  // What an operator has added himself has nobody else's word.
  const added = [{ pool: 'web', ...going('c', 81) }]
  assert.deepEqual(weights(compose({}, { weights: words, added })), [1, 1, 5])
})

test('what is said about pools and backends that are not there has no effect', () => {
  const overrides: PlanOverrides = {
    weights: [{ pool: 'web', backend: 'x', weight: { kind: 'absolute', value: 3 } }],
    added: [{ pool: 'gone', ...member('c') }],
    removed: [{ pool: 'gone', backend: 'a' }],
  }
  assert.deepEqual(compose({ gone: [member('c')] }, overrides), configured)
})

const standby = planOf(`
listeners:
  write: { bind: ":5432", protocol: tcp, pool: db }
  read: { bind: ":5433", protocol: tcp, pool: db, role: replica }
pools:
  db:
    mode: active-standby
    backends: { one: "10.0.0.1:5432", two: "10.0.0.2:5432" }
    healthCheck: { postgres: { user: probe } }
runtime: { stateDir: /var/lib/evenkeel }`)

test('no weight of the read side lifts the 0 that a source gives a member', () => {
  const weight = { kind: 'absolute', value: 5 } as const
  const weights = ['one', 'three'].map((backend) => ({ pool: 'db:replicas', backend, weight }))
  const plan = compose({ db: [{ ...member('three'), weight: 0 }] }, { weights }, standby)
  const [, reads] = plan.pools
  assert.deepEqual(
    reads!.backends.map((backend) => backend.weight),
    [5, 1, 0],
  )
})

test('the read side has the servers of its pool, and weights of its own', () => {
  const weight = { kind: 'absolute', value: 5 } as const
  const plan = compose(
    { db: [member('three')] },
    { weights: [{ pool: 'db:replicas', backend: 'three', weight }] },
    standby,
  )
  assert.deepEqual(names(plan, 0), ['one', 'two', 'three'])
  assert.deepEqual(names(plan, 1), ['one', 'two', 'three'])
  assert.deepEqual(weights(plan, 0), [1, 1, 1])
  assert.deepEqual(weights(plan, 1), [1, 1, 5])
  assert.equal(plan.pools[1]!.backends[1]!.slot, standby.pools[1]!.backends[1]!.slot)
})

test('what was said of a pool of that name without an active has no effect on one with', () => {
  const overrides: PlanOverrides = {
    removed: [{ pool: 'db', backend: 'one' }],
    added: [{ pool: 'db', ...member('three') }],
    weights: [{ pool: 'db', backend: 'two', weight: { kind: 'absolute', value: 0 } }],
  }
  assert.deepEqual(compose({}, overrides, standby), standby)
})

const sites = planOf(`
listeners: { front: { bind: ":8080", pool: web } }
pools:
  web:
    sites: { east: { class: mirror }, west: { class: mirror } }
    backends:
      a: { address: "10.0.0.1:80", site: east }
      b: { address: "10.0.0.2:80", site: west }
    healthCheck: { tcp: {} }`)

test('in a pool with sites a member belongs to the site that it names', () => {
  const plan = compose({ web: [{ ...member('c'), site: 'west' }] }, {}, sites)
  assert.equal(plan.pools[0]!.backends[2]!.site, 1)
})

test('a member that names no site of such a pool is refused with the sites there are', () => {
  const say = (site: string | undefined) => {
    const one = site === undefined ? member('c') : { ...member('c'), site }
    return effectivePlan(sites, { members: new Map([['web', [one]]]), overrides: NO_OVERRIDES })
  }
  assert.deepEqual(say(undefined), {
    ok: false,
    message: "backend 'c' of pool 'web' names no site; the pool has east, west",
  })
  assert.deepEqual(say('north'), {
    ok: false,
    message:
      "backend 'c' of pool 'web' names a site 'north' that there is not; the pool has east, west",
  })
})
