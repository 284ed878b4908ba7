import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/core/address-text.ts'
import type { DnsSourcePlan } from '../../../src/core/source-plan.ts'
import { DnsSource } from '../../../src/discover/dns.ts'
import type { SearchRules } from '../../../src/discover/dns-names.ts'
import type {
  AddressRecord,
  DnsAnswer,
  DnsQuestions,
  ServiceRecord,
} from '../../../src/discover/resolver.ts'
import { ManualTime, listeningHost } from '../../support/discovery.ts'

const PLAN: DnsSourcePlan = {
  kind: 'dns',
  name: 'api.internal',
  type: 'address',
  port: 80,
  servers: ['10.0.0.2:53'],
  ttlMinMs: 1_000,
  ttlMaxMs: 60_000,
}

type Records = readonly AddressRecord[] | 'none' | 'failed' | 'silent'

/** A DNS server that knows what the test has it know. */
class World implements DnsQuestions {
  readonly time = new ManualTime()
  readonly asked: string[] = []
  readonly four = new Map<string, Records>()
  readonly six = new Map<string, Records>()
  readonly srv = new Map<string, readonly ServiceRecord[]>()
  search: SearchRules = { domains: [], dots: 1 }
  unsure = false
  readonly #pending: (() => void)[] = []
  readonly words
  readonly source: DnsSource

  constructor(changes: Partial<DnsSourcePlan> = {}) {
    const { host, words } = listeningHost(this.time, () => ({ unsure: this.unsure }))
    this.words = words
    this.source = new DnsSource({ ...PLAN, ...changes }, host, {
      ask: () => this,
      search: () => Promise.resolve(this.search),
    })
  }

  addresses(name: string, family: 4 | 6): Promise<DnsAnswer<AddressRecord>> {
    this.asked.push(`${name} ${family === 4 ? 'A' : 'AAAA'}`)
    const records = (family === 4 ? this.four : this.six).get(name) ?? 'none'
    if (records === 'none') return Promise.resolve({ kind: 'none', reason: 'no such name' })
    if (records === 'failed') return Promise.resolve({ kind: 'failed', reason: 'SERVFAIL' })
    if (records !== 'silent') return Promise.resolve({ kind: 'records', records })
    return new Promise((resolve) => {
      this.#pending.push(() => resolve({ kind: 'failed', reason: 'no answer in time' }))
    })
  }

  services(name: string): Promise<DnsAnswer<ServiceRecord>> {
    this.asked.push(`${name} SRV`)
    const records = this.srv.get(name)
    if (records === undefined) return Promise.resolve({ kind: 'none', reason: 'no such name' })
    return Promise.resolve({ kind: 'records', records })
  }

