import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Key } from '../../../src/admin/change.ts'
import { readWords, refuseChange } from '../../../src/admin/change.ts'

const json = { 'content-type': 'application/json', host: '127.0.0.1:9900' }

test('a change needs a JSON content type, which no page can send unasked', () => {
  assert.equal(refuseChange(json, 'loopback'), null)
  assert.equal(
    refuseChange({ ...json, 'content-type': 'Application/JSON; charset=utf-8' }, 'file'),
    null,
  )
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', '']) {
    assert.equal(refuseChange({ ...json, 'content-type': type }, 'loopback')?.status, 415, type)
  }
  assert.equal(refuseChange({ host: 'localhost' }, 'loopback')?.status, 415)
})

test('a page may change something only if it came from the API itself', () => {
  for (const [origin, status] of [
    ['http://127.0.0.1:9900', undefined],
    ['HTTP://127.0.0.1:9900', undefined],
    ['https://127.0.0.1:9900', undefined],
    ['http://127.0.0.1', 403],
    ['http://127.0.0.1:8080', 403],
    ['http://evil.example', 403],
    ['http://evil.example/127.0.0.1:9900', 403],
    ['null', 403],
    ['', 403],
  ] as const) {
    assert.equal(refuseChange({ ...json, origin }, 'loopback')?.status, status, origin)
  }
  const origin = 'http://localhost'
  assert.equal(refuseChange({ 'content-type': 'application/json', origin }, 'file')?.status, 403)
})

test('over the network nothing can be changed', () => {
  assert.equal(refuseChange(json, 'network')?.status, 403)
  assert.match(String(refuseChange(json, 'network')?.body), /Bind it to 127\.0\.0\.1/)
})

const keys: Readonly<Record<string, Key>> = {
  reason: { kind: 'text', charsMax: 5, required: true },
  by: { kind: 'text', charsMax: 5, required: false },
  dryRun: { kind: 'flag' },
  ms: { kind: 'number', min: 0, max: 9 },
}

test('a body is held to its keys', () => {
  assert.deepEqual(readWords({ reason: ' why ', dryRun: true }, keys), {
    ok: true,
    value: { texts: { reason: 'why' }, flags: { dryRun: true }, numbers: {} },
  })
  assert.deepEqual(readWords({ reason: 'why', ms: 9 }, keys), {
    ok: true,
    value: { texts: { reason: 'why' }, flags: {}, numbers: { ms: 9 } },
  })
  for (const [body, detail] of [
    [[], "The body must be a JSON object with 'reason', 'by', 'dryRun', 'ms'."],
    [null, "The body must be a JSON object with 'reason', 'by', 'dryRun', 'ms'."],
    ['reason', "The body must be a JSON object with 'reason', 'by', 'dryRun', 'ms'."],
    [{}, "'reason' is missing."],
    [{ resaon: 'x' }, "There is no key 'resaon': did you mean 'reason'?"],
    [
      { reason: 'x', force: 1 },
      "There is no key 'force': there are 'reason', 'by', 'dryRun', 'ms'",
    ],
    [{ reason: 'x', constructor: 1 }, /There is no key 'constructor'/],
    [JSON.parse('{"reason":"x","__proto__":{"by":"me"}}'), /There is no key '__proto__'/],
    [{ reason: 7 }, "'reason' must be a text."],
    [{ reason: ' \t ' }, "'reason' must not be empty."],
    [{ reason: '123456' }, "'reason' may have 5 characters at most."],
    [{ reason: 'a\nb' }, "'reason' must be one line without control characters."],
    [{ reason: 'a\u001b[' }, "'reason' must be one line without control characters."],
    [{ reason: 'a\u2028b' }, "'reason' must be one line without control characters."],
    [{ reason: 'x', dryRun: 'yes' }, "'dryRun' must be true or false."],
    [{ reason: 'x', ms: 10 }, "'ms' must be a whole number from 0 to 9."],
    [{ reason: 'x', ms: 0.5 }, "'ms' must be a whole number from 0 to 9."],
    [{ reason: 'x', ms: '1' }, "'ms' must be a whole number from 0 to 9."],
  ] as const) {
    const read = readWords(body, keys)
    assert.ok(!read.ok)
    assert.equal(read.answer.status, 400)
    const problem = JSON.parse(String(read.answer.body)) as { detail: string }
    if (typeof detail === 'string') assert.equal(problem.detail, detail)
    else assert.match(problem.detail, detail)
  }
})
