// The kernel's side of a virtual IP address: packet rules, settings, and the unit that applies them.
// They let old connections survive a planned move: a node that gets a packet of a connection it does
// not know passes it on to the other one, which may. Pure text, as in keepalived.ts.

import type { VipSetup } from './keepalived.ts'

/** Marks a packet that was passed on once, so that two nodes can't play it back and forth. */
const BOUNCED = 63
/** A node is passed packets only while it was heard of within so long. */
const HEARD_SECONDS = 3

/** Connections that the kernel can keep in mind: 300 MB if it comes to that. */
const CONNTRACK_MAX = 1_048_576

/** nftables rules: the second chance. */
export function secondChanceRules(setup: VipSetup): string {
  const { family, vip, peers, interface: link } = setup
  const ip = family === 4 ? 'ip' : 'ip6'
  const ports = [...new Set(setup.ports)].sort((a, b) => a - b).join(', ')
  const sets = peers.map(
    (_, i) => `    # Whether peer ${i + 1} was heard of lately: the interface it was heard on.
    set heard_${i + 1} {
        type iface_index
        flags dynamic, timeout
        timeout ${HEARD_SECONDS}s
    }
`,
  )
  const listens = peers.map(
    (peer, i) => `        ${ip} saddr ${peer} update @heard_${i + 1} { iif }`,
  )
  const passes = peers.map(
    (peer, i) =>
      `        iif @heard_${i + 1} ${ip} dscp set ${BOUNCED} dup to ${peer} device "${link}"`,
  )
  return `# Made by \`evenkeel keepalived init\`: nft -f evenkeel-vip.nft
# Load it before traffic comes: connections that are older than these rules are not known to them.

table ${ip} evenkeel_vip
delete table ${ip} evenkeel_vip
table ${ip} evenkeel_vip {
${sets.join('\n')}
    chain second_chance {
        type filter hook prerouting priority mangle; policy accept;
${listens.join('\n')}
        ${ip} daddr ${vip} tcp dport { ${ports} } iifname "${link}" ct state invalid jump unknown
    }

    # Packets of connections that this node does not have.
    chain unknown {
        # Passed on by another node, and nobody has it.
        ${ip} dscp ${BOUNCED} ${peers.length === 1 ? 'reject with tcp reset' : 'drop'}
${passes.join('\n')}
        ${ip} dscp ${BOUNCED} drop
        # No other node is alive to have it: this node answers with a reset, as without these rules.
    }
}
`
}

/** Settings for sysctl. */
export function sysctlSettings(setup: VipSetup): string {
  const link = setup.interface.replaceAll('.', '/')
  const arp = `# The address is on lo of every node; only the one that has it on ${setup.interface} may say so to ARP.
net.ipv4.conf.${link}.arp_ignore = 1
net.ipv4.conf.${link}.arp_announce = 2
# Packets that another node passes on come from clients through the same interface.
net.ipv4.conf.${link}.rp_filter = 2
`
  return `# Made by \`evenkeel keepalived init\`: sysctl -p evenkeel-vip.sysctl (needs the module nf_conntrack)
${setup.family === 4 ? arp : ''}# A packet from the middle of a connection that began elsewhere is unknown, not new.
net.netfilter.nf_conntrack_tcp_loose = 0
# Every connection now has an entry, closed ones for a while too, and at the limit new connections
# are dropped. An entry takes about 300 bytes. (The hyphen: where it can't be set, it stays.)
net.netfilter.nf_conntrack_tcp_timeout_time_wait = 10
-net.netfilter.nf_conntrack_max = ${CONNTRACK_MAX}
`
}

/** A unit for systemd that applies both, and puts the address on lo. */
export function networkUnit(setup: VipSetup): string {
  const { folder, vip, family, trackFile } = setup
  return `# Made by \`evenkeel keepalived init\`: systemctl enable --now ${folder}/evenkeel-vip.service
[Unit]
Description=Second chance for connections to the virtual IP address ${vip}
After=network-pre.target nftables.service
Before=evenkeel.service keepalived.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/sbin/modprobe nf_conntrack
ExecStart=/sbin/sysctl -p ${folder}/evenkeel-vip.sysctl
# Old connections need the address for as long as they last, not only while keepalived holds it here.
ExecStart=/sbin/ip address replace ${vip}/${family === 4 ? 32 : 128} dev lo
ExecStart=/usr/sbin/nft -f ${folder}/evenkeel-vip.nft
# keepalived watches the folder of the track file, so it must be there first.
ExecStart=/bin/mkdir -p ${folderOf(trackFile)}

[Install]
WantedBy=multi-user.target
`
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
