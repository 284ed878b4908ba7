// What many backends cost: CPU time per request, time to a first answer and memory with 3 to 10,000
// backends in one pool, for round robin and least connections, beside HAProxy and nginx.
//   node dist/bench/scale/main.js [--counts 3,100] [--proxies a,b] [--rounds N] [--seconds S]
// Three nginx stand for all backends: each is reached at thousands of loopback addresses. Health
// checks are off everywhere: 10,000 checks would measure the checks.

import { parseArgs } from 'node:util'
import { plain } from '../macro/cases.ts'
import { choose, prepare, say, startBackends, wholeNumber } from '../macro/prepare.ts'
import { proxies } from '../macro/proxies.ts'
import { alignTable, number, time } from '../macro/report.ts'
import { runCase } from '../macro/run-case.ts'

const { values } = parseArgs({
  options: {
    counts: { type: 'string', default: '3,100,1000,10000' },
    proxies: { type: 'string', default: 'haproxy,evenkeel,nginx' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
  },
})
const chosen = choose('proxy', proxies, values.proxies)
const counts = values.counts.split(',').map((count) => wholeNumber('--counts', count))
const rounds = wholeNumber('--rounds', values.rounds)
const seconds = wholeNumber('--seconds', values.seconds)

await prepare(chosen)
const ports = await startBackends()
const table = [
  ['balance', 'proxy', 'backends', 'CPU/request', 'ratio to fewest', 'ready ms', 'MiB', 'failures'],
]
for (const balance of ['round-robin', 'least-connections'] as const) {
  const fewest = new Map<string, number>()
  for (const count of counts) {
    const name = `${balance} over ${count}`
    const which = { ...plain, name, title: name, balance, healthChecks: false }
    const backends = Array.from({ length: count }, (_, index) => address(index))
    for (const row of await runCase(which, chosen, { rounds, seconds, warmUp: 4, backends, say })) {
      const base = fewest.get(row.proxy) ?? row.cpuMicros
      fewest.set(row.proxy, base)
      const cells = [time(row.cpuMicros), number(row.cpuMicros / base, 2)]
      const rest = [number(row.readyMs, 0), number(row.memoryMib, 0)]
      table.push([
        balance,
        row.proxy,
        String(count),
        ...cells,
        ...rest,
        row.note || row.failures || 'none',
      ])
    }
  }
}
console.log(alignTable(table))
process.exit(0)

/** 127.1.0.1, 127.1.0.2, …: all of 127.0.0.0/8 is this machine. */
function address(index: number): string {
  return `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}:${ports[index % ports.length]}`
}
