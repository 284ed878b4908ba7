import { test } from 'node:test'
import { simulateAgreements } from './agreement-simulation.ts'

test('replicas never disagree about the active, whatever fails (120 seeds)', () => {
  simulateAgreements({ from: 1, to: 120, replicas: 3, faults: 20 })
})

test('two replicas, one, or five do not either (40 seeds)', () => {
  simulateAgreements({ from: 1, to: 20, replicas: 2, faults: 20 })
  simulateAgreements({ from: 1, to: 10, replicas: 1, faults: 15 })
  simulateAgreements({ from: 1, to: 10, replicas: 5, faults: 20 })
})
