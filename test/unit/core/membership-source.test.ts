import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Found } from '../../../src/core/membership.ts'
import type { SourceRules, SourceState } from '../../../src/core/membership-source.ts'
import { firstState, hear } from '../../../src/core/membership-source.ts'
import { foundAt } from '../../support/discovery.ts'

const RULES: SourceRules = { membersMax: 1_000, allowEmpty: false, agreeing: 1 }
const DNS: SourceRules = { ...RULES, agreeing: 2 }

/** A source, its answers in a row. */
class Story {
  state: SourceState = firstState(0)
  readonly #rules: SourceRules
  #nowMs = 0

  constructor(rules = RULES) {
    this.#rules = rules
  }

  answer(
    found: readonly (string | Found)[],
    { incomplete = null, ...rest }: { incomplete?: string | null; unsteady?: string } = {},
  ) {
    const all = found.map((one) => (typeof one === 'string' ? foundAt(one) : one))
    return this.#step({ kind: 'answer', found: all, incomplete, refused: [], ...rest })
  }

  fail(reason: string) {
    return this.#step({ kind: 'failure', reason })
  }

  refuse(...refused: readonly string[]) {
    return this.#step({ kind: 'answer', found: [], incomplete: null, refused })
  }

  get names(): readonly string[] {
    return this.state.members.map(({ name }) => name)
  }

  #step(word: Parameters<typeof hear>[1]) {
    this.#nowMs += 1_000
    const step = hear(this.state, word, this.#rules, this.#nowMs)
    this.state = step.state
    return step
  }
}

const A = 'a=10.0.0.1:80'
const B = 'b=10.0.0.2:80'
const C = 'c=10.0.0.3:80'

test('the first answer is news, the same one again is not', () => {
  const story = new Story()
  assert.deepEqual(story.answer([B, A]).news, { state: 'changed', added: ['a', 'b'], removed: [] })
  const again = story.answer([A, B])
  assert.equal(again.news, null)
  assert.equal(again.changed, false)
  assert.equal(story.state.condition, 'ok')
  assert.equal(story.state.sinceMs, 1_000)
  assert.equal(story.state.answeredMs, 2_000)
})

test('a failure takes nobody away, is told once, and its end is told', () => {
  const story = new Story()
  story.answer([A, B])
  assert.deepEqual(story.fail('no answer in time').news, {
    state: 'failed',
    added: [],
    removed: [],
  })
  assert.equal(story.fail('no answer in time').news, null)
  assert.equal(story.fail('refused').news?.state, 'failed')
  assert.deepEqual(story.names, ['a', 'b'])
  assert.equal(story.state.condition, 'stale')
  assert.equal(story.state.sinceMs, 2_000)
  assert.equal(story.state.failures, 3)
  assert.deepEqual(story.answer([A, C]).news, {
    state: 'recovered',
    added: ['c'],
    removed: ['b'],
  })
  assert.equal(story.state.condition, 'ok')
})

test('a source that fails from the start is waited for', () => {
  const story = new Story()
  assert.equal(story.fail('there is no such name').news?.state, 'failed')
  assert.equal(story.state.condition, 'waiting')
  assert.equal(story.state.sinceMs, 0)
  assert.equal(story.answer([A]).news?.state, 'recovered')
})

test('an empty answer takes nobody away, unless it may', () => {
  const story = new Story()
  story.answer([A])
  assert.equal(story.answer([]).changed, false)
  assert.equal(story.state.trouble, 'its answer is empty')
  assert.deepEqual(story.names, ['a'])
  const free = new Story({ ...RULES, allowEmpty: true })
  free.answer([A])
  assert.deepEqual(free.answer([]).news, { state: 'changed', added: [], removed: ['a'] })
  assert.equal(free.state.condition, 'ok')
})

test('an answer in which nobody may get traffic is as good as an empty one', () => {
  const story = new Story()
  story.answer([A, B])
  story.answer([foundAt(A, { weight: 0 }), foundAt(B, { weight: 0 })])
  assert.equal(story.state.trouble, 'none of its 2 is ready')
  assert.deepEqual(
    story.state.members.map(({ weight }) => weight),
    [1, 1],
  )
})

test('an answer of which nothing can be taken is a failure even where emptiness is allowed', () => {
  const story = new Story({ ...RULES, allowEmpty: true })
  story.answer([A])
  story.refuse('127.0.0.1 is this machine itself')
  assert.deepEqual(story.names, ['a'])
  assert.equal(
    story.state.trouble,
    'nothing it tells of can be a backend: 127.0.0.1 is this machine itself',
  )
})

test('an incomplete answer adds and never removes', () => {
  const story = new Story()
  story.answer([A, B])
  const step = story.answer([A, C], { incomplete: 'no answer for AAAA records' })
  assert.deepEqual(step.news, { state: 'failed', added: ['c'], removed: [] })
  assert.equal(step.unsure, false)
  story.answer([A, C], { incomplete: 'no answer for AAAA records' })
  assert.deepEqual(story.names, ['a', 'b', 'c'])
  assert.equal(story.state.condition, 'ok')
  assert.deepEqual(story.answer([A, C]).news, { state: 'recovered', added: [], removed: ['b'] })
})

test('a source that lists but cannot be followed is told of once, and what it lists counts', () => {
  const story = new Story()
  const unsteady = 'it breaks off again and again: connection closed'
  story.answer([A, B])
  assert.equal(story.fail(unsteady).news?.state, 'failed')
  const again = story.answer([A], { unsteady })
  assert.deepEqual(again.news, { state: 'changed', added: [], removed: ['b'] })
  assert.equal(story.state.condition, 'ok')
  assert.equal(story.state.unsteady, true)
  assert.equal(story.fail(unsteady).news, null)
  assert.equal(story.answer([A], { unsteady }).news, null)
  assert.equal(story.answer([A]).news?.state, 'recovered')
  assert.equal(story.state.unsteady, false)
})

test('with DNS two answers in a row have to leave a member out', () => {
  const story = new Story(DNS)
  story.answer([A, B])
  const first = story.answer([A])
  assert.equal(first.unsure, true)
  assert.equal(first.changed, false)
  story.answer([A, B])
  story.answer([A])
  assert.deepEqual(story.names, ['a', 'b'])
  const second = story.answer([A])
  assert.deepEqual(second.news, { state: 'changed', added: [], removed: ['b'] })
  assert.equal(second.unsure, false)
})

test('a failure in between makes the two answers begin anew', () => {
  const story = new Story(DNS)
  story.answer([A, B])
  story.answer([A])
  story.fail('no answer in time')
  assert.equal(story.answer([A]).unsure, true)
  assert.deepEqual(story.names, ['a', 'b'])
})

test('a name that moved to another address leaves its old one at once', () => {
  const story = new Story(DNS)
  story.answer([A, B])
  assert.deepEqual(story.answer([A, 'b=10.0.0.9:80']).news, {
    state: 'changed',
    added: ['b'],
    removed: ['b'],
  })
})

test('a flood is cut, and does not push out who is a member already', () => {
  const story = new Story({ ...RULES, membersMax: 2 })
  story.answer([C])
  story.answer([A, B, C])
  assert.deepEqual(story.names, ['a', 'c'])
  assert.deepEqual(story.state.refused, ['3 are more than the 2 that may be (maxMembers)'])
})
