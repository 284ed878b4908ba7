import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { fault } from '../../../src/core/fault.ts'
import { isError, notableFor } from '../../../src/core/trace.ts'
import { readTraceParent, readTraceState } from '../../../src/core/trace-context.ts'

const ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

test('the first reason that holds is why an exchange is kept', () => {
  assert.equal(notableFor(null, 200, 1, 5, 1_000), null)
  assert.equal(notableFor(null, 200, 1, 1_000, 1_000), 'slow')
  assert.equal(notableFor(null, 200, 1, 1e9, null), null)
  assert.equal(notableFor(null, 200, 2, 2_000, 1_000), 'retried')
  assert.equal(notableFor(null, 503, 2, 5, 1_000), 'error')
  assert.equal(notableFor(fault('backend-truncated'), 200, 1, 5, 1_000), 'error')
})

test('what a client can cause at will is no error', () => {
  for (const code of ['client-closed', 'client-bad-request', 'no-route'] as const) {
    assert.equal(isError(fault(code), fault(code).status), false, code)
  }
  for (const code of ['no-backend', 'backend-refused', 'queue-full', 'total-timeout'] as const) {
    assert.equal(isError(fault(code), fault(code).status), true, code)
  }
})

test('a traceparent is read as the standard writes it', () => {
  const parent = { traceId: ID, spanId: SPAN, sampled: true }
  assert.deepEqual(readTraceParent(`00-${ID}-${SPAN}-01`), parent)
  assert.deepEqual(readTraceParent(`00-${ID}-${SPAN}-02`), { ...parent, sampled: false })
  assert.deepEqual(readTraceParent(`cc-${ID}-${SPAN}-01-what-the-future-brings`), parent)
})

test('what is no traceparent is none', () => {
  const bad = [
    null,
    '',
    ID,
    `00-${ID}-${SPAN}`,
    `00-${ID}-${SPAN}-1`,
    `00-${ID}-${SPAN}-01-more`,
    `00-${ID}-${SPAN}-01.`,
    `ff-${ID}-${SPAN}-01`,
    `00-${ID.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${ID}-${'0'.repeat(16)}-01`,
    ` 00-${ID}-${SPAN}-01`,
    `00-${ID}-${SPAN}-01\n`,
    `00-${ID}-${SPAN}-01, 00-${ID}-${SPAN}-01`,
    `cc-${ID}-${SPAN}-01-${'x'.repeat(300)}`,
  ]
  for (const text of bad) assert.equal(readTraceParent(text), null, String(text))
})

test('whatever is read has ids that are safe to pass on', () => {
  const part = fc.stringMatching(/^[0-9a-fA-F-]{0,40}$/)
  fc.assert(
    fc.property(part, part, part, part, (a, b, c, d) => {
      const read = readTraceParent(`${a}-${b}-${c}-${d}`)
      if (read === null) return
      assert.match(read.traceId, /^[0-9a-f]{32}$/)
      assert.match(read.spanId, /^[0-9a-f]{16}$/)
    }),
  )
})

test('a long tracestate is cut between members, and one without an end is dropped', () => {
  assert.equal(readTraceState('a=1,b=2'), 'a=1,b=2')
  const member = `a=${'x'.repeat(253)}`
  assert.equal(readTraceState(`${member},${member},c=3`), `${member},${member}`)
  assert.equal(readTraceState(`${member},${member}yy,c=3`), member)
  assert.equal(readTraceState(`a=${'x'.repeat(600)}`), null)
  assert.equal(readTraceState(null), null)
})
