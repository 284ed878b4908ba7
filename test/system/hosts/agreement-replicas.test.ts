import { test } from 'node:test'
import { ReplicaNetwork } from '../../support/replicas.ts'
import { hurtReplicas } from './agreement-faults.ts'

test('three replicas on machines of their own never disagree (20 seeds)', async (context) => {
  const net = await ReplicaNetwork.start()
  context.after(() => net.stop())
  await hurtReplicas(net, 1, 20, (text) => context.diagnostic(text))
})
