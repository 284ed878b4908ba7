import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Result } from '../../../src/core/override-refusal.ts'
import { tooFew } from '../../../src/core/override-refusal.ts'
import type { OverrideRequest } from '../../../src/core/override-request.ts'
import type { Overrides } from '../../../src/core/overrides.ts'
import { GONE_KEPT_MS, changeOverride, describeOverride } from '../../../src/core/overrides.ts'
import type { Plan } from '../../../src/core/plan.ts'
import { applicable } from '../../../src/runtime/override-members.ts'
import { PlanKeeper } from '../../../src/runtime/plan-keeper.ts'
import { RunningOverrides } from '../../../src/runtime/overrides.ts'
import { planOf } from '../../support/embedded.ts'

const text = {
  listeners: {
    web: { bind: '127.0.0.1:0', pool: 'web' },
    reads: { bind: '127.0.0.1:0', protocol: 'tcp', pool: 'db', role: 'replica' },
  },
  pools: {
    web: {
      backends: { a: '10.0.0.1:80', b: { address: '10.0.0.2:80', weight: 4 }, c: '10.0.0.3:80' },
      healthCheck: false,
    },
    db: {
      mode: 'active-standby',
      backends: { one: '10.0.0.5:5432', two: '10.0.0.6:5432' },
      healthCheck: { tcp: {} },
    },
  },
}

interface WorldOptions {
  readonly before?: Overrides
  readonly isKept?: boolean
  readonly failing?: string
}

/** The real keeper of the plan; the control plane takes everything unless told otherwise. */
function world({ before = [], isKept = true, failing }: WorldOptions = {}) {
  const state = {
    atMs: 1_000,
    saved: [] as Overrides[],
    warnings: [] as string[],
    words: [] as string[],
    drains: [] as string[],
    applied: [] as Plan[],
    spare: { ok: true } as Result,
    refusal: null as string | null,
    /** The next plan fails half-way for this. */
    failure: null as string | null,
    /** What plans wait for half-way. */
    gate: Promise.resolve(),
    running: 0,
  }
  const keeper = new PlanKeeper({ configured: planOf(text) })
  keeper.begin(
    { listeners: 8, pools: 8, slots: 64 },
    {
      refusal: () => state.refusal,
      settle: async (listener) => listener,
      prepare: () => {},
      apply: async (plan) => {
        state.applied.push(plan)
        const { failure } = state
        state.failure = null
        await state.gate
        if (failure !== null) throw new Error(failure)
      },
      failed: (_, error) => assert.fail(String(error)),
    },
  )
  const overrides = new RunningOverrides(
    {
      loaded: { overrides: before, warnings: [] },
      isKept,
      save: async (all) => {
        if (failing !== undefined) throw new Error(failing)
        state.saved.push(all)
      },
    },
    {
      plan: () => keeper.plan,
      exists: (pool, backend) => {
        const found = keeper.configured.pools.find(({ name }) => name === pool)
        return found?.backends.some(({ name }) => name === backend) ?? false
      },
      setAdminStates: (pool, backends, word, force) => {
        if (word.state !== 'ready' && !force && !state.spare.ok) return state.spare
        state.words.push(`${pool}/${backends.join('+')} ${word.state} ${word.reason}`.trim())
        return { ok: true }
      },
      maySpare: () => state.spare,
      setPlanOverrides: (wished) => keeper.setOverrides(wished),
      drains: {
        begin: (pool, backend, ms) => void state.drains.push(`${pool}/${backend} ${ms ?? 'free'}`),
        resume: (pool, backend) => void state.drains.push(`${pool}/${backend} resumed`),
        end: (pool, backend) => void state.drains.push(`${pool}/${backend} ended`),
        isDrained: () => false,
        stop: () => {},
      },
      inFlight: () => state.running,
      wallMs: () => state.atMs,
      warn: (message) => void state.warnings.push(message),
    },
  )
  keeper.onApplied(() => overrides.replanned())
  const ask = async (request: object): Promise<string> => {
    const whole = { pool: 'web', by: 'kim', reason: 'test', ...request } as OverrideRequest
    const answer = await overrides.change(whole)
    return answer.ok ? answer.message : `${answer.code}: ${answer.message}`
  }
  const backends = (): string => {
    const { backends } = keeper.plan.pools[0]!
    return backends.map(({ name, weight }) => `${name}×${weight}`).join(' ')
  }
  const held = (): string[] => {
    return overrides.all.map((one) => `${one.pool}/${one.backend} ${describeOverride(one)}`)
  }
  return { state, keeper, overrides, ask, backends, held }
}

