import { test } from 'node:test'
import { simulateFailover } from './failover-simulation.ts'

test('a failover machine keeps its promises under random facts, answers and crashes (400 seeds)', () => {
  for (let seed = 1; seed <= 400; seed++) {
    try {
      simulateFailover(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
})
