import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailoverRecord } from '../../../src/core/failover-record.ts'
import { readState, strangersIn, writeState } from '../../../src/ha/state-record.ts'

const record: FailoverRecord = {
  active: 'a',
  epoch: 1,
  movingTo: null,
  frozen: null,
  pinned: false,
  fresh: ['a'],
  rivals: ['b'],
  lastMoves: [],
}

test('what is written can be read by people and is read back', () => {
  const text = writeState({ db: record })
  assert.match(text, /^\{\n {2}"version": 1,\n {2}"pools": \{\n {4}"db": \{\n/)
  assert.deepEqual(readState(text), { kind: 'state', value: { db: record } })
})

test('every text that was cut off is torn', () => {
  const text = writeState({ db: record })
  for (let end = 0; end < text.length - 2; end++) {
    assert.equal(readState(text.slice(0, end)).kind, 'torn', text.slice(0, end))
  }
})

test('pools and backends that the configuration lacks are named', () => {
  const known = new Map([['db', ['a', 'b']]])
  const strangers = strangersIn(
    {
      db: { ...record, active: 'x', movingTo: 'y' },
      old: record,
    },
    known,
  )
  assert.deepEqual(strangers, [
    "the state file names backend 'x' of pool 'db', which is not configured",
    "the state file names backend 'y' of pool 'db', which is not configured",
    "the state file remembers pool 'old', which is not configured; it is kept there",
  ])
  assert.deepEqual(strangersIn({ db: { ...record, active: null } }, known), [])
})
