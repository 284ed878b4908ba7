// Whatever requests, moves of the active, answers and departures are interleaved: no request reaches
// a backend that was cut, none is sent twice that may not be, each has an end that its client sees,
// and nothing is left over.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { READ_INTO } from '../support/plane.ts'
import { StandbyWorld } from './standby-world.ts'
import type { Step } from './standby-world.ts'

const which = fc.nat(50)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      method: fc.constantFrom('GET' as const, 'PUT' as const, 'POST' as const),
      body: fc.constantFrom(1, 1_000, 70_000),
      late: fc.constantFrom(0, 0, 1, 500),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tunnel' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rest' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), which }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which,
      how: fc.constantFrom('whole' as const, 'whole' as const, 'part' as const, 'reset' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('stop' as const),
      holdMs: fc.constantFrom(0, 2_000, 2_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('start' as const), backend: fc.nat(2) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.nat(8) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('skip' as const), ms: fc.constantFrom(100, 2_000) }),
  },
)

for (const readInto of READ_INTO) {
  test(`moves interleaved with traffic, reading into ${readInto} buffers`, async () => {
    const total = { answered: 0, refused: 0, cut: 0, tunnels: 0, moved: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const world = await StandbyWorld.start(readInto)
        try {
          for (const one of steps) await world.take(one)
          await world.settle()
        } finally {
          await world.plane.close()
        }
        for (const key of Object.keys(total) as (keyof typeof total)[])
          total[key] += world.tally[key]
      }),
      { numRuns: 40 },
    )
    // The stories must have been about something.
    for (const [what, count] of Object.entries(total)) assert.ok(count > 0, `nothing was ${what}`)
  })
}
