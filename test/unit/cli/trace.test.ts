import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { listText, traceText } from '../../../src/cli/trace.ts'
import { someTrace } from '../../support/traces.ts'

const [first] = someTrace().attempts
const failed = {
  ...someTrace({
    at: Date.UTC(2026, 10, 21, 11, 30),
    keptFor: 'error',
    status: 502,
    fault: 'backend-refused',
    requestId: 'order-7',
    totalMs: 31.4,
    queueMs: 12,
    attempts: [
      { ...first!, status: 503, fault: 'backend-status' },
      {
        ...first!,
        number: 2,
        backend: 'b',
        startMs: 20,
        status: 0,
        fault: 'backend-refused',
        connectMs: -1,
        responseMs: -1,
      },
    ],
  }),
  sentence: 'The backend refused the connection.',
}

test('one exchange is told as a story', () => {
  assert.equal(
    traceText(failed, false),
    `4bf92f3577b34da6a3ce929d0e0e4736 GET a.test/x?y: 502 backend-refused after 31 ms; kept because it failed
  at       2026-11-21T11:30:00.000Z, from 127.0.0.1, listener web, route #1, pool web, thread 0
  request  X-Request-Id order-7
  fault    backend-refused: The backend refused the connection.
  queue    waited 12 ms for a backend
  answer   began after 4.0 ms; 20 bytes in all
  attempts #1  +0.0 ms  a  backend-status 503  connect 1.0 ms  response 3.0 ms  in all 5.0 ms
           #2   +20 ms  b  backend-refused                                      in all 5.0 ms
`,
  )
})

test('many are told in a line each', () => {
  const tunnel = { ...someTrace({ protocol: 'tcp', status: 0, attempts: [] }), sentence: null }
  const absolute = { ...someTrace({ target: 'http://a.test/x' }), sentence: null }
  assert.deepEqual(
    listText([failed, tunnel, absolute], false).map((line) => line.replace(/^\S+ +/, '')),
    [
      '4bf92f3577b3  error    502 backend-refused   31 ms  web  a → b  GET a.test/x?y',
      '4bf92f3577b3  sampled  ok                   5.0 ms  web  -      tcp web',
      '4bf92f3577b3  sampled  200                  5.0 ms  web  a      GET http://a.test/x',
    ],
  )
})

test('no client can send control codes to the terminal of whoever looks', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 })
  fc.assert(
    fc.property(text, text, text, text, (method, host, target, requestId) => {
      const hostile = { ...failed, method, host, target, requestId }
      const shown = [traceText(hostile, false), ...listText([hostile], false)].join('\n')
      for (const character of shown) {
        const code = character.codePointAt(0)!
        assert.ok(code === 0x0a || (code >= 0x20 && code < 0x7f) || code > 0x9f, String(code))
      }
      assert.equal(traceText(hostile, false).split('\n').length, 9)
    }),
  )
})
