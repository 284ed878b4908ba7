// What `evenkeel check` says about discovery: where backends would come from, and what is missing on
// this machine for that. Looks at files and sockets, and asks nobody anything.

import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import type { DiscoveryPlan, Plan } from '../core/plan.ts'
import type { SourcePlan } from '../core/source-plan.ts'
import { readMemberList } from '../config/member-list.ts'

/** One source of one pool. */
interface SourceReport {
  readonly pool: string
  /** For people: what is asked, and how often. */
  readonly source: string
  /** What would keep it from answering here; `null`: nothing that can be seen. */
  readonly problem: string | null
}

/** Where a service account is found in a pod. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** All sources of a plan. */
export function reportSources(
  plan: Plan,
  env: Readonly<Record<string, string | undefined>>,
): readonly SourceReport[] {
  return plan.pools.flatMap(({ name: pool, discovery }) =>
    (discovery?.sources ?? []).map((source) => {
      return { pool, source: explain(pool, source), problem: problemOf(source, env) }
    }),
  )
}

/** The lines below a pool in the summary. */
export function sourceLines(
  reports: readonly SourceReport[],
  pool: string,
  discovery: DiscoveryPlan | undefined,
): string[] {
  if (discovery === undefined) return []
  const lines = reports
    .filter((one) => one.pool === pool)
    .map(({ source, problem }) => {
      return `    backends from ${source}${problem === null ? '' : `\n      warning: ${problem}`}`
    })
  const { seed, allowEmpty } = discovery
  const seeds = seed.length === 0 ? 'none' : `the ${seed.length} of seed`
  const empty = allowEmpty ? 'empties the pool' : 'changes nothing'
  return [...lines, `    until the first answer: ${seeds}; an empty answer ${empty}`]
}

function explain(pool: string, source: SourcePlan): string {
  switch (source.kind) {
    case 'dns': {
      const { name, type, port, servers, ttlMinMs, ttlMaxMs } = source
      const records = type === 'address' ? 'A and AAAA' : type
      const what = type === 'SRV' ? '' : `, port ${port}`
      const whom = servers.length === 0 ? "the system's servers" : servers.join(', ')
      const often = `every ${ttlMinMs / 1_000} to ${ttlMaxMs / 1_000} s, as the TTL says`
      return `dns ${name} (${records}${what}), asked of ${whom} ${often}`
    }
    case 'file':
      return `file ${source.path}, read when it changes`
    case 'docker': {
      const network = source.network === null ? '' : ` in network ${source.network}`
      return `docker ${source.socket}: containers${network} with evenkeel.enable=true and evenkeel.pool=${pool}`
    }
    default: {
      const { namespace, service, port } = source
      const where = namespace === null ? "this pod's namespace" : `namespace ${namespace}`
      return `kubernetes: endpoints of service ${service} in ${where}${port === null ? '' : `, port ${port}`}`
    }
  }
}

function problemOf(
  source: SourcePlan,
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  if (source.kind === 'file') return fileProblem(source.path)
  if (source.kind === 'docker') return socketProblem(source.socket)
  if (source.kind === 'dns') return null
  if (source.server === null && env['KUBERNETES_SERVICE_HOST'] === undefined) {
    return 'this is no pod: KUBERNETES_SERVICE_HOST is not set, and no server is given'
  }
  const token = source.tokenFile ?? `${SERVICE_ACCOUNT}/token`
  return canRead(token) ? null : `the token ${token} cannot be read by this user`
}

function fileProblem(path: string): string | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'there is no such file yet' : `it cannot be read: ${message}`
  }
  const list = readMemberList(text, path)
  if (!list.ok) return list.reason
  return list.found.length === 0 ? 'it names nobody' : null
}

function socketProblem(path: string): string | null {
  try {
    if (!statSync(path).isSocket()) return 'it is no socket'
  } catch {
    return 'there is no such socket here'
  }
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return null
  } catch {
    return 'it may not be opened by this user: add the user to the group of the socket'
  }
}

function canRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
