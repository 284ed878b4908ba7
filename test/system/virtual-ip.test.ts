// A virtual IP address before two Evenkeels: real keepalived, the kernel's own packet rules, one
// namespace for each node. Everything is set up from what `evenkeel keepalived init` writes.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { PROFILE_NAMES, worstCase } from '../../src/ha/keepalived.ts'
import type { ProfileName } from '../../src/ha/keepalived.ts'
import { mainFile } from '../support/evenkeel.ts'
import { createNetwork } from '../support/netns.ts'
import type { NetworkNode } from '../support/netns.ts'
import { temporaryFolder } from '../support/processes.ts'
import { startKeepAlive, startProber } from '../support/vip-load.ts'
import { BODY, startVipPair } from '../support/vip-pair.ts'
import type { VipNode, VipPair } from '../support/vip-pair.ts'
import { waitFor } from '../support/wait.ts'

/** What processes need to start, answer and be scheduled on a machine that does other things too. */
const SLACK_MS = 400
const CLIENTS = 20

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function withPair(
  options: Parameters<typeof startVipPair>[0],
  run: (pair: VipPair) => Promise<void>,
): Promise<void> {
  const pair = await startVipPair(options)
  try {
    await run(pair)
  } catch (error) {
    for (const { name, keepalived, evenkeel } of pair.nodes) {
      console.log(`${name}: ${keepalived.stdout()}${keepalived.stderr()}${evenkeel.stderr()}`)
    }
    throw error
  } finally {
    await pair.remove()
  }
}

/** `timeoutMs`: after which an answer counts as lost; short where the gap is what counts. */
function clientsOf(pair: VipPair, timeoutMs = 2_000) {
  return {
    prober: startProber(pair.url('/now'), { timeoutMs }),
    keepAlive: startKeepAlive(pair.url('/slow'), CLIENTS, BODY),
  }
}

