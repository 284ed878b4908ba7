// What keepalived has to be told to hold a virtual IP address in front of two or more Evenkeels, as
// text made from a plain description: its configuration and the check it runs. The kernel's side is
// in second-chance.ts. Pure: reads nothing, writes nothing, knows nothing of the machine it runs on.

/** Names of the profiles, from the quickest to the calmest. */
export const PROFILE_NAMES = ['fast', 'default', 'conservative'] as const
export type ProfileName = (typeof PROFILE_NAMES)[number]

/** How soon a failure is noticed; what each comes to is in docs/keepalived.md. */
export interface Profile {
  /** Between two VRRP advertisements; three that fail to come are a lost node. Multiple of 10 ms. */
  readonly advertMs: number
  /** Between two questions for readiness; a divisor of 1 s. */
  readonly checkMs: number
  /** Longest wait for an answer. */
  readonly timeoutMs: number
  /** Misses in a row that are a failure. */
  readonly misses: number
}

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  fast: { advertMs: 100, checkMs: 250, timeoutMs: 250, misses: 2 },
  default: { advertMs: 300, checkMs: 500, timeoutMs: 500, misses: 2 },
  conservative: { advertMs: 1_000, checkMs: 1_000, timeoutMs: 900, misses: 3 },
}

/** One node of the group, and what all of them share. */
export interface VipSetup {
  readonly profile: ProfileName
  /** The virtual IP address, without its prefix length. */
  readonly vip: string
  readonly prefix: number
  readonly family: 4 | 6
  readonly interface: string
  /** This node's own address, and those of the other nodes. */
  readonly self: string
  readonly peers: readonly string[]
  /** The same on every node: with different ones the address would go back by itself. */
  readonly priority: number
  readonly vrid: number
  /** Ports of the listeners on the address. */
  readonly ports: readonly number[]
  readonly trackFile: string
  /** Where the admin API answers. */
  readonly admin:
    | { readonly kind: 'http'; readonly base: string }
    | { readonly kind: 'unix'; readonly path: string }
  /** Folder that the files will lie in. */
  readonly folder: string
}

/**
 * What the track file says, as a change of the priority. A node that gives the address away has to
 * stay above one that is not ready, so that the address rather stays than goes where nobody answers.
 */
export const TRACK = {
  ready: 0,
  /** Whoever is ready takes over, while this node still serves: no gap. */
  away: -50,
  /** Below −253 keepalived calls it a fault and lets go of the address at once. */
  unready: -254,
} as const

/** The least from which `TRACK.away` can be taken: 1, the lowest of all, is for who is not ready. */
export const PRIORITY_MIN = 1 - TRACK.away + 1

/** How long the address is nowhere, in ms, at worst: computed from the settings. */
export interface WorstCase {
  /** The node is gone, or cut off. */
  readonly nodeLossMs: number
  /** Evenkeel is alive but frozen. */
  readonly frozenMs: number
  /** Evenkeel has ended, its node lives. */
  readonly killedMs: number
  /** A planned move: nothing is lost, but it takes this long. */
  readonly handoverMs: number
}

/** RFC 9568 §6.1: the skew lets the node with the highest priority be first. */
function skewMs(advertMs: number, priority: number): number {
  return ((256 - priority) / 256) * advertMs
}

/** The worst case of a profile: phase of the check, its misses, and VRRP's own delay. */
export function worstCase(name: ProfileName, priority: number): WorstCase {
  const { advertMs, checkMs, timeoutMs, misses } = PROFILES[name]
  const skew = skewMs(advertMs, priority)
  const phaseAndMisses = misses * checkMs
  const down = 3 * advertMs + skew
  return {
    nodeLossMs: Math.round(down),
    frozenMs: Math.round(phaseAndMisses + timeoutMs + skew),
    killedMs: Math.round(phaseAndMisses + skew),
    handoverMs: Math.round(down),
  }
}

/** A file to put on the node. */
export interface GeneratedFile {
  /** How `--print` calls it. */
  readonly what: string
  readonly name: string
  readonly mode: number
  readonly text: string
}

/** The name of the check script. */
export const CHECK_NAME = 'evenkeel-ready'

const made = 'Made by `evenkeel keepalived init`; made anew, it loses changes by hand.'

const seconds = (ms: number): string => String(ms / 1_000)

