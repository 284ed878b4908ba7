// Random faults upon three replicas that agree, and the independent judge of what reached the
// backends. A seed chooses the same faults again; when things happen is up to the machine.

import assert from 'node:assert/strict'
import { seededRandom, type Random } from '../../../src/core/random.ts'
import {
  BACKENDS,
  ETCD,
  REPLICAS,
  type Arrival,
  type ReplicaNetwork,
} from '../../support/replicas.ts'
import { pause } from '../../support/wait.ts'

// Two processes note what they get, each when it is its turn on the CPU.
const TURN_MS = 25

/** @throws AssertionError with what was done and what the replicas said */
export async function hurtReplicas(
  net: ReplicaNetwork,
  from: number,
  to: number,
  say: (text: string) => void,
): Promise<void> {
  const done: string[] = []
  const watch = watchStatus(net)
  try {
    await net.untilAllServe('at the start')
    const before = net.arrivals().length
    for (let seed = from; seed <= to; seed++) {
      const random = seededRandom(seed)
      const what = await hurt(net, random)
      done.push(`seed ${seed}: ${what}`)
      await healAll(net)
      const healedMs = performance.now()
      await net.untilAllServe(`after seed ${seed} (${what})`)
      const tookMs = Math.round(performance.now() - healedMs)
      judge(net.arrivals())
      say(`seed ${seed}: ${what}; all served ${tookMs} ms after the healing`)
    }
    const arrivals = net.arrivals()
    const epochs = new Set(arrivals.map(({ epoch }) => epoch)).size
    say(`${arrivals.length - before} requests under ${epochs} epochs`)
    assert.ok(epochs > (to - from) / 4, `the faults moved the pool only ${epochs - 1} times`)
  } catch (error) {
    const text = `${(error as Error).message}\n${done.join('\n')}\n${net.logs()}`
    throw new Error(text, { cause: error })
  } finally {
    await watch.end()
  }
}

/** No request under an old epoch after the first of a newer one; one backend per epoch. */
export function judge(arrivals: readonly Arrival[]): void {
  let newest = 0
  let sinceMs = 0
  const reigns = new Map<number, string>()
  for (const { atMs, epoch, backend } of arrivals) {
    assert.ok(epoch > 0, `a request without an epoch at ${backend}`)
    assert.equal(backend, reigns.get(epoch) ?? backend, `epoch ${epoch} reached two backends`)
    reigns.set(epoch, backend)
    if (epoch > newest) {
      newest = epoch
      sinceMs = atMs
    } else if (epoch < newest && atMs > sinceMs + TURN_MS) {
      const lateMs = Math.round(atMs - sinceMs)
      assert.fail(`epoch ${epoch} reached ${backend} ${lateMs} ms after the first of ${newest}`)
    }
  }
}

/** Asks every replica each 50 ms who is the active: two never name another one for one epoch. */
function watchStatus(net: ReplicaNetwork): { end(): Promise<void> } {
  const reigns = new Map<number, string>()
  let failure: Error | null = null
  const ending = new AbortController()
  const watching = (async () => {
    while (!ending.signal.aborted) {
      for (const name of REPLICAS) {
        const status = await net.status(name).catch(() => null)
        if (status === null || status.active === null) continue
        const { epoch, active } = status
        const known = reigns.get(epoch) ?? active
        if (known !== active) failure ??= new Error(`epoch ${epoch}: ${known} and ${active}`)
        reigns.set(epoch, known)
      }
      await pause(50)
    }
  })()
  return {
    async end() {
      ending.abort()
      await watching
      if (failure !== null) throw failure
    },
  }
}

function choose<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random.next() * from.length)]!
}

/** One fault or up to three, for a while. */
async function hurt(net: ReplicaNetwork, random: Random): Promise<string> {
  const texts: string[] = []
  const count = choose(random, [1, 2, 2, 3])
  for (let i = 0; i < count; i++) {
    texts.push(await hurtOnce(net, random))
    await pause(200 + random.next() * 600)
  }
  await pause(200 + random.next() * (random.next() < 0.2 ? 5_000 : 1_500))
  return texts.join(', ')
}

async function hurtOnce(net: ReplicaNetwork, random: Random): Promise<string> {
  const replica = choose(random, REPLICAS)
  const what = Math.floor(random.next() * 7)
  if (what === 0) {
    await net.kill(replica)
    return `kill ${replica}`
  }
  if (what === 1) {
    net.process(replica).signal('SIGSTOP')
    return `stop ${replica}`
  }
  if (what === 2) {
    const others = [...REPLICAS, ETCD, ETCD, ...BACKENDS].filter((name) => name !== replica)
    const other = choose(random, others)
    await net.network.cut(replica, other)
    return `cut ${replica} ${other}`
  }
  if (what === 3) {
    const signal = choose(random, ['SIGSTOP', 'SIGKILL'] as const)
    if (signal === 'SIGKILL') await net.kill(ETCD)
    else net.process(ETCD).signal(signal)
    return `${signal} etcd`
  }
  const backend = random.next() < 0.8 ? await activeOf(net, random) : choose(random, BACKENDS)
  await net.kill(backend)
  return `kill ${backend}`
}

/** Who is the active, as somebody says who can. */
async function activeOf(net: ReplicaNetwork, random: Random): Promise<string> {
  for (const name of REPLICAS) {
    const status = await net.status(name).catch(() => null)
    if (status !== null && status.active !== null) return status.active
  }
  return choose(random, BACKENDS)
}

async function healAll(net: ReplicaNetwork): Promise<void> {
  await net.network.heal()
  for (const name of [ETCD, ...BACKENDS, ...REPLICAS]) {
    net.process(name).signal('SIGCONT')
    net.begin(name)
  }
}