  cancel(): void {
    for (const end of this.#pending.splice(0)) end()
  }

  async begin(): Promise<this> {
    this.source.start()
    await this.time.pass(0)
    return this
  }

  /** What was said last, in short. */
  get last(): unknown {
    const word = this.words.at(-1)!
    if (word.kind === 'failure') return word.reason
    const { found, incomplete, empty } = word
    if (found.length === 0) return `empty: ${empty}`
    const list = found.map(({ name, address, weight }) => {
      return `${name === null ? '' : `${name}=`}${formatAddress(address)} ${weight}`
    })
    return incomplete === null ? list : [...list, incomplete]
  }
}

const at = (address: string, ttl = 30): AddressRecord => ({ address, ttl })

test('A and AAAA records become members, and are asked for again when the shorter TTL is over', async () => {
  const world = new World()
  world.four.set('api.internal', [at('10.0.0.1', 30), at('10.0.0.2', 20)])
  world.six.set('api.internal', [at('fd00::1', 40)])
  await world.begin()
  assert.deepEqual(world.last, ['10.0.0.1:80 1', '10.0.0.2:80 1', '[fd00::1]:80 1'])
  assert.equal(world.time.nextMs, 20_000)
  await world.time.pass(19_999)
  assert.equal(world.words.length, 1)
  await world.time.pass(1)
  assert.equal(world.words.length, 2)
})

test('a TTL counts within its bounds only', async () => {
  for (const [ttl, ms] of [
    [0, 1_000],
    [86_400, 60_000],
  ] as const) {
    const world = new World({ type: 'A' })
    world.four.set('api.internal', [at('10.0.0.1', ttl)])
    await world.begin()
    assert.equal(world.time.nextMs, ms)
  }
})

test('only the type that is asked for is asked for', async () => {
  for (const type of ['A', 'AAAA'] as const) {
    const world = await new World({ type }).begin()
    assert.deepEqual(world.asked, [`api.internal ${type}`])
  }
})

test('a name with one kind of address is complete; one whose other kind fails is not', async () => {
  const world = new World()
  world.four.set('api.internal', [at('10.0.0.1')])
  await world.begin()
  assert.deepEqual(world.last, ['10.0.0.1:80 1'])
  world.six.set('api.internal', 'failed')
  await world.time.pass(30_000)
  assert.deepEqual(world.last, ['10.0.0.1:80 1', 'no answer for AAAA records: SERVFAIL'])
})

test('no such name is an empty answer, no answer is none', async () => {
  const world = await new World().begin()
  assert.equal(world.last, 'empty: no such name')
  world.four.set('api.internal', 'failed')
  await world.time.pass(60_000)
  assert.equal(world.last, 'SERVFAIL')
})

test('a server that says nothing is given up after 6 s, and asked again with growing pauses', async () => {
  const world = new World({ type: 'A' })
  world.four.set('api.internal', 'silent')
  await world.begin()
  await world.time.pass(5_999)
  assert.equal(world.words.length, 0)
  await world.time.pass(1)
  assert.equal(world.last, 'no answer in time')
  const pauses: number[] = []
  for (let i = 0; i < 8; i++) {
    pauses.push(world.time.nextMs)
    await world.time.pass(world.time.nextMs)
    await world.time.pass(6_000)
  }
  for (const [i, pause] of pauses.entries()) {
    const most = Math.min(30_000, 1_000 * 2 ** i)
    assert.ok(pause >= most / 2 && pause <= most, `${i}: ${pause}`)
  }
})

test('many servers that nobody can look up are given up after 6 s all the same', async () => {
  const world = new World({ type: 'SRV' })
  const services = Array.from({ length: 100 }, (_, i) => {
    const name = `s${String(i).padStart(2, '0')}.internal`
    if (i > 0) world.four.set(name, 'silent')
    return { name, port: 80, priority: 0, weight: 1 }
  })
  world.four.set('s00.internal', [at('10.0.0.1')])
  world.srv.set('api.internal', services)
  await world.begin()
  await world.time.pass(6_000)
  assert.deepEqual(world.last, ['s00.internal:80=10.0.0.1:80 1', 's01.internal: no answer in time'])
})

test('when it may be that somebody is gone, it asks again at once', async () => {
  const world = new World({ type: 'A' })
  world.four.set('api.internal', [at('10.0.0.1', 50)])
  world.unsure = true
  await world.begin()
  assert.equal(world.time.nextMs, 1_000)
})

test('SRV records bring port and weight, of the lowest priority only', async () => {
  const world = new World({ type: 'SRV', name: '_http._tcp.api', port: 0 })
  world.srv.set('_http._tcp.api', [
    { name: 'One.internal', port: 81, priority: 1, weight: 10 },
    { name: 'two.internal', port: 82, priority: 1, weight: 0 },
    { name: 'far.internal', port: 83, priority: 2, weight: 10 },
  ])
  world.four.set('one.internal', [at('10.0.0.1')])
  world.four.set('two.internal', [at('10.0.0.2'), at('10.0.0.3')])
  await world.begin()
  assert.deepEqual(world.last, ['one.internal:81=10.0.0.1:81 10', '10.0.0.2:82 1', '10.0.0.3:82 1'])
  assert.ok(!world.asked.some((name) => name.startsWith('far')))
  assert.equal(world.time.nextMs, 10_000, 'the TTL of SRV records is not known')
})

test('a server of a service that does not exist is left out; one that fails leaves a doubt', async () => {
  const world = new World({ type: 'SRV' })
  world.srv.set('api.internal', [
    { name: 'one', port: 80, priority: 0, weight: 1 },
    { name: 'gone', port: 80, priority: 0, weight: 1 },
    { name: 'a b\0', port: 80, priority: 0, weight: 1 },
  ])
  world.four.set('one', [at('10.0.0.1')])
  await world.begin()
  assert.deepEqual(world.last, ['one:80=10.0.0.1:80 1'])
  const [word] = world.words
  assert.deepEqual(word?.kind === 'answer' ? word.refused : null, [
    'gone: no such name',
    'a b\0: this is no name of a server',
  ])
  world.four.set('gone', 'failed')
  await world.time.pass(10_000)
  assert.deepEqual(world.last, ['one:80=10.0.0.1:80 1', 'gone: SERVFAIL'])
})

test('a service that is decidedly not offered is an empty answer', async () => {
  const world = new World({ type: 'SRV' })
  world.srv.set('api.internal', [{ name: '', port: 0, priority: 0, weight: 0 }])
  await world.begin()
  assert.equal(world.last, 'empty: the service is not offered')
})

test('a service of too many servers is looked up in part, and says so', async () => {
  const world = new World({ type: 'SRV' })
  const services = Array.from({ length: 300 }, (_, i) => {
    const name = `s${i}.internal`
    world.four.set(name, [at(`10.0.${Math.floor(i / 200)}.${i % 200}`)])
    return { name, port: 80, priority: 0, weight: 1 }
  })
  world.srv.set('api.internal', services)
  await world.begin()
  assert.equal((world.last as string[]).at(-1), '44 of its 300 servers were not looked up')
  assert.equal((world.last as string[]).length, 257)
})

test('the search list is for names asked of the system, and ends at the first that exists', async () => {
  const world = new World({ name: 'api', servers: [], type: 'A' })
  world.search = { domains: ['a.local', 'b.local', 'c.local'], dots: 1 }
  world.four.set('api.b.local', [at('10.0.0.1')])
  await world.begin()
  assert.deepEqual(world.asked, ['api.a.local A', 'api.b.local A'])
  assert.deepEqual(world.last, ['10.0.0.1:80 1'])
  const own = new World({ name: 'api', type: 'A' })
  own.search = world.search
  await own.begin()
  assert.deepEqual(own.asked, ['api A'])
})

test('a failure on the way through the search list leads to no other name', async () => {
  const world = new World({ name: 'api', servers: [], type: 'A' })
  world.search = { domains: ['a.local', 'b.local'], dots: 1 }
  world.four.set('api.a.local', 'failed')
  world.four.set('api.b.local', [at('10.66.66.66')])
  await world.begin()
  assert.deepEqual(world.asked, ['api.a.local A'])
  assert.equal(world.last, 'SERVFAIL')
})

test('a source that is stopped asks nothing more', async () => {
  const world = new World({ type: 'SRV' })
  const services = Array.from({ length: 100 }, (_, i) => {
    world.four.set(`s${i}.internal`, 'silent')
    return { name: `s${i}.internal`, port: 80, priority: 0, weight: 1 }
  })
  world.srv.set('api.internal', services)
  await world.begin()
  const asked = world.asked.length
  world.source.stop()
  await world.time.pass(100_000)
  assert.equal(world.asked.length, asked)
})

test('a source that is stopped says nothing any more and leaves no timer', async () => {
  const world = new World({ type: 'A' })
  world.four.set('api.internal', 'silent')
  await world.begin()
  world.source.stop()
  await world.time.pass(100_000)
  assert.equal(world.words.length, 0)
  assert.equal(world.time.waiting, 0)
})
