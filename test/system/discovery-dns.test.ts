// Discovery from a real DNS server, in the whole program and under load: addresses that come and go,
// every way in which DNS fails, and that none of them fails a request.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import type { DiscoveryStatus, PoolStatus } from '../../src/core/status.ts'
import type { DnsServer } from '../support/dns.ts'
import { startDns, ZONE } from '../support/dns.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import { waitFor } from '../support/wait.ts'

const ended: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end()
})

/** A server on a loopback address that answers with that address. */
async function server(host: string, port = 0): Promise<number> {
  const http = createServer((_request, response) => response.end(host))
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, () => resolve())
  })
  ended.push(() => {
    http.closeAllConnections()
    http.close()
  })
  return (http.address() as AddressInfo).port
}

async function dnsWith(records: readonly string[]): Promise<DnsServer> {
  const dns = await startDns(records)
  ended.push(() => dns.stop())
  return dns
}

async function run(dns: object, more: object = {}): Promise<Evenkeel> {
  const settings = { ttlMin: '200ms', ...dns }
  const evenkeel = await startEvenkeel({
    runtime: { threads: 1 },
    listeners: { web: { pool: 'app' } },
    pools: {
      app: {
        discovery: { dns: settings, allow: ['127.0.0.0/8', '::1'], ...more },
        healthCheck: { http: { path: '/' }, interval: '500ms' },
        slowStart: false,
      },
    },
  })
  ended.push(() => evenkeel.stop())
  return evenkeel
}

async function pool(evenkeel: Evenkeel): Promise<PoolStatus> {
  return (await (await fetch(`${evenkeel.adminUrl}/v1/pools/app`)).json()) as PoolStatus
}

async function source(evenkeel: Evenkeel): Promise<DiscoveryStatus> {
  return (await pool(evenkeel)).discovery![0]!
}

/** Waits until the backends are these, all of them available. */
async function untilBackends(evenkeel: Evenkeel, expected: readonly string[]): Promise<void> {
  let last = ''
  const isThere = async (): Promise<boolean> => {
    const { backends } = await pool(evenkeel)
    last = backends.map(({ name, availability }) => `${name} ${availability}`).join(', ')
    return last === expected.map((name) => `${name} available`).join(', ')
  }
  await waitFor(isThere).catch(() => assert.fail(`wanted ${expected.join(', ')}, there is ${last}`))
}

async function untilTrouble(evenkeel: Evenkeel, state: string, reason: RegExp): Promise<void> {
  await waitFor(
    async () => {
      const found = await source(evenkeel)
      return found.state === state && reason.test(found.reason)
    },
    { what: `${state} ${String(reason)}` },
  )
}

/** Requests without a pause; tells who answered, and how often it was nobody. */
function load(evenkeel: Evenkeel) {
  const answers: string[] = []
  const state = { isOver: false }
  const work = async (): Promise<void> => {
    while (!state.isOver) {
      try {
        const response = await fetch(evenkeel.url(), { headers: { connection: 'close' } })
        const text = await response.text()
        answers.push(response.status === 200 ? text : `${response.status}`)
      } catch (error) {
        answers.push(String(error))
      }
    }
  }
  const workers = Promise.all([work(), work(), work(), work()])
  return {
    async end(): Promise<readonly string[]> {
      state.isOver = true
      await workers
      return answers
    },
  }
}

