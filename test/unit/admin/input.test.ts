import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { readInput, readQuery } from '../../../src/admin/input.ts'
import { flag, line, queryFlag, queryNumber, wholeNumber } from '../../../src/admin/words.ts'

const schema = z.strictObject({
  reason: line(5),
  by: line(5).optional(),
  dryRun: flag('Only say what would happen.'),
  ms: wholeNumber(0, 9).optional(),
})

test('a body is held to its keys', () => {
  assert.deepEqual(readInput({ reason: ' why ', dryRun: true }, schema, 'body'), {
    ok: true,
    value: { reason: 'why', dryRun: true },
  })
  assert.deepEqual(readInput({ reason: 'why', ms: 9 }, schema, 'body'), {
    ok: true,
    value: { reason: 'why', dryRun: false, ms: 9 },
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
    [{ reason: 'a\u202eb' }, "'reason' must be one line without control characters."],
    [{ reason: 'x', dryRun: 'yes' }, "'dryRun' must be true or false."],
    [{ reason: 'x', ms: 10 }, "'ms' must be a whole number from 0 to 9."],
    [{ reason: 'x', ms: 0.5 }, "'ms' must be a whole number from 0 to 9."],
    [{ reason: 'x', ms: '1' }, "'ms' must be a whole number from 0 to 9."],
  ] as const) {
    const read = readInput(body, schema, 'body')
    assert.ok(!read.ok)
    assert.equal(read.answer.status, 400)
    const problem = JSON.parse(String(read.answer.body)) as { detail: string }
    if (typeof detail === 'string') assert.equal(problem.detail, detail)
    else assert.match(problem.detail, detail)
  }
})

test('a query is held to its parameters', () => {
  const query = z.strictObject({ all: queryFlag('Everything.'), limit: queryNumber(1, 99) })
  assert.deepEqual(readInput({ limit: '99' }, query, 'query'), {
    ok: true,
    value: { all: false, limit: 99 },
  })
  for (const [value, detail] of [
    [{ limit: '1', al: 'true' }, "There is no parameter 'al': did you mean 'all'?"],
    [{ limit: '1', all: '' }, "'all' must be true or false."],
    [{ limit: '0' }, "'limit' must be a whole number from 1 to 99."],
    [{ limit: '0x10' }, "'limit' must be a whole number from 1 to 99."],
    [{}, "'limit' must be a whole number from 1 to 99."],
  ] as const) {
    const read = readInput(value, query, 'query')
    assert.ok(!read.ok)
    assert.equal((JSON.parse(String(read.answer.body)) as { detail: string }).detail, detail)
  }
})

test('a parameter that is there twice, or is called like a part of an object, is no way in', () => {
  const twice = readQuery('a=1&a=2')
  assert.equal(twice.ok, false)
  const proto = readQuery('__proto__=x&constructor=y')
  assert.ok(proto.ok)
  assert.deepEqual(Object.keys(proto.value), ['__proto__', 'constructor'])
})
