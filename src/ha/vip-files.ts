// All files of `evenkeel keepalived init`, and what to do with them.

import type { GeneratedFile, VipSetup } from './keepalived.ts'
import { CHECK_NAME, checkScript, keepalivedConf, worstCase } from './keepalived.ts'
import { networkUnit, secondChanceRules, sysctlSettings } from './second-chance.ts'

/** The files for one node, in the order of `--print`. */
export function vipFiles(setup: VipSetup): readonly GeneratedFile[] {
  return [
    { what: 'conf', name: 'keepalived.conf', mode: 0o644, text: keepalivedConf(setup) },
    { what: 'check', name: CHECK_NAME, mode: 0o755, text: checkScript(setup) },
    { what: 'nft', name: 'evenkeel-vip.nft', mode: 0o644, text: secondChanceRules(setup) },
    { what: 'sysctl', name: 'evenkeel-vip.sysctl', mode: 0o644, text: sysctlSettings(setup) },
    { what: 'unit', name: 'evenkeel-vip.service', mode: 0o644, text: networkUnit(setup) },
    { what: 'steps', name: 'evenkeel-vip.txt', mode: 0o644, text: steps(setup) },
  ]
}

const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

function steps(setup: VipSetup): string {
  const { folder, vip, self, peers, profile, priority, interface: link, ports } = setup
  const worst = worstCase(profile, priority)
  return `The virtual IP address ${vip} on ${link}, node ${self}; other nodes: ${peers.join(', ')}.

Needs keepalived 2.2, nftables, iproute2 and curl. On every node, one after the other:

1. The files belong in ${folder}. keepalived runs ${CHECK_NAME} only if it and the folders above
   it belong to root and nobody else may write there.

2. Before Evenkeel takes traffic:
     systemctl enable --now ${folder}/evenkeel-vip.service
   It puts ${vip} on lo, where no ARP answers for it, loads the settings in evenkeel-vip.sysctl and the
   rules in evenkeel-vip.nft (for TCP ports ${[...new Set(ports)].join(', ')}), and makes the folder of the track file.
   Connections that are older than the rules would be taken for unknown ones: on a node that
   serves already, let it drain first.

3. Evenkeel must be able to write ${setup.trackFile}. In its unit:
     [Service]
     RuntimeDirectory=evenkeel
     RuntimeDirectoryPreserve=yes

4. A packet filter of your own must let VRRP (IP protocol 112) between the nodes pass.

5. systemctl restart keepalived
   It begins without the address until Evenkeel is ready.

6. Try it:  evenkeel handover     gives the address away and stops, losing nothing
            evenkeel handover --stay, and later --back     gives it away and goes on running

By computation the address is nowhere for at most (profile ${profile}, priority ${priority}):
  node lost        ${inSeconds(worst.nodeLossMs)}
  Evenkeel frozen  ${inSeconds(worst.frozenMs)}
  Evenkeel killed  ${inSeconds(worst.killedMs)}
A handover takes ${inSeconds(worst.handoverMs)}, with no gap.

To take it away again: stop keepalived, nft delete table ${setup.family === 4 ? 'ip' : 'ip6'} evenkeel_vip,
ip address delete ${vip}/${setup.family === 4 ? 32 : 128} dev lo, and disable the unit.
`
}