/** keepalived.conf. */
export function keepalivedConf(setup: VipSetup): string {
  const { profile, interface: link, self, peers, vip, prefix, vrid, priority } = setup
  const { advertMs } = PROFILES[profile]
  // keepalived's parser wants one statement per line.
  return `# ${made}
# keepalived 2.2, profile ${profile}. The other nodes differ in router_id and the unicast addresses.

global_defs {
    router_id evenkeel_${self.replaceAll(/[.:]/g, '_')}
    enable_script_security
    script_user root
    vrrp_version 3
    # A processor kept busy by others must not look like a lost node. Real-time processes are killed
    # after 10 ms without a pause unless it says otherwise; announcing the address may take longer.
    vrrp_rt_priority 50
    vrrp_rlimit_rttime 1000000
    # Neighbours are told of a move at once, again after a second, and now and then.
    vrrp_garp_master_delay 1
    vrrp_garp_master_refresh 60
    # After a split the one that stays says again where the address is.
    vrrp_garp_lower_prio_delay 1
    vrrp_garp_lower_prio_repeat 5
    vrrp_higher_prio_send_advert true
}

# Evenkeel's own word: ${TRACK.ready} ready, ${TRACK.away} giving the address away, ${TRACK.unready} not ready.
track_file evenkeel {
    file "${setup.trackFile}"
    weight 1
    init_file ${TRACK.unready}
}

# A frozen or killed Evenkeel can't change its word, so it is also asked.
vrrp_script evenkeel_ready {
    script "${setup.folder}/${CHECK_NAME}"
    interval 1
    timeout 3
    rise 2
    fall ${fallOf(profile)}
    init_fail
}

vrrp_instance evenkeel {
    interface ${link}
    virtual_router_id ${vrid}
    # No preemption: nodes begin as BACKUP with equal priorities, and an equal one takes nothing away.
    # (The keyword nopreempt would also refuse planned moves.)
    state BACKUP
    priority ${priority}
    advert_int ${seconds(advertMs)}
    unicast_src_ip ${self}
    unicast_ttl 255
    check_unicast_src
    unicast_peer {
${peers.map((peer) => `        ${peer} min_ttl 255 max_ttl 255`).join('\n')}
    }
    virtual_ipaddress {
        ${vip}/${prefix} dev ${link}
    }
    track_file {
        evenkeel
    }
    track_script {
        evenkeel_ready
    }
}
`
}

/** Misses that keepalived counts itself; the quicker profiles count within the script. */
function fallOf(profile: ProfileName): number {
  return PROFILES[profile].checkMs >= 1_000 ? PROFILES[profile].misses : 1
}

/** The script that asks Evenkeel, and lets the other nodes hear of this one. */
export function checkScript(setup: VipSetup): string {
  const { checkMs, timeoutMs, misses } = PROFILES[setup.profile]
  const asked =
    setup.admin.kind === 'unix'
      ? `--unix-socket '${setup.admin.path}' http://localhost/readyz`
      : // It asks this very node, whose certificate may be made out for the virtual address.
        `${setup.admin.base.startsWith('https:') ? '-k ' : ''}${setup.admin.base}/readyz`
  const ask = `curl -qsf -m ${seconds(timeoutMs)} -o /dev/null ${asked}`
  return `#!/bin/sh
# ${made}
# keepalived runs this once a second: exit code 0 if Evenkeel is ready for traffic.

# Any packet will do: the other nodes pass packets of unknown connections on to this one only while
# they hear from it (see evenkeel-vip.nft). The port is discard; nobody needs to be there.
for peer in ${setup.peers.map(urlHost).join(' ')}; do
    curl -qsg -m 0.2 -o /dev/null "http://$peer:9/" &
done

${fallOf(setup.profile) > 1 ? `exec ${ask}\n` : quickCheck(ask, checkMs, misses)}`
}

// keepalived counts in whole seconds, so a quicker check has to ask several times in one run.
function quickCheck(ask: string, checkMs: number, misses: number): string {
  const turns = 1_000 / checkMs
  return `# Asks ${turns} times, ${seconds(checkMs)} s apart; ${misses} misses in a row are a failure.
turn=1
missed=0
while [ $turn -le ${turns} ] || [ $missed -gt 0 ]; do
    [ $turn -eq 1 ] || wait $pause
    sleep ${seconds(checkMs)} &
    pause=$!
    if ${ask}; then
        missed=0
    else
        missed=$((missed + 1))
        [ $missed -lt ${misses} ] || exit 1
    fi
    turn=$((turn + 1))
done
exit 0
`
}

function urlHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
