// A real etcd: one member or a cluster of several, on free ports, each with a folder of its own;
// with TLS on the clients' side if asked for.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Process } from './processes.ts'

export interface EtcdMember {
  readonly endpoint: string
  readonly process: () => Process
  /** SIGKILL ends it, SIGSTOP makes it hang. */
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /** Starts it again, on what it had written. */
  restart(): Promise<void>
}

export interface Etcd {
  readonly members: readonly EtcdMember[]
  readonly endpoints: readonly string[]
  /** Runs etcdctl against all members; throws with what it said if it fails. */
  ctl(...args: string[]): Promise<string>
  stop(): Promise<void>
}

/** PEM texts: what a client must trust, and what it may show. */
export interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** The same as files. */
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string }
}

export interface EtcdStart {
  readonly members?: number
  /** Port of the first member for clients; a free one without. */
  readonly port?: number
  /** With these the clients' side speaks TLS, and clients need a certificate of this authority. */
  readonly tls?: Certificates
  /** Further settings of each member, without `--`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Starts etcd and waits until every member answers. */
export async function startEtcd(options: EtcdStart = {}): Promise<Etcd> {
  const count = options.members ?? 1
  const scheme = options.tls === undefined ? 'http' : 'https'
  const names = Array.from({ length: count }, (_, i) => `m${i + 1}`)
  const endpoints: string[] = []
  const peers: string[] = []
  for (let i = 0; i < count; i++) {
    const port = i === 0 ? options.port : undefined
    endpoints.push(`${scheme}://127.0.0.1:${port ?? (await freePort())}`)
    peers.push(`http://127.0.0.1:${await freePort()}`)
  }
  const initial = names.map((name, i) => `${name}=${peers[i]}`).join(',')
  const access = options.tls === undefined ? [] : tlsArguments(options.tls)
  const members = names.map((name, i) => {
    const settings = {
      name,
      'data-dir': temporaryFolder('etcd'),
      'listen-client-urls': endpoints[i]!,
      'advertise-client-urls': endpoints[i]!,
      'listen-peer-urls': peers[i]!,
      'initial-advertise-peer-urls': peers[i]!,
      'initial-cluster': initial,
      'log-level': 'error',
      ...options.settings,
    }
    const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value])
    return new Member(endpoints[i]!, [...args, '--unsafe-no-fsync', ...access], access)
  })
  await Promise.all(members.map((member) => member.restart()))
  return {
    members,
    endpoints,
    ctl: (...args) => etcdctl(endpoints, access, args),
    async stop() {
      await Promise.all(members.map((member) => member.process().stop({ signal: 'SIGKILL' })))
    },
  }
}

class Member implements EtcdMember {
  readonly endpoint: string
  readonly #args: readonly string[]
  readonly #access: readonly string[]
  #running: Process | null = null

  constructor(endpoint: string, args: readonly string[], access: readonly string[]) {
    this.endpoint = endpoint
    this.#args = args
    this.#access = access
  }

  process(): Process {
    return this.#running!
  }

  async kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    this.process().signal(signal)
    if (signal === 'SIGKILL') await this.process().exited
  }

  async restart(): Promise<void> {
    await this.#running?.stop({ signal: 'SIGKILL' })
    const started = startProcess('etcd', this.#args)
    this.#running = started
    await waitUntilReady(started, 'etcd', () => isHealthy(this.endpoint, this.#access), 20_000)
  }
}

/** Certificates of an authority of our own for 127.0.0.1, good for servers and clients. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = temporaryFolder('certificates')
  const file = (name: string) => join(folder, name)
  const openssl = async (...args: string[]) => {
    const ended = await runProcess('openssl', args)
    if (ended.code !== 0) throw new Error(`openssl ${args.join(' ')}: ${ended.stderr}`)
  }
  const request = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = ['-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=authority']
  await openssl(...request, '-x509', '-days', '2', ...authority)
  const own = ['-keyout', file('key.pem'), '-out', file('request.pem'), '-subj', '/CN=evenkeel']
  await openssl(...request, ...own)
  writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1\n')
  const signed = ['-in', file('request.pem'), '-out', file('cert.pem'), '-extfile', file('names')]
  const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
  await openssl('x509', '-req', ...signed, ...signer)
  const files = { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') }
  const read = (path: string) => readFileSync(path, 'utf8')
  return { ca: read(files.ca), cert: read(files.cert), key: read(files.key), files }
}

function tlsArguments({ files }: Certificates): readonly string[] {
  const shown = ['--cert-file', files.cert, '--key-file', files.key]
  return ['--client-cert-auth', '--trusted-ca-file', files.ca, ...shown]
}

async function isHealthy(endpoint: string, access: readonly string[]): Promise<boolean> {
  try {
    await etcdctl([endpoint], access, ['endpoint', 'health'])
    return true
  } catch (error) {
    // That it asks who we are is a sign of life, too.
    return (error as Error).message.includes('user name is empty')
  }
}

async function etcdctl(
  endpoints: readonly string[],
  access: readonly string[],
  args: readonly string[],
): Promise<string> {
  const options = [`--endpoints=${endpoints.join(',')}`, '--dial-timeout=1s']
  for (const [i, arg] of access.entries()) {
    if (arg === '--trusted-ca-file') options.push('--cacert', access[i + 1]!)
    if (arg === '--cert-file') options.push('--cert', access[i + 1]!)
    if (arg === '--key-file') options.push('--key', access[i + 1]!)
  }
  const env = { ETCDCTL_API: '3' }
  const ended = await runProcess('etcdctl', [...options, ...args], { env, timeoutMs: 10_000 })
  if (ended.code !== 0) throw new Error(`etcdctl ${args.join(' ')}: ${ended.stderr}`)
  return ended.stdout
}
