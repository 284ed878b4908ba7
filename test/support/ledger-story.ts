// A story of a ledger, as text: what happens to pools, line by line, and what the report says of it.
// What begins with `| ` is told by the code; everything else is the script.
//
//   pool web a b c min=1 rto=2s availability=99.9%     before all else
//   pool db primary standby mode=active-standby
//   2s  serve web a b            data threads may send to these, from now on
//   2s  web/a down sign=1s: connection refused
//   2s  turn db failing-over: lost
//   2s  moved db failover primary standby detection=1s took=300ms by=evenkeel: it is down
//   2s  traffic web 100 failed=2 retried=1 rescued=1 unknown=0
//   2s  attempts web/a 50 failed=2
//   2s  operator drain web/a by=kim: new kernel
//   9s  killed | stopped         the process ends, 9 s after the beginning of the story
//   20s starts                   the next one begins
//   1m  report [since..until]    `report markdown`, `incident 1-1`

import { Ledger, LedgerClock } from '../../src/core/ledger.ts'
import type { Counts, LedgerRecord } from '../../src/core/ledger-contract.ts'
import { NO_COUNTS } from '../../src/core/ledger-contract.ts'
import type { EventBody } from '../../src/core/events.ts'
import type { Plan, PoolPlan } from '../../src/core/plan.ts'
import { ReportFold } from '../../src/core/report.ts'
import { ELIGIBILITY } from '../../src/core/snapshot.ts'
import type { Availability, FailoverPhase, MoveKind } from '../../src/core/status.ts'
import { incidentText } from '../../src/cli/report-incident.ts'
import { reportText } from '../../src/cli/report-text.ts'
import { readDuration } from '../../src/config/units.ts'
import { planOf } from './plans.ts'

/** Wall clock at the beginning of each story. */
export const BEGIN = Date.UTC(2026, 10, 1)

/** The script with what the code tells in place of the lines with a bar. */
export function tell(written: string): string {
  const script = written.split('\n').filter((line) => !line.startsWith('|'))
  while (script.at(-1) === '') script.pop()
  const pools = script.filter((line) => line.startsWith('pool '))
  const teller = new Teller(planOfPools(pools))
  const out: string[] = []
  for (const line of script) {
    out.push(line)
    if (line === '' || line.startsWith('#') || line.startsWith('pool ')) continue
    const told = teller.play(line)
    if (told !== null)
      out.push(
        ...told
          .trimEnd()
          .split('\n')
          .map((one) => `| ${one}`.trimEnd()),
      )
  }
  return `${out.join('\n')}\n`
}

function ms(text: string): number {
  const read = readDuration(text)
  if (!read.ok) throw new Error(read.message)
  return read.value
}

function planOfPools(lines: readonly string[]): Plan {
  const config = ['listeners:', '  web: { bind: ":8080", pool: placeholder }', 'pools:']
  config[1] = `  web: { bind: ":8080", pool: ${lines[0]!.split(' ')[1]} }`
  let port = 9000
  for (const line of lines) {
    const [, name, ...words] = line.split(' ')
    const options = Object.fromEntries(
      words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]),
    )
    const backends = words.filter((word) => !word.includes('='))
    const { min = '0', rto, availability, mode = 'active-active' } = options
    const aims = [
      ...(rto === undefined ? [] : [`rto: ${rto}`]),
      ...(availability === undefined ? [] : [`availability: ${availability}`]),
    ]
    config.push(
      `  ${name}:`,
      `    mode: ${mode}`,
      ...(mode === 'active-active' ? [`    minAvailable: ${min}`] : []),
      `    healthCheck: { tcp: {} }`,
      `    objective: { ${aims.join(', ')} }`,
      `    backends: { ${backends.map((one) => `${one}: "127.0.0.1:${++port}"`).join(', ')} }`,
    )
  }
  return planOf(config.join('\n'))
}

/** Counters that a story moves. */
export class StoryCounters {
  readonly #pools = new Map<number, Counts>()
  readonly #backends = new Map<number, Counts>()

  pool(slot: number): Counts {
    return this.#pools.get(slot) ?? NO_COUNTS
  }

  backend(slot: number): Counts {
    return this.#backends.get(slot) ?? NO_COUNTS
  }

