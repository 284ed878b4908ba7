// What is done to two Evenkeels behind a virtual IP address, and what clients notice of it.

import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { worstCase } from '../../src/ha/keepalived.ts'
import type { ProfileName } from '../../src/ha/keepalived.ts'
import { openIdle, startKeepAlive, startProber } from './vip-load.ts'
import type { Idle, KeepAlive, Prober } from './vip-load.ts'
import { BODY, PORT, startVipPair } from './vip-pair.ts'
import type { VipNode, VipPair, VipPairOptions } from './vip-pair.ts'
import { waitFor } from './wait.ts'

/** What processes need to start, answer and be scheduled on a machine that does other things too. */
const SLACK_MS = 600
const CLIENTS = 20

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs a story; says what everybody said if it ends badly. */
export async function withPair(
  options: VipPairOptions,
  run: (pair: VipPair) => Promise<void>,
): Promise<void> {
  const pair = await startVipPair(options)
  const clients: Clients[] = []
  try {
    clientsByPair.set(pair, clients)
    await run(pair)
  } catch (error) {
    for (const { name, keepalived, evenkeel } of pair.nodes) {
      console.log(`${name}: ${keepalived.stdout()}${keepalived.stderr()}${evenkeel.stderr()}`)
    }
    throw error
  } finally {
    // Those of a story that broke off would go on asking for ever.
    await Promise.all(clients.flatMap((one) => [one.prober.stop(), one.keepAlive.abandon()]))
    await pair.remove()
  }
}

interface Clients {
  readonly prober: Prober
  readonly keepAlive: KeepAlive
}

const clientsByPair = new WeakMap<VipPair, Clients[]>()

/** `timeoutMs`: after which an answer counts as lost; short where the gap is what counts. */
function clientsOf(pair: VipPair, timeoutMs = 2_000): Clients {
  const clients = {
    prober: startProber(pair.url('/now'), { timeoutMs }),
    keepAlive: startKeepAlive(pair.url('/slow'), CLIENTS, BODY),
  }
  clientsByPair.get(pair)?.push(clients)
  return clients
}

/** Moves the address away and back; every connection survives, and nothing fails. */
export async function restAndReturn(pair: VipPair, what: string): Promise<void> {
  const { prober, keepAlive } = clientsOf(pair)
  await pause(500)
  for (const move of [1, 2]) {
    const from = await pair.holder()
    await Promise.all(pair.others(from).map((other) => pair.untilStandby(other)))
    const said = await from.handover('--stay')
    assert.match(said, /left after \d\.\d s/)
    await pause(300)
    assert.notEqual((await pair.holder()).name, from.name)
    await from.handover('--back')
    console.log(`${what}, move ${move}: ${/\S+ left after \S+ s/.exec(said)![0]}`)
  }
  const { sockets } = keepAlive.now()
  await expectNoLoss(what, prober, keepAlive)
  assert.equal(sockets, CLIENTS, 'the connections survive both moves')
}

/** Ends one process after the other, by the command and by a signal as an upgrade would. */
export async function stopAndStart(pair: VipPair, what: string): Promise<void> {
  const { prober, keepAlive } = clientsOf(pair)
  await pause(500)
  for (const way of ['handover', 'SIGTERM'] as const) {
    const from = await pair.holder()
    await pair.untilStandby(pair.other(from))
    if (way === 'SIGTERM') from.evenkeel.signal(way)
    else assert.match(await from.handover(), / 0 cut\. This Evenkeel stops\.$/m)
    assert.deepEqual(await from.evenkeel.exited, { code: 0, signal: null })
    assert.equal((await pair.holder()).name, pair.other(from).name)
    assert.equal(from.track(), '-254')
    await from.startEvenkeel()
  }
  await expectNoLoss(what, prober, keepAlive)
}

async function expectNoLoss(what: string, prober: Prober, keepAlive: KeepAlive): Promise<void> {
  const probes = await prober.stop()
  const kept = await keepAlive.stop()
  console.log(
    `${what}: ${probes.failed} of ${probes.sent} new connections failed, longest gap ${probes.gapMs} ms; ` +
      `${kept.failures.length} of ${kept.sent} requests on kept connections failed`,
  )
  assert.equal(probes.failed, 0)
  assert.deepEqual(kept.failures, [])
  assert.ok(kept.ok > 200, `${kept.ok}`)
}

/** With the other node not ready a handover is refused, and costs nothing. */
export async function nobodyReady(pair: VipPair): Promise<void> {
  const { prober, keepAlive } = clientsOf(pair)
  const holder = await pair.holder()
  const other = pair.other(holder)
  await other.evenkeel.stop()
  await assert.rejects(
    holder.handover('--timeout', '1s'),
    /has not left within 1\.\d s: no other node is ready to have it\. All is as before\./,
  )
  assert.equal(holder.track(), '0')
  assert.equal((await pair.holder()).name, holder.name)
  await pause(1_000)
  assert.equal(keepAlive.now().sockets, CLIENTS)
  await expectNoLoss('no other node is ready', prober, keepAlive)
  await other.startEvenkeel()
}

