// What a bench needs before it can begin: programs, the Node proxies, backends, checked options.

import { existsSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, relative } from 'node:path'
import { startNginx } from '../../test/support/nginx.ts'
import { runProcess } from '../../test/support/processes.ts'
import { loadCpu, rivalsFolder } from './places.ts'
import type { Proxy } from './proxies.ts'

/** Checks and installs what is needed, and moves this process off the proxies' core. */
export async function prepare(wanted: readonly Proxy[]): Promise<void> {
  if (cpus().length < 2) stop('it needs two cores: one for the proxy, one for load and backends')
  await requirePrograms(wanted)
  await requireRivals(wanted)
  await runProcess('taskset', ['-acp', String(loadCpu), String(process.pid)])
}

/**
 * Starts three nginx with one worker each on all addresses, and returns their ports. Their replies
 * are static, so that the backend is not the bottleneck.
 */
export async function startBackends(): Promise<readonly number[]> {
  const seen = ['x_forwarded_for', 'x_forwarded_proto', 'x_forwarded_host', 'via', 'host']
  const headers = seen.map((name) => `$http_${name}`).join('|')
  const server = `
    location = /small { return 200 "hello, world\\n"; }
    location = /1k { return 200 "${'0123456789abcdef'.repeat(64)}"; }
    location = /health { return 200 "ok"; }
    location = /headers { return 200 "${headers}"; }`
  const ports = []
  for (const name of ['b0', 'b1', 'b2']) {
    const nginx = await startNginx({
      name,
      server,
      http: 'sendfile on;',
      host: '0.0.0.0',
      cpu: loadCpu,
    })
    writeFileSync(join(nginx.files, '64k'), Buffer.alloc(64 << 10, 'x'))
    writeFileSync(join(nginx.files, '10m'), Buffer.alloc(10 << 20, 'x'))
    ports.push(nginx.port)
  }
  return ports
}

/** Those of a list that an option names, in the list's order; all without the option. */
export function choose<T extends { readonly name: string }>(
  what: string,
  all: readonly T[],
  wanted: string | undefined,
): readonly T[] {
  if (wanted === undefined) return all
  const names = wanted.split(',')
  const unknown = names.find((name) => !all.some((one) => one.name === name))
  if (unknown !== undefined) {
    stop(`unknown ${what} '${unknown}': there are ${all.map((one) => one.name).join(', ')}`)
  }
  return all.filter((one) => names.includes(one.name))
}

/** The value of an option that wants a number from 1. */
export function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    stop(`${name} wants a whole number from 1, not '${text}'`)
  return value
}

/** Progress goes to standard error: standard output is the table. */
export function say(text: string): void {
  console.error(text)
}

async function requirePrograms(wanted: readonly Proxy[]): Promise<void> {
  const debian: Record<string, string> = { wrk: 'wrk', nginx: 'nginx', taskset: 'util-linux' }
  for (const { name } of wanted) if (name === 'haproxy' || name === 'caddy') debian[name] = name
  const missing = []
  for (const [command, name] of Object.entries(debian)) {
    const found = await runProcess('sh', ['-c', `command -v ${command}`])
    if (found.code !== 0) missing.push(name)
  }
  if (missing.length > 0) {
    stop(`missing: ${missing.join(' ')}. Run test/setup.sh --bench, or apt-get install them`)
  }
}

async function requireRivals(wanted: readonly Proxy[]): Promise<void> {
  if (!wanted.some(({ name }) => name === 'fastify' || name === 'httpxy')) return
  if (existsSync(join(rivalsFolder, 'node_modules'))) return
  say(`installing the Node proxies into ${relative(process.cwd(), rivalsFolder)}`)
  const { code, stderr } = await runProcess('npm', ['ci', '--silent'], {
    cwd: rivalsFolder,
    timeoutMs: 300_000,
  })
  if (code !== 0) stop(`npm ci failed in ${rivalsFolder}: ${stderr}`)
}

function stop(reason: string): never {
  console.error(`bench: ${reason}`)
  process.exit(2)
}
