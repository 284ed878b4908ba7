import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { AccessRecord } from '../../../src/observe/access-log.ts'
import {
  accessFormatter,
  escapeJson,
  escapeText,
  formatCombined,
  formatHaproxy,
  formatJson,
} from '../../../src/observe/access-log.ts'

const record: AccessRecord = {
  timeMs: Date.UTC(2026, 10, 21, 4, 0, 55, 7),
  listener: 'web',
  protocol: 'http',
  clientAddress: '192.0.2.7',
  clientPort: 51234,
  method: 'GET',
  target: '/a?b=1',
  host: 'example.com',
  version: '1.1',
  status: 200,
  bytesIn: 78,
  bytesOut: 1234,
  pool: 'api',
  backend: 'b',
  attempts: [
    { backend: 'a', fault: 'backend-refused', status: 0, ms: 0.2 },
    { backend: 'b', fault: null, status: 200, ms: 3.4567 },
  ],
  onlyAttemptMs: -1,
  fault: null,
  queueMs: 0,
  connectMs: 0.31234,
  responseMs: 3.1,
  totalMs: 3.9,
  userAgent: 'curl/8',
  referrer: null,
  requestId: null,
}

test('a JSON line holds every attempt and every timer, and leaves out what is unknown', () => {
  assert.equal(
    formatJson(record),
    '{"time":"2026-11-21T04:00:55.007Z","kind":"access","listener":"web","client":"192.0.2.7",' +
      '"clientPort":51234,"method":"GET","target":"/a?b=1","host":"example.com","version":"1.1",' +
      '"status":200,"bytesIn":78,"bytesOut":1234,"pool":"api","backend":"b","queueMs":0,' +
      '"connectMs":0.312,"responseMs":3.1,"totalMs":3.9,"userAgent":"curl/8","attempts":[' +
      '{"backend":"a","fault":"backend-refused","status":0,"ms":0.2},' +
      '{"backend":"b","status":200,"ms":3.457}]}\n',
  )
})

test('an attempt that went well at once is told like any other', () => {
  const told = (one: Partial<AccessRecord>): unknown =>
    (JSON.parse(formatJson({ ...record, attempts: [], ...one })) as AccessRecord).attempts
  assert.deepEqual(told({ onlyAttemptMs: 3.4567 }), [{ backend: 'b', status: 200, ms: 3.457 }])
  assert.deepEqual(told({ backend: null }), [])
})

test('a tunnel has no request fields', () => {
  const line = JSON.parse(formatJson({ ...record, protocol: 'tcp', status: 0 })) as object
  assert.ok(!('method' in line) && !('status' in line) && 'bytesOut' in line)
})

test("HAProxy's layout carries a moved retry as +1", () => {
  assert.equal(
    formatHaproxy(record),
    '192.0.2.7:51234 [21/Nov/2026:04:00:55.007] web api/b 0/0/0/3/4 200 1234 - - ---- ' +
      '0/0/0/0/+1 0/0 "GET /a?b=1 HTTP/1.1"\n',
  )
  assert.equal(
    formatHaproxy({ ...record, protocol: 'tcp', attempts: [], backend: null, connectMs: -1 }),
    '192.0.2.7:51234 [21/Nov/2026:04:00:55.007] web api/<NOSRV> 0/-1/4 1234 -- 0/0/0/0/0 0/0\n',
  )
})

test('termination letters say who ended it and when', () => {
  const letters = (code: AccessRecord['fault']): string =>
    / ([\w-]{4}) 0\/0\/0\/0/.exec(formatHaproxy({ ...record, fault: code }))![1]!
  assert.equal(letters('backend-response-timeout'), 'sH--')
  assert.equal(letters('backend-refused'), 'SC--')
  assert.equal(letters('no-backend'), 'SC--')
  assert.equal(letters('client-closed'), 'CH--')
  assert.equal(letters('client-head-timeout'), 'cR--')
  assert.equal(letters('queue-full'), 'PQ--')
  assert.equal(letters('queue-timeout'), 'sQ--')
  assert.equal(letters('backend-truncated'), 'SD--')
  assert.equal(letters('local-exhausted'), 'RC--')
})

test('the combined layout is what nginx writes', () => {
  assert.equal(
    formatCombined(record),
    '192.0.2.7 - - [21/Nov/2026:04:00:55 +0000] "GET /a?b=1 HTTP/1.1" 200 1234 "-" "curl/8"\n',
  )
})

test('`off` needs no formatter', () => {
  assert.equal(accessFormatter('off'), null)
  assert.equal(accessFormatter('haproxy'), formatHaproxy)
  assert.equal(accessFormatter('combined'), formatCombined)
  assert.equal(accessFormatter('json'), formatJson)
})

test('no text can forge a line, and JSON gives it back unchanged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (target, agent) => {
      for (const format of [formatJson, formatHaproxy, formatCombined]) {
        const line = format({ ...record, target, userAgent: agent })
        assert.equal(line.indexOf('\n'), line.length - 1)
        assert.doesNotMatch(line.slice(0, -1), /\p{Cc}/u)
      }
      const line = JSON.parse(formatJson({ ...record, target, userAgent: agent })) as typeof record
      assert.equal(line.target, target)
      assert.equal(line.userAgent, agent)
    }),
  )
})

test('lone surrogates are escaped, pairs are kept', () => {
  assert.equal(escapeJson('a\ud800b'), 'a\\ud800b')
  assert.equal(escapeJson('a\u{1f600}b'), 'a\u{1f600}b')
  assert.equal(escapeJson('q"\\\n'), 'q\\"\\\\\\u000a')
  assert.equal(escapeText('q"\n\u009b'), 'q\\x22\\x0A\\x9B')
})

test('the time follows the second of each record, forward and back', () => {
  const time = (timeMs: number): string => formatJson({ ...record, timeMs }).slice(9, 33)
  assert.equal(time(Date.UTC(2026, 0, 1) - 1), '2025-12-31T23:59:59.999Z')
  assert.equal(time(Date.UTC(2026, 0, 1)), '2026-01-01T00:00:00.000Z')
  assert.equal(time(Date.UTC(2026, 0, 1) - 1), '2025-12-31T23:59:59.999Z')
})