/** Does something to the node that has the address; the longest time that clients then wait. */
async function gapOf(
  pair: VipPair,
  prober: ReturnType<typeof startProber>,
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

for (const profile of ['fast', 'default'] as const) {
  test(`two nodes, profile ${profile}`, (t) =>
    withPair({ profile }, async (pair) => {
      await t.test('planned moves lose nothing and keep every connection', () =>
        plannedMoves(pair, profile),
      )
      if (profile === 'fast') {
        await t.test('the address stays while no other node is ready, and nothing is lost', () =>
          nobodyReady(pair),
        )
      }
      await t.test('a frozen, killed or lost node costs no more than computed', () =>
        failures(pair, profile),
      )
    }))
}

async function plannedMoves(pair: VipPair, profile: string): Promise<void> {
  const { prober, keepAlive } = clientsOf(pair)
  await pause(500)
  for (const move of [1, 2]) {
    const from = await pair.holder()
    const to = pair.other(from)
    await pair.untilStandby(to)
    const said = await from.handover('--stay')
    assert.match(said, /left after \d\.\d s/)
    await pause(300)
    assert.equal((await pair.holder()).name, to.name)
    await from.handover('--back')
    console.log(`${profile}, move ${move}: ${said.trim()}`)
  }
  const { sockets } = keepAlive.now()
  assert.equal(sockets, CLIENTS, 'the connections survive both moves')

  // Then one that ends the process: by the command, and by a signal as an upgrade would.
  for (const way of ['handover', 'SIGTERM'] as const) {
    const from = await pair.holder()
    await pair.untilStandby(pair.other(from))
    if (way === 'handover') {
      const said = await from.handover()
      assert.match(said, / 0 cut\. This Evenkeel stops\.$/m)
    } else from.evenkeel.signal('SIGTERM')
    assert.deepEqual(await from.evenkeel.exited, { code: 0, signal: null })
    assert.equal((await pair.holder()).name, pair.other(from).name)
    assert.equal(from.track(), '-254')
    await from.startEvenkeel()
  }
  const probes = await prober.stop()
  const kept = await keepAlive.stop()
  console.log(
    `${profile}, four planned moves: ${probes.failed} of ${probes.sent} new connections failed, longest gap ${probes.gapMs} ms; ` +
      `${kept.failures.length} of ${kept.sent} requests on kept connections failed`,
  )
  assert.equal(probes.failed, 0)
  assert.deepEqual(kept.failures, [])
  assert.ok(kept.ok > 500, `${kept.ok}`)
}

async function failures(pair: VipPair, profile: ProfileName): Promise<void> {
  const worst = worstCase(profile, 100)
  const { prober, keepAlive } = clientsOf(pair, 300)
  const report = (what: string, gapMs: number, worstMs: number): void => {
    console.log(`${profile}, ${what}: ${gapMs} ms without an answer, ${worstMs} ms by computation`)
    assert.ok(gapMs <= worstMs + SLACK_MS, `${what}: ${gapMs} ms`)
  }
  await pause(500)

  const frozen = await pair.holder()
  const frozenMs = await gapOf(pair, prober, (node) => void node.evenkeel.signal('SIGSTOP'))
  frozen.evenkeel.signal('SIGCONT')
  report('frozen', frozenMs, worst.frozenMs)
  await pause(1_000)
  assert.deepEqual(keepAlive.now().failures, [], 'it goes on with its old connections')

  const killed = await pair.holder()
  report(
    'killed',
    await gapOf(pair, prober, (node) => void node.evenkeel.signal('SIGKILL')),
    worst.killedMs,
  )
  await killed.startEvenkeel()

  const before = keepAlive.now().failures.length
  const lostMs = await gapOf(pair, prober, async (node) => {
    await pair.network.unplug(node.name)
    node.evenkeel.signal('SIGKILL')
    node.keepalived.signal('SIGKILL')
  })
  report('node lost', lostMs, worst.nodeLossMs)
  const startMs = performance.now()
  await waitFor(() => keepAlive.now().failures.length >= before + CLIENTS, {
    what: 'clients to be told that their connections are gone',
    timeoutMs: 9_000,
  })
  const toldMs = Math.round(performance.now() - startMs)
  console.log(`${profile}, node lost: clients of old connections got a reset after ${toldMs} ms`)
  assert.deepEqual(new Set(keepAlive.now().failures.slice(before)), new Set(['ECONNRESET']))
  await Promise.all([prober.stop(), keepAlive.stop()])
}

async function nobodyReady(pair: VipPair): Promise<void> {
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
  assert.equal((await prober.stop()).failed, 0)
  const { failures, sockets } = await keepAlive.stop()
  assert.deepEqual([failures, sockets], [[], CLIENTS])
  await other.startEvenkeel()
}

test('nodes that do not hear each other both have the address, and agree again by themselves', () =>
  withPair({ profile: 'fast' }, async (pair) => {
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
  }))

test('over IPv6, too, planned moves lose nothing and keep every connection', () =>
  withPair({ profile: 'fast', family: 6 }, async (pair) => {
    const { prober, keepAlive } = clientsOf(pair)
    await pause(500)
    for (const _ of [1, 2]) {
      const from = await pair.holder()
      await pair.untilStandby(pair.other(from))
      await from.handover('--stay')
      assert.equal((await pair.holder()).name, pair.other(from).name)
      await from.handover('--back')
    }
    const probes = await prober.stop()
    console.log(
      `IPv6, two planned moves: ${probes.failed} of ${probes.sent} new connections failed, longest gap ${probes.gapMs} ms`,
    )
    assert.equal(probes.failed, 0)
    const { failures, sockets } = await keepAlive.stop()
    assert.deepEqual([failures, sockets], [[], CLIENTS])
  }))

test('keepalived, nft and sh accept the files of every profile', async () => {
  const network = await createNetwork(['one'])
  try {
    const [node] = network.nodes as [NetworkNode]
    const folder = temporaryFolder('accept')
    const file = join(folder, 'evenkeel.yaml')
    writeFileSync(
      file,
      stringify({
        keepalived: { vip: network.address(100) },
        listeners: { web: { bind: ':8080', pool: 'app' } },
        pools: { app: { backends: ['127.0.0.1:1', '127.0.0.1:2'] } },
      }),
    )
    for (const profile of PROFILE_NAMES) {
      const out = join(folder, profile)
      const init = `keepalived init -c ${file} --profile ${profile} --out ${out}`
      const group = `--vip ${network.address(100)}/24 --interface eth0 --self ${node.address}`
      const peers = `--peer ${network.address(2)} --peer ${network.address(3)}`
      const words = `${init} ${group} ${peers}`.split(' ')
      await node.run(process.execPath, [mainFile, ...words])
      await node.run('keepalived', ['-t', '-l', '-f', join(out, 'keepalived.conf')])
      await node.run('nft', ['-c', '-f', join(out, 'evenkeel-vip.nft')])
      await node.run('sh', ['-n', join(out, 'evenkeel-ready')])
    }
  } finally {
    await network.remove()
  }
})
