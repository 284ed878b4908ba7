// Loaded into a process by `node --import`: a signal makes its last data thread fail, or, with the path
// of a named pipe in the environment, wait in the kernel for somebody who writes there.

import { openSync } from 'node:fs'
import { onSignalInLastThread } from './last-thread.ts'

onSignalInLastThread(() => setImmediate(raise))

function raise(): never {
  const pipe = process.env['EVENKEEL_TEST_PIPE']
  if (pipe !== undefined) openSync(pipe, 'r')
  throw new Error('thrown on purpose')
}
