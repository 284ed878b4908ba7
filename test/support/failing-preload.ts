// Loaded into a process by `node --import`: a signal makes its last data thread fail, or, with the path
// of a named pipe in the environment, wait in the kernel for somebody who writes there.

import { openSync } from 'node:fs'
import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'

const CHANNEL = 'evenkeel-test-failing'

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
    if (thread === buffers.rows.length - 1) setImmediate(raise)
  })
}

function raise(): never {
  const pipe = process.env['EVENKEEL_TEST_PIPE']
  if (pipe !== undefined) openSync(pipe, 'r')
  throw new Error('thrown on purpose')
}