  addPool(slot: number, counts: Partial<Counts>): void {
    this.#pools.set(slot, sum(this.pool(slot), counts))
  }

  addBackend(slot: number, counts: Partial<Counts>): void {
    this.#backends.set(slot, sum(this.backend(slot), counts))
  }
}

function sum(one: Counts, more: Partial<Counts>): Counts {
  const total = { ...one }
  for (const key of Object.keys(one) as (keyof Counts)[]) total[key] += more[key] ?? 0
  return total
}

class Teller {
  readonly records: LedgerRecord[] = []
  readonly #plan: Plan
  #counters = new StoryCounters()
  #ledger!: Ledger
  #run = 0
  #nowMs = 0
  #lastAt: number | null = null
  #running = false
  #id = 0

  constructor(plan: Plan) {
    this.#plan = plan
    this.#start('first')
  }

  play(line: string): string | null {
    const [, time, rest] = /^(\S+)\s+(.*)$/.exec(line)!
    this.#advance(ms(time!))
    const colon = rest!.indexOf(': ')
    const reason = colon < 0 ? '' : rest!.slice(colon + 2)
    const words = (colon < 0 ? rest! : rest!.slice(0, colon)).split(/\s+/)
    return this.#do(words, reason)
  }

  /** One look a second, and an hour at a time. */
  #advance(toMs: number): void {
    if (!this.#running) {
      this.#nowMs = toMs
      return
    }
    const fullLooks = toMs - this.#nowMs < 600_000
    for (let at = Math.floor(this.#nowMs / 1000) * 1000 + 1000; at <= toMs; at += 1000) {
      if (fullLooks || at % 3_600_000 === 0 || toMs - at < 60_000) this.#ledger.sample(at)
      if (at % 3_600_000 === 0) this.records.push(this.#ledger.nextSpan(at))
      if (fullLooks || at % 60_000 === 0) this.records.push(...this.#ledger.take(at))
    }
    this.#nowMs = toMs
  }

  #do([verb = '', ...words]: string[], reason: string): string | null {
    const option = (name: string) =>
      words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1)
    const number = (name: string) => Number(option(name) ?? 0)
    switch (verb) {
      case 'serve':
        this.#serve(words[0]!, words.slice(1))
        return null
      case 'turn': {
        const [pool, to] = words as [string, FailoverPhase]
        this.#hear({ kind: 'turn', pool, from: 'steady', to, reason })
        return null
      }
      case 'moved': {
        const [pool, kind, from, to] = words as [string, MoveKind, string, string]
        const [detectionMs, moveMs] = [ms(option('detection') ?? '0'), ms(option('took') ?? '0')]
        const at = BEGIN + this.#nowMs
        const sessions = { at: 0, finished: 0, cut: number('cut') }
        const base = { kind, from, to, reason, at, detectionMs, moveMs, sessions }
        const report = {
          ...base,
          outcome: 'moved',
          epoch: 2,
          by: option('by') ?? 'evenkeel',
        } as const
        this.#hear({ kind: 'move', pool, report: { ...report, metObjective: null } })
        return null
      }
      case 'traffic': {
        const counts = { failed: number('failed'), retried: number('retried') }
        const more = { rescued: number('rescued'), unknown: number('unknown') }
        const { slot } = this.#pool(words[0]!)
        this.#counters.addPool(slot, { requests: Number(words[1]), ...counts, ...more })
        return null
      }
      case 'attempts': {
        const [pool, name] = words[0]!.split('/') as [string, string]
        const { slot } = this.#pool(pool).backends.find((one) => one.name === name)!
        this.#counters.addBackend(slot, { requests: Number(words[1]), failed: number('failed') })
        return null
      }
      case 'operator': {
        const [what, place] = words as [string, string]
        const [pool = null, backend = null] = place.split('/')
        const news = { verb: what, pool, backend, wishes: {}, by: option('by')!, from: 'test' }
        const end = { reason, outcome: 'done', message: 'done', tookMs: 0 }
        this.#hear({ kind: 'operator', news: { ...news, ...end } })
        return null
      }
      case 'killed':
      case 'stopped':
        this.#end(verb)
        return null
      case 'starts':
        this.#start(this.#lastEnd)
        return null
      case 'report':
        return this.#report(words)
      case 'incident':
        return this.#incident(words[0]!)
      default:
        this.#transition(verb, words, { reason, sign: option('sign') })
        return null
    }
  }

