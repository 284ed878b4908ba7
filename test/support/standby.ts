// An active-standby pool of two, for tests of the data plane: `a` is the active from the start, `b`
// stands by. Moves are snapshots, as the control plane would publish them.

import { withPlane } from './plane.ts'
import type { PlaneOptions, PoolWord, TestPlane } from './plane.ts'
import { ok, request } from './raw.ts'
import type { Script } from './raw.ts'

/** Keys of an active-standby pool. */
export const STANDBY = { mode: 'active-standby', healthCheck: { tcp: {} } } as const

/** Keys beside the pools under which several replicas agree. */
export const CLUSTER = {
  cluster: {
    replica: 'one',
    replicas: { one: '127.0.0.1:1', two: '127.0.0.1:2', three: '127.0.0.1:3' },
    etcd: { endpoints: 'http://127.0.0.1:4' },
  },
} as const

/** Takes everything and never answers. */
export const silent: Script = () => {}

/** Answers with its name, the method and the body it got. */
export function answering(name: string): Script {
  return async (peer) => {
    for (;;) {
      const { start, body } = await request(peer)
      peer.write(ok(`${name} ${start.split(' ')[0]} ${body}`))
    }
  }
}

/** A request as text. */
export function message(method: string, body: string | null = null, lines = ''): string {
  const length = body === null ? '' : `Content-Length: ${body.length}\r\n`
  return `${method} / HTTP/1.1\r\nHost: a.example\r\n${lines}${length}\r\n${body ?? ''}`
}

/** Who may be sent to; the others are cut. */
export function publishActive(plane: TestPlane, active: string | null, word: PoolWord = {}): void {
  const states = plane.plan.pools[0]!.backends.map(({ name }) => [
    name,
    name === active ? ('yes' as const) : ('cut' as const),
  ])
  plane.publish(Object.fromEntries(states), word)
}

/** `withPlane` with an active-standby pool whose first backend is the active, in epoch 1. */
export async function withStandby(
  options: PlaneOptions,
  body: (plane: TestPlane) => Promise<void>,
): Promise<void> {
  await withPlane({ ...options, pool: { ...STANDBY, ...options.pool } }, async (plane) => {
    publishActive(plane, 'a', { epoch: 1 })
    await body(plane)
  })
}
