// `npm run bench`: Evenkeel beside HAProxy, nginx, Caddy and the best Node proxies, paired in one run.
//   npm run bench -- [--only case,case] [--proxies a,b] [--rounds N] [--seconds S] [--out FILE]
// It compares and never passes or fails: ratios hold between machines, absolute figures do not.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { startNginx } from '../../test/support/nginx.ts'
import { runProcess } from '../../test/support/processes.ts'
import { cases } from './cases.ts'
import { loadCpu, rivalsFolder } from './places.ts'
import { proxies } from './proxies.ts'
import type { Proxy } from './proxies.ts'
import { renderTable, replaceSection } from './report.ts'
import type { Measured } from './report.ts'
import { runCase } from './run-case.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    proxies: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
})
const chosenCases = choose('case', cases, values.only)
const chosenProxies = choose('proxy', proxies, values.proxies)
const rounds = wholeNumber('--rounds', values.rounds)
const seconds = wholeNumber('--seconds', values.seconds)

if (cpus().length < 2) stop('it needs two cores: one for the proxy, one for load and backends')
await requirePrograms(chosenProxies)
await requireRivals(chosenProxies)
// The bench itself, all its threads, keeps off the proxies' core.
await runProcess('taskset', ['-acp', String(loadCpu), String(process.pid)])

const backends = await startBackends()
const measured: Measured[] = []
for (const which of chosenCases) {
  const options = { rounds, seconds, backends, say }
  measured.push({ case: which, rows: await runCase(which, chosenProxies, options) })
}
const table = renderTable(measured, 'HAProxy')
console.log(table)
if (values.out !== undefined) {
  const old = existsSync(values.out) ? readFileSync(values.out, 'utf8') : '# Benchmarks\n'
  writeFileSync(values.out, replaceSection(old, `${await describeRun()}\n\n${table}`))
  say(`written to ${values.out}`)
}
process.exit(0)

/** Three nginx with one worker each: static replies, so that the backend is never the bottleneck. */
async function startBackends(): Promise<readonly number[]> {
  const seen = ['x_forwarded_for', 'x_forwarded_proto', 'x_forwarded_host', 'via', 'host']
  const headers = seen.map((name) => `$http_${name}`).join('|')
  const server = `
    location = /small { return 200 "hello, world\\n"; }
    location = /1k { return 200 "${'0123456789abcdef'.repeat(64)}"; }
    location = /health { return 200 "ok"; }
    location = /headers { return 200 "${headers}"; }`
  const ports = []
  for (const name of ['b0', 'b1', 'b2']) {
    const nginx = await startNginx({ name, server, http: 'sendfile on;', cpu: loadCpu })
    writeFileSync(join(nginx.files, '64k'), Buffer.alloc(64 << 10, 'x'))
    writeFileSync(join(nginx.files, '10m'), Buffer.alloc(10 << 20, 'x'))
    ports.push(nginx.port)
  }
  return ports
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

async function describeRun(): Promise<string> {
  const versions = []
  for (const proxy of chosenProxies) versions.push(`${proxy.title} ${await proxy.version()}`)
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const args = process.argv.slice(2).join(' ')
  return [
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Machine: ${cpus().length} × ${cpu?.model}, ${memory} GiB, Linux ${release()}`,
    `- Versions: ${versions.join(', ')}; Node ${process.version}`,
    `- Command: \`npm run bench -- ${args}\` (medians of ${rounds} rounds of ${seconds} s)`,
  ].join('\n')
}

function choose<T extends { readonly name: string }>(
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

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    stop(`${name} wants a whole number from 1, not '${text}'`)
  return value
}

function say(text: string): void {
  console.error(text)
}

function stop(reason: string): never {
  console.error(`bench: ${reason}`)
  process.exit(2)
}
