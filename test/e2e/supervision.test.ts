import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Clock } from '../../src/core/clock.ts'
import type { Plan } from '../../src/core/plan.ts'
import { seededRandom } from '../../src/core/random.ts'
import { SharedTable, THREAD } from '../../src/core/shared-layout.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { DataThreads } from '../../src/runtime/data-threads.ts'
import { settleAddresses } from '../../src/runtime/port-check.ts'
import { canReusePort } from '../../src/runtime/reuse-port.ts'
import { SUPERVISION_LIMITS, type SupervisionLimits } from '../../src/runtime/supervision.ts'
import { pause, waitFor } from '../support/wait.ts'

const reusePort = await canReusePort()
const threadsHere = reusePort ? 2 : 1
const module = new URL('../support/failing-data-plane.js', import.meta.url)

interface Rig {
  readonly threads: DataThreads
  readonly table: SharedTable
  readonly port: number
  readonly downs: { thread: number; reason: string; atMs: number }[]
  readonly replaced: { thread: number; tookMs: number }[]
  readonly stuck: { thread: number; reason: string }[]
  readonly loops: { thread: number; delayMs: number }[]
  /** @param isAwaited a move waits for it */
  publish(isAwaited?: boolean): void
  /** Resolves when the threads have adopted another plan. */
  reload(): Promise<void>
  version(): number
}

async function startRig(
  clock: Clock = systemClock(),
  limits: SupervisionLimits = SUPERVISION_LIMITS,
): Promise<Rig> {
  const plan = await settleAddresses({
    listeners: [{ name: 'web', index: 0, address: { kind: 'tcp', host: '127.0.0.1', port: 0 } }],
    pools: [],
  } as unknown as Plan)
  const address = plan.listeners[0]!.address
  const port = address.kind === 'tcp' ? address.port : 0
  const table = SharedTable.allocate({ threads: threadsHere, listeners: 1, pools: 0, slots: 0 })
  const rig = {
    downs: [] as Rig['downs'],
    replaced: [] as Rig['replaced'],
    stuck: [] as Rig['stuck'],
    loops: [] as Rig['loops'],
  }
  let snapshot: Snapshot = { version: 1, pools: [] }
  const threads = new DataThreads({
    plan,
    table,
    clock,
    random: seededRandom(1),
    reusePort,
    module,
    limits,
    heapMb: 32,
    current: () => snapshot,
    events: {
      message: () => {},
      down: (thread, reason) => rig.downs.push({ thread, reason, atMs: clock.nowMs() }),
      stuck: (thread, reason) => rig.stuck.push({ thread, reason }),
      replaced: (thread, tookMs) => rig.replaced.push({ thread, tookMs }),
      looping: (thread, _deaths, delayMs) => rig.loops.push({ thread, delayMs }),
    },
  })
  after(() => threads.close())
  await threads.start()
  function publish(isAwaited = false): void {
    snapshot = { version: snapshot.version + 1, pools: [], isAwaited }
    threads.publish(snapshot)
  }
  function reload(): Promise<void> {
    snapshot = { version: snapshot.version + 1, pools: [], plan }
    threads.publish(snapshot)
    return threads.adopted()
  }
  return { threads, table, port, publish, reload, version: () => snapshot.version, ...rig }
}

async function request(port: number, path: string, agent?: Agent): Promise<string> {
  const call = get({ host: '127.0.0.1', port, path, agent: agent ?? new Agent() })
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return body
}

/** A keep-alive connection to each thread, by the thread's number. */
async function connectToEach(port: number): Promise<Agent[]> {
  const agents: Agent[] = []
  await waitFor(async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const thread = Number(await request(port, '/', agent))
    if (agents[thread] === undefined) agents[thread] = agent
    else agent.destroy()
    return Object.keys(agents).length === threadsHere
  })
  after(() => agents.forEach((agent) => agent.destroy()))
  return agents
}

for (const [path, reason] of [
  ['/throw', /^it threw Error: thrown on purpose\n/],
  ['/reject', /^it threw Error: rejected on purpose\n/],
  ['/exit', /^it ended by itself$/],
  ['/loop', /^it stood still$/],
  ['/heap', /^it ran out of heap$/],
] as const) {
  test(`a data thread that fails by ${path} is replaced, and the others serve on`, async () => {
    const rig = await startRig()
    const agents = await connectToEach(rig.port)
    const victim = threadsHere - 1
    const startedMs = performance.now()
    await request(rig.port, path, agents[victim]).catch(() => {})
    let served = 0
    await waitFor(async () => {
      if (victim > 0) {
        assert.equal(await request(rig.port, '/', agents[0]), '0')
        served++
      }
      return rig.replaced.length === 1
    })
    assert.ok(performance.now() - startedMs < 10_000)
    assert.ok(rig.replaced[0]!.tookMs < 5_000, `replaced in ${rig.replaced[0]!.tookMs} ms`)
    assert.equal(rig.replaced[0]!.thread, victim)
    assert.deepEqual(
      rig.downs.map((down) => down.thread),
      [victim],
    )
    assert.match(rig.downs[0]!.reason, reason)
    assert.ok(victim === 0 || served > 0)
    await connectToEach(rig.port)
    // What the dead thread had counted is still part of the sum.
    assert.ok(rig.table.retired[THREAD.faults]! >= 1)
  })
}

