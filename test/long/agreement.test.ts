import { test } from 'node:test'
import { simulateAgreements } from '../property/agreement-simulation.ts'

test('replicas never disagree about the active, whatever fails (5000 seeds)', () => {
  simulateAgreements({ from: 1_001, to: 5_000, replicas: 3, faults: 30 })
  simulateAgreements({ from: 1_001, to: 1_500, replicas: 2, faults: 30 })
  simulateAgreements({ from: 1_001, to: 1_500, replicas: 5, faults: 30 })
})
