import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident } from '../../../src/core/ledger-incident.ts'
import { Outbox, Pace } from '../../../src/core/ledger-pace.ts'

interface Thing {
  readonly id: string
  readonly backend: string | null
  open: boolean
}

const incident = (id: string, backend: string | null = id): Thing => ({ id, backend, open: true })
const touch = (outbox: Outbox, thing: Thing): void =>
  outbox.touch(thing as Partial<Incident> as Incident)
const take = (outbox: Outbox, pace: Pace, nowMs: number): string[] =>
  outbox.take(pace, nowMs).map(({ id }) => id)

/** One that has lines for pools alone left. */
function spent(nowMs: number): Pace {
  const pace = new Pace()
  while (pace.take(false, nowMs));
  return pace
}

test('the ends of incidents that were told of come first, after those of pools', () => {
  const outbox = new Outbox()
  const pace = new Pace()
  const told = incident('told')
  touch(outbox, told)
  assert.deepEqual(take(outbox, pace, 0), ['told'])
  const others = [incident('new'), incident('pool', null)]
  for (const one of others) touch(outbox, one)
  told.open = false
  touch(outbox, told)
  assert.deepEqual(
    outbox.ended.map(({ id }) => id),
    ['told'],
  )
  assert.deepEqual(take(outbox, pace, 10), ['pool', 'told', 'new'])
  assert.deepEqual(outbox.ended, [])
})

test('too many that wait are left out and counted, but none that was told of', () => {
  const outbox = new Outbox()
  const told = incident('told')
  touch(outbox, told)
  assert.deepEqual(take(outbox, new Pace(), 0), ['told'])
  told.open = false
  touch(outbox, told)
  for (let i = 0; i < 2_500; i++) touch(outbox, Object.assign(incident(`b${i}`), { open: false }))
  const pace = spent(0)
  assert.deepEqual(take(outbox, pace, 0), [])
  assert.deepEqual([outbox.size, outbox.leftOut], [2_000, 501])
  assert.deepEqual(take(outbox, pace, 15_000), ['told'])
})
