import { test } from 'node:test'
import { simulate } from '../property/health-simulation.ts'

test('a pool keeps its promises under random faults, operators and dying threads (2,000 seeds)', () => {
  for (let seed = 1_000; seed < 3_000; seed++) {
    try {
      simulate(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
})
