// For what is loaded into a process by `node --import`: a signal to the process has its last data thread
// do something.

import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'

const CHANNEL = 'evenkeel-test-last-thread'

/** At each SIGWINCH `act` runs in the last data thread. To be called in every thread. */
export function onSignalInLastThread(act: () => void): void {
  if (isMainThread) {
    process.on('SIGWINCH', () => {
      const channel = new BroadcastChannel(CHANNEL)
      channel.postMessage('now')
      setImmediate(() => channel.close())
    })
    return
  }
  const { thread, buffers } = workerData as { thread: number; buffers: { rows: unknown[] } }
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref()
  const target = channel as unknown as EventTarget
  target.addEventListener('message', () => {
    if (thread === buffers.rows.length - 1) act()
  })
}
