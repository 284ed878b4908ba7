// Runs one case: all proxies up, then short rounds in turn, so that whatever else the machine does
// falls on all of them alike.

import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onCpu, runProcess, startProcess } from '../../test/support/processes.ts'
import type { Process } from '../../test/support/processes.ts'
import { pause, waitFor } from '../../test/support/wait.ts'
import type { Case } from './cases.ts'
import { busyMs, cpuMs, median, memoryKib } from './measure.ts'
import { loadCpu, proxyCpu, wrkReport } from './places.ts'
import type { Proxy, Running } from './proxies.ts'

/** Medians over the rounds of one proxy in one case. NaN: not measured. */
export interface Row {
  readonly proxy: string
  /** Why there is nothing to show; empty if there is. */
  readonly note: string
  /** CPU time of the proxy per request, µs. */
  readonly cpuMicros: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** From its start to its first answer. */
  readonly readyMs: number
  /** After the rounds. */
  readonly memoryMib: number
  /** Share of its core that the proxy used while under load. */
  readonly busy: number
  /** Share of that core that other processes used meanwhile. */
  readonly others: number
  /** Idle connections: memory of one, KiB. */
  readonly idleKib: number
  /** Idle connections: CPU time per second for all of them together, ms. */
  readonly idleCpuMs: number
  /** All rounds together; empty if none. */
  readonly failures: string
}

export interface RunOptions {
  readonly rounds: number
  readonly seconds: number
  /** CPU time under load before the first round, in seconds. Default 1. */
  readonly warmUp?: number
  readonly backends: readonly string[]
  readonly say: (text: string) => void
}

interface Round {
  readonly cpuMicros: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly busy: number
  readonly others: number
}

/** What `wrk-report.lua` prints. */
interface WrkReport {
  readonly requests: number
  readonly micros: number
  readonly p50: number
  readonly p99: number
  readonly connect: number
  readonly read: number
  readonly write: number
  readonly status: number
  readonly timeout: number
}

/** How long garbage collectors get to settle before memory is read. */
const settleMs = 3_000

const nothing = {
  note: '',
  cpuMicros: Number.NaN,
  perSecond: Number.NaN,
  p50Ms: Number.NaN,
  p99Ms: Number.NaN,
  readyMs: Number.NaN,
  memoryMib: Number.NaN,
  busy: Number.NaN,
  others: Number.NaN,
  idleKib: Number.NaN,
  idleCpuMs: Number.NaN,
  failures: '',
}

/** Rows in the order of `proxies`. */
export function runCase(
  which: Case,
  proxies: readonly Proxy[],
  options: RunOptions,
): Promise<readonly Row[]> {
  return which.kind === 'idle'
    ? runIdle(which, proxies, options)
    : runRounds(which, proxies, options)
}

class Contender {
  readonly proxy: Proxy
  readonly running: Running | null
  readonly note: string
  /** From its start to its first answer. */
  readyMs = Number.NaN
  readonly rounds: Round[] = []
  readonly failures = new Map<string, number>()

  constructor(proxy: Proxy, running: Running | null, note: string) {
    this.proxy = proxy
    this.running = running
    this.note = note
  }

  fail(kind: string, times: number): void {
    if (times > 0) this.failures.set(kind, (this.failures.get(kind) ?? 0) + times)
  }

  row(values: Partial<Row>): Row {
    const failures = [...this.failures].map(([kind, times]) => `${kind} × ${times}`).join(', ')
    const { proxy, note, readyMs } = this
    return { ...nothing, proxy: proxy.title, note, readyMs, failures, ...values }
  }
}

async function runRounds(
  which: Case,
  proxies: readonly Proxy[],
  options: RunOptions,
): Promise<readonly Row[]> {
  const contenders = []
  for (const proxy of proxies) contenders.push(await enter(proxy, which, options))
  for (const contender of contenders) await warmUp(contender, which, options.warmUp ?? 1)
  for (let round = 0; round < options.rounds; round++) {
    // Each starts the round once: nobody always runs after the same neighbour's heat.
    for (let turn = 0; turn < contenders.length; turn++) {
      await runRound(contenders[(round + turn) % contenders.length]!, which, options.seconds)
    }
    options.say(`${which.name}: round ${round + 1} of ${options.rounds}`)
  }
  const rows = []
  for (const contender of contenders) {
    const of = (name: keyof Round): number => median(contender.rounds.map((round) => round[name]))
    const { running } = contender
    rows.push(
      contender.row({
        cpuMicros: of('cpuMicros'),
        perSecond: of('perSecond'),
        p50Ms: of('p50Ms'),
        p99Ms: of('p99Ms'),
        busy: of('busy'),
        others: of('others'),
        memoryMib: running?.process.isRunning()
          ? memoryKib(running.process.pid) / 1_024
          : Number.NaN,
      }),
    )
    await running?.process.stop({ signal: 'SIGKILL' })
  }
  return rows
}

/** Starts a proxy and checks that it does what all are said to do. */
async function enter(proxy: Proxy, which: Case, options: RunOptions): Promise<Contender> {
  const lack = proxy.lacks(which)
  if (lack !== null) return new Contender(proxy, null, lack)
  const startedAt = performance.now()
  let running: Running
  try {
    running = await proxy.start(which, options.backends)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    options.say(`${proxy.name}: ${message}`)
    return new Contender(proxy, null, 'did not start')
  }
  const contender = new Contender(proxy, running, '')
  if (which.protocol === 'http') {
    const missing = await missingFeatures(running.port)
    contender.readyMs = performance.now() - startedAt
    if (missing !== '') contender.fail(missing, 1)
  }
  return contender
}