const free = { force: false, cutAfterMs: null }
const dRequest = { verb: 'add', backend: 'd', weight: null, zone: null, site: null }
const spared = tooFew('web', { left: 0, minAvailable: 1, out: [] })

test('taking out and back is carried out, followed, kept and told', async () => {
  const { state, ask, held } = world()
  state.running = 3
  assert.equal(
    await ask({ verb: 'drain', backends: ['a', 'b', 'a'], ...free, cutAfterMs: 5 }),
    'web/a, web/b: no new requests; 6 in flight may finish.',
  )
  assert.equal(
    await ask({ verb: 'maintenance', backends: ['b'], ...free }),
    'web/b: no new requests; 3 in flight may finish or move elsewhere.',
  )
  assert.deepEqual(held(), ['web/a drain by kim: test', 'web/b maintenance by kim: test'])
  assert.deepEqual(state.saved.at(-1)!.length, 2)
  assert.equal(
    await ask({ verb: 'enable', backends: ['a', 'b'] }),
    'web/a, web/b: back, as far as checks and traffic allow.',
  )
  assert.equal(await ask({ verb: 'enable', backends: ['a'] }), 'web/a: was not taken out.')
  assert.deepEqual(state.words, [
    'web/a+b drain test (kim)',
    'web/b maint test (kim)',
    'web/a+b ready',
    'web/a ready',
  ])
  assert.deepEqual(state.drains, ['web/a 5', 'web/b 5', 'web/b free', 'web/a ended', 'web/b ended'])
  assert.deepEqual([held(), state.saved.at(-1)], [[], []])
})

test('what is refused changes nothing and is not kept', async () => {
  const { state, ask, held, backends } = world()
  state.spare = spared
  const why =
    "min-available: Pool 'web' would be left with 0 available backends, and its minAvailable is 1 (--force takes it out anyway)."
  assert.equal(await ask({ verb: 'drain', backends: ['a'], ...free }), why)
  const zero = { kind: 'absolute', value: 0 }
  assert.equal(await ask({ verb: 'weight', backend: 'a', weight: zero, force: false }), why)
  assert.equal(await ask({ verb: 'remove', backend: 'a', force: false }), why)
  state.spare = { ok: true }
  state.refusal = 'a move is in progress'
  assert.equal(
    await ask({ verb: 'remove', backend: 'a', force: false }),
    'refused: A move is in progress.',
  )
  assert.deepEqual([held(), state.saved, state.words], [[], [], []])
  assert.equal(backends(), 'a×1 b×4 c×1')
})

test('a weight for a backend that is about to go waits for its source', async () => {
  const { ask, backends, keeper } = world()
  const pod = (weight: number) => {
    const address = { kind: 'tcp', host: '10.0.0.9', port: 80 } as const
    return [{ name: 'pod', address, weight, zone: null }]
  }
  await keeper.setMembers('web', pod(0))
  const weight = { kind: 'absolute', value: 5 }
  assert.equal(
    await ask({ verb: 'weight', backend: 'pod', weight, force: false }),
    'web/pod: weight 5, as soon as its source gives it one: until then 0.',
  )
  assert.equal(backends(), 'a×1 b×4 c×1 pod×0')
  await keeper.setMembers('web', pod(1))
  assert.equal(backends(), 'a×1 b×4 c×1 pod×5')
})

