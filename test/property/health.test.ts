import { test } from 'node:test'
import { simulate } from './health-simulation.ts'

test('a pool keeps its promises under random faults, operators and dying threads (40 seeds)', () => {
  for (let seed = 1; seed <= 40; seed++) {
    try {
      simulate(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
})
