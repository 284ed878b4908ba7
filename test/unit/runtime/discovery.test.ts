import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/core/address-text.ts'
import type { EventBody } from '../../../src/core/events.ts'
import type { Member } from '../../../src/core/membership.ts'
import type { AdminPlan, DiscoveryPlan, ListenerPlan, Plan } from '../../../src/core/plan.ts'
import type { SourcePlan } from '../../../src/core/source-plan.ts'
import type { PoolStatus } from '../../../src/core/status.ts'
import { Discovery } from '../../../src/runtime/discovery.ts'
import type { Recalled } from '../../../src/runtime/kept-members.ts'
import {
  DNS_SOURCE as DNS,
  foundAt,
  ManualTime,
  SpokenSource,
  turn,
} from '../../support/discovery.ts'
import { planOf, poolPlan } from './control-world.ts'

const FILE: SourcePlan = { kind: 'file', path: '/etc/list.yaml' }

const ADMIN: AdminPlan = {
  address: { kind: 'tcp', host: '127.0.0.1', port: 9_900 },
  metrics: { kind: 'tcp', host: '', port: 9_901 },
  tokens: { admin: null, readOnly: null },
  tls: null,
}

class World {
  readonly time = new ManualTime()
  readonly events: EventBody[] = []
  /** Members of each new plan, in short. */
  readonly plans: string[] = []
  readonly sources: SpokenSource[] = []
  /** What was worth keeping: whether it was news. */
  readonly answers: boolean[] = []
  /** By kind of source: what was known in a process before this one. */
  recalled: Partial<Record<SourcePlan['kind'], Recalled>> = {}
  refusal: string | null = null
  /** Holds up the new plans until it is called. */
  hold: (() => void) | null = null
  isHolding = false
  readonly discovery: Discovery

  constructor() {
    const { clock, random } = this.time
    this.discovery = new Discovery({
      clock,
      random,
      timers: this.time,
      open: (_pool, plan, host) => {
        const source = new SpokenSource(plan, host)
        this.sources.push(source)
        return source
      },
      machine: () => ['10.0.0.99'],
      publish: (event) => this.events.push(event),
      setMembers: async (pool, members) => {
        this.plans.push(`${pool}: ${brief(members)}`)
        if (this.isHolding) await new Promise<void>((resolve) => (this.hold = resolve))
        return this.refusal
      },
      answered: (isNews) => this.answers.push(isNews),
    })
  }

  adopt(changes: Partial<DiscoveryPlan> = {}, backends = 0, known: readonly Member[] = []): void {
    const discovery: DiscoveryPlan = {
      sources: [DNS],
      seed: [],
      allowEmpty: false,
      membersMax: 1_000,
      allow: null,
      ...changes,
    }
    const recall = (_pool: string, { kind }: SourcePlan): Recalled | null =>
      this.recalled[kind] ?? null
    this.discovery.adopt(planWith(discovery, backends), () => known, recall)
  }

  messages(): readonly string[] {
    return this.events.map((event) => {
      if (event.kind === 'discovery') return `${event.news.state}: ${event.news.message}`
      return event.kind === 'warning' ? event.message : event.kind
    })
  }

  status() {
    const pool = { name: 'web' } as PoolStatus
    return this.discovery.dress([pool])[0]!.discovery
  }
}

function planWith(discovery: DiscoveryPlan | undefined, backends: number): Plan {
  const pool = poolPlan(backends)
  const plan = planOf(discovery === undefined ? pool : { ...pool, discovery })
  const listener = { address: { kind: 'tcp', host: '', port: 8_080 } } as ListenerPlan
  return { ...plan, listeners: [listener], admin: ADMIN }
}

function brief(members: readonly Member[]): string {
  return members.map(({ name }) => name).join(' ')
}

