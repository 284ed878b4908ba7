// The client of etcd's JSON gateway and the mirror of a prefix, against a real etcd that is stopped,
// killed, compacted and restored.

import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, test } from 'node:test'
import type { EtcdPlan } from '../../src/core/plan.ts'
import { seededRandom } from '../../src/core/random.ts'
import { EtcdMirror } from '../../src/ha/etcd-mirror.ts'
import type { Change } from '../../src/ha/etcd-wire.ts'
import { EtcdClient } from '../../src/ha/etcd.ts'
import { EtcdError } from '../../src/ha/etcd-error.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { makeCertificates, startEtcd, type Etcd } from '../support/etcd.ts'
import { freePort } from '../support/ports.ts'
import { pause, waitFor } from '../support/wait.ts'

const PREFIX = '/evenkeel/test/'
const clock = systemClock()

function client(endpoints: readonly string[], more: Partial<EtcdPlan> = {}): EtcdClient {
  const plan = { endpoints, login: null, tls: null, ...more }
  const made = new EtcdClient({ plan, timeoutMs: 1_000, clock })
  after(() => made.close())
  return made
}

async function etcd(options: Parameters<typeof startEtcd>[0] = {}): Promise<Etcd> {
  const started = await startEtcd(options)
  after(() => started.stop())
  return started
}

/** What a listener heard, key by key: the values in order, `null` for a deletion. */
class Heard {
  readonly texts: string[] = []
  readonly troubles: (string | null)[] = []
  readonly mirror: EtcdMirror
  backs = 0

  constructor(of: EtcdClient) {
    const listener = {
      changed: (changes: readonly Change[], isAnew: boolean) => {
        if (isAnew) this.backs++
        for (const { key, entry } of changes) {
          this.texts.push(`${key.slice(PREFIX.length)}=${entry?.value ?? 'gone'}`)
        }
      },
      watching: (trouble: string | null) => void this.troubles.push(trouble),
    }
    this.mirror = new EtcdMirror(of, PREFIX, listener, seededRandom(1))
    after(() => this.mirror.close())
  }

  async has(...texts: readonly string[]): Promise<void> {
    await waitFor(() => this.texts.length >= texts.length, {
      what: `${texts.join(' ')}, heard ${this.texts.join(' ')}`,
      timeoutMs: 8_000,
    })
    assert.deepEqual(this.texts, texts)
  }

  async watches(times: number): Promise<void> {
    await waitFor(() => this.troubles.filter((trouble) => trouble === null).length >= times, {
      what: `a watch, heard ${this.troubles.join('; ')}`,
      timeoutMs: 8_000,
    })
  }
}

async function put(to: EtcdClient, name: string, value: string, lease: string | null = null) {
  const { succeeded } = await to.txn([], [{ kind: 'put', key: PREFIX + name, value, lease }])
  assert.ok(succeeded)
}

/** A way to etcd that can be taken away. */
async function startRelay(port: number) {
  const sockets = new Set<Socket>()
  let open = true
  const server = createServer((socket) => {
    if (!open) {
      socket.destroy()
      return
    }
    const onward = connect(port, '127.0.0.1')
    for (const end of [socket, onward]) {
      sockets.add(end)
      end.on('error', () => {}).on('close', () => sockets.delete(end))
    }
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  after(() => {
    cut()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      open = false
      cut()
    },
    heal: () => void (open = true),
    /** The connections there are carry nothing any more; new ones do. */
    hang() {
      for (const socket of sockets) socket.unpipe().pause()
    },
  }
}

async function rejection(promise: Promise<unknown>): Promise<EtcdError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof EtcdError, String(error))
  return error
}

