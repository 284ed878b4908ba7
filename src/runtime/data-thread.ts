// What runs in a data thread: a data plane, its messages, and nothing else.
// Any error that isn't caught below ends the thread; the main thread then replaces it.

import { parentPort, workerData } from 'node:worker_threads'
import type { ControlMessage } from '../core/snapshot.ts'
import { SharedTable } from '../core/shared-layout.ts'
import { seededRandom } from '../core/random.ts'
import { systemClock } from './clock.ts'
import type { DataPlaneModule, ThreadData } from './thread-worker.ts'

const { plan, buffers, thread, seed, module, ...listening } = workerData as ThreadData
const port = parentPort!
const { DataPlane } = (await import(module)) as DataPlaneModule
const plane = new DataPlane({
  plan,
  table: new SharedTable(buffers),
  thread,
  clock: systemClock(),
  random: seededRandom(seed),
  ...listening,
  send: (message) => port.postMessage(message),
})
port.on('message', (message: ControlMessage) => {
  plane.receive(message)
  // Nothing is left that keeps the thread alive; what it has sent still arrives.
  if (message.kind === 'close') port.close()
})
