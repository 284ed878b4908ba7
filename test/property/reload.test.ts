// Random reloads among random traffic, over real sockets: whatever comes and goes, no count falls
// below nothing, everybody is answered or told, and in the end nothing is left of what is gone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { PlaneChange, TestPlane, Tree } from '../support/plane.ts'
import { ok, request } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'
import { message } from '../support/standby.ts'
import { SWITCHED } from '../support/tunnels.ts'

const NAMES = ['a', 'b', 'c', 'd'] as const

/** What a client asks the backend to do. */
const TARGETS = ['/answer', '/hold', '/reset', '/fail', '/tunnel'] as const

type Step =
  | { readonly kind: 'ask'; readonly target: (typeof TARGETS)[number]; readonly method: string }
  | { readonly kind: 'leave'; readonly client: number }
  | { readonly kind: 'release' }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'free' }
  | {
      readonly kind: 'reload'
      readonly backends: readonly (typeof NAMES)[number][]
      readonly pool: Tree
      readonly listener: string
      readonly name: string
      readonly down: number
    }

const reload: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('reload' as const),
  backends: fc.shuffledSubarray([...NAMES], { minLength: 1 }),
  pool: fc.record({
    balance: fc.constantFrom('round-robin', 'least-connections', 'random-two'),
    limits: fc.record({ perBackend: fc.constantFrom(0, 1, 2), queue: fc.constantFrom(1, 50) }),
    retry: fc.constantFrom({ backoff: { min: '0ms', max: '5ms' } }, false),
  }),
  listener: fc.constantFrom('main', 'other'),
  name: fc.constantFrom('main', 'main', 'second'),
  down: fc.nat(7),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      target: fc.constantFrom(...TARGETS),
      method: fc.constantFrom('GET', 'GET', 'POST'),
    }),
  },
  { weight: 4, arbitrary: reload },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('leave' as const), client: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'release' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 200, 9_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'free' }) },
)

/** Does what the target says; what is held is let go by `release`. */
function backend(held: Peer[]): Script {
  return async (peer) => {
    for (;;) {
      const { start } = await request(peer)
      if (start.includes('/hold')) {
        held.push(peer)
      } else if (start.includes('/reset')) {
        peer.reset()
        return
      } else if (start.includes('/fail')) {
        peer.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n')
      } else if (start.includes('/tunnel')) {
        peer.write(SWITCHED)
        return
      } else peer.write(ok('yes'))
    }
  }
}

function changeOf(plane: TestPlane, step: Step & { readonly kind: 'reload' }): PlaneChange {
  const addresses = step.backends.map((name) => [name, plane.servers[NAMES.indexOf(name)]!.address])
  return {
    config: {
      listeners: { [step.listener]: { bind: '127.0.0.1:0', pool: step.name } },
      pools: { [step.name]: { ...step.pool, backends: Object.fromEntries(addresses) as Tree } },
    },
  }
}

/** A run and what it needs. */
class Play {
  readonly #plane: TestPlane
  readonly #held: Peer[]
  readonly #clients: Peer[] = []

  constructor(plane: TestPlane, held: Peer[]) {
    this.#plane = plane
    this.#held = held
  }

  async take(step: Step): Promise<void> {
    const plane = this.#plane
    if (step.kind === 'ask') {
      const lines = step.target === '/tunnel' ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n' : ''
      const text = message(step.method, step.method === 'POST' ? 'data' : null, lines)
      const client = await plane.connect()
      this.#clients.push(client)
      client.write(text.replace(' / ', ` ${step.target} `))
    } else if (step.kind === 'reload') {
      const down = step.backends[step.down]
      const failed = await plane.reload(
        changeOf(plane, step),
        down === undefined || step.backends.length === 1 ? {} : { [down]: 'no' },
      )
      assert.deepEqual(failed, [])
    } else if (step.kind === 'pass') plane.skip(step.ms)
    else if (step.kind === 'free') plane.free()
    else if (step.kind === 'release') this.#release()
    else this.#clients[step.client]?.reset()
    assert.deepEqual(plane.negative(), [])
  }

  /** Nobody is left waiting for ever. */
  async finish(): Promise<void> {
    const plane = this.#plane
    await plane.until('everybody to be answered or told', () => {
      this.#release()
      plane.skip(100)
      return this.#clients.every((one) => one.available > 0 || one.ended || one.closed)
    })
    assert.deepEqual(plane.negative(), [])
    for (const client of this.#clients) client.reset()
    await plane.until('the ends', () => Object.keys(plane.gauges(true)).length === 0)
    plane.skip(0)
    const { pools, leavingPools } = plane.plane['context']
    assert.deepEqual(leavingPools, [])
    for (const pool of pools) assert.deepEqual(pool.leaving, [])
    plane.free()
    assert.deepEqual(plane.negative(), [])
  }

  #release(): void {
    for (const peer of this.#held.splice(0)) peer.write(ok('yes'))
  }
}

for (const readInto of READ_INTO) {
  test(`reloads among traffic leave nothing behind, reading into ${readInto} buffers`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const held: Peer[] = []
        const backends = NAMES.map(() => backend(held))
        await withPlane({ readInto, backends }, async (plane) => {
          const play = new Play(plane, held)
          for (const one of steps) await play.take(one)
          await play.finish()
        })
      }),
      { numRuns: 15, endOnFailure: true },
    )
  })
}
