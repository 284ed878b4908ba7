import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Adoption } from '../../../src/runtime/adoption.ts'

/** Whether a promise is settled by now, and how. */
async function state(promise: Promise<void>): Promise<string> {
  const settled = promise.then(
    () => 'resolved',
    (error: Error) => error.message,
  )
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  return Promise.race([settled, Promise.resolve('open')])
}

test('it is settled when every thread goes by the last plan', async () => {
  const adoption = new Adoption(2)
  assert.equal(await state(adoption.settled()), 'resolved', 'nothing to adopt')
  adoption.expect(7)
  const first = adoption.settled()
  const second = adoption.settled()
  adoption.note(0, 7)
  adoption.note(1, 6)
  assert.equal(await state(first), 'open')
  // A later plan takes its place: both are for the last one.
  adoption.expect(9)
  adoption.note(1, 7)
  adoption.note(0, 9)
  assert.equal(await state(first), 'open')
  adoption.note(1, 9)
  assert.equal(await state(first), 'resolved')
  assert.equal(await state(second), 'resolved')
  assert.equal(await state(adoption.settled()), 'resolved')
})

test('listeners that cannot be opened are named once, when everybody is done', async () => {
  const adoption = new Adoption(2)
  adoption.expect(2)
  const settled = adoption.settled()
  for (const thread of [0, 1]) {
    adoption.fail(thread, 'web', 'it is taken')
    adoption.note(thread, 2)
  }
  const sentence = `listener 'web' can't be opened: it is taken`
  assert.equal(await state(settled), sentence)
  assert.equal(await state(adoption.settled()), sentence, 'it stays so')
  adoption.expect(3)
  // What is still told of the plan before is none of this one's business.
  adoption.fail(0, 'old', 'it was taken')
  adoption.note(0, 2)
  adoption.note(0, 3)
  adoption.note(1, 3)
  assert.equal(await state(adoption.settled()), 'resolved')
})

test('threads that take too long are named', async () => {
  const adoption = new Adoption(3, 20)
  adoption.expect(2)
  adoption.note(1, 2)
  await assert.rejects(
    adoption.settled(),
    /^Error: data thread 0, data thread 2 have not adopted the new plan within 0\.02 s$/,
  )
  // Who comes late has come all the same.
  adoption.note(0, 2)
  adoption.note(2, 2)
  assert.equal(await state(adoption.settled()), 'resolved')
})

test('a stop ends the wait', async () => {
  const adoption = new Adoption(1)
  adoption.expect(2)
  const settled = adoption.settled()
  adoption.stop()
  assert.equal(await state(settled), 'the balancer is being stopped')
})