test('addresses come and go, and DNS fails in every way, without a failed request', async () => {
  const port = await server('127.0.0.2')
  for (const host of ['127.0.0.3', '127.0.0.4']) await server(host, port)
  const at = (...hosts: readonly string[]): string[] => hosts.map((host) => `api 1 A ${host}`)
  const names = (...hosts: readonly string[]): string[] => hosts.map((host) => `${host}:${port}`)
  const dns = await dnsWith(at('127.0.0.2', '127.0.0.3'))
  const evenkeel = await run({ name: `api.${ZONE}`, port, servers: dns.address })
  await untilBackends(evenkeel, names('127.0.0.2', '127.0.0.3'))
  const traffic = load(evenkeel)

  await dns.serve(at('127.0.0.3', '127.0.0.4'))
  await untilBackends(evenkeel, names('127.0.0.3', '127.0.0.4'))

  const kept = names('127.0.0.3', '127.0.0.4')
  await dns.serve(['other 1 A 127.0.0.2'])
  await untilTrouble(evenkeel, 'stale', /: there is no such name$/)
  await untilBackends(evenkeel, kept)
  await dns.serve(['api 1 TXT "nothing of the kind"'])
  await untilTrouble(evenkeel, 'stale', /: the name has no such record$/)
  await dns.break()
  await untilTrouble(evenkeel, 'stale', /SERVFAIL/)
  await dns.stop()
  await untilTrouble(evenkeel, 'stale', /there is no DNS server|no answer in time/)
  await untilBackends(evenkeel, kept)

  await dns.serve(at('127.0.0.2'))
  await untilBackends(evenkeel, names('127.0.0.2'))
  assert.equal((await source(evenkeel)).state, 'ok')

  const answers = await traffic.end()
  const counts = Object.fromEntries(
    [...new Set(answers)].map((one) => [one, answers.filter((other) => other === one).length]),
  )
  console.log(`answers: ${JSON.stringify(counts)}`)
  assert.deepEqual(Object.keys(counts).sort(), ['127.0.0.2', '127.0.0.3', '127.0.0.4'])
})

test('A and AAAA records are both taken', async () => {
  const port = await server('127.0.0.2')
  await server('::1', port)
  const dns = await dnsWith(['api 1 A 127.0.0.2', 'api 1 AAAA ::1'])
  const evenkeel = await run({ name: `api.${ZONE}`, port, servers: dns.address })
  await untilBackends(evenkeel, [`127.0.0.2:${port}`, `[::1]:${port}`])
})

test('SRV records bring ports and weights, and names that stay when the address changes', async () => {
  const [one, two] = [await server('127.0.0.2'), await server('127.0.0.3')]
  await server('127.0.0.4', two)
  const srv = (host: string): string[] => [
    `_http._tcp.api 1 SRV 1 10 ${one} one`,
    `_http._tcp.api 1 SRV 1 30 ${two} two`,
    '_http._tcp.api 1 SRV 2 10 1 far',
    'one 1 A 127.0.0.2',
    `two 1 A ${host}`,
    'far 1 A 127.0.0.9',
  ]
  const dns = await dnsWith(srv('127.0.0.3'))
  const name = `_http._tcp.api.${ZONE}`
  const evenkeel = await run({ name, type: 'SRV', servers: dns.address })
  const names = [`one.${ZONE}:${one}`, `two.${ZONE}:${two}`]
  await untilBackends(evenkeel, names)
  const weights = (await pool(evenkeel)).backends.map(({ weight }) => weight)
  assert.deepEqual(weights, [10, 30])
  await dns.serve(srv('127.0.0.4'))
  await waitFor(async () => (await pool(evenkeel)).backends[1]!.address === `127.0.0.4:${two}`)
  await untilBackends(evenkeel, names)
})

test('a start without DNS is a start, and the pool serves as soon as DNS is there', async () => {
  const port = await server('127.0.0.2')
  const dns = await dnsWith(['api 1 A 127.0.0.2'])
  await dns.stop()
  const evenkeel = await run({ name: `api.${ZONE}`, port, servers: dns.address })
  assert.equal((await fetch(evenkeel.url())).status, 503)
  await untilTrouble(evenkeel, 'waiting', /^no answer yet: /)
  await dns.start()
  await untilBackends(evenkeel, [`127.0.0.2:${port}`])
  assert.equal((await fetch(evenkeel.url())).status, 200)
})

test('what a hostile zone brings is left out and told of', async () => {
  const port = await server('127.0.0.2')
  const flood = Array.from({ length: 200 }, (_, i) => `api 1 A 10.66.0.${i + 1}`)
  const dns = await dnsWith(['api 1 A 127.0.0.2', 'api 1 A 169.254.169.254', ...flood])
  const evenkeel = await run(
    { name: `api.${ZONE}`, port, servers: dns.address, type: 'A' },
    { maxMembers: 5 },
  )
  await untilBackends(evenkeel, [`127.0.0.2:${port}`])
  const { refused, reason } = await source(evenkeel)
  assert.equal(refused, 201)
  assert.match(reason, /^answers; left out: .* is in no block of allow and 200 more$/)
})
