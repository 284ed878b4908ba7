import { test } from 'node:test'
import { ReplicaNetwork } from '../support/replicas.ts'
import { hurtReplicas } from '../system/hosts/agreement-faults.ts'

for (let first = 1; first <= 200; first += 40) {
  const last = first + 39
  test(`three replicas never disagree (seeds ${first} to ${last})`, async (context) => {
    const net = await ReplicaNetwork.start()
    context.after(() => net.stop())
    await hurtReplicas(net, first, last, (text) => context.diagnostic(text))
  })
}