/** How long clients waited, in ms. */
export interface Gaps {
  readonly frozen: number
  readonly killed: number
  readonly nodeLost: number
  /** Until a client of the lost node that had something to say was told that its connection is gone. */
  readonly told: number
}

/** Freezes, kills and loses the node that has the address, one after the other. */
export async function failOver(pair: VipPair, profile: ProfileName): Promise<Gaps> {
  const worst = worstCase(profile, 100)
  const { prober, keepAlive } = clientsOf(pair, 300)
  const report = (what: string, gapMs: number, worstMs: number): number => {
    console.log(`${profile}, ${what}: ${gapMs} ms without an answer, ${worstMs} ms by computation`)
    assert.ok(gapMs <= worstMs + SLACK_MS, `${what}: ${gapMs} ms`)
    return gapMs
  }
  await pause(500)
  const first = await pair.holder()
  const frozenMs = await gapOf(pair, prober, (node) => void node.evenkeel.signal('SIGSTOP'))
  first.evenkeel.signal('SIGCONT')
  const frozen = report('frozen', frozenMs, worst.frozenMs)
  await pause(1_000)
  assert.deepEqual(keepAlive.now().failures, [], 'it goes on with its old connections')

  const second = await pair.holder()
  const killedMs = await gapOf(pair, prober, (node) => void node.evenkeel.signal('SIGKILL'))
  const killed = report('killed', killedMs, worst.killedMs)
  await second.startEvenkeel()

  const third = await pair.holder()
  let idle: Idle | null = null
  const lostMs = await gapOf(pair, prober, async (node) => {
    idle = await openIdle(pair.vip, PORT)
    await losePower(pair, node)
  })
  const nodeLost = report('node lost', lostMs, worst.nodeLossMs)
  const told = await idle!.untilReset(20_000)
  console.log(`${profile}, node lost: the client of an old connection got a reset after ${told} ms`)
  await Promise.all([prober.stop(), keepAlive.abandon()])
  await third.revive(pair.network)
  return { frozen, killed, nodeLost, told }
}

async function losePower(pair: VipPair, node: VipNode): Promise<void> {
  await pair.network.unplug(node.name)
  node.evenkeel.signal('SIGKILL')
  node.keepalived.signal('SIGKILL')
}

/** Does something to the node that has the address; the longest time that clients then wait. */
async function gapOf(
  pair: VipPair,
  prober: Prober,
  harm: (node: VipNode) => Promise<void> | void,
): Promise<number> {
  const holder = await pair.holder()
  const other = pair.other(holder)
  await pair.untilStandby(other)
  await pause(500)
  prober.reset()
  await harm(holder)
  await waitFor(() => other.hasVip(), { what: 'the other node to have it', timeoutMs: 15_000 })
  await pause(500)
  return prober.now().gapMs
}

/** Kills keepalived where the address is, and starts it again: it stays, beside the new one. */
export async function killKeepalived(pair: VipPair): Promise<void> {
  const prober = startProber(pair.url('/now'), { timeoutMs: 2_000 })
  const holder = await pair.holder()
  const other = pair.other(holder)
  await pair.untilStandby(other)
  holder.keepalived.signal('SIGKILL')
  await waitFor(() => other.hasVip(), { what: 'the other node to have it, too' })
  assert.equal(await holder.hasVip(), true)
  await pause(500)
  holder.startKeepalived()
  assert.equal((await pair.holder(10_000)).name, other.name)
  await pause(500)
  const { sent, failed, gapMs } = await prober.stop()
  console.log(
    `keepalived killed: ${failed} of ${sent} new connections failed, longest gap ${gapMs} ms`,
  )
  assert.equal(failed, 0)
}

/** Cuts the nodes off from each other for a while, and nobody else. */
export async function splitBrain(pair: VipPair): Promise<void> {
  const prober = startProber(pair.url('/now'), { timeoutMs: 300 })
  await pair.network.cut('one', 'two')
  await waitFor(async () => (await pair.nodes[0]!.hasVip()) && (await pair.nodes[1]!.hasVip()), {
    what: 'both to have it',
    timeoutMs: 5_000,
  })
  await pause(1_000)
  await pair.network.heal()
  const startMs = performance.now()
  await pair.holder(5_000)
  const healedMs = Math.round(performance.now() - startMs)
  await pause(500)
  const { sent, failed, gapMs } = await prober.stop()
  console.log(
    `split brain: ${failed} of ${sent} new connections failed, longest gap ${gapMs} ms; one again after ${healedMs} ms`,
  )
  assert.ok(gapMs < 1_000, `${gapMs}`)
}

/** Steps of one story; what follows on a failed one would mean nothing. */
export function stepsOf(t: TestContext) {
  return async (name: string, run: () => Promise<unknown>): Promise<void> => {
    let failure: unknown = null
    await t.test(name, async () => {
      try {
        await run()
      } catch (error) {
        failure = error
        throw error
      }
    })
    if (failure !== null) throw failure
  }
}