for (const { what, isAwaited, limitMs } of [
  { what: 'a snapshot that a move waits for', isAwaited: true, limitMs: 250 },
  { what: 'any other snapshot', isAwaited: false, limitMs: 1_000 },
]) {
  test(`a thread that does not acknowledge ${what} in ${limitMs} ms is replaced`, async () => {
    const rig = await startRig()
    const agents = await connectToEach(rig.port)
    await request(rig.port, '/deaf', agents[0])
    const publishedMs = systemClock().nowMs()
    // Many follow each other: that must not put off the deadline of the first.
    const stream = setInterval(() => rig.publish(), 50)
    rig.publish(isAwaited)
    await waitFor(() => rig.downs.length === 1)
    clearInterval(stream)
    assert.equal(rig.downs[0]!.reason, 'it did not apply a snapshot in time')
    const waitedMs = rig.downs[0]!.atMs - publishedMs
    assert.ok(waitedMs > limitMs, `given up after ${waitedMs} ms`)
    // Sooner than any other; on a busy machine the supervisor itself may be late.
    if (isAwaited) assert.ok(waitedMs < 1_000, `given up after ${waitedMs} ms`)
    await waitFor(() => rig.table.rows[0]![THREAD.appliedVersion] === rig.version())
  })
}

test('when the main thread awakes late, the threads are not blamed for it', async () => {
  const real = systemClock()
  let aheadMs = 0
  const rig = await startRig({ nowMs: () => real.nowMs() + aheadMs })
  // To the main thread all heartbeats are now five seconds old, as after a stop of the process.
  aheadMs = 5_000
  await pause(300)
  assert.equal(rig.downs.length, 0)
})

test('a thread that dies again and again is replaced ever later, and that is reported', async () => {
  const rig = await startRig()
  for (let death = 1; death <= 3; death++) {
    const agents = await connectToEach(rig.port)
    await request(rig.port, '/throw', agents[0])
    await waitFor(() => rig.replaced.length === death)
  }
  assert.deepEqual(rig.loops, [{ thread: 0, delayMs: 200 }])
  assert.equal(rig.threads.restarts, 3)
})

/** One thread waits in the kernel from now on, until the function that this resolves to is called. */
async function holdThread(rig: Rig): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-stuck-'))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const [agent] = await connectToEach(rig.port)
  await request(rig.port, `/stuck${pipe}`, agent)
  let writer = -1
  const letGo = (): void => {
    if (writer < 0) writer = openSync(pipe, 'r+')
  }
  after(() => {
    letGo()
    closeSync(writer)
    rmSync(folder, { recursive: true })
  })
  return letGo
}

const stuckSoon = { ...SUPERVISION_LIMITS, endMs: 200 }

test('a thread that can not be ended is told of once and counts no more, and is replaced when it ends', async () => {
  const rig = await startRig(systemClock(), stuckSoon)
  const letGo = await holdThread(rig)
  await waitFor(() => rig.stuck.length > 0)
  assert.deepEqual(rig.stuck, [{ thread: 0, reason: 'it stood still' }])
  assert.equal(rig.threads.running, threadsHere - 1)
  assert.deepEqual([rig.downs.length, rig.threads.restarts], [0, 0])
  letGo()
  await waitFor(() => rig.replaced.length === 1)
  assert.deepEqual([rig.stuck.length, rig.threads.running], [1, threadsHere])
})

test('a reload does not wait for a thread that can not be ended', async () => {
  const rig = await startRig(systemClock(), stuckSoon)
  const letGo = await holdThread(rig)
  // It is found out while the first one waits.
  await rig.reload()
  assert.equal(rig.stuck.length, 1)
  await rig.reload()
  letGo()
  await waitFor(() => rig.replaced.length === 1)
  await rig.reload()
})

test('a thread that never gets ready fails the start', async () => {
  const silent = new URL(
    'data:text/javascript,export class DataPlane { receive() {} }; setInterval(() => {}, 1000)',
  )
  const threads = new DataThreads({
    plan: { listeners: [], pools: [] } as unknown as Plan,
    table: SharedTable.allocate({ threads: 1, listeners: 0, pools: 0, slots: 0 }),
    clock: systemClock(),
    random: seededRandom(1),
    reusePort,
    module: silent,
    limits: { ...SUPERVISION_LIMITS, startMs: 300 },
    current: () => ({ version: 1, pools: [] }),
    events: {
      message: () => {},
      down: () => {},
      stuck: () => {},
      replaced: () => {},
      looping: () => {},
    },
  })
  await assert.rejects(threads.start(), /data thread 0 did not start: it did not open its listen/)
})

test('draining ends when every thread has finished', async () => {
  const rig = await startRig()
  await rig.threads.drain()
  await assert.rejects(request(rig.port, '/'), /ECONNREFUSED/)
})

test('a thread that was replaced is waited for like the others', async () => {
  const rig = await startRig()
  void request(rig.port, '/throw').catch(() => {})
  await waitFor(() => rig.replaced.length === 1)
  // As many as make sure that the new one is among those who got some.
  const asked = Array.from({ length: 20 }, () => request(rig.port, '/hold').catch(() => 'cut'))
  const held = (): number => rig.table.sum(THREAD.exchanges)
  await waitFor(() => held() === asked.length)
  await rig.threads.drain()
  assert.equal(held(), 0, 'what ran was not waited for')
  await Promise.all(asked)
})
