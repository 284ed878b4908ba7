// Loaded into a process by `node --import`: a signal makes its last data thread busy for a while, as a
// long garbage collection would.

import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'

const CHANNEL = 'evenkeel-test-busy'
const BUSY_MS = 500

if (isMainThread) {
  process.on('SIGWINCH', () => {
    const channel = new BroadcastChannel(CHANNEL)
    channel.postMessage('now')
    setImmediate(() => channel.close())
  })
} else {
  const { thread, buffers } = workerData as { thread: number; buffers: { rows: unknown[] } }
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref()
  const target = channel as unknown as EventTarget
  target.addEventListener('message', () => {
    if (thread !== buffers.rows.length - 1) return
    const untilMs = performance.now() + BUSY_MS
    while (performance.now() < untilMs) continue
    process.stderr.write('busy\n')
  })
}
