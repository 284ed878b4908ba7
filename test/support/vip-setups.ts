// Descriptions of nodes behind a virtual IP address, and the files they lead to, as kept in
// test/golden: `node dist/test/support/vip-setups.js` writes them anew after a change that is meant.

import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { VipSetup } from '../../src/ha/keepalived.ts'
import { vipFiles } from '../../src/ha/vip-files.ts'

const usual: VipSetup = {
  profile: 'default',
  vip: '10.0.0.100',
  prefix: 24,
  family: 4,
  interface: 'eth0',
  self: '10.0.0.11',
  peers: ['10.0.0.12'],
  priority: 100,
  vrid: 51,
  ports: [8080, 443, 8080],
  trackFile: '/run/evenkeel/track',
  admin: { kind: 'http', base: 'http://127.0.0.1:9900' },
  folder: '/etc/keepalived',
}

export const vipSetups: Readonly<Record<string, VipSetup>> = {
  default: usual,
  'fast-vlan-three-nodes': {
    ...usual,
    profile: 'fast',
    interface: 'bond0.7',
    peers: ['10.0.0.12', '10.0.0.13'],
    priority: 254,
    vrid: 255,
  },
  'conservative-ipv6-unix': {
    ...usual,
    profile: 'conservative',
    vip: 'fd00::100',
    prefix: 64,
    family: 6,
    self: 'fd00::11',
    peers: ['fd00::12'],
    priority: 52,
    vrid: 1,
    trackFile: '/track',
    admin: { kind: 'unix', path: '/run/evenkeel/admin.sock' },
    folder: '/opt/ha',
  },
}

/** All files of one node in one text. */
export function goldenText(setup: VipSetup): string {
  return vipFiles(setup)
    .map(({ what, name, mode, text }) => `===== ${what}: ${name} ${mode.toString(8)}\n${text}`)
    .join('\n')
}

export function goldenUrl(name: string): URL {
  return new URL(`../../../test/golden/keepalived-${name}.txt`, import.meta.url)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, setup] of Object.entries(vipSetups)) {
    writeFileSync(goldenUrl(name), goldenText(setup))
  }
}
