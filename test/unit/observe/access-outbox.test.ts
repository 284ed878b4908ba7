import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccessOutbox, BATCH_CHARACTERS } from '../../../src/observe/access-outbox.ts'

test('lines leave in batches: when one is full, else when told', () => {
  const sent: string[] = []
  const outbox = new AccessOutbox((lines) => sent.push(lines))
  const line = `${'x'.repeat(1023)}\n`
  for (let i = 0; i < BATCH_CHARACTERS / 1024; i++) {
    assert.equal(sent.length, 0)
    assert.equal(outbox.write(line), true)
  }
  assert.deepEqual(
    sent.map((lines) => lines.length),
    [BATCH_CHARACTERS],
  )
  outbox.flush()
  assert.equal(sent.length, 1)
  outbox.write('a\n')
  outbox.write('b\n')
  outbox.flush()
  assert.equal(sent[1], 'a\nb\n')
})

test('a sink that takes nothing costs lines, and taking opens the window again', () => {
  const outbox = new AccessOutbox(() => {}, 10)
  assert.equal(outbox.write('12345\n'), true)
  assert.equal(outbox.write('123\n'), true)
  assert.equal(outbox.write('\n'), false)
  outbox.flush()
  assert.equal(outbox.write('\n'), false)
  outbox.taken(10)
  assert.equal(outbox.write('12345\n'), true)
  outbox.taken(99)
  assert.equal(outbox.write('123\n'), true)
})