  #lastEnd: 'first' | 'stopped' | 'killed' = 'first'

  #serve(name: string, serving: readonly string[]): void {
    const pool = this.#pool(name)
    const words = pool.backends.map((one) => {
      if (serving.includes(one.name)) return ELIGIBILITY.yes
      return pool.mode === 'active-standby' ? ELIGIBILITY.cut : ELIGIBILITY.no
    })
    this.#ledger.published(
      {
        version: 1,
        pools: [
          {
            pool: pool.index,
            eligibility: Uint8Array.from(words),
            weight: new Float64Array(words.length).fill(1),
            probationThread: new Int8Array(words.length),
            halfAvailable: true,
            epoch: 0,
            holdUntilMs: 0,
          },
        ],
      },
      this.#nowMs,
    )
  }

  #transition(
    place: string,
    words: readonly string[],
    { reason, sign }: { reason: string; sign: string | undefined },
  ): void {
    const [pool, backend] = place.split('/') as [string, string]
    const to = words[0] as Availability
    const seen = sign === undefined ? {} : { signMs: ms(sign) }
    const change = { pool, backend, from: 'available', to, reason, available: 1 } as const
    this.#hear({ kind: 'transition', transition: { ...change, atMs: this.#nowMs, ...seen } })
  }

  #hear(body: EventBody): void {
    const times = { id: ++this.#id, at: BEGIN + this.#nowMs, atMs: this.#nowMs }
    this.#ledger.hear({ ...body, ...times })
    this.records.push(...this.#ledger.take(this.#nowMs))
  }

  #end(how: 'killed' | 'stopped'): void {
    const nowMs = this.#nowMs
    this.records.push(...this.#ledger.take(nowMs))
    // What a checkpoint a moment ago would have kept.
    this.records.push(...this.#ledger.open(nowMs), this.#ledger.nextSpan(nowMs))
    if (how === 'stopped') this.records.push({ kind: 'stop', run: this.#run, at: BEGIN + nowMs })
    this.#lastAt = BEGIN + nowMs
    this.#lastEnd = how
    this.#running = false
  }

  #start(before: 'first' | 'stopped' | 'killed'): void {
    const nowMs = this.#nowMs
    const run = ++this.#run
    const fold = new ReportFold()
    for (const record of this.records) fold.add(record)
    this.#counters = new StoryCounters()
    const clock = new LedgerClock(BEGIN + nowMs, nowMs)
    this.#ledger = new Ledger({ run, clock, read: this.#counters }, this.#plan, nowMs)
    const lastAt = this.#lastAt
    this.records.push({ kind: 'start', run, at: BEGIN + nowMs, version: '1', before, lastAt })
    this.records.push(...this.#ledger.pools(nowMs))
    const stopped = before === 'stopped'
    if (lastAt !== null) this.#ledger.resume(fold.open(), { lastAt, stopped }, nowMs)
    this.#running = true
  }

  #fold(): ReportFold {
    const fold = new ReportFold()
    for (const record of this.records) fold.add(record)
    if (this.#running) {
      for (const record of this.#ledger.open(this.#nowMs)) fold.add(record)
      fold.add(this.#ledger.span(this.#nowMs))
    }
    return fold
  }

  #report(words: readonly string[]): string {
    const range = words.find((word) => word.includes('..'))
    const [from = '', to = ''] = range?.split('..') ?? []
    const since = from === '' ? 0 : BEGIN + ms(from)
    const until = BEGIN + (to === '' ? this.#nowMs : ms(to))
    const report = this.#fold().report({ since, until }, null)
    const hand = words.includes('markdown') ? 'markdown' : 'text'
    return reportText({ ...report, ledger: { path: 'ledger.jsonl', damaged: 0 } }, hand)
  }

  #incident(id: string): string {
    const fold = this.#fold()
    const incident = fold.incident(id)
    return incident === null ? `no ${id}` : incidentText(incident, fold.members(id), 'text')
  }

  #pool(name: string): PoolPlan {
    const pool = this.#plan.pools.find((one) => one.name === name)
    if (pool === undefined) throw new Error(`no pool ${name}`)
    return pool
  }
}