test('a weight holds beside the configuration until it is reset', async () => {
  const { ask, backends, held, keeper } = world()
  const half = { kind: 'share', value: 0.5 }
  assert.equal(
    await ask({ verb: 'weight', backend: 'b', weight: half, force: false }),
    'web/b: weight 50 %.',
  )
  assert.equal(backends(), 'a×1 b×2 c×1')
  const more = structuredClone(text)
  more.pools.web.backends.b.weight = 6
  await keeper.setConfigured(planOf(more))
  assert.equal(backends(), 'a×1 b×3 c×1')
  assert.deepEqual(held(), ['web/b weight 50 % by kim: test'])
  assert.equal(
    await ask({ verb: 'weight', backend: 'b', weight: null, force: false }),
    'web/b: weight as configured.',
  )
  assert.deepEqual([backends(), held()], ['a×1 b×6 c×1', []])
})

test('backends come and go beside the configuration, and what was said of one goes with it', async () => {
  const { ask, backends, held } = world()
  assert.equal(await ask({ ...dRequest, address: '10.0.0.4:80' }), 'web/d: added at 10.0.0.4:80.')
  assert.equal(backends(), 'a×1 b×4 c×1 d×1')
  await ask({ verb: 'drain', backends: ['d'], ...free })
  assert.equal(
    await ask({ verb: 'remove', backend: 'd', force: false }),
    'web/d: removed; what runs there may finish.',
  )
  assert.deepEqual([backends(), held()], ['a×1 b×4 c×1', []])
  await ask({ verb: 'drain', backends: ['a'], ...free })
  assert.equal(
    await ask({ verb: 'remove', backend: 'a', force: false }),
    'web/a: removed; what runs there may finish. evenkeel backend add brings it back.',
  )
  assert.deepEqual([backends(), held()], ['b×4 c×1', ['web/a removed by kim: test']])
  assert.equal(await ask({ ...dRequest, backend: 'a', address: null }), 'web/a: back again.')
  assert.deepEqual([backends(), held()], ['a×1 b×4 c×1', []])
})

test('a backend that was added, and is configured by now, can be removed', async () => {
  const { keeper, ask, backends, held } = world()
  await ask({ ...dRequest, address: '10.0.0.4:80' })
  const { web } = text.pools
  const more = { ...web, backends: { ...web.backends, d: '10.0.0.9:80' } }
  await keeper.setConfigured(planOf({ ...text, pools: { ...text.pools, web: more } }))
  assert.equal(backends(), 'a×1 b×4 c×1 d×1')
  assert.equal(
    await ask({ verb: 'remove', backend: 'd', force: false }),
    'web/d: removed; what runs there may finish. evenkeel backend add brings it back.',
  )
  assert.equal(backends(), 'a×1 b×4 c×1')
  assert.deepEqual(held(), ['web/d removed by kim: test'])
  assert.equal(await ask({ ...dRequest, address: null }), 'web/d: back again.')
  assert.equal(backends(), 'a×1 b×4 c×1 d×1')
})

test('a name that was removed, and that no configuration has any more, can be added', async () => {
  const { keeper, ask, backends, held } = world()
  await ask({ verb: 'remove', backend: 'c', force: false })
  const { a, b } = text.pools.web.backends
  const web = { ...text.pools.web, backends: { a, b } }
  await keeper.setConfigured(planOf({ ...text, pools: { ...text.pools, web } }))
  const again = { ...dRequest, backend: 'c' }
  assert.equal(
    await ask({ ...again, address: null }),
    "refused: No backend 'c' was removed from pool 'web': say its address.",
  )
  assert.equal(await ask({ ...again, address: '10.0.0.4:80' }), 'web/c: added at 10.0.0.4:80.')
  assert.equal(backends(), 'a×1 b×4 c×1')
  assert.deepEqual(held(), ['web/c added by kim: test'])
})

