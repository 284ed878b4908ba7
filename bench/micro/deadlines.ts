// What the timer wheel costs a request, with 10,000 other deadlines in it.

import { Deadline, Deadlines } from '../../src/core/deadlines.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { MicroCase } from './main.ts'

function setUp() {
  const deadlines = new Deadlines(0)
  const random = seededRandom(1)
  const entries = Array.from({ length: 10_000 }, () => new Deadline(() => {}))
  for (const entry of entries) deadlines.schedule(entry, random.next() * 3_600_000)
  return { deadlines, entries }
}

function moving(): MicroCase {
  const { deadlines, entries } = setUp()
  let nowMs = 0
  let at = 0
  return {
    name: 'deadlines, moved to later on each of 20,000 requests a second, and the tick',
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        nowMs += 0.05
        at = at + 1 < entries.length ? at + 1 : 0
        deadlines.schedule(entries[at]!, nowMs + 30_000)
        if (i % 200 === 0) deadlines.advance(nowMs)
      }
    },
  }
}

function arming(disarm: boolean): MicroCase {
  const { deadlines, entries } = setUp()
  let nowMs = 0
  let at = 0
  return {
    name: `deadlines, set and ${disarm ? 'disarmed' : 'cancelled'} on each request, and the tick`,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        nowMs += 0.05
        at = at + 1 < entries.length ? at + 1 : 0
        const entry = entries[at]!
        deadlines.schedule(entry, nowMs + 30_000)
        if (disarm) deadlines.disarm(entry)
        else deadlines.cancel(entry)
        if (i % 200 === 0) deadlines.advance(nowMs)
      }
    },
  }
}

function firing(): MicroCase {
  const deadlines = new Deadlines(0)
  let nowMs = 0
  const entries = Array.from({ length: 1_000 }, () => {
    const entry: Deadline = new Deadline((ms) => deadlines.schedule(entry, ms + 1_000))
    return entry
  })
  for (const entry of entries) deadlines.schedule(entry, 10)
  return {
    name: 'deadlines, fired and set again',
    run(iterations) {
      let fired = 0
      while (fired < iterations) fired += deadlines.advance((nowMs += 10))
    },
  }
}

export const cases: MicroCase[] = [moving(), arming(true), arming(false), firing()]