test('what a source finds becomes members, gathered over 100 ms', async () => {
  const world = new World()
  world.adopt()
  const [dns] = world.sources
  assert.equal(dns!.state, 'running')
  dns!.says('10.0.0.1:80')
  await world.time.pass(50)
  dns!.says('10.0.0.1:80', '10.0.0.2:80')
  assert.deepEqual(world.plans, [])
  await world.time.pass(50)
  assert.deepEqual(world.plans, ['web: 10.0.0.1:80 10.0.0.2:80'])
  assert.deepEqual(world.messages(), [
    'changed: dns api.internal knows 1 backend of pool web (1 added)',
    'changed: dns api.internal knows 2 backends of pool web (1 added)',
  ])
})

test('a source that flaps makes a new plan once a second at most', async () => {
  const world = new World()
  world.adopt({ sources: [FILE] })
  for (let i = 0; i < 50; i++) {
    world.sources[0]!.says('10.0.0.1:80', `10.0.1.${i % 2}:80`)
    await world.time.pass(100)
  }
  assert.ok(world.plans.length <= 6, `${world.plans.length} plans`)
  await world.time.pass(1_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80 10.0.1.1:80')
})

test('a source that fails keeps its members, and is told of once', async () => {
  const world = new World()
  world.adopt()
  world.sources[0]!.says('10.0.0.1:80')
  await world.time.pass(2_000)
  world.sources[0]!.fails('the server failed (SERVFAIL)')
  world.sources[0]!.fails('the server failed (SERVFAIL)')
  await world.time.pass(3_000)
  assert.deepEqual(world.plans, ['web: 10.0.0.1:80'])
  assert.deepEqual(world.messages().slice(1), [
    'failed: dns api.internal fails: the server failed (SERVFAIL); 1 backend of pool web that it told of stay',
  ])
  assert.deepEqual(world.status(), [
    {
      kind: 'dns',
      source: 'dns api.internal',
      state: 'stale',
      reason: 'what it said last still holds: the server failed (SERVFAIL)',
      sinceMs: 3_000,
      answeredMs: 5_000,
      members: 1,
      refused: 0,
      failures: 2,
      changes: 1,
    },
  ])
})

test('a pool whose source has not answered says that it waits, and for what', () => {
  const world = new World()
  world.adopt()
  assert.equal(world.status()![0]!.reason, 'no answer yet')
  world.sources[0]!.fails('there is no such name')
  assert.equal(world.status()![0]!.reason, 'no answer yet: there is no such name')
  assert.deepEqual(world.messages(), [
    'failed: dns api.internal fails: there is no such name; pool web waits for it',
  ])
})

test('seeds serve until the first good answer', async () => {
  const world = new World()
  world.adopt({ seed: [foundAt('10.9.9.9:80').address] })
  await world.time.pass(100)
  world.sources[0]!.fails('no answer in time')
  await world.time.pass(2_000)
  world.sources[0]!.says('10.0.0.1:80')
  await world.time.pass(2_000)
  world.sources[0]!.fails('no answer in time')
  await world.time.pass(2_000)
  assert.deepEqual(world.plans, ['web: 10.9.9.9:80', 'web: 10.0.0.1:80'])
})

test('members that are known already stay until the sources have answered, and no seed comes', async () => {
  const world = new World()
  const address = { kind: 'tcp', host: '10.0.0.5', port: 80 } as const
  const known = [{ name: 'five', address, weight: 1, zone: null }]
  world.adopt({ sources: [DNS, FILE], seed: [{ ...address, host: '10.0.9.9' }] }, 0, known)
  world.sources[0]!.fails('no answer in time')
  await world.time.pass(2_000)
  assert.deepEqual(world.plans, ['web: five'])
  world.sources[1]!.says('10.0.0.6:80')
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.6:80 five')
  world.sources[0]!.says('10.0.0.7:80')
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.6:80 10.0.0.7:80')
})

test('members that a process before has found begin, though no source answers, if they may be members', async () => {
  const world = new World()
  const at = (host: string): Member => {
    return { name: host, address: { kind: 'tcp', host, port: 80 }, weight: 1, zone: null }
  }
  world.adopt({}, 0, [at('10.0.0.5'), at('169.254.169.254')])
  await world.time.pass(100)
  assert.deepEqual(world.plans, ['web: 10.0.0.5'])
  assert.deepEqual([...world.discovery.found], [['web', [at('10.0.0.5')]]])
})

test('seeds are not what sources have told', async () => {
  const world = new World()
  world.adopt({ seed: [foundAt('10.9.9.9:80').address] })
  await world.time.pass(100)
  assert.deepEqual(world.plans, ['web: 10.9.9.9:80'])
  assert.deepEqual([...world.discovery.found], [['web', []]])
  world.sources[0]!.says('10.0.0.1:80')
  assert.equal(brief(world.discovery.found.get('web')!), '10.0.0.1:80')
})

test('several sources make one list, without what the configuration names', async () => {
  const world = new World()
  world.adopt({ sources: [DNS, FILE] }, 1)
  world.sources[0]!.says('10.0.0.1:80', '10.0.0.2:80')
  world.sources[1]!.says('x=10.0.0.2:80', 'y=10.0.0.3:80', `z=${configuredAddress()}`)
  await world.time.pass(100)
  assert.deepEqual(world.plans, ['web: 10.0.0.1:80 10.0.0.2:80 y'])
})

function configuredAddress(): string {
  return formatAddress(poolPlan(1).backends[0]!.address)
}

test('the admin API can be no backend: who can write a DNS record would reach it from here', async () => {
  const world = new World()
  world.adopt({ allow: ['127.0.0.0/8', '10.0.0.0/8'] })
  world.sources[0]!.says('127.0.0.1:80', '127.0.0.1:9900', '127.0.0.1:9901', '10.0.0.99:9901')
  await world.time.pass(100)
  assert.deepEqual(world.plans, ['web: 127.0.0.1:80'])
  assert.match(world.status()![0]!.reason, /127\.0\.0\.1:9900 is Evenkeel itself and 2 more/)
})

test('DNS cannot make this machine a backend, a file can, and nobody can make Evenkeel its own', async () => {
  const world = new World()
  world.adopt({ sources: [DNS, FILE] })
  const own = '10.0.0.99:8080'
  world.sources[0]!.says('10.0.0.1:80', '127.0.0.1:80', '169.254.169.254:80')
  world.sources[1]!.says('a=127.0.0.1:80', `b=${own}`)
  await world.time.pass(100)
  assert.deepEqual(world.plans, ['web: 10.0.0.1:80 a'])
  assert.deepEqual(
    world.status()!.map(({ refused, reason }) => [refused, reason]),
    [
      [
        2,
        'answers; left out: 127.0.0.1 is this machine itself; name its block in allow if it is meant and 1 more',
      ],
      [1, `answers; left out: ${own} is Evenkeel itself`],
    ],
  )
})

test('members that the plan cannot take are offered again, and the refusal is told once', async () => {
  const world = new World()
  world.refusal = 'there is no room for so many backends'
  world.adopt()
  world.sources[0]!.says('10.0.0.1:80')
  await world.time.pass(100)
  await world.time.pass(5_000)
  assert.equal(world.plans.length, 2)
  assert.deepEqual(world.messages().slice(1), [
    'the members of pool web could not be taken: there is no room for so many backends',
  ])
  assert.match(world.status()![0]!.reason, /^answers; not taken yet: there is no room/)
  world.refusal = null
  await world.time.pass(20_000)
  assert.equal(world.plans.length, 3)
  assert.equal(world.status()![0]!.reason, 'answers')
})

test('changes that come while a plan is made are in the next one', async () => {
  const world = new World()
  world.isHolding = true
  world.adopt()
  world.sources[0]!.says('10.0.0.1:80')
  await world.time.pass(100)
  world.sources[0]!.says('10.0.0.1:80', '10.0.0.2:80')
  await world.time.pass(5_000)
  assert.equal(world.plans.length, 1, 'one at a time')
  world.isHolding = false
  world.hold!()
  await world.time.pass(100)
  assert.deepEqual(world.plans.slice(1), ['web: 10.0.0.1:80 10.0.0.2:80'])
})

test('a reload keeps sources that are as they were, with all they know, and ends the others', async () => {
  const world = new World()
  world.adopt({ sources: [DNS, FILE] })
  world.sources[0]!.says('10.0.0.1:80')
  world.sources[1]!.says('10.0.0.2:80')
  await world.time.pass(2_000)
  world.adopt({ sources: [DNS] })
  await world.time.pass(2_000)
  assert.deepEqual(
    world.sources.map(({ state }) => state),
    ['running', 'stopped'],
  )
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80')
  world.discovery.adopt(planWith(undefined, 1))
  assert.equal(world.sources[0]!.state, 'stopped')
  assert.equal(world.status(), undefined)
})

test('a source that a reload adds does not take away what the others know, nor bring seeds back', async () => {
  const world = new World()
  world.adopt({ seed: [foundAt('10.9.9.9:80').address] })
  world.sources[0]!.says('10.0.0.1:80')
  await world.time.pass(2_000)
  world.adopt({ sources: [FILE, DNS], seed: [foundAt('10.9.9.9:80').address] })
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80')
})

test('a source that a reload changes keeps what it knew until it has answered anew', async () => {
  const world = new World()
  world.adopt()
  world.sources[0]!.says('10.0.0.1:80', '10.0.0.2:80')
  await world.time.pass(2_000)
  world.adopt({ sources: [{ ...DNS, ttlMaxMs: 30_000 }] })
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80 10.0.0.2:80')
  world.sources[1]!.says('10.0.0.2:80')
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.2:80')
})

test('a source that cannot be followed says so, though it answers', () => {
  const world = new World()
  world.adopt({ sources: [FILE] })
  const word = { kind: 'answer', found: [foundAt('10.0.0.1:80')], refused: [] } as const
  const unsteady = 'it breaks off again and again: connection closed'
  world.sources[0]!.tells({ ...word, incomplete: null, unsteady })
  assert.equal(world.status()![0]!.reason, `answers, but cannot be followed: ${unsteady}`)
  world.sources[0]!.tells({ ...word, incomplete: 'no answer for AAAA records', unsteady })
  assert.equal(world.status()![0]!.reason, 'answers in part: no answer for AAAA records')
})

test('what may be a backend is judged anew when a reload says it otherwise', async () => {
  const world = new World()
  const source = { sources: [FILE] }
  world.adopt({ ...source, allow: ['10.0.0.0/8'] })
  world.sources[0]!.says('10.0.0.1:80', '192.168.0.1:80', '192.168.0.2:8081')
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80')
  const both = ['10.0.0.0/8', '192.168.0.0/16']
  world.adopt({ ...source, allow: both })
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80 192.168.0.1:80 192.168.0.2:8081')
  assert.equal(world.status()![0]!.reason, 'answers')
  world.adopt({ ...source, allow: both, membersMax: 2 })
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80 192.168.0.1:80')
  const here = { address: { kind: 'tcp', host: '192.168.0.2', port: 8_081 } } as ListenerPlan
  const discovery = { ...source, allow: both, membersMax: 9, allowEmpty: false, seed: [] }
  world.discovery.adopt({ ...planWith(discovery, 0), listeners: [here] })
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80 192.168.0.1:80')
  assert.equal(world.status()![0]!.reason, 'answers; left out: 192.168.0.2:8081 is Evenkeel itself')
  world.adopt({ ...source, allow: ['172.16.0.0/12'] })
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80 192.168.0.1:80', 'nobody is left: all stay')
  assert.match(world.status()![0]!.reason, /^what it said last still holds: nothing it tells of/)
  assert.equal(world.sources.length, 1)
})

test('a reload is no second answer of a source that has left somebody out', async () => {
  const world = new World()
  world.adopt()
  world.sources[0]!.says('10.0.0.1:80', '10.0.0.2:80')
  assert.equal(world.sources[0]!.says('10.0.0.1:80').unsure, true)
  world.adopt({ membersMax: 9 })
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80 10.0.0.2:80')
  world.sources[0]!.says('10.0.0.1:80')
  await world.time.pass(2_000)
  assert.equal(world.plans.at(-1), 'web: 10.0.0.1:80')
})

test('a reload while a source fails does not make its answer of before a new one', async () => {
  const world = new World()
  world.adopt()
  world.sources[0]!.says('10.0.0.1:80')
  world.sources[0]!.fails('no answer in time')
  world.adopt({ membersMax: 9 })
  await world.time.pass(2_000)
  const [status] = world.status()!
  assert.equal(status!.state, 'stale')
  assert.equal(status!.failures, 1)
})

test('the start waits for the first words, not for good ones, and never for long', async () => {
  const world = new World()
  world.adopt({ sources: [DNS, FILE] })
  let isOver = false
  void world.discovery.firstWords(1_000).then(() => (isOver = true))
  world.sources[0]!.fails('no answer in time')
  await turn()
  assert.equal(isOver, false)
  world.sources[1]!.says('10.0.0.1:80')
  await world.time.pass(99)
  assert.equal(isOver, false, 'the members are not taken yet')
  await world.time.pass(1)
  await turn()
  assert.equal(isOver, true)
  const silent = new World()
  silent.adopt()
  let isGivenUp = false
  void silent.discovery.firstWords(1_000).then(() => (isGivenUp = true))
  await silent.time.pass(1_000)
  await turn()
  assert.equal(isGivenUp, true)
})

test('without discovery nothing is waited for', async () => {
  const world = new World()
  world.discovery.adopt(planWith(undefined, 1))
  await world.discovery.firstWords(1_000)
})

test('after the stop nothing is told, and no timer is left', async () => {
  const world = new World()
  world.adopt()
  world.sources[0]!.says('10.0.0.1:80')
  world.discovery.stop()
  await world.time.pass(10_000)
  assert.deepEqual(world.plans, [])
  assert.equal(world.time.waiting, 0)
})

/** What a source said in an earlier process. */
function recalledOf(ageMs: number, ...addresses: readonly string[]): Recalled {
  const members = addresses.map((text): Member => {
    const { address, weight, zone } = foundAt(text)
    return { name: formatAddress(address), address, weight, zone }
  })
  return { members, ageMs }
}

test('what a source said before a restart holds until it answers, and is said to be old', async () => {
  const world = new World()
  world.recalled.dns = recalledOf(3 * 3_600_000, '10.0.0.1:80', '10.0.0.2:80')
  world.adopt({ seed: [{ kind: 'tcp', host: '10.0.9.9', port: 80 }] })
  const ready = world.discovery.firstWords(1_000)
  await world.time.pass(890)
  assert.deepEqual([world.plans, world.events], [[], []])
  await world.time.pass(110)
  await ready
  assert.deepEqual(world.plans.splice(0), ['web: 10.0.0.1:80 10.0.0.2:80'])
  const told = '2 backends of pool web that it told of 3 h ago stay'
  assert.deepEqual(world.messages(), [
    `dns api.internal has not answered yet: ${told} until it does`,
  ])
  const [status] = world.status()!
  assert.deepEqual(
    [status!.state, status!.members, status!.answeredMs],
    ['stale', 2, 3 * 3_600_000 + 1_000],
  )
  assert.equal(status!.reason, 'what it said last still holds: no answer yet')
  world.sources[0]!.fails('no answer in time')
  assert.equal(world.messages()[1], `failed: dns api.internal fails: no answer in time; ${told}`)
  assert.deepEqual(world.answers, [])
  await world.time.pass(2_000)
  assert.deepEqual(world.plans, [])
  world.sources[0]!.says('10.0.0.2:80', '10.0.0.3:80')
  world.sources[0]!.says('10.0.0.2:80', '10.0.0.3:80')
  await world.time.pass(100)
  assert.deepEqual(world.plans, ['web: 10.0.0.2:80 10.0.0.3:80'])
  assert.deepEqual(world.answers, [true, true])
  assert.equal(world.status()![0]!.state, 'ok')
})

test('a source that answers at the start is not held up by what it said before', async () => {
  const world = new World()
  world.recalled.file = recalledOf(60_000, '10.0.0.1:80')
  world.adopt({ sources: [FILE] })
  const ready = world.discovery.firstWords(1_000)
  await world.time.pass(500)
  world.sources[0]!.says('10.0.0.2:80')
  await world.time.pass(100)
  await ready
  assert.deepEqual(world.plans, ['web: 10.0.0.2:80'])
  assert.deepEqual(world.messages(), [
    'changed: file /etc/list.yaml knows 1 backend of pool web (1 added, 1 removed)',
  ])
  assert.deepEqual(world.answers, [true])
})

test('of a source that fails at the start what it said before is taken at once', async () => {
  const world = new World()
  world.recalled.dns = recalledOf(60_000, '10.0.0.1:80')
  world.adopt()
  const ready = world.discovery.firstWords(1_000)
  world.sources[0]!.fails('connection refused')
  await world.time.pass(100)
  await ready
  assert.deepEqual(world.plans, ['web: 10.0.0.1:80'])
  assert.deepEqual(world.messages(), [
    'failed: dns api.internal fails: connection refused; 1 backend of pool web that it told of 1 min ago stay',
  ])
})

test('what was said before a restart is judged by the rules of now', async () => {
  const world = new World()
  const others = ['10.0.0.3:80', '10.0.0.4:80']
  world.recalled.dns = recalledOf(60_000, '127.0.0.1:80', '10.0.0.99:8080', ...others)
  world.adopt({ membersMax: 1 })
  await world.time.pass(1_000)
  assert.deepEqual(world.plans, ['web: 10.0.0.3:80'])
})

test('a reload with other rules judges it again, and seeds serve where nothing of it is left', async () => {
  const world = new World()
  world.recalled.dns = recalledOf(60_000, '10.0.0.1:80', '10.1.0.1:80')
  world.adopt()
  await world.time.pass(1_000)
  assert.deepEqual(world.plans.splice(0), ['web: 10.0.0.1:80 10.1.0.1:80'])
  world.adopt({ allow: ['10.1.0.0/16'] })
  await world.time.pass(1_000)
  assert.deepEqual(world.plans.splice(0), ['web: 10.1.0.1:80'])
  world.sources[0]!.fails('connection refused')
  const seed = [{ kind: 'tcp', host: '10.2.0.9', port: 80 }] as const
  world.adopt({ allow: ['10.2.0.0/16'], seed })
  await world.time.pass(1_000)
  assert.deepEqual(world.plans, ['web: 10.2.0.9:80'])
  const [status] = world.status()!
  assert.equal(status!.reason, 'no answer yet: connection refused')
  assert.deepEqual(world.discovery.answers, [])
})

test('a process that takes over says nothing of what is older than what it was given', async () => {
  const world = new World()
  world.recalled.dns = recalledOf(60_000, '10.0.0.1:80')
  world.adopt({}, 0, recalledOf(0, '10.0.0.1:80', '10.0.0.2:80').members)
  await world.time.pass(1_000)
  assert.deepEqual(world.plans, ['web: 10.0.0.1:80 10.0.0.2:80'])
  assert.deepEqual(world.messages(), [])
})

test('the answers that are kept are the last good ones, whoever heard them', async () => {
  const world = new World()
  world.recalled.dns = recalledOf(60_000, '10.0.0.1:80')
  world.adopt({ sources: [DNS, FILE] })
  const kept = (): unknown =>
    world.discovery.answers.map(({ pool, source, answeredMs, members }) => {
      return [pool, source.kind, answeredMs, brief(members)]
    })
  assert.deepEqual(kept(), [['web', 'dns', -59_000, '10.0.0.1:80']])
  await world.time.pass(1_000)
  world.sources[1]!.says('10.0.0.2:80')
  world.sources[0]!.fails('no answer in time')
  assert.deepEqual(kept(), [
    ['web', 'dns', -59_000, '10.0.0.1:80'],
    ['web', 'file', 2_000, '10.0.0.2:80'],
  ])
})
