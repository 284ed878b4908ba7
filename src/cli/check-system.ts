// What `evenkeel check` says of the machine it runs on: only what the configuration makes matter.

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Plan } from '../core/plan.ts'

const MIGRATE = '/proc/sys/net/ipv4/tcp_migrate_req'

/** What the system is like. */
interface SystemFacts {
  readonly cores: number
  /** Of Node.js, such as `22.12.0`. */
  readonly node: string
  /** Text of net.ipv4.tcp_migrate_req; `null` where there is none. */
  readonly migrate: string | null
}

/** Looks at the machine. */
export function systemFacts(): SystemFacts {
  let migrate: string | null
  try {
    migrate = readFileSync(MIGRATE, 'utf8').trim()
  } catch {
    migrate = null
  }
  return { cores: availableParallelism(), node: process.versions.node, migrate }
}

/** One sentence each. */
export function systemNotes({ runtime, listeners }: Plan, facts: SystemFacts): string[] {
  const [major = 0, minor = 0] = facts.node.split('.').map(Number)
  const canShare = major > 22 || (major === 22 && minor >= 12)
  const threads = runtime.threads === 'auto' ? facts.cores : runtime.threads
  const isTcp = listeners.some(({ address }) => address.kind === 'tcp')
  if (!canShare || threads < 2 || !isTcp || facts.migrate !== '0') return []
  return [
    'net.ipv4.tcp_migrate_req is 0: connections that wait for a data thread are reset if it fails; with 1 another thread gets them',
  ]
}
