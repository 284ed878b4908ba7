import { test } from 'node:test'
import { simulateReplicas } from './failover-replicas.ts'

test('replicas that follow one key never send to two backends, and agree in the end (200 seeds)', () => {
  for (let seed = 1; seed <= 200; seed++) {
    try {
      simulateReplicas(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
})
