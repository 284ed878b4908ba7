// Makes the source that a plan describes, with what it needs of the outside: DNS servers, files, the
// Docker socket, the service account of a pod.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isIP } from 'node:net'
import type { KubernetesSourcePlan, SourcePlan } from '../core/source-plan.ts'
import { readMemberList } from '../config/member-list.ts'
import type { Source, SourceHost } from '../discover/contract.ts'
import { DnsSource } from '../discover/dns.ts'
import type { SearchRules } from '../discover/dns-names.ts'
import { parseResolvConf } from '../discover/dns-names.ts'
import { dockerSource } from '../discover/docker.ts'
import { FileSource } from '../discover/file.ts'
import { openJsonApi } from '../discover/json-api.ts'
import type { KubernetesAccess } from '../discover/kubernetes.ts'
import { kubernetesSource } from '../discover/kubernetes.ts'
import { dnsQuestions } from '../discover/resolver.ts'

/** Makes a source. */
export function openSource(pool: string, plan: SourcePlan, host: SourceHost): Source {
  if (plan.kind === 'dns') {
    return new DnsSource(plan, host, { ask: dnsQuestions, search: systemSearch })
  }
  if (plan.kind === 'file') return new FileSource(plan, host, readMemberList)
  if (plan.kind === 'docker') {
    const open = (socketPath: string) => openJsonApi({ origin: 'http://docker', socketPath })
    return dockerSource(pool, plan, host, { open })
  }
  return kubernetesSource(plan, host, {
    access: (plan) => kubernetesAccess(plan, process.env),
    open: ({ server, ca }) => openJsonApi({ origin: server, ...(ca === null ? {} : { ca }) }),
  })
}

async function systemSearch(): Promise<SearchRules> {
  return parseResolvConf(await readFile('/etc/resolv.conf', 'utf8').catch(() => ''))
}

/** Where Kubernetes puts what a pod needs to speak to it. */
export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** How the API is reached. @throws Error that says what is missing */
export async function kubernetesAccess(
  plan: KubernetesSourcePlan,
  env: Readonly<Record<string, string | undefined>>,
): Promise<KubernetesAccess> {
  const server = plan.server ?? clusterServer(env)
  const tokenFile = plan.tokenFile ?? join(SERVICE_ACCOUNT, 'token')
  // An API that is named is not the cluster's own, and may have a certificate that all trust.
  const caFile = plan.caFile ?? (plan.server === null ? join(SERVICE_ACCOUNT, 'ca.crt') : null)
  const ca = caFile === null ? null : await readText(caFile, 'authority')
  const namespace =
    plan.namespace ?? (await readText(join(SERVICE_ACCOUNT, 'namespace'), 'namespace'))
  return { server, ca, namespace, token: () => readText(tokenFile, 'token') }
}

function clusterServer(env: Readonly<Record<string, string | undefined>>): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host === undefined || host === '') {
    throw new Error('this is no pod: KUBERNETES_SERVICE_HOST is not set, and no server is given')
  }
  return `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : code
    throw new Error(`the ${what} cannot be read from ${path}: ${why}`, { cause: error })
  }
}