test('one etcd: leases, transactions, and a mirror that loses nothing', async (t) => {
  const store = await etcd()
  const one = client(store.endpoints)

  await t.test('a lease keeps its keys as long as it is renewed, and no longer', async () => {
    const before = clock.nowMs()
    const { sentMs, value } = await one.grant(2_000)
    assert.ok(sentMs >= before && sentMs <= clock.nowMs())
    assert.equal(value.ttlMs, 2_000)
    await put(one, 'leased', 'x', value.lease)
    const [entry] = (await one.range(PREFIX)).value.entries
    assert.deepEqual([entry!.value, entry!.lease], ['x', value.lease])
    await pause(1_200)
    assert.equal((await one.keepAlive(value.lease)).value, 2_000)
    await pause(1_200)
    assert.equal((await one.range(PREFIX)).value.entries.length, 1)
    await waitFor(async () => (await one.range(PREFIX)).value.entries.length === 0, {
      timeoutMs: 3_000,
      everyMs: 50,
    })
    assert.equal((await one.keepAlive(value.lease)).value, 0)
    await one.revoke(value.lease)
  })

  await t.test('a transaction happens if all of its conditions hold', async () => {
    const key = `${PREFIX}guarded`
    const create = [{ key, target: 'create', equals: 0 }] as const
    const first = await one.txn(create, [{ kind: 'put', key, value: '1', lease: null }])
    assert.ok(first.succeeded)
    assert.ok(!(await one.txn(create, [{ kind: 'put', key, value: '2', lease: null }])).succeeded)
    const guard = [
      { key, target: 'mod', equals: first.revision },
      { key, target: 'value', equals: '1' },
    ] as const
    assert.ok((await one.txn(guard, [{ kind: 'put', key, value: '3', lease: null }])).succeeded)
    assert.ok(!(await one.txn(guard, [{ kind: 'delete', key }])).succeeded)
    const now = (await one.range(key)).value.entries[0]!
    assert.deepEqual([now.value, now.createRevision], ['3', first.revision])
    assert.ok(now.modRevision > first.revision)
    assert.ok((await one.txn([], [{ kind: 'delete', key }])).succeeded)
  })

  await t.test('a put under a lease that is gone is refused, in etcd’s words', async () => {
    const put = { kind: 'put', key: `${PREFIX}x`, value: '', lease: '77' } as const
    const error = await rejection(one.txn([], [put]))
    assert.equal(
      error.message,
      `etcd at ${store.endpoints[0]} refused: etcdserver: requested lease not found`,
    )
    assert.deepEqual([error.refusal?.code, error.unknown], [5, false])
  })

  await t.test('a mirror tells what is there, and each change once and in order', async () => {
    await put(one, 'a', '1')
    const heard = new Heard(one)
    await heard.mirror.refresh()
    await heard.has('a=1')
    await heard.watches(1)
    for (let i = 2; i <= 30; i++) await put(one, 'a', String(i))
    const counted = Array.from({ length: 30 }, (_, i) => `a=${i + 1}`)
    await heard.has(...counted)
    await one.txn([], [{ kind: 'delete', key: `${PREFIX}a` }])
    await heard.has(...counted, 'a=gone')
    await heard.mirror.refresh()
    await heard.has(...counted, 'a=gone')
    assert.equal(heard.mirror.entries.size, 0)
  })

  await t.test('a mirror goes on where it was after etcd was killed and restarted', async () => {
    const heard = new Heard(one)
    await put(one, 'b', '1')
    await heard.mirror.refresh()
    await heard.watches(1)
    await store.members[0]!.kill('SIGKILL')
    await waitFor(() => heard.troubles.some((trouble) => trouble?.includes('connection')))
    const error = await rejection(one.range(PREFIX))
    assert.equal(error.message, `etcd at ${store.endpoints[0]}: connection refused`)
    assert.equal(error.unknown, false)
    await store.members[0]!.restart()
    await put(one, 'b', '2')
    await put(one, 'b', '3')
    await heard.has('b=1', 'b=2', 'b=3')
    assert.equal(heard.backs, 0)
  })

  await t.test('a mirror fills the gap when what it missed is compacted', async () => {
    const relay = await startRelay(Number(new URL(store.endpoints[0]!).port))
    const heard = new Heard(client([relay.url]))
    await put(one, 'c', '1')
    await put(one, 'd', '1')
    await heard.mirror.refresh()
    await heard.watches(1)
    heard.texts.length = 0
    relay.cut()
    await put(one, 'c', '2')
    await put(one, 'c', '3')
    await one.txn([], [{ kind: 'delete', key: `${PREFIX}d` }])
    await store.ctl('compaction', String((await one.range(PREFIX)).value.revision))
    relay.heal()
    await heard.has('c=3', 'd=gone')
    assert.ok(heard.troubles.includes('the changes asked for are compacted'))
    await heard.watches(2)
    await put(one, 'c', '4')
    await heard.has('c=3', 'd=gone', 'c=4')
  })

  await t.test('a watch that hangs is found out by ranges, and begun anew', async () => {
    const relay = await startRelay(Number(new URL(store.endpoints[0]!).port))
    const heard = new Heard(client([relay.url]))
    await heard.mirror.refresh()
    await heard.watches(1)
    heard.texts.length = 0
    relay.hang()
    // The connection that requests had used so far hangs, too, once.
    await rejection(heard.mirror.refresh())
    await put(one, 'w', '1')
    await heard.mirror.refresh()
    await put(one, 'w', '2')
    await heard.mirror.refresh()
    await heard.watches(2)
    await put(one, 'w', '3')
    await heard.has('w=1', 'w=2', 'w=3')
  })

  await t.test('a hung etcd costs a request its limit, and says so', async () => {
    await store.members[0]!.kill('SIGSTOP')
    const startedMs = clock.nowMs()
    const error = await rejection(one.range(PREFIX))
    const tookMs = clock.nowMs() - startedMs
    assert.equal(error.message, `etcd at ${store.endpoints[0]}: no answer within 1000 ms`)
    assert.ok(tookMs > 950 && tookMs < 3_000, `took ${tookMs} ms`)
    assert.ok((await rejection(one.txn([], []))).unknown, 'nobody knows what became of it')
    await store.members[0]!.kill('SIGCONT')
    await one.range(PREFIX)
  })
})