/** The backend tells which headers it got; all proxies must add the same ones. */
async function missingFeatures(port: number): Promise<string> {
  // A proxy may listen before its first health checks have passed.
  const text = await waitFor(
    async () => {
      const response = await fetch(`http://127.0.0.1:${port}/headers`)
      return response.ok ? response.text() : ''
    },
    { what: 'a first answer', timeoutMs: 15_000 },
  ).catch(() => '')
  if (text === '') return 'no answer'
  const [client, scheme, host, via, authority] = text.split('|')
  const wrong = []
  if (client !== '127.0.0.1') wrong.push('X-Forwarded-For')
  if (scheme !== 'http') wrong.push('X-Forwarded-Proto')
  if (host !== `127.0.0.1:${port}`) wrong.push('X-Forwarded-Host')
  if (via === '') wrong.push('Via')
  if (authority !== `127.0.0.1:${port}`) wrong.push('Host')
  return wrong.length === 0 ? '' : `does not send ${wrong.join(' ')}`
}

/** Loads a proxy until its code is warm: for some seconds of its own CPU time, however shared. */
async function warmUp(contender: Contender, which: Case, seconds: number): Promise<void> {
  const { running } = contender
  for (let turn = 0; turn < 10 && running?.process.isRunning(); turn++) {
    await wrk(contender, which, 1)
    if (cpuMs(running.process.pid) >= (seconds + 0.5) * 1_000) return
  }
}

async function runRound(contender: Contender, which: Case, seconds: number): Promise<void> {
  const { running } = contender
  if (running === null) return
  if (!running.process.isRunning()) {
    contender.fail('proxy died', 1)
    return
  }
  const before = cpuMs(running.process.pid)
  const coreBefore = busyMs(proxyCpu)
  const report = await wrk(contender, which, seconds)
  if (report === null || report.requests === 0) {
    contender.fail('round without an answer', 1)
    return
  }
  const usedMs = running.process.isRunning() ? cpuMs(running.process.pid) - before : Number.NaN
  const othersMs = Math.max(0, busyMs(proxyCpu) - coreBefore - usedMs)
  for (const kind of ['connect', 'read', 'write', 'timeout'] as const) {
    contender.fail(`${kind} error`, report[kind])
  }
  contender.fail('status not 2xx', report.status)
  contender.rounds.push({
    cpuMicros: (usedMs * 1_000) / report.requests,
    perSecond: (report.requests * 1e6) / report.micros,
    p50Ms: report.p50 / 1_000,
    p99Ms: report.p99 / 1_000,
    busy: (usedMs * 1_000) / report.micros,
    others: (othersMs * 1_000) / report.micros,
  })
}

async function wrk(
  contender: Contender,
  { connections, headers, path }: Pick<Case, 'connections' | 'headers' | 'path'>,
  seconds: number,
): Promise<WrkReport | null> {
  if (contender.running === null) return null
  const url = `http://127.0.0.1:${contender.running.port}${path}`
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', wrkReport]
  for (const header of headers) args.push('-H', header)
  const { stdout } = await runProcess(...onCpu(loadCpu, 'wrk', [...args, url]))
  const line = stdout.split('\n').find((text) => text.startsWith('{'))
  return line === undefined ? null : (JSON.parse(line) as WrkReport)
}

/** Idle connections need no pairing of rounds: memory does not drift with the machine. */
async function runIdle(
  which: Case,
  proxies: readonly Proxy[],
  options: RunOptions,
): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const proxy of proxies) {
    const contender = await enter(proxy, which, options)
    rows.push(await holdIdle(contender, which))
    await contender.running?.process.stop({ signal: 'SIGKILL' })
    options.say(`${which.name}: ${proxy.name}`)
  }
  return rows
}

async function holdIdle(contender: Contender, which: Case): Promise<Row> {
  const { running } = contender
  if (running === null) return contender.row({})
  const { pid } = running.process
  // Warm code and heap first, with load and with a few idle connections: what counts is the slope.
  await wrk(contender, { ...which, connections: 64 }, 2)
  const clients: Process[] = []
  try {
    clients.push(await openIdle(contender, running.port, { ...which, connections: 500 }))
    await pause(settleMs)
    const before = memoryKib(pid)
    clients.push(await openIdle(contender, running.port, which))
    await pause(settleMs)
    const cpuBefore = cpuMs(pid)
    await pause(settleMs)
    const idleCpuMs = (cpuMs(pid) - cpuBefore) / (settleMs / 1_000)
    const after = memoryKib(pid)
    for (const client of clients) await closeIdle(contender, client)
    const idleKib = (after - before) / which.connections
    return contender.row({ idleKib, idleCpuMs, memoryMib: after / 1_024 })
  } finally {
    for (const client of clients) await client.stop()
  }
}

async function openIdle(contender: Contender, port: number, which: Case): Promise<Process> {
  const program = join(dirname(fileURLToPath(import.meta.url)), 'idle-client.js')
  const args = [program, String(port), String(which.connections), which.path]
  const client = startProcess(...onCpu(loadCpu, process.execPath, args))
  const opened = await waitFor(() => /^open (\d+)/m.exec(client.stdout()), {
    what: 'the idle connections to open',
    timeoutMs: 60_000,
    everyMs: 50,
  })
  contender.fail('connection not opened', which.connections - Number(opened[1]))
  return client
}

async function closeIdle(contender: Contender, client: Process): Promise<void> {
  const opened = Number(/^open (\d+)/m.exec(client.stdout())?.[1])
  client.child.stdin?.end()
  await client.exited
  const left = Number(/^left (\d+)/m.exec(client.stdout())?.[1] ?? 0)
  contender.fail('idle connection lost', opened - left)
}
