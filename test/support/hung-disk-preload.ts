// Loaded into a process by `node --import`: after a signal no file answers any more, as when a disk or
// a file server hangs: all threads of Node.js for file I/O wait in the kernel for a named pipe.

import { open } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const IO_THREADS = 4

if (isMainThread) {
  process.on('SIGWINCH', () => {
    const pipe = process.env['EVENKEEL_TEST_PIPE']!
    for (let i = 0; i < IO_THREADS; i++) open(pipe, 'r', () => {})
  })
}
