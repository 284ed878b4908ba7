import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../src/core/clock.ts'
import { NameCache } from '../../../src/core/name-cache.ts'

class World {
  readonly clock = new ManualClock()
  readonly asked: { host: string; answer: (address: string, error?: string) => void }[] = []
  readonly cache = new NameCache({
    nowMs: () => this.clock.nowMs(),
    ask: (host, done) => {
      this.asked.push({ host, answer: (address, error = '') => done(address, error) })
    },
  })

  /** What a question got so far: an address, an error's code, or nothing yet. */
  resolve(host = 'a'): string[] {
    const got: string[] = []
    this.cache.resolve(host, (address, error) => got.push(address === '' ? error : address))
    return got
  }
}

test('those who ask first share one question; those who come later get its answer at once', () => {
  const world = new World()
  const first = [world.resolve(), world.resolve(), world.resolve()]
  assert.deepEqual(first, [[], [], []])
  assert.equal(world.asked.length, 1)
  world.asked[0]!.answer('10.0.0.1')
  assert.deepEqual(first, [['10.0.0.1'], ['10.0.0.1'], ['10.0.0.1']])
  assert.deepEqual(world.resolve(), ['10.0.0.1'])
  assert.equal(world.asked.length, 1)
})

test('an old answer is used while a new one is asked for', () => {
  const world = new World()
  world.resolve()
  world.asked[0]!.answer('10.0.0.1')
  world.clock.advance(5_000)
  assert.deepEqual(world.resolve(), ['10.0.0.1'])
  assert.deepEqual(world.resolve(), ['10.0.0.1'])
  assert.equal(world.asked.length, 2)
  world.asked[1]!.answer('10.0.0.2')
  assert.deepEqual(world.resolve(), ['10.0.0.2'])
})

test('a resolver that fails takes no known address away, and is asked once a second', () => {
  const world = new World()
  world.resolve()
  world.asked[0]!.answer('10.0.0.1')
  world.clock.advance(5_000)
  world.resolve()
  world.asked[1]!.answer('', 'EAI_AGAIN')
  for (let i = 0; i < 50; i++) assert.deepEqual(world.resolve(), ['10.0.0.1'])
  assert.equal(world.asked.length, 2)
  world.clock.advance(1_000)
  world.resolve()
  assert.equal(world.asked.length, 3)
})

test('a name that does not resolve is not asked for by each request', () => {
  const world = new World()
  const first = world.resolve()
  world.asked[0]!.answer('', 'ENOTFOUND')
  assert.deepEqual(first, ['ENOTFOUND'])
  for (let i = 0; i < 50; i++) assert.deepEqual(world.resolve(), ['ENOTFOUND'])
  assert.equal(world.asked.length, 1)
  world.clock.advance(1_000)
  const later = world.resolve()
  assert.deepEqual(later, [])
  world.asked[1]!.answer('10.0.0.1')
  assert.deepEqual(later, ['10.0.0.1'])
})

test('no more than two names are asked for at once, and the others have their turn', () => {
  const world = new World()
  for (const host of ['a', 'b', 'c', 'd']) world.resolve(host)
  assert.deepEqual(
    world.asked.map(({ host }) => host),
    ['a', 'b'],
  )
  world.asked[1]!.answer('10.0.0.2')
  world.asked[0]!.answer('', 'EAI_AGAIN')
  assert.deepEqual(
    world.asked.map(({ host }) => host),
    ['a', 'b', 'c', 'd'],
  )
})

test('an answer that comes within the question is taken as well', () => {
  const clock = new ManualClock()
  const cache = new NameCache({
    nowMs: () => clock.nowMs(),
    ask: (_host, done) => done('10.0.0.1', ''),
  })
  const got: string[] = []
  cache.resolve('a', (address) => got.push(address))
  assert.deepEqual(got, ['10.0.0.1'])
})