test('three members: losing the leader is a pause, not a loss', async (t) => {
  const store = await etcd({ members: 3 })
  const one = client(store.endpoints)

  await t.test('a lease and a mirror survive the death of any one member', async () => {
    const heard = new Heard(one)
    const { lease } = (await one.grant(5_000)).value
    await put(one, 'l', '1', lease)
    await heard.mirror.refresh()
    await heard.watches(1)
    for (const [i, member] of store.members.entries()) {
      await member.kill('SIGKILL')
      await waitFor(async () => (await one.keepAlive(lease)).value > 0, { what: 'a renewal' })
      await put(one, 'l', String(i + 2), lease)
      await member.restart()
    }
    await heard.has('l=1', 'l=2', 'l=3', 'l=4')
    await one.revoke(lease)
    await heard.has('l=1', 'l=2', 'l=3', 'l=4', 'l=gone')
  })

  await t.test('a member that hangs is passed over for the next one', async () => {
    // The client begins with the one that answered last, so find out which that is by stopping it.
    const heard = new Heard(one)
    await heard.mirror.refresh()
    await heard.watches(1)
    for (const member of store.members) {
      await member.kill('SIGSTOP')
      // If it was the leader, the others elect a new one first, on a busy machine in several rounds of
      // theirs; it may have answered one request more.
      const isQuick = async (): Promise<boolean> => {
        const startedMs = clock.nowMs()
        await one.range(PREFIX)
        return clock.nowMs() - startedMs < 500
      }
      await waitFor(isQuick, { what: 'a request that pays nothing', timeoutMs: 20_000 })
      assert.ok((await isQuick()) || (await isQuick()), 'only the first requests pay')
      await put(one, 'h', member.endpoint)
      await heard.mirror.refresh()
      await member.kill('SIGCONT')
    }
    await heard.has(...store.members.map(({ endpoint }) => `h=${endpoint}`))
    await put(one, 'h', 'end')
    await waitFor(() => heard.texts.at(-1) === 'h=end')
  })

  await t.test('without a majority nothing is answered, and nothing hangs', async () => {
    await store.members[0]!.kill('SIGKILL')
    await store.members[1]!.kill('SIGKILL')
    const startedMs = clock.nowMs()
    const error = await rejection(one.range(PREFIX))
    assert.ok(clock.nowMs() - startedMs < 3_500)
    assert.ok(error.message.includes(store.members[0]!.endpoint), error.message)
    assert.ok(error.message.includes(store.members[2]!.endpoint), error.message)
    await Promise.all([store.members[0]!.restart(), store.members[1]!.restart()])
    await waitFor(() => one.range(PREFIX))
  })
})

