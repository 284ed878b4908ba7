// A data plane in a process of its own, which a test can stop and continue: one backend, reached by
// HTTP, by TCP and as a reader, in a pool under agreement. Its right to send is granted by message.
//   fork(…/stopped-plane.js, [address of the backend])

import { TestPlane } from './plane.ts'
import { CLUSTER, STANDBY, publishActive } from './standby.ts'

const [address = ''] = process.argv.slice(2)
const bind = '127.0.0.1:0'
const plane = await TestPlane.start({
  readInto: 'shared',
  addresses: [address, address],
  pool: { ...STANDBY, failover: { agreement: 'etcd' } },
  config: {
    ...CLUSTER,
    listeners: {
      web: { bind, pool: 'main' },
      raw: { bind, pool: 'main', protocol: 'tcp' },
      reads: { bind, pool: 'main', protocol: 'tcp', role: 'replica' },
    },
  },
})
publishActive(plane, 'a', { epoch: 1, active: 0 })
plane.grant(-1)
process.on('message', (grantMs: number) => {
  plane.grant(grantMs)
  process.send?.([plane.port(0), plane.port(1), plane.port(2)])
})
process.send?.('ready')
