import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { Predecessor, type Channel } from '../../../src/runtime/upgrade-predecessor.ts'
import type { Estate, SuccessorMessage } from '../../../src/runtime/upgrade-protocol.ts'

const ESTATE: Estate = {
  pid: 1,
  version: '1',
  sockets: [],
  available: [],
  isAway: false,
}

/** A process before this one that says what a test has it say. */
function predecessor() {
  const channel = new EventEmitter()
  const said: SuccessorMessage[] = []
  const send = (message: SuccessorMessage): void => void said.push(message)
  const parts = Object.assign(channel, { connected: true, send }) as unknown as Channel
  return { old: new Predecessor(ESTATE, parts), channel, said }
}

test('two who wait for the fence of one pool both learn that it is done', async () => {
  const { old, channel, said } = predecessor()
  const both = Promise.all([old.fence('db'), old.fence('db')])
  const other = old.fence('web')
  let isOtherDone = false
  void other.then(() => (isOtherDone = true))
  assert.deepEqual(said, [
    { kind: 'fence', pool: 'db' },
    { kind: 'fence', pool: 'db' },
    { kind: 'fence', pool: 'web' },
  ])
  channel.emit('message', { kind: 'fenced', pool: 'db' })
  await both
  await new Promise(setImmediate)
  assert.equal(isOtherDone, false)
  // The second answer finds nobody who waits.
  channel.emit('message', { kind: 'fenced', pool: 'db' })
  channel.emit('message', { kind: 'fenced', pool: 'web' })
  await other
})

test('the end of the process before is a fence of everything', async () => {
  const { old, channel } = predecessor()
  const both = Promise.all([old.fence('db'), old.fence('db')])
  channel.emit('disconnect')
  await both
})

test('a stop is told to the process before, as long as that one can go on', () => {
  const { old, channel, said } = predecessor()
  old.stopped()
  assert.deepEqual(said, [{ kind: 'failed', message: 'it was told to stop' }])
  channel.emit('message', { kind: 'yours' })
  old.stopped()
  assert.equal(said.length, 1)
})