test('a mirror notices that etcd was put back to an older state', async () => {
  const store = await etcd()
  const one = client(store.endpoints)
  const heard = new Heard(one)
  await put(one, 'e', '1')
  await put(one, 'e', '2')
  await put(one, 'f', '1')
  await heard.mirror.refresh()
  await heard.watches(1)
  // Another etcd with less in it takes the address of the first.
  await store.members[0]!.kill('SIGKILL')
  const other = await etcd({ port: Number(new URL(store.endpoints[0]!).port) })
  const two = client(other.endpoints)
  await put(two, 'e', 'old')
  await heard.mirror.refresh()
  assert.equal(heard.backs, 1)
  assert.deepEqual(heard.texts, ['e=2', 'f=1', 'f=gone', 'e=old'])
  await put(two, 'e', 'new')
  await waitFor(() => heard.texts.at(-1) === 'e=new')
})

test('etcd with TLS: a client with its certificate is let in, others are told why not', async () => {
  const tls = await makeCertificates()
  const store = await etcd({ tls })
  const trusted = client(store.endpoints, { tls: { ca: tls.ca, cert: tls.cert, key: tls.key } })
  const heard = new Heard(trusted)
  await put(trusted, 't', '1')
  await heard.mirror.refresh()
  await heard.watches(1)
  await put(trusted, 't', '2')
  await heard.has('t=1', 't=2')
  const distrusting = client(store.endpoints)
  const error = await rejection(distrusting.range(PREFIX))
  assert.match(error.message, /^etcd at https:\S+: (unable to verify|self.signed)/)
  assert.equal(error.unknown, false)
  const nobody = client(store.endpoints, { tls: { ca: tls.ca, cert: null, key: null } })
  assert.match((await rejection(nobody.range(PREFIX))).message, /certificate|closed|reset/)
})

test('etcd with users: the login is renewed when it ages, and a wrong password is named', async () => {
  // A simple token lives as long as the member that gave it, or for this many seconds unused.
  const store = await etcd({ settings: { 'auth-token-ttl': '1' } })
  const login = { user: 'root', password: 'secret' }
  const one = client(store.endpoints, { login })
  await put(one, 'u', '1')
  await store.ctl('role', 'add', 'root')
  await store.ctl('user', 'add', 'root:secret')
  await store.ctl('user', 'grant-role', 'root', 'root')
  await store.ctl('auth', 'enable')
  const heard = new Heard(one)
  await heard.mirror.refresh()
  await heard.watches(1)
  await put(one, 'u', '2')
  await heard.has('u=1', 'u=2')
  await pause(3_000)
  await put(one, 'u', '3')
  await heard.has('u=1', 'u=2', 'u=3')
  await store.members[0]!.restart()
  await waitFor(() => put(one, 'u', '4').then(() => true))
  await heard.has('u=1', 'u=2', 'u=3', 'u=4')
  const wrong = client(store.endpoints, { login: { user: 'root', password: 'guess' } })
  const error = await rejection(wrong.range(PREFIX))
  assert.match(error.message, /authentication failed, invalid user ID or password/)
  assert.ok(!error.message.includes('guess'))
})

test('what answers but is no etcd is named, and does not keep the next endpoint waiting', async () => {
  const store = await etcd()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  after(() => server.close())
  const stranger = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const refusing = `http://127.0.0.1:${await freePort()}`
  const lone = client([stranger])
  assert.equal(
    (await rejection(lone.range(PREFIX))).message,
    `${stranger} is no etcd: it answers 404`,
  )
  const several = client([stranger, refusing, ...store.endpoints])
  await put(several, 's', '1')
  assert.equal((await several.range(PREFIX)).value.entries.length, 1)
})