test('what makes no sense is explained', async () => {
  const { ask, held } = world()
  const weight = { kind: 'absolute', value: 3 }
  await ask({ verb: 'remove', backend: 'c', force: false })
  for (const [request, why] of [
    [{ verb: 'drain', pool: 'wbe', backends: ['a'], ...free }, "no-pool: There is no pool 'wbe'."],
    [{ verb: 'weight', backend: 'x', weight, force: false }, /^no-backend: Pool 'web' has no/],
    [{ verb: 'weight', pool: 'db', backend: 'one', weight, force: false }, /active-standby: one/],
    [{ verb: 'drain', pool: 'db:replicas', backends: ['one'], ...free }, /read side of pool 'db'/],
    [{ verb: 'remove', pool: 'db', backend: 'one', force: true }, /an order of preference/],
    [{ ...dRequest, pool: 'db', address: '10.0.0.9:1' }, /an order of preference/],
    [{ verb: 'remove', backend: 'x', force: true }, /^no-backend/],
    [{ ...dRequest, backend: 'a', address: '10.0.0.9:1' }, /has a backend 'a' already, at 10\./],
    [{ ...dRequest, address: '10.0.0.1:80' }, /'a' of pool 'web' is at 10\.0\.0\.1:80 already/],
    [{ ...dRequest, address: null }, /say its address/],
    [{ ...dRequest, address: ':80' }, /The address: ":80" has no host \(write/],
    [{ ...dRequest, backend: 'd/e', address: '10.0.0.9:1' }, /'d\/e' cannot be a name/],
    [{ ...dRequest, backend: 'c', address: '10.0.0.9:1' }, /that was removed: leave the address/],
    [{ ...dRequest, address: '10.0.0.9:1', site: 'busan' }, /has no sites/],
  ] as const) {
    const answer = await ask(request)
    if (typeof why === 'string') assert.equal(answer, why)
    else assert.match(answer, why)
  }
  await ask({ verb: 'remove', backend: 'b', force: true })
  assert.match(await ask({ verb: 'remove', backend: 'a', force: true }), /is the last backend/)
  assert.equal(held().length, 2)
})

test('a backend that was added to a site that is gone, or to a pool with an active, is left out', () => {
  const kim = { by: 'kim', reason: 'more', at: 0 }
  const address = { kind: 'tcp', host: '10.0.0.9', port: 1 } as const
  const wish = { kind: 'added', address, weight: 1, zone: null, site: 'busan' } as const
  let all = changeOverride([], 'web', 'x', { member: { wish, ...kim } })
  all = changeOverride(all, 'db', 'x', { member: { wish: { ...wish, site: null }, ...kim } })
  all = changeOverride(all, 'gone', 'x', { member: { wish, ...kim } })
  all = changeOverride(all, 'web', 'y', { member: { wish: { ...wish, site: null }, ...kim } })
  const { wished, left } = applicable(all, planOf(text))
  assert.deepEqual(
    wished.added.map(({ pool, name }) => `${pool}/${name}`),
    ['gone/x', 'web/y'],
  )
  assert.deepEqual(
    left.map(({ pool }) => pool),
    ['db', 'web'],
  )
})

test('who is told that it is done is also told when a restart would forget it', async () => {
  const memory = world({ isKept: false })
  assert.equal(
    await memory.ask({ verb: 'drain', backends: ['a'], ...free }),
    'web/a: no new requests; nothing runs there. It holds until Evenkeel stops, for runtime.stateDir is not set.',
  )
  const full = world({ failing: 'the disk is full' })
  assert.equal(
    await full.ask({ verb: 'drain', backends: ['a'], ...free }),
    'web/a: no new requests; nothing runs there. A restart would forget it: the disk is full.',
  )
})

test('changes are carried out in the order they were asked for', async () => {
  const { overrides, held, backends, ask } = world()
  const weigh = (value: number): Promise<string> =>
    ask({ verb: 'weight', backend: 'b', weight: { kind: 'absolute', value }, force: false })
  await Promise.all([
    weigh(1),
    weigh(2),
    ask({ verb: 'remove', backend: 'b', force: false }),
    ask({ ...dRequest, backend: 'b', address: null }),
    weigh(9),
  ])
  assert.deepEqual([backends(), held()], ['a×1 b×9 c×1', ['web/b weight 9 by kim: test']])
  await overrides.stop()
})

test('a change that is refused takes nothing else back, and is not kept by accident', async () => {
  const x = changeOverride([], 'web', 'x', {
    admin: { state: 'maint', by: 'kim', reason: 'disk', at: 0 },
  })
  const { state, overrides, ask, held } = world({ before: x })
  state.refusal = 'a move is under way'
  const asked = ask({
    verb: 'weight',
    backend: 'b',
    weight: { kind: 'absolute', value: 9 },
    ...free,
  })
  // The change is on its way.
  await Promise.resolve()
  overrides.replanned()
  assert.match(await asked, /^refused: A move is under way/)
  assert.deepEqual(held(), ['web/x maintenance by kim: disk'])
  assert.equal(overrides.all[0]!.goneSince, 1_000)
  assert.deepEqual(
    state.saved.at(-1)!.map(({ backend }) => backend),
    ['x'],
  )
})

test('a drained backend whose removal fails half-way comes back drained', async () => {
  const { state, ask, backends, held } = world()
  await ask({ verb: 'drain', backends: ['a'], ...free })
  state.words.length = 0
  state.failure = 'data thread 0 has not adopted the new plan within 5 s'
  const message = await ask({ verb: 'remove', backend: 'a', force: false })
  assert.match(message, /^refused: Data thread 0 has not adopted/)
  assert.equal(backends(), 'a×1 b×4 c×1')
  assert.deepEqual(held(), ['web/a drain by kim: test'])
  // It went and came back as another one, of which nothing was known at that moment.
  assert.deepEqual(state.words, ['web/a drain test (kim)'])
})

const withoutA = {
  ...text,
  pools: { ...text.pools, web: { backends: { b: '10.0.0.2:80' }, healthCheck: false } },
}

test('a drained backend that comes back while its removal fails is drained, and followed', async () => {
  const { state, keeper, ask, held } = world()
  await ask({ verb: 'drain', backends: ['a'], ...free })
  await keeper.setConfigured(planOf(withoutA))
  assert.equal(state.drains.at(-1), 'web/a ended')
  let open = (): void => {}
  state.gate = new Promise((resolve) => (open = resolve))
  const back = keeper.setConfigured(planOf(text))
  await setImmediate()
  state.failure = 'data thread 0 has not adopted the new plan within 5 s'
  const removed = ask({ verb: 'remove', backend: 'a', force: false })
  await setImmediate()
  open()
  assert.equal((await back).outcome, 'applied')
  assert.match(await removed, /^refused: /)
  assert.deepEqual(held(), ['web/a drain by kim: test'])
  assert.equal(state.words.at(-1), 'web/a drain test (kim)')
  assert.equal(state.drains.at(-1), 'web/a resumed')
})

test('who is found under the name of one that is being removed is not out because that one was', async () => {
  const { state, keeper, ask, held, backends } = world()
  await ask({ ...dRequest, address: '10.0.2.1:80' })
  await ask({ verb: 'drain', backends: ['d'], ...free })
  let open = (): void => {}
  state.gate = new Promise((resolve) => (open = resolve))
  const address = { kind: 'tcp', host: '10.0.3.1', port: 80 } as const
  const found = keeper.setMembers('web', [{ name: 'd', address }])
  await setImmediate()
  const removed = ask({ verb: 'remove', backend: 'd', force: false })
  open()
  await found
  await removed
  assert.equal(backends(), 'a×1 b×4 c×1 d×1')
  assert.deepEqual(held(), [])
  assert.equal(state.words.at(-1), 'web/d ready')
})

test('words from before the start hold, wait for who is gone, and are forgotten after 7 days', async () => {
  const kim = { by: 'kim', reason: 'disk', at: 0 }
  let before = changeOverride([], 'web', 'a', { admin: { state: 'drain', ...kim } })
  before = changeOverride(before, 'web', 'x', { admin: { state: 'maint', ...kim } })
  const { state, overrides, keeper, held } = world({ before })
  assert.deepEqual(overrides.recall('web', 'a'), { state: 'drain', reason: 'disk (kim)' })
  overrides.begin()
  assert.deepEqual(state.drains, ['web/a resumed', 'web/x ended'])
  assert.deepEqual(state.warnings, [
    'an override of web/x (maintenance by kim: disk) is kept for 7 days, though there is no such backend',
  ])
  const member = { name: 'x', address: { kind: 'tcp', host: '10.0.0.7', port: 80 } } as const
  await keeper.setMembers('web', [member])
  assert.equal(state.drains.at(-1), 'web/x resumed')
  await keeper.setMembers('web', [])
  state.atMs += GONE_KEPT_MS
  await keeper.setMembers('web', [{ ...member, name: 'y' }])
  assert.equal(held().length, 2)
  state.atMs += 1
  await keeper.setMembers('web', [])
  assert.deepEqual(held(), ['web/a drain by kim: disk'])
  assert.match(state.warnings.at(-1)!, /web\/x .* is forgotten/)
  await overrides.stop()
  assert.deepEqual(
    state.saved.at(-1)!.map(({ backend }) => backend),
    ['a'],
  )
})

/** A pool that was added to and weighed, and is not configured any more. */
async function leftPool() {
  const own = world()
  const { keeper, ask } = own
  const configure = (extra: object | null): Promise<unknown> => {
    const pools = { ...text.pools, ...(extra === null ? {} : { extra }) }
    return keeper.setConfigured(planOf({ ...text, pools }))
  }
  const backends = { a: '10.0.1.1:80', b: '10.0.1.2:80' }
  await configure({ backends, healthCheck: false })
  const weight = { kind: 'absolute', value: 5 }
  await ask({ ...dRequest, pool: 'extra', address: '10.0.1.4:80' })
  await ask({ verb: 'weight', pool: 'extra', backend: 'b', weight, force: false })
  const members = (): string => {
    const pool = keeper.plan.pools.find(({ name }) => name === 'extra')!
    return pool.backends.map(({ name, weight }) => `${name}×${weight}`).join(' ')
  }
  assert.equal(members(), 'a×1 b×5 d×1')
  await configure(null)
  return { ...own, configure, members, backends }
}

test('what is forgotten after 7 days does not come back with its pool', async () => {
  const { state, keeper, overrides, configure, members, backends, held } = await leftPool()
  state.atMs += GONE_KEPT_MS + 1
  await keeper.setMembers('web', [{ name: 'y', address: { kind: 'tcp', host: '::1', port: 1 } }])
  assert.deepEqual(held(), [])
  await overrides.stop()
  assert.deepEqual(state.saved.at(-1), [])
  assert.deepEqual(keeper.overrides, { weights: [], added: [], removed: [] })
  await configure({ backends, healthCheck: false })
  assert.equal(members(), 'a×1 b×1')
})

test('a pool that comes back with an active has the backends of its configuration alone', async () => {
  const { state, configure, members, backends } = await leftPool()
  state.warnings = []
  const active = { mode: 'active-standby', backends, healthCheck: { tcp: {} } }
  await configure(active)
  assert.equal(members(), 'a×1 b×1')
  const idle = 'has no effect: its pool has no place for it any more'
  assert.deepEqual(state.warnings, [
    `an override of extra/b (weight 5 by kim: test) ${idle}`,
    `an override of extra/d (added by kim: test) ${idle}`,
  ])
  await configure({ ...active, minAvailable: 2 })
  assert.equal(state.warnings.length, 2)
  await configure(null)
  await configure({ backends, healthCheck: false })
  assert.equal(members(), 'a×1 b×5 d×1')
})
