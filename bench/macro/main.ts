// `npm run bench`: Evenkeel beside HAProxy, nginx, Caddy and the best Node proxies, paired in one run.
//   npm run bench -- [--only case,case] [--proxies a,b] [--rounds N] [--seconds S] [--out FILE]
// It compares and never passes or fails: ratios hold between machines, absolute figures do not.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { cases } from './cases.ts'
import { choose, prepare, say, startBackends, wholeNumber } from './prepare.ts'
import { proxies } from './proxies.ts'
import { describeSharing, renderTable, replaceSection } from './report.ts'
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

await prepare(chosenProxies)
const backends = (await startBackends()).map((port) => `127.0.0.1:${port}`)
const measured: Measured[] = []
for (const which of chosenCases) {
  const options = { rounds, seconds, backends, say }
  measured.push({ case: which, rows: await runCase(which, chosenProxies, options) })
}
const table = [renderTable(measured, 'HAProxy'), describeSharing(measured)].join('\n\n').trim()
console.log(table)
if (values.out !== undefined) {
  const old = existsSync(values.out) ? readFileSync(values.out, 'utf8') : '# Benchmarks\n'
  writeFileSync(values.out, replaceSection(old, `${await describeRun()}\n\n${table}`))
  say(`written to ${values.out}`)
}
process.exit(0)

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
