import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../src/core/fault.ts'
import type { TracingPlan } from '../../../src/core/plan.ts'
import { THREAD, THREAD_CELLS } from '../../../src/core/shared-layout.ts'
import type { DataMessage } from '../../../src/core/snapshot.ts'
import type { TraceRecord } from '../../../src/core/trace.ts'
import { ExchangeRecord } from '../../../src/proxy/exchange-record.ts'
import { KEPT_PER_TICK, Tracer, UNDERWAY_MAX } from '../../../src/proxy/tracer.ts'

const plan: TracingPlan = {
  ring: 10,
  sample: 0,
  slowMs: 1_000,
  trustParent: true,
  responseHeader: false,
  otlp: null,
}
const around = {
  listener: 'web',
  protocol: 'http' as const,
  client: '127.0.0.1',
  method: 'GET',
  host: 'a.test',
  target: '/',
  route: null,
  bytesIn: 0,
  totalMs: 20,
}
const last = { startedMs: 101, sentMs: 102, headMs: 110, reused: true }
const noFields = { header: () => null }

function traced(changed: Partial<TracingPlan> = {}) {
  const row = new Float64Array(THREAD_CELLS)
  const sent: TraceRecord[] = []
  const tracer = new Tracer({
    thread: 3,
    row,
    random: { next: () => 0.5 },
    wallMs: (atMs) => 1_000_000 + atMs,
    post: (message: DataMessage) => {
      if (message.kind === 'traces') sent.push(...message.traces)
    },
  })
  tracer.adopt({ ...plan, ...changed })
  return { tracer, row, sent }
}

function recordOf(status: number): ExchangeRecord {
  const record = new ExchangeRecord(true)
  record.begin(100)
  record.status = status
  record.backend = 'a'
  record.connectMs = 0
  record.responseMs = 8
  return record
}

test('an exchange that went well at once leaves no list, and still has its attempt if kept', () => {
  const { tracer, sent } = traced({ sample: 1 })
  const record = recordOf(200)
  record.endAttempt({ ...last, backend: { plan: { name: 'a' } } }, null, 200, 120)
  assert.deepEqual(record.attempts, [])
  const why = tracer.why(record, last, 20)
  assert.equal(why, 'sampled')
  tracer.keep(why, record, last, around, noFields)
  tracer.flush()
  const { attempts, at, headMs, thread } = sent[0]!
  assert.deepEqual([at, headMs, thread], [1_000_100, 10, 3])
  assert.deepEqual(attempts, [
    {
      number: 1,
      backend: 'a',
      address: null,
      startMs: 1,
      ms: 19,
      connectMs: 0,
      responseMs: 8,
      reused: true,
      status: 200,
      fault: null,
    },
  ])
})

test('an exchange that nothing is odd about is not kept, nor any without tracing', () => {
  const { tracer } = traced()
  assert.equal(tracer.why(recordOf(200), last, 20), null)
  assert.equal(tracer.why(recordOf(404), last, 20), null)
  assert.equal(tracer.why(recordOf(500), last, 20), 'error')
  // A long download is not slow; what counts is when it began.
  assert.equal(tracer.why(recordOf(200), last, 60_000), null)
  assert.equal(tracer.why(recordOf(200), { ...last, headMs: 1_200 }, 1_200), 'slow')
  tracer.adopt(null)
  assert.equal(tracer.why(recordOf(500), last, 20), null)
  assert.equal(tracer.replyLine(recordOf(500), noFields), '')
})

test('a second attempt that finds nobody has no head, whatever the first one had', () => {
  const { tracer, sent } = traced()
  const record = recordOf(502)
  const backend = { plan: { name: 'a' } }
  const [refused, status] = [fault('backend-refused'), fault('backend-status')]
  record.endAttempt({ ...last, backend }, status, 503, 111)
  const second = { startedMs: 115, sentMs: 0, headMs: 0, reused: false }
  record.endAttempt({ ...second, backend }, refused, 0, 116)
  tracer.keep('error', record, second, around, null)
  tracer.flush()
  assert.equal(sent[0]!.headMs, -1)
  assert.deepEqual(
    sent[0]!.attempts.map(({ connectMs, responseMs }) => [connectMs, responseMs]),
    [
      [0, 8],
      [-1, -1],
    ],
  )
})

test('a storm of errors is bounded per tick and underway, and the rest counted', () => {
  const { tracer, row, sent } = traced()
  for (let i = 0; i < 1_000; i++) tracer.keep('error', recordOf(502), last, around, null)
  assert.equal(row[THREAD.tracesDropped], 1_000 - KEPT_PER_TICK)
  tracer.flush()
  assert.equal(sent.length, KEPT_PER_TICK)
  for (let tick = 0; tick < 20; tick++) {
    for (let i = 0; i < 1_000; i++) tracer.keep('error', recordOf(502), last, around, null)
    tracer.flush()
  }
  assert.equal(sent.length, UNDERWAY_MAX)
  tracer.taken(UNDERWAY_MAX)
  tracer.keep('error', recordOf(502), last, around, null)
  tracer.flush()
  assert.equal(sent.length, UNDERWAY_MAX + 1)
})

test('a flood of samples leaves room for errors in each tick', () => {
  const { tracer, sent } = traced({ sample: 1 })
  for (let i = 0; i < 1_000; i++) tracer.keep('sampled', recordOf(200), last, around, null)
  for (let i = 0; i < 10; i++) tracer.keep('error', recordOf(502), last, around, null)
  tracer.flush()
  assert.equal(sent.filter(({ keptFor }) => keptFor === 'error').length, 10)
})

test('a long story is told from both ends, and texts of clients are cut', () => {
  const { tracer, sent } = traced()
  const record = recordOf(502)
  const attempt = { ...last, headMs: 0, backend: { plan: { name: 'a' } } }
  for (let i = 0; i < 100; i++) record.endAttempt(attempt, fault('backend-refused'), 0, 120)
  const long = 'x'.repeat(100_000)
  const texts = { ...around, host: long, target: long, method: long }
  tracer.keep('error', record, last, texts, { header: () => long })
  tracer.flush()
  const { attempts, host, target, method, requestId, id } = sent[0]!
  assert.deepEqual(
    attempts.map(({ number }) => number),
    [1, 2, 3, 4, 5, 6, 7, 8, 93, 94, 95, 96, 97, 98, 99, 100],
  )
  assert.deepEqual(
    [host, target, method, requestId].map((text) => text!.length),
    [256, 512, 32, 128],
  )
  assert.match(id, /^[0-9a-f]{32}$/)
})

test('the id is that of a believed parent, else a new one, and stays the same', () => {
  const parent = { header: () => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }
  const record = recordOf(502)
  record.fault = fault('backend-refused')
  const { tracer } = traced()
  const line = 'Evenkeel-Trace: 4bf92f3577b34da6a3ce929d0e0e4736\r\n'
  assert.equal(tracer.replyLine(record, parent), line)
  assert.equal(tracer.idOf(record, noFields), '4bf92f3577b34da6a3ce929d0e0e4736')
  const { tracer: wary } = traced({ trustParent: false })
  const ids = [recordOf(200), recordOf(200)].map((one) => wary.idOf(one, parent))
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/)
  assert.equal(new Set([...ids, '4bf92f3577b34da6a3ce929d0e0e4736']).size, 3)
})
