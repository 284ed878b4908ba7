import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BalancerEvent } from '../../../src/core/events.ts'
import { EventLog } from '../../../src/observe/event-log.ts'

function open(kept: number) {
  const errors: unknown[] = []
  const events = new EventLog({
    wallMs: () => 1_700_000_000_000,
    nowMs: () => 5,
    kept,
    failed: (error) => errors.push(error),
  })
  const say = (message: string) => events.publish({ kind: 'warning', message, fields: {} })
  return { events, errors, say }
}

test('everybody who listens hears each event once, in order, until he leaves', () => {
  const { events, say } = open(10)
  const first: BalancerEvent[] = []
  const second: number[] = []
  const leave = events.subscribe((event) => first.push(event))
  events.subscribe(({ id }) => second.push(id))
  say('one')
  leave()
  say('two')
  assert.deepEqual(first, [
    { kind: 'warning', message: 'one', fields: {}, id: 1, at: 1_700_000_000_000, atMs: 5 },
  ])
  assert.deepEqual(second, [1, 2])
})

test('a listener that throws is told of and takes the event from nobody', () => {
  const { events, errors, say } = open(10)
  const heard: number[] = []
  events.subscribe(() => {
    throw new Error('broken')
  })
  events.subscribe(({ id }) => heard.push(id))
  say('one')
  assert.deepEqual(heard, [1])
  assert.deepEqual(errors.map(String), ['Error: broken'])
})

test('who comes late gets what is kept, or is told that it is not all', () => {
  const { events, say } = open(3)
  assert.deepEqual(events.since(0), [])
  for (const message of ['a', 'b', 'c', 'd', 'e']) say(message)
  const ids = (id: number) => events.since(id)?.map((event) => event.id) ?? null
  assert.deepEqual(ids(2), [3, 4, 5])
  assert.deepEqual(ids(4), [5])
  assert.deepEqual(ids(5), [])
  assert.equal(ids(1), null)
  assert.equal(ids(6), null, 'a number of another process')
})
