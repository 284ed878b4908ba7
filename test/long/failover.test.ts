import { test } from 'node:test'
import { simulateFailover } from '../property/failover-simulation.ts'
import { simulateReplicas } from '../property/failover-replicas.ts'

function seeds(first: number, last: number, simulate: (seed: number) => void): void {
  for (let seed = first; seed <= last; seed++) {
    try {
      simulate(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
}

test('a failover machine keeps its promises under random facts, answers and crashes (20,000 seeds)', () => {
  seeds(10_000, 29_999, simulateFailover)
})

test('replicas that follow one key never send to two backends, and agree in the end (10,000 seeds)', () => {
  seeds(10_000, 19_999, simulateReplicas)
})
