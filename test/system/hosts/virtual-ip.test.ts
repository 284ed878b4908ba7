// A virtual IP address before two Evenkeels: real keepalived, the kernel's own packet rules, one
// namespace for each node. Everything is set up from what `evenkeel keepalived init` writes.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { PROFILE_NAMES } from '../../../src/ha/keepalived.ts'
import { mainFile } from '../../support/evenkeel.ts'
import { createNetwork } from '../../support/netns.ts'
import type { NetworkNode } from '../../support/netns.ts'
import { temporaryFolder } from '../../support/processes.ts'
import {
  failOver,
  nobodyReady,
  restAndReturn,
  stepsOf,
  stopAndStart,
  withPair,
} from '../../support/vip-story.ts'

test('two nodes, profile fast', (t) =>
  withPair({ profile: 'fast' }, async (pair) => {
    const step = stepsOf(t)
    await step('moving the address loses nothing and keeps every connection', () =>
      restAndReturn(pair, 'fast, moved twice'),
    )
    await step('stopping a node loses nothing', () => stopAndStart(pair, 'fast, stopped twice'))
    await step('the address stays while no other node is ready', () => nobodyReady(pair))
    await step('a frozen, killed or lost node costs no more than computed', () =>
      failOver(pair, 'fast'),
    )
  }))

test('keepalived, nft and sh accept the files of every profile', async () => {
  const network = await createNetwork(['one'])
  try {
    const [node] = network.nodes as [NetworkNode]
    const folder = temporaryFolder('accept')
    const file = join(folder, 'evenkeel.yaml')
    const config = {
      keepalived: { vip: network.address(100) },
      listeners: { web: { bind: ':8080', pool: 'app' } },
      pools: { app: { backends: ['127.0.0.1:1', '127.0.0.1:2'] } },
    }
    writeFileSync(file, stringify(config))
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
